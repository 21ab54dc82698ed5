"""Examples that are in memory already, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling
from zoo.data.dataset import Data
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_table, unvarying
from zoo.data.targets import Targets
from zoo.errors import InputError
from zoo.kinds.images.kind import Images
from zoo.kinds.sequences.kind import Sequences
from zoo.kinds.sequences.reading import assemble as assemble_sequences
from zoo.kinds.tables.kind import Tables
from zoo.tasks.classification import Classification
from zoo.tasks.registry import task_class
from zoo.tasks.regression import Regression
from zoo.tasks.task import Task

WHERE = "the arrays"


def arrays(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Take arrays as a data set.

    Args:
        inputs: numbers (examples, width) make a table with the columns feature_0 and so on; (examples, height, width,
            1 or 3), or uint8 (examples, height, width), images with pixels 0-255; (examples, length, features)
            sequences, rows of NaN after the end of a shorter one.
        targets: classes (examples,), whole numbers or strings; numbers to predict, floats (examples,) or (examples,
            values); labels (examples, classes) of 0 and 1 with task="multi_label".
        classes: names of the classes, a target being a position here; or of the labels or numbers.
        task: by default classification for whole numbers and strings, regression for floats.
        held_out: inputs and targets of the test part; without it a part is split off.
        seed: of that split.
        validation: share held out then, in (0, 1).

    Raises:
        InputError: shapes that don't fit, a label out of range, NaN or infinite features; it names the index.
    """
    values, wanted = np.asarray(inputs), np.asarray(targets)
    sides = None
    if held_out is not None:
        test_values, test_wanted = np.asarray(held_out[0]), np.asarray(held_out[1])
        if values.shape[1:] != test_values.shape[1:] or wanted.shape[1:] != test_wanted.shape[1:]:
            raise InputError(
                f"expected what is held out to have the shapes of the rest, {values.shape[1:]} and {wanted.shape[1:]}, "
                f"received {test_values.shape[1:]} and {test_wanted.shape[1:]}"
            )
        if len(test_values) != len(test_wanted):
            raise InputError(f"held out: {len(test_values)} inputs and {len(test_wanted)} targets; expected as many")
        sides = np.array(["train"] * len(values) + ["test"] * len(test_values), dtype=object)
    if len(values) != len(wanted) or not len(values) or not values.shape[1:]:
        raise InputError(
            f"expected inputs of two axes or more and as many targets, received {values.shape}, {wanted.shape}"
        )
    names = [f"input {index}" for index in range(len(values))]
    if held_out is not None:
        values, wanted = np.concatenate([values, test_values]), np.concatenate([wanted, test_wanted])
        names += [f"held out {index}" for index in range(len(test_values))]
    wanted, task_of_targets = _targets(wanted, classes, task, names)
    notes: list[Note] = []
    common: dict[str, Any] = {"source": WHERE, "sides": sides, "notes": notes, "seed": seed, "validation": validation}
    if values.dtype.kind not in "buif":
        raise InputError(f"expected inputs of numbers, received an array of {values.dtype}")
    if values.dtype == np.uint8 and len(values.shape) == 3:
        values = values[..., None]
    read = {2: _tables, 3: _sequences, 4: _images}.get(len(values.shape))
    if read is None:
        raise InputError(f"expected inputs of two, three or four axes, received {values.shape}")
    return read(values, wanted, names, task_of_targets, common)


def _targets(
    targets: np.ndarray, classes: Sequence[str] | None, task: str | None, names: list[str]
) -> tuple[np.ndarray, Task]:
    """Targets as `Part` has them, and their task."""
    if task is None:
        if targets.shape[1:] and targets.dtype.kind != "f":
            raise InputError(
                f"targets of {targets.shape}, whole numbers: say task='multi_label', or 'regression'; for one class an "
                "example give its position, as targets.argmax(axis=1)"
            )
        task = (Regression if targets.dtype.kind == "f" else Classification).name
    wanted, called = (
        task_class(task, from_columns=True),
        None if classes is None else tuple(str(name) for name in classes),
    )
    if issubclass(wanted, Classification) and not wanted.several:
        return _classes(wanted, targets, called, names)
    columns = targets if targets.shape[1:] else targets[:, None]
    if len(columns.shape) != 2 or columns.dtype.kind not in "buif":
        raise InputError(f"expected targets (examples, values) of numbers, received {targets.shape} of {targets.dtype}")
    if called is None:
        several = tuple(f"target_{at}" for at in range(columns.shape[1]))
        called = several if columns.shape[1] > 1 else ("target",)
    if len(called) != columns.shape[1]:
        raise InputError(f"expected {columns.shape[1]} names in classes, one a target, received {len(called)}")
    raw = Columns(columns, called, names, WHERE)
    made = wanted.of(raw)
    return made.encode(raw), made


