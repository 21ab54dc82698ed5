"""Steps of several numbers each, which sequences and windows of series share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zoo.data.card_checks import are_limits, are_names, is_count, is_flag, is_name_or_none, is_text
from zoo.data.kind import STEPS, Kind
from zoo.data.parts import Inputs, Part
from zoo.data.times import When
from zoo.data.unseen import Limits, TrainingValues, limits_of, ranges_of

if TYPE_CHECKING:
    import keras

WHEN = {"time": None, "clock": None, "day_first": False}  # fields that make a `When`, and what most tables have
RARE = ("clock", "day_first", "fill", "known", "lowest", "highest")


def when_of(when: When) -> dict[str, Any]:
    """The fields of a kind for a `When`."""
    return dict(zip(WHEN, when, strict=True))


@dataclass(frozen=True)
class Steps(Kind):
    """Steps of several features; what sequences and series share.

    Attributes:
        features: their names.
        length: steps of an input; None where inputs differ, and rows of NaN follow a shorter one.
        lowest, highest: the smallest and the largest number of each feature in the training part.
    """

    features: tuple[str, ...]
    length: int | None
    lowest: Limits = field(default=(), kw_only=True)
    highest: Limits = field(default=(), kw_only=True)

    name: ClassVar[str] = "sequence"
    title: ClassVar[str] = "sequences, series"
    takes: ClassVar[str] = "sequence float32 (batch, length, features), rows of NaN after the end"
    placeholder: ClassVar[str] = "SERIES"
    default_builder: ClassVar[str] = "lstm"

    def completed(self, part: Part, input_size: int | None, source: Any) -> Self:
        """With the range of each feature."""
        kind = super().completed(part, input_size, source)
        lowest, highest = limits_of(part.inputs)
        return replace(kind, lowest=lowest, highest=highest)

    def place(self, inputs: Inputs, at: tuple[int, ...]) -> tuple[str, Any]:
        """The feature and the step of a number."""
        _, step, feature = at
        return f"column {self.features[feature]!r}, step {step + 1}", inputs[at]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Steps and features."""
        return (self.length, len(self.features))

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Noisy waves in the unit of each feature; where lengths differ, every second one ends early."""
        scale = self.preprocess_of(model).get_layer("scale")
        length, features = self.shape[0] or STEPS, len(self.features)
        phases, periods = rng.uniform(0, 2 * np.pi, (count, 1, features)), rng.uniform(4, 24, (count, 1, features))
        waves = np.sin(phases + 2 * np.pi * np.arange(length)[:, None] / periods)
        waves = waves + 0.2 * rng.standard_normal((count, length, features))
        if self.length is None:
            ends = rng.integers(1, length, count, endpoint=True)[1::2]
            waves[1::2][np.arange(length) >= ends[:, None]] = np.nan
        return (np.array(scale.means) + np.array(scale.deviations) * waves).astype(np.float32)

    def restored(self, reconstructions: np.ndarray, inputs: np.ndarray | None, preprocess: Any) -> np.ndarray | None:
        """In the unit of each feature; NaN after the end of a shorter sequence."""
        restored = reconstructions
        if preprocess is not None:
            scale = preprocess.get_layer("scale")
            restored = (restored * np.float32(scale.deviations) + np.float32(scale.means)).astype(np.float32)
        if inputs is not None:
            restored = np.where(np.isnan(inputs).all(axis=2, keepdims=True), np.nan, restored).astype(np.float32)
        return restored

    @property
    def labels(self) -> Sequence[str]:
        """Names of the features, for people."""
        return self.features

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {self.name: f"features {', '.join(self.labels)}; rows of NaN after the end of a shorter one"}

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Steps of the features."""
        length = shapes[self.name][0]
        shown = {"features": list(self.labels), "length": length, "shorter": self.length is None}
        return [{"name": self.name, "type": "sequence"} | shown]

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """Ranges of the features."""
        places = [(self.name, at) for at in range(len(self.features))]
        return ranges_of(places, self.labels, self.lowest, self.highest)

    @property
    def when(self) -> When:
        """How a table says when its rows were."""
        return When(*(getattr(self, name, default) for name, default in WHEN.items()))

    def to_card(self) -> dict[str, Any]:
        """See `Kind.to_card`; what is as in most tables is left out, as in the first cards."""
        return {name: value for name, value in super().to_card().items() if name not in RARE or value}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        return {
            "features": lambda value: are_names(value) and bool(value),
            "length": lambda value: value is None or is_count(value),
            "target?": is_name_or_none,
            "time": is_name_or_none,
            "clock?": is_text,
            "day_first?": is_flag,
            "header?": is_flag,
            "separator?": is_text,
            "lowest?": lambda value: are_limits(value, len(said["features"])),
            "highest?": lambda value: are_limits(value, len(said["features"])),
        }

    def shapes(self, model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """The number of features."""
        from zoo.builders.models import only_entry

        yield "features", (len(self.features),), (only_entry(model).shape[-1],)
