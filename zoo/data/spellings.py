"""Numbers as people write them: decimal commas, thousands, currencies, units, brackets, words for a missing one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.csv_files import MISSING
from zoo.data.frames import FEW, MOSTLY, Frame, numbers
from zoo.data.notes import Note
from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

WORDS = frozenset(  # for a missing number, in any case
    """unknown, missing, none, nil, n.a., n/a, na, nan, null, undefined, unavailable, unspecified, not available,
    not known, no data, tbd, tba, --, ---, ?, k.a., n.d.""".replace("\n    ", " ").split(", ")
)
CURRENCIES = re.split(
    r"\s+",
    "$ € £ ¥ ₹ ₽ ₩ ₺ ₫ ฿ ₴ ₦ ₪ US$ R$ kr Rs Rs. Fr Fr. zł USD EUR GBP CHF JPY CNY INR CAD AUD SEK NOK DKK PLN",
)
UNITS = re.split(
    r"\s+",
    "% ‰ ° °C °F kg g mg lb oz t km m cm mm mi ft in h hr hour min s sec ms day week month year yr kB MB GB TB Hz kHz "
    "MHz GHz W kW V mA mAh l L ml cl kcal cal mph km/h mpg kmpl hp bhp cc rpm Pa hPa kPa bar psi px dpi m² m2 m³ ft² "
    "sqft pc",
)
LOOK = 200  # different values by which free text is told at once
PAIRS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
"""Decimal signs and signs between thousands."""

_PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_PARTS = re.compile(
    r"(?P<sign>[-+]?) ?(?P<before>[^\s\d.,()+'-]{0,3}\.?) ?(?P<second>[-+]?)(?P<digits>[0-9][0-9.,' ]*|[.,][0-9]+)"
    r" ?(?P<after>[^\W\d_][^\s()]{0,9}|[%‰°$€£¥₹₽₩₺₫฿₴₦₪][^\s\d()]{0,3})?"
)
_PATTERN = re.compile(r"1(?P<thousands>[,.' ]?)234(?P<decimal>[.,])56(?: (?P<unit>.+))?")


class Spelling(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: point or comma.
        thousands: between them; empty for nothing.
        unit: a currency, ``%`` or another one; empty for none.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @classmethod
    def of_pattern(cls, pattern: str) -> Spelling:
        """The one that `pattern` shows."""
        match = _PATTERN.fullmatch(pattern)
        if match is None:
            raise ValueError(f"expected a pattern as '1,234.56 kg', received {pattern!r}")
        return cls(match["decimal"], match["thousands"], match["unit"] or "")

    @property
    def pattern(self) -> str:
        """The number 1234.56, and the unit."""
        return f"1{self.thousands}234{self.decimal}56" + (f" {self.unit}" if self.unit else "")

    def number(self, text: str) -> float | None:
        """The number that a text says, NaN for a missing one; None where it says none.

        A plain number is one too, as JSON has them, unless its point may stand between thousands.
        """
        parts = _parts(text)
        if (
            parts is not None
            and _bare(parts.unit) in ("", _bare(self.unit))
            and _fits(parts.digits, self.decimal, self.thousands)
        ):
            bare = parts.digits.replace(self.thousands, "") if self.thousands else parts.digits
            value = float(bare.replace(self.decimal, "."))
            return -value if parts.negative else value
        if _PLAIN.fullmatch(text.strip()) and not (self.decimal == "," and _fits(text.strip("+- "), ",", ".")):
            return float(text)
        return float("nan") if is_missing(text) else None

    def read(self, column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Float64 (rows,), NaN where missing; and bool (rows,), where a cell says no number."""
        import pandas as pd

        if pd.api.types.is_numeric_dtype(column):
            return column.to_numpy(np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool)
        codes, uniques = pd.factorize(column)
        parsed = [self.number(str(value)) for value in uniques]
        values = np.array([*(np.nan if value is None else value for value in parsed), np.nan], np.float64)
        return values[codes], np.array([*(value is None for value in parsed), False])[codes]

    def graph(self, texts: tf.Tensor) -> tf.Tensor:
        """`number` of each in the graph of a model: float32 (batch,) of strings (batch,); NaN for what is none."""
        import tensorflow as tf

        for pattern, plain in (
            (r"[\s\x{a0}\x{2007}\x{2009}\x{202f}]+", " "),
            ("\u2212", "-"),
            ("\u2019", "'"),
            ("^ | $", ""),
        ):
            texts = tf.strings.regex_replace(texts, pattern, plain)
        pattern = self._regex()
        fits = tf.strings.regex_full_match(texts, pattern)
        plain = tf.strings.regex_full_match(texts, _PLAIN.pattern)
        if self.decimal == ",":
            plain &= ~tf.strings.regex_full_match(texts, f"[-+ ]*{_digits(',', '.')}")
        digits = tf.strings.regex_replace(texts, f"^{pattern}$", r"\1")
        digits = tf.strings.regex_replace(digits, f"[{self.thousands or ' '}]", "")
        digits = tf.strings.regex_replace(digits, self.decimal if self.decimal == "," else "[.]", ".")
        negative = tf.strings.regex_full_match(tf.strings.regex_replace(texts, "[0-9].*", ""), ".*[-(].*")
        size = tf.strings.to_number(tf.where(fits, digits, "0"), tf.float64)  # wide: Python rounds once too
        plainly = tf.strings.to_number(tf.where(plain & ~fits, texts, "nan"), tf.float64)
        return tf.cast(tf.where(fits, tf.where(negative, -size, size), plainly), tf.float32)

    def _regex(self) -> str:
        """Of a number with sign, brackets and unit, in RE2; its first group is the digits."""
        digits = _digits(self.decimal, self.thousands)
        unit = f"(?:{_unit_pattern(self.unit)})?" if self.unit else ""
        before = unit if _is_any(self.unit, CURRENCIES) else ""
        inner = f"(?:[-+] ?{before} ?|{before} ?[-+]?)({digits})"
        return f"(?:[(] ?)?{inner} ?{unit}(?: ?[)])?"

    def strings(self, numbers: np.ndarray) -> np.ndarray:
        """Strings (rows,) that `number` reads as these float32 numbers; empty for NaN."""
        texts = ["" if np.isnan(value) else np.format_float_positional(value, trim="-") for value in numbers]
        return np.array([text.replace(".", self.decimal) for text in texts], dtype=object)


