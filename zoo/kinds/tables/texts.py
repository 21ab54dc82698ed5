"""Columns of texts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.data import frames
from zoo.data.frames import Frame
from zoo.data.unseen import KnownWords, TrainingValues
from zoo.kinds.tables.group import Group

MADE_UP = 20  # words of a made-up text at most


@dataclass(frozen=True)
class Texts(Group):
    """Texts, strings (rows, columns), whose words are weighed."""

    name: ClassVar[str] = "texts"
    layer: ClassVar[str] = "word_weights"
    tensor: ClassVar[str] = "words"
    dtype: ClassVar[str] = "float32"

    def read(self, frame: Frame) -> tuple[np.ndarray, dict[int, str]]:
        """See `Group.read`; an empty text has no words."""
        return frames.stacked(frame, self.columns), {}

    def missing(self, values: np.ndarray) -> np.ndarray:
        """See `Group.missing`."""
        return values == ""

    def summary(self, values: np.ndarray, at: int) -> tuple[str, str]:
        """See `Group.summary`."""
        lengths = [len(text.split()) for text in values[:, at] if text]
        return f"text, {np.mean(lengths):.0f} words on average", "no words"

    def field(self, at: int, layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """With the words that are weighed."""
        known = layers.get("WordCounts", {}).get("words")
        return {"type": "text"} | ({"words": known[at]} if known else {})

    def training_values(self, tensor: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> TrainingValues | None:
        """The words."""
        known = layers.get("WordCounts", {}).get("words")
        return KnownWords(tensor, frozenset(known[at]), column=self.columns[at]) if known else None

    def made_up(self, preprocess: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        """Known words, the frequent ones, which come first, more often."""
        columns = []
        for words in self._known(preprocess):
            drawn = [(len(words) * rng.random(size) ** 3).astype(int) for size in rng.integers(1, MADE_UP, count)]
            columns.append(np.array([" ".join(words[at] for at in each) for each in drawn], dtype=object))
        return np.stack(columns, axis=1)

    def unseen(self) -> str:
        """A text of a new word."""
        return "zzyzx"

    def width(self, preprocess: Any) -> int:
        """All words of all columns."""
        return sum(map(len, self._known(preprocess)))

    def meaning(self) -> str:
        """See `Group.meaning`."""
        return f"columns {', '.join(self.columns)}; how often each word of words.json is there, column after column"

    def numbers(self, preprocess: Any, values: np.ndarray) -> np.ndarray:
        """Counts of the words."""
        from zoo.builders.preprocessing import spaced_words

        widths = [len(words) for words in self._known(preprocess)]
        starts = [0, *itertools.accumulate(widths)]
        counts = np.zeros((len(values), starts[-1]), np.float32)
        for start, words, column in zip(starts, self._known(preprocess), values.T, strict=False):
            places = {word: start + at for at, word in enumerate(words)}
            for row, text in enumerate(spaced_words(column.tolist()).numpy()):
                for word in text.decode("utf-8").split():
                    if word in places:
                        counts[row, places[word]] += 1
        return counts

    def beside(self, preprocess: Any) -> tuple[str, Sequence[Sequence[str]]]:
        """The words of each column."""
        return "words.json", self._known(preprocess)

    def _known(self, preprocess: Any) -> Sequence[Sequence[str]]:
        return preprocess.get_layer("word_counts").words