class Columns(NamedTuple):
    """Targets in memory, which `zoo.tasks` make arrays of; see `zoo.tasks.terms.Written`."""

    values: np.ndarray
    columns: tuple[str, ...]
    names: Sequence[str]
    where: str

    def strings(self) -> np.ndarray:
        """Object (rows, columns) of str."""
        return self.values.astype(str).astype(object)

    def numbers(self) -> np.ndarray:
        """Float64 (rows, columns)."""
        return self.values.astype(np.float64)


def _classes(
    task: type[Classification], targets: np.ndarray, classes: tuple[str, ...] | None, names: list[str]
) -> tuple[np.ndarray, Task]:
    if targets.shape[1:]:
        raise InputError(f"expected one class an example, targets of shape (examples,), received {targets.shape}")
    if targets.dtype.kind == "f":
        whole = targets == np.round(targets)  # not so for NaN
        if not whole.all():
            at = int((~whole).argmax())
            raise InputError(f"{names[at]}: expected a class as a whole number, received {targets[at]}")
        targets = targets.astype(np.int64)
    if targets.dtype.kind in "iu" and classes is not None:
        bad = (targets < 0) | (targets >= len(classes))
        if bad.any():
            at = int(bad.argmax())
            raise InputError(
                f"{names[at]}: expected a label from 0 to {len(classes) - 1}, a position in classes, received "
                f"{targets[at]}"
            )
        return targets.astype(np.int64), task(classes)
    raw = Targets.of_labels([str(value) for value in targets.tolist()], names, WHERE)
    made = task.of(raw) if classes is None else task(classes)
    if len(made.names) < 2:
        raise InputError(f"expected at least two classes, found only {made.names[0]!r}")
    return made.encode(raw), made


def _images(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    pixels = _pixels(values, names, common["notes"])
    rows = assembling.Rows(pixels, targets, names, assembling.row_digests(pixels))
    return assembling.assemble(rows, task, kind=Images.of_pixels(pixels), **common)


def _sequences(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    kind = Sequences(tuple(f"feature_{at}" for at in range(values.shape[2])), None)
    steps = _without_padding(values.astype(np.float32), names)
    return assemble_sequences(steps, targets, names, task, kind=kind, **common)


def _tables(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    with np.errstate(over="ignore"):
        numeric = values.astype(np.float32)
    _finite(numeric, names)
    sides = common["sides"]
    train = numeric if sides is None else numeric[sides == "train"]
    constant = (train == train[0]).all(axis=0)
    if constant.all():
        raise InputError(f"{WHERE}: no column to learn from; each holds one value in every training row")
    for at in np.flatnonzero(constant):
        reason = f"the same value in every row, {train[0, at]:g}"
        common["notes"].append(Note(f"column feature_{at}", "left out", reason))
    kept = np.ascontiguousarray(numeric[:, ~constant])
    columns = [f"feature_{at}" for at in np.flatnonzero(~constant)]

    def preprocess(part: Part) -> Any:
        common["notes"].extend(unvarying(part.inputs["numeric"], columns))
        return for_table(part.inputs, 0)[0]

    target = task.names if targets.shape[1:] else ("target",)
    kind = Tables(tuple(columns), (), tuple(target), columns=tuple(columns))
    rows = assembling.Rows({"numeric": kept}, targets, names, assembling.row_digests(kept))
    return assembling.assemble(rows, task, kind=kind, contradictions_stay=True, preprocess=preprocess, **common)


def _finite(values: np.ndarray, names: list[str]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        at, *rest = np.argwhere(bad)[0].tolist()
        raise InputError(f"{names[at]}: expected finite features, received {values[at, *rest]} at {tuple(rest)}")


def _pixels(values: np.ndarray, names: list[str], notes: list[Note]) -> np.ndarray:
    if values.shape[3] not in (1, 3):
        raise InputError(f"expected images with 1 or 3 channels on the last axis, received {values.shape}")
    if values.dtype == np.uint8:
        return values
    _finite(values, names)
    if values.min() < 0 or values.max() > 255 or values.max() <= 1:
        where = int(np.abs(values.astype(np.float64) - 127.5).reshape(len(values), -1).max(axis=1).argmax())
        raise InputError(
            f"expected pixels from 0 to 255, received {values.min():g} to {values.max():g} ({names[where]}); scale them"
        )
    rounded = np.round(values).astype(np.uint8)
    if (rounded != values).any():
        notes.append(Note(WHERE, "kept", "pixels are rounded to whole numbers"))
    return rounded


def _without_padding(values: np.ndarray, names: list[str]) -> list[np.ndarray]:
    """Each sequence without the rows of NaN that follow it."""
    filled = ~np.isnan(values).all(axis=2)
    lengths = np.where(filled.any(axis=1), values.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
    whole = [each[:length] for each, length in zip(values, lengths, strict=True)]
    for name, each in zip(names, whole, strict=True):
        if not len(each):
            raise InputError(f"{name}: expected a sequence of one step at least, received an empty one")
        _finite(each[None], [name])
    return whole
