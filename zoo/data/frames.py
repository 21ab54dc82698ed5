"""Tables as they come, CSV files and data frames, and their columns as numbers and strings."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.csv_files import MISSING, Head, content_of, head_of, lines_of
from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MOSTLY = 0.95  # share of numbers from which another value is a slip of the pen, not a category
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: what is left of bytes that were no text
FEW = 20  # so many different numbers may be categories


class Frame(NamedTuple):
    """A table before anything is made of it.

    Attributes:
        values: a pandas.DataFrame whose columns are strings.
        names: "row 17": the line of the file as an editor counts, or the label of the data frame's row.
        where: the file, for messages.
        separator: between the fields of the file.
        header: whether the file names its columns; else they are "0", "1", ...
        notes: on rows that are passed over.
        spelled: a column of a file as it is spelled there, a pandas.Series of strings; None of a data frame.
    """

    values: pd.DataFrame
    names: list[str]
    where: str
    separator: str
    header: bool
    notes: list[Note]
    spelled: Callable[[str], pd.Series] | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.values.columns)

    def chosen(self, at: np.ndarray) -> Frame:
        """The rows at these positions, int64."""
        spelled = self.spelled
        chosen = None if spelled is None else lambda name: spelled(name).iloc[at].reset_index(drop=True)
        values = self.values.iloc[at].reset_index(drop=True)
        return self._replace(values=values, names=[self.names[each] for each in at], spelled=chosen)


def read(
    source: Any, *, header: bool | None = None, text: Sequence[str] = (), names: Sequence[str] | None = None
) -> Frame:
    """Read a CSV or TSV file, gzipped or not, or take a pandas.DataFrame as it is.

    Args:
        source: the path or the data frame. The separator (comma, semicolon, tab, bar) is found by looking.
        header: whether the first row names the columns; by default seen from it: it does not where it holds numbers
            in all columns that hold numbers below it.
        text: columns to leave as they are written, so that "01" and "true" remain such.
        names: of the columns, for a file without header.

    Raises:
        InputError: no such file, no UTF-8, no table, no row, a name given twice or a row with too many fields.
    """
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        frame = source.copy(deep=False)
        frame.columns = [str(name) for name in frame.columns]
        _unique(frame.columns, "the data frame")
        if not len(frame):
            raise InputError("the data frame has no rows; expected at least one")
        return Frame(frame, [f"row {label}" for label in frame.index], "the data frame", ",", True, [])
    path = Path(source)
    notes: list[Note] = []
    content = content_of(path, notes)
    head = head_of(path, content, header)
    columns = head.names if names is None else list(names)
    _unique(columns, path)
    if len(columns) != len(head.names):
        raise InputError(f"{path}: expected {len(columns)} columns ({', '.join(columns)}), found {len(head.names)}")
    frame = _parsed(path, content, head, columns, dict.fromkeys(text, str))
    literal = [name for name in columns if name not in text and _holds_bools(frame[name])]
    if literal:  # pandas turns true into True
        frame[literal] = _parsed(path, content, head, columns, dict.fromkeys(literal, str))[literal]

    lines = _lines(frame, head, b'"' in content)
    empty = frame.isna().all(axis=1).to_numpy()
    positions = np.arange(len(frame))
    if head.comments:
        marked = _marked(content, head, lines)
        left = [Note(f"row {lines[index]}", "left out", "a comment") for index in np.flatnonzero(marked)]
        before = "the first line" if head.comments == 1 else f"the first {head.comments} lines"
        notes += [Note(before, "left out", "comments before the table"), *left]
        frame, lines, empty = frame[~marked].reset_index(drop=True), lines[~marked], empty[~marked]
        positions = positions[~marked]
    if empty.any():
        last = np.flatnonzero(~empty).max(initial=-1)  # empty lines at the end are no rows
        notes += [Note(f"row {lines[index]}", "left out", "empty") for index in np.flatnonzero(empty[: last + 1])]
        frame, lines = frame[~empty].reset_index(drop=True), lines[~empty]
        positions = positions[~empty]
    if not len(frame):
        raise InputError(f"{path} has no rows below its {len(columns)} column names; expected at least one")

    def spelled(name: str) -> pd.Series:
        column = _parsed(path, content, head, columns, {name: str}, [name])[name]
        return column.iloc[positions].reset_index(drop=True).str.strip()

    return Frame(frame, [f"row {line}" for line in lines], str(path), head.separator, head.header, notes, spelled)


def without_unnamed(frame: Frame) -> Frame:
    """The table without the columns that have no name and hold nothing, or are an index saved with it; with notes."""
    left, notes = [], []
    for place, name in enumerate(frame.columns, 1):
        if not frame.header or name not in ("", f"column {place}"):
            continue
        column = frame.values[name]
        if column.isna().all():
            left.append(name)
        elif place == 1 and column.dtype.kind in "iu" and bool((np.diff(column.to_numpy()) == 1).all()):
            left.append(name)
            notes.append(Note(f"column {place}", "left out", "no name, counts the rows"))
    empty = len(left) - len(notes)
    if empty:
        notes.append(Note(f"{empty} column{'s' if empty > 1 else ''}", "left out", "no name and no value"))
    kept = frame.values.drop(columns=left)
    return frame._replace(values=kept, notes=[*frame.notes, *notes]) if left else frame


def stripped(frame: Frame, names: Sequence[str]) -> Frame:
    """The table with no blanks before and after the strings of some columns; a note names these columns."""
    values, changed = frame.values.copy(deep=False), []
    for name in names:
        column = frame.values[name]
        if str(column.dtype) not in ("object", "str", "string"):
            continue
        different = {text: text.strip() for text in column.dropna().unique() if isinstance(text, str)}
        if any(text != bare for text, bare in different.items()):
            bare = column.map(lambda value, known=different: known.get(value, value), na_action="ignore")
            values[name] = bare.where(bare != "", None)
            changed.append(name)
    if not changed:
        return frame
    note = Note(f"columns {listed(changed)}", "kept", "blanks before and after values are no part of them")
    return frame._replace(values=values, notes=[*frame.notes, note])


def numbers(frame: Frame, name: str, strict: bool = True) -> np.ndarray | None:
    """A column as float64 (rows,), NaN where missing; None where it is one of strings.

    Args:
        frame: where it is.
        name: of the column.
        strict: raise where nearly all are numbers.

    Raises:
        InputError: nearly all values are numbers and one is not, or one is infinite.
    """
    from pandas import api

    column = frame.values[name]
    if api.types.is_bool_dtype(column):
        return None
    values = as_numbers(column)
    of_no_number = isinstance(column.dtype, np.dtype) and column.dtype.kind not in "fiuO"
    if of_no_number or api.types.is_datetime64_any_dtype(column):
        return None  # dates, with a time zone or without, complex numbers
    if not api.types.is_numeric_dtype(column):
        if column.dtype == object and _holds_bools(column):
            return None
        bad = not_numbers(column, values)
        count = int(np.isfinite(values).sum())
        if bad.any():
            if strict and count >= MOSTLY * (count + bad.sum()) and len(np.unique(values[np.isfinite(values)])) > FEW:
                at = int(bad.argmax())
                raise InputError(
                    f"{frame.where}: {frame.names[at]}, column {name!r}: expected a number as in the other rows, "
                    f"received {column.iloc[at]!r}; correct it, or leave the cell empty if it is not known"
                )
            return None
        if not count and not column.isna().all():
            return None
    if np.isinf(values).any():
        at = int(np.isinf(values).argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}, column {name!r}: expected a finite number, received {column.iloc[at]}"
        )
    return values


def as_numbers(column: pd.Series) -> np.ndarray:
    """Float64 (rows,), NaN for what is no number."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    codes, uniques = pd.factorize(column)  # strings repeat, and are slow to read
    numbers = pd.to_numeric(pd.Series(uniques), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.append(numbers, np.nan)[codes]  # a missing one has the code -1


def not_numbers(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """Bool (rows,), where a cell has no number in `values` and does not stand for a missing one either."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) or not np.isnan(values).any():
        return np.zeros(len(values), dtype=bool)
    codes, uniques = pd.factorize(column)
    missing = np.array([*(str(value).strip() in MISSING for value in uniques), True])
    return np.isnan(values) & ~missing[codes]


def written(frame: Frame, name: str) -> pd.Series:
    """A column as its file spells it: of numbers strings, as "001" and "1E5"; as it is where it was read so."""
    column = frame.values[name]
    return column if frame.spelled is None or column.dtype.kind not in "iuf" else frame.spelled(name)


def strings(column: pd.Series) -> np.ndarray:
    """A column as an object array (rows,) of str, empty where missing; whole numbers without their ".0".

    Raises:
        InputError: a value is no text that a file could hold.
    """
    import pandas as pd

    codes, uniques = pd.factorize(column)
    known = np.array([*(_written(value, column.name) for value in uniques), ""], dtype=object)
    return known[codes]  # a missing one has the code -1


def stacked(frame: Frame, names: Sequence[str]) -> np.ndarray:
    """Columns as strings, an object array (rows, columns)."""
    values = np.empty((len(frame.names), len(names)), dtype=object)
    for at, name in enumerate(names):
        values[:, at] = strings(frame.values[name])
    return values


def sides(frame: Frame) -> np.ndarray | None:
    """The column ``split`` as an object array of train, validation and test; None where there is no such column.

    Raises:
        InputError: some of its values are such, and one is not.
    """
    name = split_column(frame)
    if name is None:
        return None
    written = strings(frame.values[name])
    sides = np.array([SPLITS.get(value.strip().lower(), "") for value in written], dtype=object)
    if (sides == "").any():
        at = int((sides == "").argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}: expected split to be train, val or test, received {written[at]!r}"
        )
    return sides


def split_column(frame: Frame) -> str | None:
    """The name of the column that says which part a row is in; None where there is none."""
    name = next((name for name in frame.columns if name.lower() == "split"), None)
    if name is None:
        return None
    values = {str(value).strip().lower() for value in frame.values[name].dropna().unique()}
    return name if values & SPLITS.keys() else None


def require(frame: Frame, names: Iterable[str], what: str) -> None:
    """Raise an InputError that lists the columns where one of `names` is not among them."""
    for name in names:
        if name not in frame.columns:
            raise InputError(f"{frame.where}: no column {name!r} for {what}; there are {listed(frame.columns)}")


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first thirty."""
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _parsed(
    path: Path, content: bytes, head: Head, columns: list[str], dtype: dict[str, type], only: list[str] | None = None
) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(
            io.BytesIO(content),
            sep=head.separator,
            header=0 if head.header else None,
            names=columns,
            skiprows=head.skipped,
            dtype={name: kind for name, kind in dtype.items() if name in columns},
            usecols=only,
            index_col=False,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            quoting=head.quoting,
            decimal=head.decimal,
            skipinitialspace=head.initial_blanks,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: expected a CSV file; {' '.join(str(error).split())}") from error


def _marked(content: bytes, head: Head, lines: np.ndarray) -> np.ndarray:
    """Bool (rows,): which are comments, as those before the table: they begin with # and have no separator."""
    written = lines_of(content.decode("utf-8"))
    texts = [written[line - 1] if line <= len(written) else "" for line in lines]
    return np.array([text.startswith("#") and head.separator not in text for text in texts], dtype=bool)


def _lines(frame: pd.DataFrame, head: Head, quoted: bool) -> np.ndarray:
    """Of each row the line it begins in: a quoted field may hold line breaks."""
    before = head.skipped + (head.header_lines if head.header else 0) + 1
    lines = np.arange(before, before + len(frame))
    for name in frame.columns if quoted else ():
        if frame[name].dtype == object or str(frame[name].dtype) == "str":
            breaks = frame[name].fillna("").astype(str).str.count("\n").to_numpy(np.int64)
            if breaks.any():
                lines += np.cumsum(breaks) - breaks
    return lines


def _holds_bools(column: pd.Series) -> bool:
    if column.dtype == bool:
        return True
    return column.dtype == object and any(isinstance(value, bool | np.bool_) for value in column.dropna().unique())


def _written(value: Any, column: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    text = str(value).rstrip("\0")  # padding of fixed widths, which NumPy drops where it has strings of such
    if _HALF.search(text):
        raise InputError(f"column {column!r}: {text[:60]!r} is no text (half of a surrogate pair); decode it anew")
    return text


def _unique(names: Iterable[str], where: object) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{where}: two columns are named {name!r}; expected each name once: rename or remove one")
        if _HALF.search(name):
            raise InputError(
                f"{where}: the name of the column {name!r} is no text (half of a surrogate pair); rename it"
            )
        seen.add(name)
