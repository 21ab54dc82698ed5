"""Label columns of a manifest that hold numbers: read by the rules of tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data.frames import Frame
from zoo.data.notes import Note
from zoo.data.spellings import Spelling, converted, with_numbers
from zoo.data.targets import Targets, likely_task, targets_of, with_targets
from zoo.kinds.images.manifest_columns import Columns, Row, is_missing, text
from zoo.tasks.task import Task


class Numbers(NamedTuple):
    """Numbers that images are labelled with.

    Attributes:
        task: of them; its names are those of the columns.
        spellings: of each column a pattern of `zoo.data.spellings.Spelling`; empty for plain numbers.
        rows: line of the manifest -> its numbers; rows without a number are not there.
    """

    task: Task
    spellings: tuple[str, ...]
    rows: dict[int, tuple[float, ...]]


def numbers_of(
    path: Any,
    rows: Sequence[tuple[int, Row]],
    columns: Columns,
    task: type[Task] | None,
    fitted: Task | None,
    spellings: Sequence[str],
    notes: list[Note],
) -> Numbers | None:
    """The numbers in the columns of labels; None where they are classes.

    Args:
        path: of the manifest.
        rows: all of them, with their lines.
        columns: of the manifest.
        task: that a user names; None for the one that the values look like, by `zoo.data.targets.likely_task`.
        fitted: the task of a model whose numbers they are; None without a model.
        spellings: as in `Numbers`, of this model.
        notes: gets one on how numbers are written, and one on a choice that could be another one.

    Raises:
        InputError: a cell that is no number, or the same number in all rows.
    """
    names = list(columns.labels)
    cells = {name: [_cell(row.get(name)) for _, row in rows] for name in names}
    if task is None and fitted is None and (columns.flags or not _may_be_numbers(cells)):
        return None
    import pandas as pd

    values = pd.DataFrame(cells, dtype=object)
    frame = Frame(values, [f"row {number}" for number, _ in rows], str(path), ",", True, [])
    seen: list[Note] = []
    written: dict[str, Spelling] = {}
    if fitted is not None:
        for name, pattern in zip(names, spellings, strict=False):
            if pattern:
                frame = converted(frame, name, Spelling.of_pattern(pattern))
    else:
        features, targets = ([], names) if task is None else (names, [])
        frame, written = with_numbers(frame, features, targets, np.ones(len(rows), bool), seen)
    lines = dict(zip(frame.names, (number for number, _ in rows), strict=True))
    frame = with_targets(frame, names)
    raw = Targets.of_frame(frame, names)
    if fitted is not None:
        fitted.encode(raw)  # which names the row of what is no number
        made = fitted
    else:
        wanted, reason = likely_task(frame, raw) if task is None else (task, None)
        if reason:
            notes.append(Note(f"target {', '.join(names)}", "kept", reason))
        if wanted.categorical:
            return None
        _, made = targets_of(frame, names, wanted.name)
    notes += seen
    patterns = tuple(written[name].pattern if name in written else "" for name in names)
    by_row = zip(frame.names, raw.numbers().tolist(), strict=True)
    return Numbers(made, patterns, {lines[name]: tuple(each) for name, each in by_row})


def _cell(value: Any) -> Any:
    """A cell as text, None where it is missing; a list, of labels, as it is."""
    if isinstance(value, list):
        return value
    return None if is_missing(value) or not text(value) else text(value)


def _may_be_numbers(cells: dict[str, list[Any]]) -> bool:
    """Whether some cell has a digit and none is a list: to know more takes pandas, which most manifests do without."""
    every = [cell for column in cells.values() for cell in column if cell is not None]
    return not any(isinstance(cell, list) for cell in every) and any(map(str.isdigit, "".join(every[:100])))
