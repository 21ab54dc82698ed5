"""Checks of arguments that builders share, and their output layer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# Each activation with the initializer that keeps the size of its signal from layer to layer.
# Sources: Glorot and Bengio 2010 (tanh, sigmoid), He et al. 2015 (relu and its relatives).
ACTIVATIONS = {
    "relu": "he_normal",
    "leaky_relu": "he_normal",
    "elu": "he_normal",
    "gelu": "he_normal",
    "tanh": "glorot_uniform",
    "sigmoid": "glorot_uniform",
}
INITIALIZERS = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "zeros",
)
OUTPUTS = ("softmax", "sigmoid", "linear", "softplus", "exponential")
# Values of the deprecated argument `task` of version 0.1 -> activation of the output.
OF_TASKS = {"classification": "softmax", "multi_label": "sigmoid", "regression": "linear", "forecasting": "linear"}


class ArgumentError(ValueError):
    """A value that is wrong for inputs of any shape."""


def one_of(argument: str, value: object, allowed: Sequence[object]) -> None:
    """Raise ArgumentError unless `value` is among `allowed`."""
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in allowed):
        raise ArgumentError(f"expected {argument} to be one of {', '.join(map(str, allowed))}; received {value!r}")


def positive(argument: str, value: object, least: int = 1) -> int:
    """`value` as int; ArgumentError unless it is a whole number of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ArgumentError(f"expected {argument} to be a whole number of at least {least}; received {value!r}")
    return int(value)


def several(argument: str, values: object, *, empty: bool = False) -> tuple[int, ...]:
    """`values` as a tuple of positive ints, at least one unless `empty`; a single int counts as one."""
    if hasattr(values, "__index__") and not isinstance(values, bool):
        values = (values,)
    if not isinstance(values, Sequence) or isinstance(values, str) or not (values or empty):
        raise ArgumentError(f"expected {argument} to be a tuple of whole numbers, as (64, 32); received {values!r}")
    return tuple(positive(f"each of {argument}", value) for value in values)


def rate(argument: str, value: object, below: float = 1.0) -> None:
    """Raise ArgumentError unless 0 <= `value` < `below`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < below:
        limit = "" if below == float("inf") else f" and below {below:g}"
        raise ArgumentError(f"expected {argument} to be a number of at least 0{limit}; received {value!r}")


def penalty(l1: float = 0.0, l2: float = 0.0) -> keras.regularizers.Regularizer | None:
    """The regularizer that adds l1 * sum |w| + l2 * sum w ** 2 to the loss; None where both are 0."""
    import keras

    rate("l1", l1, float("inf"))
    rate("l2", l2, float("inf"))
    return keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None


def initial(initializer: str | None, activation: str) -> str:
    """The name of the initializer: as given, or for None the one that fits the activation; checks both."""
    one_of("activation", activation, tuple(ACTIVATIONS))
    if initializer is None:
        return ACTIVATIONS[activation]
    one_of("initializer", initializer, INITIALIZERS)
    return initializer


def shape(builder: str, input_shape: object, ranks: Sequence[int], takes: str, free: int = 0) -> tuple[Any, ...]:
    """`input_shape` as a tuple.

    Args:
        builder: its name, for the message.
        input_shape: what it was given, without the batch axis.
        ranks: how many axes it may have.
        takes: the shapes it takes, in words.
        free: how many leading axes may be None, that is of any length.

    Raises:
        ValueError: another number of axes, or a size that is not a positive whole number.
    """
    sizes = tuple(input_shape) if isinstance(input_shape, Sequence) and not isinstance(input_shape, str) else None
    if sizes is None or len(sizes) not in ranks:
        raise ValueError(
            f"{builder} takes {takes}, the batch axis left out; expected an input_shape of "
            f"{' or '.join(map(str, ranks))} sizes, received {input_shape!r}"
        )
    for axis, size in enumerate(sizes):
        if not (size is None and axis < free) and (
            isinstance(size, bool) or not hasattr(size, "__index__") or int(size) < 1
        ):
            raise ValueError(f"{builder} takes {takes}; expected positive sizes, received {tuple(sizes)!r}")
    return tuple(size if size is None else int(size) for size in sizes)


def halved(builder: str, input_shape: object, filters: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of images and channels of the stages, checked for a decoder that doubles what the stages halved.

    Raises:
        ValueError: height or width is no multiple of 2 ** stages; or no shape of images, or no channels.
    """
    sizes = shape(builder, input_shape, (3,), "images (height, width, channels)")
    filters = several("filters", filters)
    each = f"{len(filters)} stages, each halving them, so that the decoder can return to the size"
    divisible(builder, sizes, len(filters), each, "fewer filters")
    return sizes, filters


def divisible(builder: str, sizes: tuple[int, ...], halvings: int, reason: str, remedy: str) -> None:
    """Raise ValueError unless images of `sizes` (height, width, channels) can be halved so often without a remainder.

    Args:
        builder: its name, for the message.
        sizes: as `shape` gives them.
        halvings: how often height and width are halved.
        reason: what asks for it, in words.
        remedy: what to give beside another size, in words.
    """
    unit = 2**halvings
    if sizes[0] % unit or sizes[1] % unit:
        nearest = [max(unit, round(size / unit) * unit) for size in sizes[:2]]
        raise ValueError(
            f"{builder}: expected height and width to be multiples of {unit} for {reason}; "
            f"received {sizes[0]} x {sizes[1]}: give {remedy}, or resize to {nearest[0]} x {nearest[1]}"
        )


def output(
    features: keras.KerasTensor,
    num_classes: int,
    output: str,
    initializer: str = "glorot_uniform",
    regularizer: keras.regularizers.Regularizer | None = None,
    beside: keras.KerasTensor | None = None,
) -> keras.KerasTensor:
    """The last layer, in float32 whatever the rest computes in.

    Args:
        features: float (batch, width).
        num_classes: how many classes, labels or values; `outputs` has checked it.
        output: the activation.
        initializer: of the kernel.
        regularizer: of the kernel.
        beside: float32 (batch, num_classes), what is added before the activation.
    """
    import keras

    values = keras.layers.Dense(
        num_classes,
        activation=output if beside is None else None,
        kernel_initializer=initializer,
        kernel_regularizer=regularizer,
        dtype="float32",  # probabilities and their logarithms need it under mixed precision
        name="output" if beside is None else "features",
    )(features)
    if beside is None:
        return values
    total = keras.layers.Add(dtype="float32")([values, beside])
    return keras.layers.Activation(output, dtype="float32", name="output")(total)


def outputs(num_classes: object, output: object) -> int:
    """`num_classes` as int.

    Raises:
        ValueError: an activation that is not among `OUTPUTS`; fewer than one value, or for softmax than two classes.
    """
    one_of("output", output, OUTPUTS)
    if output == "softmax":
        return positive("num_classes for softmax", num_classes, 2)
    return positive("num_classes (labels, targets or steps)", num_classes)


def activation(output: str, task: str | None) -> str:
    """The activation of the output: `output`, or that of the deprecated `task`.

    Args:
        output: argument of the builder, which must call this itself, so that the warning points to its caller.
        task: argument of the builder.

    Raises:
        ValueError: an unknown task, or one beside another output than the default.
    """
    if task is None:
        return output
    one_of("task", task, tuple(OF_TASKS))
    if output != "softmax":
        raise ValueError(f"expected output alone, task is its deprecated form; received {output=} and {task=}")
    message = f"task={task!r} is deprecated and goes in the next version; give output={OF_TASKS[task]!r}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return OF_TASKS[task]