def are_patterns(value: Any) -> bool:
    """Whether a card says patterns of spellings."""
    return isinstance(value, list) and all(isinstance(each, str) and _PATTERN.fullmatch(each) for each in value)


class _Parts(NamedTuple):
    negative: bool
    digits: str
    unit: str


class _ColumnSpelling(NamedTuple):
    """The spelling of a column; whether another decimal sign suits it as well; whether all its numbers are so."""

    spelling: Spelling
    ambiguous: bool
    all: bool


def with_numbers(
    frame: Frame, features: Sequence[str], targets: Sequence[str], train: np.ndarray, notes: list[Note]
) -> tuple[Frame, dict[str, Spelling]]:
    """The table with written numbers as such, and how each of these columns is written.

    Args:
        frame: the table.
        features: columns that may be numbers.
        targets: columns that are numbers only if they have more than twenty different ones.
        train: bool (rows,): the rows by which it is decided.
        notes: those so far; one a column is added.

    Raises:
        InputError: nearly all values of a column are numbers, and one is not.
    """
    columns: dict[str, _ColumnSpelling] = {}
    for name in (*features, *targets):
        column = frame.values[name]
        if str(column.dtype) not in ("object", "str", "string") or numbers(frame, name, strict=False) is not None:
            continue
        spelling = _spelling_of(column[train], name in targets)
        if spelling is not None:
            columns[name] = spelling
    comma = any(each.spelling.decimal == "," for each in columns.values() if not each.ambiguous)
    spellings = {}
    for name, each in columns.items():
        spelling = each.spelling
        if each.ambiguous and comma:
            thousands = "" if spelling.thousands == "," else "."
            spelling = Spelling(",", thousands, spelling.unit)
        frame = converted(frame, name, spelling)
        spellings[name] = spelling
        unit = f" with {spelling.unit}" if spelling.unit else ""
        notes.append(Note(f"column {name}", "kept", f"numbers, as {spelling._replace(unit='').pattern}{unit}"))
    return frame, spellings


def converted(frame: Frame, name: str, spelling: Spelling) -> Frame:
    """The table with a column as numbers.

    Raises:
        InputError: one is none.
    """
    column = frame.values[name]
    values, bad = spelling.read(column)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{frame.where}: {frame.names[at]}, column {name!r}: expected a number as in the other rows, like "
            f"{spelling.pattern}, received {column.iloc[at]!r}; correct it, or leave the cell empty if it is not known"
        )
    return frame._replace(values=frame.values.assign(**{name: values}))


