"""From rows in memory to `Data`: digests, splits, what is on both sides, the fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data import splits
from zoo.data.dataset import Data, near_equal
from zoo.data.kind import Kind
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part, chosen_inputs
from zoo.errors import InputError
from zoo.tasks.task import Task

PARTS = ("train", "validation", "test")


class Rows(NamedTuple):
    """Examples before they have their place in a split; fields as those of `Part`."""

    inputs: Inputs
    targets: np.ndarray
    names: Sequence[str]
    digests: Sequence[str]

    def chosen(self, positions: np.ndarray) -> Rows:
        """The rows at `positions`, int64."""
        names = [self.names[index] for index in positions]
        digests = [self.digests[index] for index in positions]
        return Rows(chosen_inputs(self.inputs, positions), self.targets[positions], names, digests)


def assemble(
    rows: Rows,
    task: Task,
    *,
    source: str | Path,
    sides: np.ndarray | None,
    notes: list[Note],
    kind: Kind,
    validation: float,
    seed: int,
    groups: np.ndarray | None = None,
    contradictions_stay: bool = False,
    preprocess: Callable[[Part], Any] | None = None,
) -> Data:
    """Split `rows`.

    Args:
        rows: all examples.
        task: of them.
        source: the path, or a word for what is in memory.
        sides: train, validation or test for each row; None for a stratified split.
        notes: those so far; more are added.
        kind: of the inputs.
        validation: share held out where no split is given, in (0, 1).
        seed: of that split.
        groups: a whole number a row; rows that share one stay on one side, as those of equal input do.
        contradictions_stay: a training row that equals one held out goes only if its target is the same too.
        preprocess: makes `Data.preprocess` of the training part.

    Raises:
        InputError: nothing to learn from or nothing to hold out, a class without training rows or with one row.
    """
    check_share(validation)
    if not task.several:
        for name, count in task.counts(rows.targets).items():
            if count == 1:
                alone = rows.names[int((rows.targets == task.names.index(name)).argmax())]
                hint = "; if the target is a number, say task='regression'" if _is_number(name) else ""
                raise InputError(
                    f"{source}: class {name!r} has one row ({alone}); expected at least two, one to learn from and "
                    f"one to hold out{hint}"
                )
    units = None
    if sides is not None:
        keep = _not_held_out(rows, sides, notes, contradictions_stay)
        if not keep.all():
            rows, sides = rows.chosen(np.flatnonzero(keep)), sides[keep]
            groups = None if groups is None else groups[keep]
        _groups_are_whole(source, sides, groups)
    if groups is not None:
        units = _units(rows.digests, groups)
    if sides is None:
        together = _units(rows.digests, None) if units is None else units
        held = splits.stratified(task.strata(rows.targets), together, validation, seed)
        sides = np.where(held, "validation", "train").astype(object)

    parts: dict[str, Part | None] = {}
    for split in PARTS:
        where = np.flatnonzero(sides == split)
        chosen = rows.chosen(where)
        linked = None if units is None else units[where]
        parts[split] = (
            Part(chosen.inputs, chosen.targets, tuple(chosen.names), tuple(chosen.digests), linked)
            if len(where)
            else None
        )
    train = parts["train"]
    if train is None or (parts["validation"] is None and parts["test"] is None):
        raise InputError(
            f"{source}: {len(rows.names)} rows leave nothing to learn from or nothing to hold out; "
            "rows of equal input stay on one side"
        )
    model = preprocess(train) if preprocess else None
    fingerprint = _fingerprint(rows, task.names, sides)
    return as_data(parts, task, model, fingerprint, source, notes, kind)


def as_data(
    parts: dict[str, Part | None],
    task: Task,
    preprocess: Any,
    fingerprint: str,
    source: str | Path,
    notes: list[Note],
    kind: Kind,
) -> Data:
    """`Data` of parts by their names; the rest as its fields."""
    train = parts["train"]
    alike = [] if train is None else near_equal(task.counts(train.targets))
    return Data(
        parts["train"],
        parts["validation"],
        parts["test"],
        task,
        preprocess,
        fingerprint,
        Path(source),
        (*alike, *sorted(notes)),
        kind,
    )


def check_share(validation: float) -> None:
    """Raise an InputError where `validation` is no share."""
    if not 0 < validation < 1:
        raise InputError(f"expected a validation share between 0 and 1, received {validation}")


def held_out_part(sides: np.ndarray | None, count: int) -> np.ndarray:
    """Positions, int64, of what is to be scored: the test part, else the validation part, else all."""
    for split in ("test", "validation"):
        if sides is not None and (sides == split).any():
            return np.flatnonzero(sides == split)
    return np.arange(count)


def row_digests(*columns: np.ndarray) -> list[str]:
    """Sha256 of each row, in hexadecimal.

    Args:
        columns: arrays (rows, ...); floats with one value for NaN and for zero; objects are strings.
    """
    count = len(columns[0])
    digests: list[str] = []
    for start in range(0, count, 65536):  # the bytes of all rows at once could be more than the memory
        pieces = [_row_bytes(values[start : start + 65536]) for values in columns]
        joined = np.ascontiguousarray(np.concatenate(pieces, axis=1))
        width, content = joined.shape[1], memoryview(joined).cast("B")
        digests += [sha256(content[at : at + width]).hexdigest() for at in range(0, len(content), width)]
    return digests


def _row_bytes(values: np.ndarray) -> np.ndarray:
    """Uint8 (rows, bytes)."""
    values = values.reshape(len(values), -1)
    if values.dtype == object:
        # Strings have any length: each different one is hashed once, and its hash stands for it.
        import pandas as pd

        codes, uniques = pd.factorize(values.ravel())
        hashed = b"".join(sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] for text in uniques)
        table = np.frombuffer(hashed, np.uint8).reshape(-1, 16)
        return table[codes].reshape(len(values), -1)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values + values.dtype.type(0))
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def _units(digests: Sequence[str], groups: np.ndarray | None) -> np.ndarray:
    """Int64 (rows,): what must stay on one side."""
    contents = np.fromiter((int(digest[:15], 16) for digest in digests), np.int64, len(digests))
    if groups is None:
        return contents
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, content = np.unique(contents, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    size = content.max() + 1 + group.max() + 1
    links = coo_matrix((np.ones(len(content)), (content, content.max() + 1 + group)), shape=(size, size))
    return connected_components(links, directed=False)[1][content].astype(np.int64)


def _not_held_out(rows: Rows, sides: np.ndarray, notes: list[Note], contradictions_stay: bool) -> np.ndarray:
    """Bool (rows,): not also in the test part, nor for training rows in the validation part."""
    keep = np.ones(len(sides), dtype=bool)
    held: dict[str, list[int]] = {}
    for split, called in (("test", "which is in the test part"), ("validation", "which is held out")):
        for at in np.flatnonzero(sides == split):
            held.setdefault(rows.digests[at], []).append(int(at))
        later = ("train", "validation") if split == "test" else ("train",)
        for at in np.flatnonzero(np.isin(sides, later) & keep):
            for twin in held.get(rows.digests[at], ()):
                if twin == at or sides[twin] == sides[at]:
                    continue
                if not contradictions_stay or np.array_equal(rows.targets[twin], rows.targets[at]):
                    keep[at] = False
                    notes.append(Note(rows.names[at], "left out", f"same content as {rows.names[twin]}, {called}"))
                    break
    return keep


def _groups_are_whole(source: str | Path, sides: np.ndarray, groups: np.ndarray | None) -> None:
    if groups is None:
        return
    codes = np.unique(sides.astype(str), return_inverse=True)[1]
    for group in np.unique(groups):
        if len(np.unique(codes[groups == group])) > 1:
            raise InputError(f"{source}: a group is in more than one part of the given split; put it in one")


def _fingerprint(rows: Rows, classes: tuple[str, ...], sides: np.ndarray) -> str:
    hasher = sha256("\n".join(classes).encode())
    for texts in (rows.names, rows.digests, sides):
        hasher.update("\n".join(texts).encode("utf-8", "surrogateescape"))
    hasher.update(np.ascontiguousarray(rows.targets).tobytes())
    return hasher.hexdigest()


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
