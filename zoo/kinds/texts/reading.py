"""Reading of texts: a folder of files a class, or a column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import assembling, frames, targets
from zoo.data.dataset import Data
from zoo.data.later import later_sides
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_text
from zoo.errors import InputError
from zoo.kinds.texts.contents import columns_of, digests_of, empty, from_folder, joined
from zoo.kinds.texts.kind import Texts
from zoo.tasks.classification import Classification
from zoo.tasks.task import Task

LONGEST = 400  # words a text, by default


def text(
    source: Any,
    *,
    column: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    length: int | None = None,
    vocabulary_size: int = 20_000,
    later: str | None = None,
    day_first: bool | None = None,
    header: bool | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read labelled texts.

    Three forms are recognised: a folder with one sub-folder of .txt files a class; a folder with ``train/`` and
    ``test/`` and/or ``val/`` of such, as IMDB has them; a CSV or TSV file (or a data frame) with a column of texts and
    one of targets, and perhaps one named ``split``. Empty texts, rows without target and files that are no UTF-8 are
    left out with a note, as are training texts that are also in a held-out part.

    Words are in lower case; ``!``, ``?`` and emoji are words, other punctuation is not: see
    `zoo.builders.preprocessing.spaced_words`. Languages that put no spaces between words need another reader.

    Args:
        source: the folder, the file or the data frame.
        column: of the texts, or several, as title and body, which are joined; the one with most words by default.
        target: the column to predict, or several of labels or numbers; by default the one named target, label, class
            or y, or the only one left.
        task: "regression" for numbers; by default as `zoo.data.tables` finds it.
        length: ids a text; longer ones are cut, shorter ones filled with 0. By default the 95th percentile of the
            training texts' words, at most 400.
        vocabulary_size: the most frequent words of the training part, padding and the unknown included.
        later: of a table, a column of dates or of numbers that grow with time; the latest rows are held out rather
            than random ones, rows of one day on one side.
        day_first: whether days come before months in `later`, where its dates leave a choice.
        header: whether a file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        seed: of the split.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` whose `preprocess` takes strings (batch,) and gives int32 (batch, length).

    Raises:
        InputError: no text or target there, a class with fewer than two texts, or nothing to hold out.
    """
    assembling.check_share(validation)
    if length is not None and length < 1 or vocabulary_size < 3:
        raise InputError(
            f"expected length of 1 and vocabulary_size of 3 at least, received {length}, {vocabulary_size}"
        )
    if isinstance(source, str | Path) and Path(source).is_dir():
        if column is not None or target is not None or later is not None:
            raise InputError(
                f"{source} is a folder of texts: its sub-folders are the classes; leave out column, target and later"
            )
        if task not in (None, Classification.name):
            raise InputError(f"{source} is a folder of texts, whose task is classification; received {task!r}")
        where = str(source)
        rows, wanted, sides, groups, notes = from_folder(Path(source))
        kind = Texts()
    else:
        frame = frames.without_unnamed(frames.read(source, header=header))
        notes: list[Note] = []
        columns = columns_of(frame, column, target, notes)
        frame = targets.with_targets(frames.stripped(frame, columns[1]), columns[1])
        where, notes = frame.where, [*frame.notes, *notes]
        texts = joined(frame, columns[0])
        values, wanted = targets.targets_of(frame, columns[1], task, notes)
        rows = assembling.Rows(texts, values, frame.names, digests_of(texts))
        sides, groups = frames.sides(frame), None
        if later is not None:
            sides = later_sides(frame, later, validation, notes, day_first=day_first)
        kind = Texts(
            *(each[0] if len(each) == 1 else each for each in columns), separator=frame.separator, header=frame.header
        )
    rows, sides, groups = _without_empty(where, rows, sides, groups, wanted, notes)
    vocabulary: list[str] = []

    def preprocess(part: Part) -> Any:
        model, words = for_text(part.inputs, vocabulary_size, length, LONGEST)
        vocabulary.extend(words)
        return model

    data = assembling.assemble(
        rows,
        wanted,
        source=where,
        sides=sides,
        notes=notes,
        kind=kind,
        validation=validation,
        seed=seed,
        groups=groups,
        preprocess=preprocess,
    )
    length = int(data.preprocess.output_shape[1])
    return replace(data, kind=replace(kind, length=length, vocabulary=tuple(vocabulary)))


def _without_empty(
    where: str,
    rows: assembling.Rows,
    sides: np.ndarray | None,
    groups: np.ndarray | None,
    task: Task,
    notes: list[Note],
) -> tuple[assembling.Rows, np.ndarray | None, np.ndarray | None]:
    nothing = empty(rows.inputs)
    notes += [Note(rows.names[at], "left out", "empty") for at in np.flatnonzero(nothing)]
    kept = np.flatnonzero(~nothing)
    rows = rows.chosen(kept)
    if not rows.names:
        raise InputError(f"{where}: every text is empty")
    if not task.several:
        counts = task.counts(rows.targets)
        if len(counts) == 1:
            raise InputError(f"{where}: expected at least two classes, found only {task.names[0]!r}")
        for name, count in counts.items():
            if count < 2:
                because = f", {int(nothing.sum())} texts being empty" if nothing.any() else ""
                raise InputError(f"{where}: class {name!r} has {count} text(s); expected at least two{because}")
    return rows, None if sides is None else sides[kept], None if groups is None else groups[kept]