def _spelling_of(column: pd.Series, many: bool) -> _ColumnSpelling | None:
    """How the numbers of a column are written; None where it is one of strings.

    Args:
        column: strings, of the training rows.
        many: whether there must be more than twenty different numbers.
    """
    texts = [(str(text), count) for text, count in column.value_counts().items()]
    known = [(text, count) for text, count in texts if not is_missing(text)]
    rows = sum(count for _, count in known)
    some = known[:LOOK]
    if 2 * sum(_parts(text) is not None for text, _ in some) < len(some):
        return None
    read = [(parts, count) for text, count in known if (parts := _parts(text)) is not None]
    if not read or sum(count for _, count in read) < MOSTLY * rows:
        return None
    unit = _unit([parts for parts, _ in read])
    if unit is None:
        return None
    fitting = []
    for decimal, thousands in PAIRS:
        fit = [(p, count) for p, count in read if _fits(p.digits, decimal, thousands)]
        if not thousands or any(thousands in parts.digits for parts, _ in fit):
            fitting.append((sum(count for _, count in fit), decimal, thousands))
    most = max(count for count, _, _ in fitting)
    decimal, thousands = next((d, t) for count, d, t in fitting if count == most)
    best = {(d, t) for count, d, t in fitting if count == most}
    ambiguous = {(",", ""), (".", ",")} <= best or {(".", ""), (",", ".")} <= best
    if {(",", ""), (".", ",")} <= best and (".", "") not in best:
        decimal, thousands = ".", ","  # 1,234 and 56,789
    elif (
        {(".", ""), (",", ".")} <= best and _is_any(unit, CURRENCIES) and any("." in parts.digits for parts, _ in read)
    ):
        decimal, thousands = ",", "."
    spelling = Spelling(decimal, thousands, unit)
    values = {value for text, _ in known if (value := spelling.number(text)) is not None}
    all_fit = most == rows
    plain = (decimal, thousands) == (".", "") and not _is_any(unit, CURRENCIES + UNITS)
    if len(values) < 2 or ((plain or many or not all_fit) and len(values) <= FEW) or most < MOSTLY * rows:
        return None
    return _ColumnSpelling(spelling, ambiguous, all_fit)


def _unit(read: Sequence[_Parts]) -> str | None:
    """The unit of all numbers, empty for none; None where they have several. A currency may be left out."""
    units = {_bare(parts.unit) for parts in read}
    named = units - {""}
    if not named:
        return ""
    if len(named) > 1 or (len(units) > 1 and named.isdisjoint(map(_bare, CURRENCIES))):
        return None
    return next(parts.unit for parts in read if parts.unit)


def _bare(unit: str) -> str:
    """The unit in one form, as "year" of "Years" and "yr" of "yrs"; "m" and "M" are two."""
    bare = unit.rstrip(".")
    return bare if len(bare) < 2 else bare.lower().removesuffix("s") if len(bare) > 2 else bare.lower()


def _unit_pattern(unit: str) -> str:
    """Of all units whose bare form is that of this one."""
    bare = re.escape(_bare(unit))
    return f"{bare}[.]*" if len(_bare(unit)) < 2 else f"(?i:{bare}{'s?' if len(_bare(unit)) > 1 else ''})[.]*"


def _parts(text: str) -> _Parts | None:
    """Sign, digits and unit of what is written; None where it is no number."""
    bare = re.sub(r"\s+", " ", text.strip()).replace("\u2212", "-").replace("\u2019", "'")
    brackets = bare.startswith("(") and bare.endswith(")")
    match = _PARTS.fullmatch(bare[1:-1].strip() if brackets else bare)
    if match is None or (match["before"] and not _is_any(match["before"], CURRENCIES)):
        return None
    signs = match["sign"] + match["second"]
    if len(signs) + brackets > 1 or (match["before"] and match["after"]):
        return None
    return _Parts(brackets or signs == "-", match["digits"].strip(), match["before"] or match["after"] or "")


def _is_any(unit: str, units: Sequence[str]) -> bool:
    return bool(unit) and _bare(unit) in map(_bare, units)


def _fits(digits: str, decimal: str, thousands: str) -> bool:
    return re.fullmatch(_digits(decimal, thousands), digits, re.ASCII) is not None


def _digits(decimal: str, thousands: str) -> str:
    """Pattern of a number without sign."""
    point = f"[{decimal}]"
    integer_part = rf"(?:[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+|\d+)" if thousands else r"\d+"
    return rf"(?:{integer_part}(?:{point}\d*)?|{point}\d+)"


def is_missing(text: str) -> bool:
    """Whether a cell is empty, or a word that stands for a missing value."""
    return text.strip() in MISSING or text.strip().lower() in WORDS
