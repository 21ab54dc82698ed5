"""Prepared inputs, as a builder takes them: decoded, preprocessed, and finite."""

from __future__ import annotations

import numpy as np

from zoo.data.dataset import Data
from zoo.data.parts import Part
from zoo.errors import InputError
from zoo.evaluation.units import Units
from zoo.training.batches import not_finite


def prepared_inputs(data: Data, part: Part) -> np.ndarray:
    """The inputs of `part` as a builder takes them: (examples, ...); images uint8 0-255.

    Raises:
        InputError: a number is not finite, before or after scaling; or decoded images would not fit into memory.
    """
    inputs = data.kind.prepared(part.inputs, data.preprocess, data.source)
    at = not_finite(inputs)
    if at is None:
        return inputs
    place, raw = data.kind.place(part.inputs, at)
    where = f"{data.source}: {part.names[at[0]]}, {place}"
    if raw is None or not np.isfinite(raw):
        raise InputError(f"{where}: expected a finite number, received {inputs[at] if raw is None else raw}")
    raise InputError(
        f"{where}: {raw:g} is not finite once the column is scaled to deviation 1; give the column another unit, or "
        "leave it out"
    )


def units_of(data: Data, part: Part) -> Units | None:
    """The unit of each example of `part`; None where all have the same."""
    return data.kind.units(part.inputs, data.preprocess)


def scaled_targets(part: Part, units: Units | None) -> np.ndarray:
    """The targets of `part` in the unit of each example, where it has one of its own."""
    return part.targets if units is None else units.scaled(part.targets)
