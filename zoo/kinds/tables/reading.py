"""Reading of tables: CSV files and data frames, whose columns become features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling, date_strings, dates, frames, times
from zoo.data.dataset import Data
from zoo.data.frames import Frame
from zoo.data.later import later_sides
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_table, unvarying
from zoo.data.spellings import is_missing, with_numbers
from zoo.data.targets import target_columns, targets_of, with_targets
from zoo.data.unseen import words_of
from zoo.errors import InputError
from zoo.kinds.tables.kind import Tables
from zoo.kinds.tables.rows import digests_of

WORDS = 4  # a string of so many, on average, is text
FEWEST = 10  # rows, of which two are held out
CATEGORIES = 1000  # of one column; the others are as unseen ones
IDENTIFIES = 0.5  # share of different values from which a column of strings names rows rather than describes them
_DATE = re.compile(r"\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d|\d{1,2}\S{0,2}[ -]+[A-Za-z]{3}|[A-Za-z]{3,9}[.]? \d)")


def tables(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    group: str | None = None,
    later: str | None = None,
    day_first: bool | None = None,
    header: bool | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Read a table.

    Columns of numbers stay numbers, with NaN where a cell is missing; strings and bools are categories. Columns of
    strings that say numbers, as "1.234,56", "$1,200" and "3.5 kg", become numbers, with a note; see
    `zoo.data.spellings`. Of columns of dates the models take year, month, weekday, and so on, see
    `zoo.builders.columns.Calendar`, and rows of one day stay on one side of the split; of columns of texts, the words.
    Left out, with a note, are columns that are constant, empty, count the rows, or hold other strings that are nearly
    all different. A column ``split`` with train, val and test is kept to. Of rows that are in two of
    these parts, target and all, the training one is left out, as is every row without target; rows that contradict each
    other stay, as noise is normal in tables.

    Args:
        source: a CSV or TSV file (may be gzipped), or a pandas.DataFrame.
        target: the column to predict; several columns of numbers are predicted together. By default the column named
            target, label, class or y; else, with a note, the one named as targets often are, or the last one of a
            file without names.
        task: by default strings, bools and up to 20 different whole numbers are classes, and other numbers are
            predicted as such; "multi_label" takes several columns of 0 and 1.
        group: a column whose equal values stay on one side of the split; it is no feature.
        later: a column of dates or of numbers that grow with time; the latest rows are held out rather than random
            ones, rows of one day on one side. It is a feature like the others.
        header: whether the file names its columns; seen from the first row by default. If not, they are "0", "1", ...
        seed: of the split.
        day_first: whether 3/4/2024 is in April; by default the dates of a column decide.
        validation: share held out where no split is given, in (0, 1).

    Returns:
        `Data` whose `preprocess` takes a dict of ``numeric``, ``dates``, ``categorical`` and ``texts``: missing numbers
        become the mean of the training part and, where it has missing ones, an indicator; unseen categories are all
        zeros.

    Raises:
        InputError: no such column, a target missing or infinite, an infinite feature, a number that is none, a class
            with one row, nothing to learn from, or fewer than 10 rows.
    """
    assembling.check_share(validation)
    if group is not None and later is not None:
        raise InputError("a group may be of several days: expected group or later, not both")
    frame = frames.without_unnamed(frames.read(source, header=header))
    frame = frames.stripped(frame, frame.columns)
    notes: list[Note] = []
    targets = target_columns(frame, target, notes)
    others = [group] if group is not None else []
    frames.require(frame, others, "group")
    others += [name for name in [frames.split_column(frame)] if name is not None]
    features = [name for name in frame.columns if name not in {*targets, *others}]
    every, spellings = with_numbers(frame, features, targets, _training(frames.sides(frame), len(frame.names)), notes)
    frame = with_targets(every, targets)
    notes += frame.notes
    if len(frame.names) < FEWEST:
        raise InputError(f"{frame.where}: expected at least {FEWEST} rows, received {len(frame.names)}")
    sides = frames.sides(frame)
    if later is not None:
        sides = later_sides(frame, later, validation, notes, day_first=day_first)
    train = _training(sides, len(frame.names))
    values, wanted = targets_of(frame, targets, task, notes)
    clocks, frame = _with_clocks(frame, features, notes)
    features = [name for name in features if name in frame.columns]
    columns = _useful(frame, every, features, train, day_first, notes)
    kind = Tables(
        numeric=tuple(columns.numeric),
        categorical=tuple(columns.categorical),
        target=tuple(targets),
        separator=frame.separator,
        header=frame.header,
        columns=tuple(every.columns),
        stripped=True,
        written=tuple(spellings),
        spellings=tuple(spelling.pattern for spelling in spellings.values()),
        dates=tuple(columns.dates),
        orders=tuple(columns.dates.values()),
        clocks=tuple(clocks.get(name, "") for name in columns.dates) if clocks.keys() & columns.dates.keys() else (),
        texts=tuple(columns.texts),
    )
    inputs = {name: each.of(frame) for name, each in kind.groups.items()}
    groups = None
    if group is not None:
        _, groups = np.unique(frames.strings(frame.values[group]).astype(str), return_inverse=True)
    elif columns.dates and sides is None:
        groups = _days(inputs["dates"][:, 0], next(iter(columns.dates)), notes)

    def preprocess(part: Part) -> Any:
        if columns.numeric:
            notes.extend(unvarying(part.inputs["numeric"], columns.numeric))
        model, dropped = for_table(part.inputs, CATEGORIES)
        for name, count in zip(columns.categorical, dropped, strict=False):
            if count:
                reason = f"{count} rare categories are taken as unseen; the {CATEGORIES} most frequent have a column"
                notes.append(Note(f"column {name}", "kept", reason))
        return model

    rows = assembling.Rows(inputs, values, frame.names, digests_of(inputs))
    return assembling.assemble(
        rows,
        wanted,
        source=frame.where,
        sides=sides,
        notes=notes,
        kind=kind,
        validation=validation,
        seed=seed,
        groups=groups,
        contradictions_stay=True,
        preprocess=preprocess,
    )


