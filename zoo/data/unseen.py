"""Values that training never had: categories, numbers far outside the training range, words.

A kind says what its training part had, tensor by tensor of a request (`zoo.data.kind.Kind.training_values`); rows of a
file and requests to a server are compared with it alike, without Keras or TensorFlow.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from zoo.data.notes import Note

CUT = 1000  # categories of a column from which on training may have had others, too rare to be kept
LONGEST = 40  # characters of a value in a note
NEVER = "a value never seen in training"

Limits = tuple[float | None, ...]
"""The smallest or the largest training number of each column; None of a column without any."""


class Unseen(NamedTuple):
    """A value of one input that training never had.

    Attributes:
        where: the column, in words.
        what: in which way it is new, in words that are equal for values that are new alike.
        value: as people read it; empty for a missing one.
    """

    where: str
    what: str
    value: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f", {self.value}" if self.value else "")


class TrainingValues(ABC):
    """What training had of one tensor of a request, or of a column of it."""

    tensor: str

    @abstractmethod
    def unseen(self, values: Any) -> dict[int, Unseen]:
        """Position of an input -> its value that is new.

        Args:
            values: of the tensor, (inputs, ...), as `zoo.data.kind.Kind.feeds` gives them; strings may be bytes.
        """


@dataclass(frozen=True)
class KnownCategories(TrainingValues):
    """The categories of a column of strings.

    Attributes:
        tensor: strings (rows,).
        column: its name.
        categories: that the model knows.
    """

    tensor: str
    column: str
    categories: frozenset[str]

    def unseen(self, values: Any) -> dict[int, Unseen]:
        """See `TrainingValues.unseen`; an empty string is a missing value."""
        what = NEVER if len(self.categories) < CUT else "a value never or seldom seen in training"
        said = {at: text_of(value) for at, value in enumerate(values)}
        new = {at: value for at, value in said.items() if value not in self.categories}
        missing = Unseen(f"column {self.column!r}", "a missing value, which training never had", "")
        return {at: Unseen(missing.where, what, _short(value)) if value else missing for at, value in new.items()}


@dataclass(frozen=True)
class KnownRange(TrainingValues):
    """The smallest and the largest number of a column.

    Far outside is what lies beyond one of them by more than the width of the range, the largest less the smallest: of
    ages from 20 to 60 that are those under -20 and over 100.

    Attributes:
        tensor: float32 (rows,), or (examples, length, features), NaN where there is no number.
        column: its name.
        lowest, highest: of the training part.
        feature: position along the last axis; None of a tensor that is one column.
    """

    tensor: str
    column: str
    lowest: float
    highest: float
    feature: int | None = None

    def unseen(self, values: Any) -> dict[int, Unseen]:
        """See `TrainingValues.unseen`; the value is the one that lies farthest outside."""
        numbers = np.asarray(values, np.float64)
        numbers = (numbers if self.feature is None else numbers[..., self.feature]).reshape(len(numbers), -1)
        outside = np.nan_to_num(np.maximum(self.lowest - numbers, numbers - self.highest), nan=-np.inf, posinf=np.inf)
        farthest, rows = outside.argmax(axis=1), np.arange(len(numbers))
        what = f"a number far outside the training range ({self.lowest:g} to {self.highest:g})"
        return {
            int(at): Unseen(f"column {self.column!r}", what, f"{numbers[at, farthest[at]]:g}")
            for at in np.flatnonzero(outside[rows, farthest] > self.highest - self.lowest)
        }


@dataclass(frozen=True)
class KnownWords(TrainingValues):
    """The vocabulary of texts.

    Attributes:
        tensor: strings (texts,).
        words: that the model knows.
        length: words that it reads of a text; None for all.
        column: of a table with others beside it, where a text may be empty; None of texts alone.
    """

    tensor: str
    words: frozenset[str] = field(repr=False)
    length: int | None = None
    column: str | None = None

    def unseen(self, values: Any) -> dict[int, Unseen]:
        """See `TrainingValues.unseen`: texts none of whose words is known, and those of which most are not."""
        new = {}
        for at, value in enumerate(values):
            words = words_of(text_of(value))[: self.length]
            known = sum(word in self.words for word in words)
            if 2 * known < len(words) or not (words or self.column):
                what = "mostly such as the model does not know" if known else "none that the model knows"
                where = "words" if self.column is None else f"words of column {self.column!r}"
                new[at] = Unseen(where, what, _short(text_of(value)))
        return new


def limits_of(values: np.ndarray) -> tuple[Limits, Limits]:
    """The smallest and the largest number of each column.

    Args:
        values: float32 (..., columns), of the training part; NaN is passed over.
    """
    axes = tuple(range(values.ndim - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN alone
        ends = np.nanmin(values, axis=axes), np.nanmax(values, axis=axes)
    lowest, highest = (tuple(None if np.isnan(each) else float(str(each)) for each in end) for end in ends)
    return lowest, highest


def ranges_of(
    tensors: Sequence[tuple[str, int | None]], columns: Sequence[str], lowest: Limits, highest: Limits
) -> list[TrainingValues]:
    """The range of each column that has one; none for a card without them, as those of 0.1.0.

    Args:
        tensors: of each column the name of its tensor, and its position there as `KnownRange.feature`.
        columns: their names.
        lowest: as `limits_of` gives them, or empty.
        highest: the same.
    """
    return [
        KnownRange(tensor, column, low, high, feature)
        for (tensor, feature), column, low, high in zip(tensors, columns, lowest, highest, strict=False)
        if low is not None and high is not None
    ]


def unseen_of(known: Iterable[TrainingValues], tensors: Mapping[str, Any]) -> dict[int, tuple[Unseen, ...]]:
    """Position of an input -> its values that training never had, in the order of the inputs.

    Args:
        known: as `zoo.data.kind.Kind.training_values` gives it.
        tensors: of a request, by name, (inputs, ...); a known tensor that is not among them is passed over.
    """
    by_position: dict[int, tuple[Unseen, ...]] = {}
    for each in known:
        for at, value in each.unseen(tensors[each.tensor]).items() if each.tensor in tensors else ():
            by_position[at] = (*by_position.get(at, ()), value)
    return dict(sorted(by_position.items()))


def counted(unseen: Iterable[Sequence[Unseen]], total: int, plural: str) -> list[Note]:
    """One note for each column and way of being new: the number of inputs, and the first of the values.

    Args:
        unseen: of each input that has some.
        total: number of all inputs.
        plural: the word for several of them.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for values in unseen:
        for where, what, value in values:
            groups.setdefault((where, what), []).append(value)
    notes = []
    for (where, what), values in groups.items():
        count = "" if total == 1 else f"{len(values):,} of {total:,} {plural} have "
        example = f", {'as ' if count else ''}{values[0]}" if values[0] else ""
        notes.append(Note(where, "kept", f"{count}{what}{example}"))
    return notes


def words_of(text: str) -> list[str]:
    """The words of a text, as `zoo.builders.preprocessing.spaced_words` has them, without TensorFlow."""
    plain = re.sub(r"<br\s*/?>", " ", text.lower()).translate(_SPACED)
    return [word for each in plain.split() for word in re.split("^'+|'+$|''+", each) if word]


class _Spaced(dict[int, str]):
    """Code of a character -> what becomes of it."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "!?" or category == "So":
            spaced = f" {character} "
        else:
            spaced = character if category[0] in "LMN" else " "
        self[code] = spaced
        return spaced


_SPACED = _Spaced(dict.fromkeys(map(ord, "'\u2018\u2019"), "'"))


def text_of(value: Any) -> str:
    """A string that may come as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")
