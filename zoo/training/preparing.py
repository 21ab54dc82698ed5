"""A network and the data it is to learn, held against each other before the first step."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from zoo.artifacts import further_signatures
from zoo.artifacts.gate import check_readable
from zoo.artifacts.saved_model import saved_model
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.kinds.recognising import open as open_data
from zoo.tasks import generation, reconstruction
from zoo.training import own_code
from zoo.training.batches import not_finite
from zoo.training.composition import Scale, composed, image_input, prepared, scaled

if TYPE_CHECKING:
    import keras


class Prepared(NamedTuple):
    """A network and what it is to learn.

    Attributes:
        data: as read; of an image folder with the size to decode to.
        network: built, not trained.
        name: of its builder.
        inputs: of the training part, as the network takes them.
        targets: of the training part, as the network learns them; an autoencoder does not look at them.
        kind: what the network is.
        scale: what brings the network's answers back into the unit of the targets; None for classes.
    """

    data: Data
    network: keras.Model
    name: str
    inputs: np.ndarray
    targets: np.ndarray
    kind: Literal["supervised", "autoencoder", "adversarial"]
    scale: Scale | None

    def on(self, chosen: np.ndarray) -> Prepared:
        """The same, with the unit of the targets fitted on the training examples at `chosen`, int64, alone."""
        if self.scale is None:
            return self
        targets, scale = scaled(self.data, self.inputs, chosen)
        return self._replace(targets=targets, scale=scale)


def prepare(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Data | str | Path,
    arguments: dict[str, Any],
    *,
    precision: str = "float32",
    input_size: int | None = None,
    normal: Sequence[str] = (),
    seed: int = 0,
) -> Prepared:
    """Read `data`, build the network, and check that they fit; arguments as those of `train`.

    What the data decides is added to `arguments`: the activation of the output, the size of the vocabulary.

    Raises:
        InputError: wrong data or arguments.
    """
    import keras

    if not isinstance(data, Data):
        data = open_data(data, seed=seed)
    if data.input and input_size is not None:
        raise InputError(f"input_size is for images in files; leave it out for {data.source}")
    if not data.input:
        data = replace(data, input=image_input(data.train, input_size))
    if isinstance(data.held_out.inputs, tuple):
        check_readable(data, seed)
    if normal:
        data = reconstruction.normal_only(data, normal)
    keras.utils.set_random_seed(seed)
    inputs = prepared(data, data.train)
    for part in (data.validation, data.test):
        if part is not None and inputs.dtype.kind == "f":
            prepared(data, part)  # that one of its numbers is not finite is known before the first step too
    network, name = built(builder, data, inputs.shape[1:], arguments, precision)
    from zoo.builders.adversarial_model import Adversarial
    from zoo.builders.models import Autoencoder

    if not isinstance(network, Autoencoder):
        if normal:
            raise InputError(f"expected an autoencoder where normal classes are told, received {name}")
        data.check_classes()
    if isinstance(network, Adversarial):
        if precision == "mixed_float16":  # Keras scales the loss of one optimizer, and there are two
            raise InputError(f"{name} trains in float32 or mixed_bfloat16, received {precision}")
        generation.check_fit(network, data, inputs)
        if is_own(builder):
            made, names = network.average, data.classes if network.num_classes else ()
            own_code.check(
                network.generator, export=lambda folder: further_signatures.generator(made, folder, tuple(names))
            )
        return Prepared(data, network, name, inputs, data.train.targets, "adversarial", None)
    if isinstance(network, Autoencoder):
        reconstruction.check_fit(network, data, inputs)
        data = reconstruction.windows_apart(data)
        if is_own(builder):
            whole = network.behind(data.preprocess)
            own_code.check(network, export=lambda folder: further_signatures.autoencoder(whole, folder, data.input))
        return Prepared(data, network, name, inputs, np.zeros(len(inputs), np.int32), "autoencoder", None)
    check_fit(network, data, inputs)
    targets, scale = scaled(data, inputs)
    if is_own(builder):
        said = {"classes": data.classes, "task": data.task, "description": data.input}
        own_code.check(network, inputs[:2], lambda folder: saved_model(composed(data, network, scale), folder, **said))
    return Prepared(data, network, name, inputs, targets, "supervised", scale)


def is_own(builder: Any) -> bool:
    """Whether a model, given as `train` takes it, may have layers or functions of a user's own."""
    import keras

    from zoo.builders import registry

    return isinstance(builder, keras.Model) or not (isinstance(builder, str) or registry.row(builder))


