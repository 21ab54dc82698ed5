"""Inputs as a builder takes them: decoded, and through what a reader fitted."""

from __future__ import annotations

from statistics import median

import numpy as np

from zoo import progress
from zoo.data.dataset import Data, Part
from zoo.errors import InputError
from zoo.kinds.images import decoding
from zoo.training.batches import not_finite

MEMORY = 8 << 30  # bytes of decoded images that are kept at once


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