def _training(sides: np.ndarray | None, count: int) -> np.ndarray:
    """Bool (rows,): the rows that may be learnt from."""
    return np.ones(count, dtype=bool) if sides is None else sides == "train"


class _Columns(NamedTuple):
    """Names of the features; of dates, which of ``day`` and ``month`` is first."""

    numeric: list[str]
    dates: dict[str, str]
    categorical: list[str]
    texts: list[str]


def _useful(
    frame: Frame, every: Frame, features: Sequence[str], train: np.ndarray, day_first: bool | None, notes: list[Note]
) -> _Columns:
    """Columns with information, judged by the training rows; notes on the others.

    Args:
        frame: rows with targets.
        every: these, and the rows without.
        features: columns.
        train: bool (rows,), of `frame`.
        day_first: see `tables`.
        notes: those so far.
    """
    columns = _Columns([], {}, [], [])
    reasons: list[str] = []

    def leave_out(name: str, reason: str) -> None:
        reasons.append(f"{name}: {reason}")
        notes.append(Note(f"column {name}", "left out", reason))

    for name in features:
        seen = frame.values[name][train]
        if seen.isna().all():
            leave_out(name, "every value is missing")
            continue
        values = frames.numbers(frame, name)
        if values is None:
            written = frames.strings(seen)
            known = written[written != ""]
            different = len(set(known))
            if different > 1 and (order := _order(frame, name, day_first, notes)) is not None:
                columns.dates[name] = order
            elif different == 1 and len(known) == len(written):
                leave_out(name, f"the same value in every row, {known[0]!r}")
            elif different == len(known) or different > max(frames.FEW, IDENTIFIES * len(known)):
                if np.mean([len(words_of(text)) for text in known[:1000]]) >= WORDS:
                    columns.texts.append(name)
                    reason = f"text, whose words are weighed; --text {name} learns from it alone, in the order of words"
                    notes.append(Note(f"column {name}", "kept", reason))
                else:
                    leave_out(name, f"{different} different values in {len(known)} rows: an identifier")
            else:
                columns.categorical.append(name)
            continue
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float32)
        if np.isinf(rounded).any():
            at = int(np.isinf(rounded).argmax())
            raise InputError(
                f"{frame.where}: {frame.names[at]}, column {name!r}: expected a number that float32 holds, up to "
                f"3.4e38, received {values[at]:g}"
            )
        here = rounded[train]
        if np.isnan(here).all():
            leave_out(name, "every value is missing")
        elif not np.isnan(here).any() and (here == here[0]).all():
            leave_out(name, f"the same value in every row, {here[0]:g}")
        elif _counts(name, frames.as_numbers(every.values[name])):
            leave_out(name, "counts the rows")
        else:
            columns.numeric.append(name)
    if not any(columns):
        why = "; ".join(reasons[:5]) or "there is no column beside the target"
        raise InputError(f"{frame.where}: no column to learn from; {why}")
    return columns


