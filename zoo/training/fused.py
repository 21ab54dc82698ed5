"""One update of all variables in place of one for each. Importing this imports Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PARAMETERS = 500_000  # up to which copying them twice a step costs less than an update for each variable


def fusable(optimizer: Any, model: keras.Model) -> bool:
    """Whether one update of all variables of `model` does what `optimizer` does to each of them.

    It does where the optimizer works element by element, treats all variables alike, and is asked once a step.
    """
    optimizers, variables = keras.optimizers, model.trainable_variables
    alike = not any(vars(optimizer).get(f"_exclude_from_weight_decay{what}") for what in ("", "_pattern"))
    return (
        type(optimizer) in (optimizers.SGD, optimizers.RMSprop, optimizers.Adam, optimizers.AdamW)
        and type(model).train_step is keras.Model.train_step
        and not (optimizer.built or optimizer.use_ema or optimizer.clipnorm or optimizer.gradient_accumulation_steps)
        and alike
        and sum(int(np.prod(each.shape)) for each in variables) <= PARAMETERS
        and all(each.dtype == "float32" and each.constraint is None for each in variables)
        and not any(getattr(each, "overwrite_with_gradient", False) for each in variables)
    )


class Fused:
    """Updates all variables as one vector, by a twin of `optimizer` that has its steps and learning rate.

    The result is that of the optimizer, but for rounding. A graph has one update instead of one for each variable: it
    is traced in half the time, and a step of a small network takes less.

    Args:
        optimizer: not built.
        variables: float32, all that it would learn.

    Attributes:
        variables: what the optimizer and its twin keep.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
        self.optimizer, self.learnt = optimizer, variables
        self.sizes = [int(np.prod(each.shape)) for each in variables]
        self.vector = keras.Variable(np.zeros(sum(self.sizes), np.float32), name="all")
        self.twin = type(optimizer).from_config(
            optimizer.get_config() | {"learning_rate": lambda: optimizer.learning_rate}
        )
        vars(self.twin)["_iterations"] = optimizer.iterations
        self.twin.build([self.vector])
        self._kept = [each for each in self.twin.variables if each.shape == self.vector.shape]
        self.variables = [*optimizer.variables, *self._kept]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """What is traced within the block updates all variables as one."""
        self.optimizer.apply = self.apply
        try:
            yield
        finally:
            del self.optimizer.apply

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable]) -> None:
        """One step of the optimizer; a variable without a gradient stays as it is, as with Keras."""
        variables = list(trainable_variables)
        rows = [
            tf.zeros([size]) if each is None else tf.reshape(tf.convert_to_tensor(each), [-1])
            for each, size in zip(grads, self.sizes, strict=True)
        ]
        self.vector.assign(tf.concat([tf.reshape(each.value, [-1]) for each in variables], 0))
        self.twin.apply([tf.concat(rows, 0)], [self.vector])
        parts = tf.split(self.vector.value, self.sizes)
        for variable, part, gradient in zip(variables, parts, grads, strict=True):
            if gradient is not None:
                variable.assign(tf.reshape(part, variable.shape))

    def give_back(self) -> None:
        """Set what `optimizer` keeps for each variable to what the twin keeps for all."""
        if not self.optimizer.built:
            self.optimizer.build(self.learnt)
        ends = np.cumsum(self.sizes)[:-1]
        kept = {id(each) for each in self._kept}
        for name, values in vars(self.twin).items():
            if isinstance(values, list) and len(values) == 1 and id(values[0]) in kept:
                for variable, part in zip(
                    getattr(self.optimizer, name), np.split(np.asarray(values[0]), ends), strict=True
                ):
                    variable.assign(part.reshape(variable.shape))
