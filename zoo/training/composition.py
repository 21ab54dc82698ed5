"""Raw inputs to outputs in one model: what a reader fitted, then the builder's network, then the target's unit."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo import progress
from zoo.builders.loading import UNIT
from zoo.data.dataset import Data, Part
from zoo.errors import InputError
from zoo.evaluation import baselines
from zoo.kinds.images import decoding
from zoo.training.batches import not_finite

if TYPE_CHECKING:
    import keras

MEMORY = 8 << 30  # bytes of decoded images that are kept at once
SMALLEST, LARGEST = 1e-34, 1e36  # deviation and size of targets, with room for what is learnt of them in float32
NEAREST = 1e-6  # deviation of targets in units of their mean; float32 has seven digits


class Scale(NamedTuple):
    """What brings a network's answers into the unit of the target; the network learns mean 0 and deviation 1.

    Attributes:
        mean, deviation: of what is learnt, float32 (values,).
        kernel, bias: of a forecast, the linear autoregression that is added to the network's answer, float32
            (window * features, values) and (values,), on prepared inputs; else None.
    """

    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray | None = None
    bias: np.ndarray | None = None


def prepared(data: Data, part: Part) -> np.ndarray:
    """The inputs of `part` as a builder takes them: (examples, ...); images uint8 0-255.

    Raises:
        InputError: a number is not finite, or not once it is scaled; decoded images would not fit into memory.
    """
    if data.preprocess is not None:
        from zoo.arrays import apply

        return _finite(data, part, apply(data.preprocess, part.inputs))
    if isinstance(part.inputs, np.ndarray):
        return _finite(data, part, part.inputs)
    height, width = data.input["size"]
    size = height * width * 3 * len(part)
    if size > MEMORY:
        raise InputError(
            f"{len(part)} images of {height} x {width} pixels take {size / 2**30:.0f} GiB; take a smaller "
            "--input-size, or fine-tune a pretrained model: zoo finetune"
        )
    pixels = np.empty((len(part), height, width, 3), np.uint8)
    with progress.bar("decoding", len(part)) as advance:
        for index, path in enumerate(part.inputs):
            pixels[index] = decoding.decode(path, (height, width), data.input["crop"])
            advance(1)
    return pixels


def _finite(data: Data, part: Part, inputs: np.ndarray) -> np.ndarray:
    """The prepared `inputs` of `part`, every one of them a number that can be learnt from."""
    place = not_finite(inputs)
    if place is None:
        return inputs
    row, *at = place
    columns = data.input.get("features") or data.input.get("numeric") or []
    raw = part.inputs["numeric"] if isinstance(part.inputs, dict) else part.inputs
    where = f"{data.source}: {part.names[row]}"
    if not columns or at[-1] >= len(columns):
        raise InputError(f"{where}: expected finite numbers, received {inputs[place]} at {tuple(at)}")
    where += f", column {columns[at[-1]]!r}" + (f", step {at[0] + 1}" if len(at) > 1 else "")
    if not np.isfinite(raw[place]):
        raise InputError(f"{where}: expected a finite number, received {raw[place]}")
    raise InputError(
        f"{where}: {raw[place]:g} is not finite once the column is scaled to deviation 1; give the column another "
        "unit, or leave it out"
    )


def image_input(part: Part, input_size: int | None) -> dict[str, object]:
    """`Data.input` of an image folder that a network is trained on from scratch.

    Args:
        part: its images are looked at.
        input_size: side in pixels; None for the images' own median, rounded to 8 and between 8 and 96.
    """
    if input_size is None:
        spread = part.inputs[:: max(1, len(part) // 64)]
        sides = [min(found.width, found.height) for found in map(decoding.probe, spread)]
        input_size = int(np.clip(round(median(sides) / 8) * 8, 8, 96))
    return {"kind": "images", "size": [input_size] * 2, "crop": 1.0, "channels": 3, "pixels": "RGB, 0-255"}


def scaled(data: Data, inputs: np.ndarray, chosen: np.ndarray | None = None) -> tuple[np.ndarray, Scale | None]:
    """The training targets as the network learns them, and what brings its answers back into their unit.

    Of a forecast the network learns what a linear autoregression leaves, so that one that knows nothing is as good
    as that.

    Args:
        data: brings the targets.
        inputs: of the training part, as `prepared` gives them.
        chosen: positions in it of the examples that are learnt from, which alone say the unit and the linear part;
            all of them where None.

    Raises:
        InputError: targets are constant, or differ by too little or too much for float32.

    Source: for forecasts, Zhang 2003, "Time series forecasting using a hybrid ARIMA and neural network model".
    """
    if data.task in ("classification", "multi_label"):
        return data.train.targets, None
    learnt = np.arange(len(inputs)) if chosen is None else chosen
    targets = data.train.targets.astype(np.float64)  # squares of what is small or large leave float32
    mean, deviation = targets[learnt].mean(axis=0), targets[learnt].std(axis=0)
    _check_unit(data, targets[learnt], mean, deviation)
    targets = (targets - mean) / deviation
    if data.task == "regression":
        return targets.astype(np.float32), Scale(mean.astype(np.float32), deviation.astype(np.float32))
    rows = baselines.flat(inputs)
    some = learnt[baselines.few(rows[learnt])]
    kernel, bias = baselines.ridge(rows[some], targets[some])
    targets -= rows @ kernel + bias
    middle, spread = targets[learnt].mean(axis=0), targets[learnt].std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    parts = (middle * deviation, spread * deviation, kernel * deviation, bias * deviation + mean)
    return ((targets - middle) / spread).astype(np.float32), Scale(*(part.astype(np.float32) for part in parts))


def _check_unit(data: Data, targets: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Whether float32, in which models answer, holds such targets, float64 (examples, values)."""
    large, equal = np.abs(targets).max(axis=0) > LARGEST, (targets == targets[0]).all(axis=0)
    near = ~equal & (deviation < NEAREST * np.abs(mean))
    for wrong, remedy in (
        (equal, "expected different values in the training part: leave it out, or move rows that differ there"),
        (large | (deviation < SMALLEST), "give it another unit: float32 holds values of 1e-34 to 1e36"),
        (near, "subtract its mean: float32 rounds away differences so small beside it"),
    ):
        if wrong.any():
            at = int(wrong.argmax())
            raise InputError(
                f"{data.source}: the target {data.classes[at]!r} has mean {mean[at]:g} and deviation "
                f"{0 if equal[at] else deviation[at]:g} in the training part; {remedy}"
            )