def _order(frame: Frame, name: str, day_first: bool | None, notes: list[Note]) -> str | None:
    """Which of ``day`` and ``month`` is first in a column of dates, with a note; None where it holds something else."""
    column = frame.values[name]
    cells = [cell for cell in set(frames.strings(column)) if not is_missing(cell)]
    if not all(_DATE.match(cell) for cell in cells):
        return None
    try:
        read = dates.read(column, where=frame.where, rows=frame.names, day_first=day_first)
    except InputError as error:
        if day_first is not None:
            raise
        notes.append(Note(f"column {name}", "kept", f"read as strings, though they look like dates: {error}"))
        return None
    if np.isnan(date_strings.moments(cells, bool(read.day_first))[:, 0]).any():
        return None
    reason = "dates: year, month, weekday and so on are inputs"
    if read.day_first is not None:
        how = read.reason or f"either could be meant; for the other give {dates.other_option(read.day_first)}"
        reason = f"{reason}; as {dates.order(read.day_first)}: {how}"
    notes.append(Note(f"column {name}", "kept", reason))
    return "day" if read.day_first else "month"


def _with_clocks(frame: Frame, features: Sequence[str], notes: list[Note]) -> tuple[dict[str, str], Frame]:
    """The column of times of day that belongs to one of dates, and the table with both in one, if there is one each."""
    days = [name for name in features if times.are_days(frame, name)]
    if len(days) != 1:
        return {}, frame
    clocks = [name for name in features if name not in days and times.is_clock(frame, name)]
    if len(clocks) != 1:
        return {}, frame
    notes.append(Note(f"column {clocks[0]}", "kept", f"times of day, joined to the dates in {days[0]!r}"))
    return {days[0]: clocks[0]}, times.joined(frame, times.When(days[0], clocks[0]))


def _days(days: np.ndarray, name: str, notes: list[Note]) -> np.ndarray | None:
    """A whole number a row, so that rows of one day, float32 (rows,), stay together; None where days are few."""
    _, groups = np.unique(days, return_inverse=True, equal_nan=False)
    count = len(np.unique(groups))
    if not FEWEST <= count < len(days):
        return None
    notes.append(Note(f"column {name}", "kept", "rows of one day stay on one side of the split"))
    return groups


def _counts(name: str, values: np.ndarray) -> bool:
    """Whether a column is an index that was saved with the table."""
    like = name.lower().strip()
    named = not like or like.isdigit() or like.startswith("unnamed") or like.endswith("id") or like in ("index", "row")
    return named and bool((np.diff(values) == 1).all()) and float(values[0]).is_integer()
