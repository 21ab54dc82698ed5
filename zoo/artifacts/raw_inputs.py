"""Raw inputs batch by batch, those that can't be read told, so that a folder need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo import progress
from zoo.artifacts.predictor import READERS, decoded
from zoo.errors import InputError
from zoo.kinds.images import sources as image_sources

BATCH = 256  # images in memory at once


class Batch(NamedTuple):
    """Some of the inputs.

    Attributes:
        names: of all, in order.
        inputs: raw inputs of those that could be read, as `zoo.data.Part` has them; None where none could.
        errors: why one could not be read, by its position in `names`.
    """

    names: list[str]
    inputs: Any
    errors: dict[int, str]

    @property
    def read(self) -> np.ndarray:
        """Positions in `names` of what `inputs` has, int64."""
        return np.array([at for at in range(len(self.names)) if at not in self.errors], np.int64)


def batches(source: Any, description: dict[str, Any]) -> Iterator[Batch]:
    """The inputs of `source` one batch after the other: of images 256, else a file.

    Args:
        source: as `zoo.artifacts.reconstructor.Reconstructor` takes it.
        description: `zoo.data.Data.input` of the model.

    Raises:
        InputError: a path does not exist, or there is nothing to read. Of several tables or files of sequences one
            that can't be read is an error in its batch.
    """
    if description["kind"] == "images":
        yield from _images(source, description)
    elif isinstance(source, list | tuple) and source and all(isinstance(each, str | Path) for each in source):
        several = len(source) > 1
        for path in source:
            try:
                batch = _rows(path, description)
            except (InputError, OSError) as error:
                if not several:
                    raise
                batch = Batch([str(path)], None, {0: str(error)})
            else:
                batch = batch._replace(names=[f"{path}, {name}" if several else name for name in batch.names])
            yield batch
    else:
        yield _rows(source, description)


def as_long(batch: Batch, length: int) -> Batch:
    """Sequences of different lengths with `length` rows each, NaN after the end; longer ones are errors."""
    if batch.inputs is None:
        return batch
    over = ~np.isnan(batch.inputs[:, length:]).all(axis=(1, 2))
    reason = f"expected {length} steps at most, as in training, received more"
    errors = batch.errors | {int(at): reason for at in batch.read[over]}
    short = max(0, length - batch.inputs.shape[1])
    kept = np.pad(batch.inputs[~over, :length], ((0, 0), (0, short), (0, 0)), constant_values=np.nan)
    return Batch(batch.names, kept if len(kept) else None, errors)


def _images(source: Any, description: dict[str, Any]) -> Iterator[Batch]:
    several = isinstance(source, np.ndarray) and source.ndim == 4
    sources = list(image_sources.expanded(list(source) if several else source))
    if not sources:
        raise InputError(f"expected an image, a file, a folder with files or a list of such; {source!r} holds none")
    with progress.bar("asking", len(sources)) as advance:
        for start in range(0, len(sources), BATCH):
            some = sources[start : start + BATCH]
            pixels, errors = decoded([each for _, each in some], description)
            yield Batch([name for name, _ in some], np.stack(pixels) if pixels else None, errors)
            advance(len(some))


def _rows(source: Any, description: dict[str, Any]) -> Batch:
    """A table, sequences, or all windows of a series."""
    if "window" in description:
        names, inputs, errors = _windows(source, description)
    else:
        names, inputs, errors = import_module(READERS[description["kind"]]).read_raw(source, description)
    if not names:
        raise InputError(f"expected an example at least; {source!r} holds none")
    batch = Batch(names, inputs, errors)
    if not errors:
        return batch
    good = batch.read
    kept = {key: each[good] for key, each in inputs.items()} if isinstance(inputs, dict) else inputs[good]
    return batch._replace(inputs=kept if len(good) else None)


def _windows(source: Any, description: dict[str, Any]) -> tuple[list[str], np.ndarray, dict[int, str]]:
    """All windows of a series, or of several arrays."""
    from zoo.kinds.series import read_windows

    if not isinstance(source, list | tuple):
        return read_windows(source, description)
    names, inputs, errors = [], [], {}
    for number, each in enumerate(source):
        found, values, wrong = read_windows(each, description)
        errors |= {len(names) + at: reason for at, reason in wrong.items()}
        names += [name.replace("input 0", f"input {number}", 1) for name in found]
        inputs.append(values)
    return names, np.concatenate(inputs), errors
