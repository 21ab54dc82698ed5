"""What sequences and windows of a series are to a model: steps, each of several numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zoo.data import assembling, frames, targets, times
from zoo.data.card_checks import are_names, is_count, is_flag, is_name_or_none, is_text, is_whole
from zoo.data.frames import Frame
from zoo.data.kind import STEPS, Kind, Raw
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part
from zoo.data.targets import target_columns
from zoo.data.times import Timed, When
from zoo.errors import InputError
from zoo.kinds.sequences import series, ts_files
from zoo.kinds.sequences.long_form import codes_of, grouped, one_each
from zoo.kinds.sequences.padding import digests_of, fitted
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras


WHEN = {"time": None, "clock": None, "day_first": False}  # fields that make a `When`, and what most tables have
RARE = ("clock", "day_first")


def when_of(when: When) -> dict[str, Any]:
    """The fields of a kind for a `When`."""
    return dict(zip(WHEN, when, strict=True))


@dataclass(frozen=True)
class Steps(Kind):
    """Steps of several features; what sequences and series share.

    Attributes:
        features: their names.
        length: steps of an input; None where inputs differ, and rows of NaN follow a shorter one.
    """

    features: tuple[str, ...]
    length: int | None

    name: ClassVar[str] = "sequence"
    title: ClassVar[str] = "sequences, series"
    takes: ClassVar[str] = "sequence float32 (batch, length, features), rows of NaN after the end"
    placeholder: ClassVar[str] = "SERIES"
    usual: ClassVar[str] = "lstm"

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

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {self.name: f"features {', '.join(self.features)}; rows of NaN after the end of a shorter one"}

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Steps of the features."""
        length = shapes[self.name][0]
        shown = {"features": list(self.features), "length": length, "shorter": self.length is None}
        return [{"name": self.name, "type": "sequence"} | shown]

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
        }

    def shapes(self, model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """The number of features."""
        from zoo.builders.models import only_entry

        yield "features", (len(self.features),), (only_entry(model).shape[-1],)


@dataclass(frozen=True)
class Sequences(Steps):
    """Sequences, one an example.

    Attributes:
        target: the column that is predicted; None where files say it themselves.
        series: the column that tells which sequence a row belongs to; None of .ts files and arrays.
        time: the column that orders the rows; None for the order of the file.
        separator: of the file.
        header: whether it names its columns.
        clock: the column of times of day that belongs to dates in `time`; None where there is none.
        day_first: whether days come before months in `time`, where dates leave a choice.
        longest: steps that a model takes at most, which pads shorter ones to so many; None for any number.
    """

    target: str | None = None
    series: str | None = None
    time: str | None = None
    separator: str | None = None
    header: bool | None = None
    clock: str | None = None
    day_first: bool = False
    longest: int | None = field(default=None, compare=False)

    # ---- reading ----

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """Files of the UEA and UCR archives, and tables for which a window, a horizon or a series is asked."""
        if look.name.endswith(".ts") or any(name.endswith(".ts") for name in look.top):
            return cls.name
        return cls.name if look.head is not None and look.asks("window", "horizon", "series") else None

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read sequences to predict.

        Args:
            source: a .ts file, a CSV file in the form the model was trained on, a data frame, an array (length,
                features) or (examples, length, features), or a list of arrays.
            every: makes no difference.

        Returns:
            float32 (examples, length, features); one that can't be used is all NaN.

        Raises:
            InputError: not of the model's features.
        """
        if isinstance(source, list | tuple) and source and all(isinstance(each, np.ndarray) for each in source):
            return self._fitted(list(source), [f"input {at}" for at in range(len(source))])
        if isinstance(source, np.ndarray):
            values = source[None] if source.ndim == 2 else source
            return self._fitted(list(values), [f"input {at}" for at in range(len(values))])
        if ts_files.is_ts(source):
            read = ts_files.read(Path(source))
            return self._fitted(read.values, read.names)
        frame = self._frame(source)
        values, names, _ = grouped(frame, self.series, self._timed(frame, []), self.features, strict=False)
        return self._fitted(values, names)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """Read sequences to score: the test part where there is one, else the validation part, else all.

        Raises:
            InputError: as the reader, or a label that the model does not know.
        """
        notes: list[Note] = []
        if ts_files.is_ts(source):
            where = str(source)
            read = ts_files.read(Path(source))
            values, names, labels = read.values, read.names, read.labels
            sides = None if read.parts is None else np.array(read.parts, dtype=object)
            encoded = task.encode(targets.Targets.of_labels(labels, names, where))
        else:
            frame = self._frame(source)
            where, notes = frame.where, list(frame.notes)
            target = target_columns(frame, self.target)[0]
            values, names, firsts = grouped(frame, self.series, self._timed(frame, notes), self.features)
            rows = one_each(frame, target, self.series, firsts)
            encoded = targets.known_targets(rows, [target], task)
            sides = frames.sides(one_each(frame, frames.split_column(frame), self.series, firsts))
        chosen = assembling.held_out_part(sides, len(names))
        values = [values[at] for at in chosen]
        names, inputs, errors = self._fitted(values, [names[at] for at in chosen])
        notes += [Note(names[at], "left out", reason) for at, reason in errors.items()]
        good = np.array([at for at in range(len(names)) if at not in errors], dtype=np.int64)
        if not len(good):
            raise InputError(f"{where}: no sequence to score; {next(iter(errors.values()), 'it has none')}")
        kept = assembling.Rows(inputs, encoded[chosen], names, digests_of(values)).chosen(good)
        return Part(kept.inputs, kept.targets, tuple(kept.names), tuple(kept.digests)), notes

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """See `Kind.classed`."""
        return super().classed(source, () if tuple(names) == (self.target,) else names)

    def _frame(self, source: Any) -> Frame:
        if self.series is None:
            raise InputError(f"{source}: the model was trained on .ts files or arrays; expected such, not a table")
        text = [name for name in (self.series, self.target) if name is not None]
        frame = frames.read(source, header=self.header, text=text)
        needed = [self.series, *self.features, *([self.time] if self.time else [])]
        frames.require(frame, needed, "what the model was trained on")
        return frame

    def _timed(self, frame: Frame, notes: list[Note]) -> Timed | None:
        if self.time is None:
            return None
        return times.of(frame, self.when, notes, codes_of(frame, str(self.series))[0])

    def _fitted(self, values: Sequence[np.ndarray], names: Sequence[str]) -> Raw:
        return Raw(list(names), *fitted(values, self.features, self.length, self.longest))

    # ---- training ----

    def network_shape(self, shape: tuple[int, ...]) -> tuple[int | None, ...]:
        """Steps are free where sequences differ."""
        return (None, *shape[1:]) if self.length is None else shape

    # ---- the exported model ----

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Steps and features."""
        return (self.length or self.longest, len(self.features))

    def of_model(self, model: keras.Model) -> Self:
        """An autoencoder takes as many steps as the longest training sequence had."""
        return replace(self, longest=model.longest) if self.length is None and hasattr(model, "longest") else self

    # ---- the card ----

    @classmethod
    def variant(cls, said: Mapping[str, Any]) -> type[Steps]:
        """A `Series` where the card has a window."""
        return Series if "window" in said else cls

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        return super().card_checks(said, supervised) | {"series": is_name_or_none}


@dataclass(frozen=True)
class Series(Steps):
    """Windows of a series, from which the next values of one feature are forecast.

    Attributes:
        window: steps that an input looks back over.
        horizon: steps that are forecast.
        target: the feature that is forecast.
        target_position: its position.
        time: the column that orders the rows; None for the order of the file.
        separator: of the file.
        header: whether it names its columns.
        clock, day_first: as those of `Sequences`.
    """

    window: int = 1
    horizon: int = 1
    target: str | None = None
    target_position: int = 0
    time: str | None = None
    separator: str | None = None
    header: bool | None = None
    clock: str | None = None
    day_first: bool = False

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read the last window of a series, or every one, each named by its last row.

        Args:
            source: a CSV file or data frame with the model's features, an array (rows, features) or several of them
                (series, rows, features), or a list of arrays.
            every: all windows.

        Raises:
            InputError: not of the model's features, shorter than its window, or a time that is none.
        """
        several = isinstance(source, list | tuple) and bool(source)
        if not several or not all(isinstance(each, np.ndarray) for each in source):
            return self._windows(source, every)
        names, inputs, errors = [], [], {}
        for number, each in enumerate(source):
            raw = self._windows(each, every)
            errors |= {len(names) + at: reason for at, reason in raw.errors.items()}
            names += [name.replace("input 0", f"input {number}", 1) for name in raw.names]
            inputs.append(raw.inputs)
        return Raw(names, np.concatenate(inputs), errors)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """All windows of a series, or those of its held-out part."""
        return series.read_part(
            source, self.features, self.window, self.horizon, self.target_position, self.when, self.header
        )

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """Windows have no classes."""
        return super().classed(source, ())

    def _windows(self, source: Any, every: bool) -> Raw:
        return Raw(*series.read_windows(source, self.features, self.window, self.when, self.header, last=not every))

    def arguments(self) -> dict[str, Any]:
        """A window has no padding."""
        return {"masking": False}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        more = {"window": is_count, "horizon": is_count, "target_position": is_whole}
        return super().card_checks(said, supervised) | more