def check_fit(network: keras.Model, data: Data, inputs: np.ndarray) -> None:
    """Whether `network` can learn `data`, before the first step.

    Args:
        network: takes prepared inputs.
        data: brings targets and task.
        inputs: of the training part, as `zoo.training.composition.prepared` gives them.

    Raises:
        InputError: inputs, outputs or targets don't fit; says what was expected and what came.
    """
    import keras

    try:
        wanted, outputs = tuple(network.input_shape[1:]), network.output_shape[-1]
    except (AttributeError, ValueError) as error:
        raise InputError(
            f"expected a model that says what it takes, as keras.Model(inputs, outputs), or keras.Sequential with a "
            f"keras.Input first; {network.name} is a {type(network).__name__}, which does not"
        ) from error
    if not isinstance(network, keras.Sequential) and not isinstance(network.output, keras.KerasTensor):
        kind = type(network.output).__name__
        raise InputError(f"expected a model with one output, a tensor; {network.name} gives a {kind} of such")
    if len(wanted) != inputs.ndim - 1 or any(w not in (None, i) for w, i in zip(wanted, inputs.shape[1:], strict=True)):
        raise InputError(f"{network.name} takes inputs of shape {wanted}, and {data.source} gives {inputs.shape[1:]}")
    if outputs != len(data.classes):
        raise InputError(
            f"{network.name} has {outputs} outputs, and {data.source} asks for {len(data.classes)}: "
            + ", ".join(data.classes[:10])
        )
    for part in data.parts.values():
        if (place := not_finite(part.targets)) is not None:
            raise InputError(
                f"{data.source}: the target of {part.names[place[0]]} is not finite, {part.targets[place]}"
            )
    targets = data.train.targets
    if data.task == "classification":
        wrong = np.flatnonzero((targets < 0) | (targets >= outputs))
        if len(wrong):
            raise InputError(
                f"{data.source}: expected labels from 0 to {outputs - 1}, {data.train.names[wrong[0]]} has "
                f"{targets[wrong[0]]}"
            )
        answer = own_code.answers(network, inputs[:2])
        if np.isfinite(answer).all() and not np.allclose(answer.sum(axis=-1), 1, atol=1e-3):
            raise InputError(f"{network.name} gives no probabilities: expected a softmax at its end")


def built(
    builder: Any, data: Data, shape: tuple[int, ...], arguments: dict[str, Any], precision: str = "float32"
) -> tuple[keras.Model, str]:
    """The model to train, and its name in the card; what the data decides is added to `arguments`.

    Args:
        builder: as `train` takes it.
        data: decides outputs, task and vocabulary.
        shape: of a prepared input.
        arguments: of the builder.
        precision: as `train` takes it.

    Raises:
        InputError: the builder does not take these.
    """
    import keras

    from zoo.builders import registry

    if isinstance(builder, keras.Model):
        if arguments or precision != "float32":
            raise InputError(f"{builder.name} is built already; expected no arguments and precision for it")
        return builder, builder.name
    build = registry.builder(builder) if isinstance(builder, str) else builder
    known = inspect.signature(build).parameters
    row = registry.row(build)
    supervised = row is None or not row.task
    classes = supervised or "num_classes" in known
    if classes and not supervised and (data.task != "classification" or len(data.classes) < 2):
        raise InputError(
            f"{build.__name__} needs images with a label each, out of two classes or more; received {data.task} of "
            f"{', '.join(data.classes[:10])} in {data.source}"
        )
    if data.vocabulary and supervised:
        arguments.setdefault("vocabulary_size", len(data.vocabulary))
    if data.input["kind"] == "sequence" and data.input.get("length", 0) is None and supervised:
        shape = (None, *shape[1:])
    if data.task != "classification" and supervised and "task" not in arguments:
        arguments.update(_output(build, data.task) | arguments)
    if data.task == "forecasting" and "masking" in known:
        arguments.setdefault("masking", False)  # a window has no padding
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        network = build(shape, *([len(data.classes)] if classes else []), **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{getattr(build, '__name__', builder)} for inputs of shape {shape}: {error}") from error
    finally:
        keras.config.set_dtype_policy(before)
    return network, getattr(build, "__name__", network.name)


def _output(build: Callable[..., keras.Model], task: str) -> dict[str, str]:
    """What a supervised builder is told of the task: the activation of its output, if it has an argument for it."""
    known = inspect.signature(build).parameters
    # Functions of a user's own that were written for version 0.1, and partial(mlp, task="regression").
    if "task" in known and ("output" not in known or known["task"].default is not None):
        told = f"the argument task of {getattr(build, '__name__', build)} is deprecated; give it an argument output"
        warnings.warn(f"{told}, which receives {_OUTPUTS[task]!r}", DeprecationWarning, stacklevel=5)
        return {"task": task}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    return {"output": _OUTPUTS[task]} if "output" in known or takes_any else {}


def loss_of(task: str) -> keras.losses.Loss:
    """The loss that fits a task: cross-entropy, one a label, or squared error."""
    import keras

    if task == "classification":
        return keras.losses.SparseCategoricalCrossentropy()
    return keras.losses.BinaryCrossentropy() if task == "multi_label" else keras.losses.MeanSquaredError()
