"""Raw inputs in batches, with the errors of those that can't be read, so that a folder need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data.kind import Kind, Raw
from zoo.data.parts import chosen_inputs
from zoo.errors import InputError


class Batch(NamedTuple):
    """A batch of inputs.

    Attributes:
        names: of all inputs, in order.
        inputs: raw inputs that could be read, as in `zoo.data.Part`; None if there are none.
        errors: position in `names` -> why the input could not be read.
    """

    names: list[str]
    inputs: Any
    errors: dict[int, str]

    @property
    def read(self) -> np.ndarray:
        """Positions in `names` of the inputs in `inputs`, int64."""
        return np.array([at for at in range(len(self.names)) if at not in self.errors], np.int64)


def batches(source: Any, kind: Kind) -> Iterator[Batch]:
    """The inputs of `source` in batches: of 256 images, or of a file.

    Args:
        source: as `zoo.artifacts.reconstructor.Reconstructor` takes it.
        kind: of the model's inputs.

    Raises:
        InputError: a path does not exist, or there is nothing to read. If several files are no images, one that can't
            be read is an error in its batch.
    """
    if not (isinstance(source, list | tuple) and source and all(isinstance(each, str | Path) for each in source)):
        yield from _batches(kind.raw(source, every=True), kind)
        return
    several = list(kind.sources(list(source)))
    for each in several:
        try:
            raw = kind.raw(each, every=True)
        except (InputError, OSError) as error:
            if len(several) == 1:
                raise
            yield Batch([str(each)], None, {0: str(error)})
            continue
        if len(several) > 1:
            raw = raw._replace(names=[f"{each}, {name}" for name in raw.names])
        yield from _batches(raw, kind)


def _batches(raw: Raw, kind: Kind) -> Iterator[Batch]:
    if not raw.names:
        raise InputError("expected an example at least; there is none")
    start = 0
    for some in kind.decoded(raw.inputs, doing="reading"):
        end = start + len(some.positions) + len(some.errors)
        errors = some.errors | {at: why for at, why in raw.errors.items() if start <= at < end}
        good = np.flatnonzero([at not in errors for at in some.positions])
        inputs = some.inputs if len(good) == len(some.positions) else chosen_inputs(some.inputs, good)
        positioned = {at - start: why for at, why in errors.items()}
        yield Batch(raw.names[start:end], inputs if len(good) else None, positioned)
        start = end