def in_unit(answers: np.ndarray, inputs: np.ndarray, scale: Scale | None) -> np.ndarray:
    """A network's answers to prepared inputs, in the unit of the targets; float32 (examples, values)."""
    if scale is None:
        return answers
    found = answers * scale.deviation + scale.mean
    return found if scale.kernel is None else found + baselines.flat(inputs) @ scale.kernel + scale.bias


def composed(data: Data, network: keras.Model, scale: Scale | None) -> keras.Model:
    """Raw inputs, as `Data` has them, to probabilities or values in the unit of the targets."""
    import keras

    weights = network.get_weights()
    network = type(network).from_config(network.get_config())  # without the optimizer, which would be saved with it
    network.set_weights(weights)
    if isinstance(network, keras.Sequential):  # which has no output till it is called
        network = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    unit = None
    if scale is not None:
        # Not Normalization: it squares deviations, and takes those below 1e-7 for that.
        unit = keras.layers.Rescaling(scale.deviation.tolist(), scale.mean.tolist(), name=UNIT)
    if data.preprocess is None:
        if unit is None:
            return network
        return keras.Model(network.inputs[0], unit(network.outputs[0]), name=network.name)
    raw = keras.tree.map_structure(
        lambda t: keras.Input(t.shape[1:], dtype=t.dtype, name=t.name), data.preprocess.input
    )
    ready = data.preprocess(raw)
    outputs = network(ready)
    if unit is not None:
        outputs = unit(outputs)
        if scale.kernel is not None:
            linear = keras.layers.Dense(len(scale.bias), name="linear_autoregression")
            outputs = keras.layers.Add(name="forecast")([outputs, linear(keras.layers.Flatten()(ready))])
            linear.set_weights([scale.kernel, scale.bias])
    return keras.Model(raw, outputs, name=network.name)
