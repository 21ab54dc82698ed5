"""Rows of tables as inputs of a model: columns of numbers and of categories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zoo.data import assembling, frames
from zoo.data.card_checks import are_limits, are_names, is_flag, is_text
from zoo.data.csv_files import head_of
from zoo.data.frames import Frame
from zoo.data.kind import Kind, Raw
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part, chosen_inputs
from zoo.data.spellings import Spelling, are_patterns, converted
from zoo.data.targets import known_targets, with_targets
from zoo.data.times import When, joined
from zoo.data.unseen import Limits, TrainingValues, limits_of
from zoo.errors import InputError
from zoo.kinds.tables.categories import Categories
from zoo.kinds.tables.dates import Dates, are_orders
from zoo.kinds.tables.group import Group
from zoo.kinds.tables.numbers import Numbers
from zoo.kinds.tables.rows import digests_of, tensor_names
from zoo.kinds.tables.texts import Texts
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

UNSEEN_EVERY = 17  # one made-up value in so many is one that training had not
LATER = (
    "stripped",
    "written",
    "spellings",
    "dates",
    "orders",
    "clocks",
    "texts",
    "lowest",
    "highest",
)  # fields that artifacts of 0.1.0 do not have


@dataclass(frozen=True)
class Tables(Kind):
    """Rows of a table.

    Attributes:
        numeric: columns of numbers.
        categorical: columns of strings.
        target: columns that are predicted.
        separator: of the file.
        header: whether the file names its columns.
        columns: all of the file, in its order.
        stripped: whether blanks before and after strings are no part of them; in 0.1.0 they were.
        written: columns of numbers that are not written as "1234.56".
        spellings: of each of these a pattern that `zoo.data.spellings.Spelling` takes, as "1,234.56 $".
        dates: columns of dates.
        orders: ``day`` or ``month``, of each of these, which is first in 3/4/2024.
        clocks: columns of times of day that are joined to `dates`, one for each of these, empty for none.
        texts: columns of texts.
        lowest, highest: the smallest and the largest number of each column of numbers in the training part.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    target: tuple[str, ...] = ()
    separator: str | None = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    stripped: bool = False
    written: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lowest: Limits = ()
    highest: Limits = ()

    name: ClassVar[str] = "table"
    plural: ClassVar[str] = "rows"
    title: ClassVar[str] = "tables"
    takes: ClassVar[str] = (
        "numeric float32 (batch, columns); dates float32 (batch, 2 x columns); categorical int32 (batch, columns), "
        "with categories.json; words float32 (batch, words), with words.json"
    )
    placeholder: ClassVar[str] = "ROWS.csv"
    tabular: ClassVar[bool] = True

    # ---- reading ----

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """Every CSV or TSV file, where no other kind takes it."""
        return cls.name if look.head is not None else None

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read rows to predict.

        Args:
            source: a file or data frame as `zoo.data.tables` takes it, a dict of one row, or a list of such. Targets
                and other columns may be there and are not read.
            every: makes no difference.

        Returns:
            rows; the numbers of one that can't be used are NaN.

        Raises:
            InputError: a feature is not there.
        """
        names, inputs, errors, _ = self._read(source)
        return Raw(names, inputs, errors)

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """Read rows to score: the test part where the table has parts, else the validation part, else all.

        Rows without target are left out.

        Raises:
            InputError: a feature or target is not there, or a label that the model does not know.
        """
        names, inputs, errors, frame = self._read(source, labelled=True)
        targets = known_targets(frame, self.target, task)
        chosen = assembling.held_out_part(frames.sides(frame), len(names))
        notes = frame.notes + [Note(names[at], "left out", errors[at]) for at in chosen if at in errors]
        chosen = np.array([at for at in chosen if at not in errors], dtype=np.int64)
        if not len(chosen):
            raise InputError(f"{frame.where}: no row to score; {notes[0].reason if notes else 'it has none'}")
        rows = assembling.Rows(inputs, targets, names, digests_of(inputs)).chosen(chosen)
        return Part(rows.inputs, rows.targets, tuple(rows.names), tuple(rows.digests)), notes

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """See `Kind.classed`."""
        return super().classed(source, () if tuple(names) == self.target else names)

    def _read(
        self, source: Any, *, labelled: bool = False
    ) -> tuple[list[str], dict[str, np.ndarray], dict[int, str], Frame]:
        frame = self._frame(source)
        if self.stripped:
            frame = frames.stripped(frame, [name for name in frame.columns if name in self.columns])
        features = [name for group in self.groups.values() for name in group.columns]
        frames.require(frame, features, "a feature the model was trained on")
        for day, clock in zip(self.dates, self.clocks, strict=False):
            if clock and clock in frame.columns:  # a request may have both in one
                frame = joined(frame, When(day, clock))
        if labelled:
            for name in self.target:
                if name in self.written and name in frame.columns:
                    frame = converted(frame, name, self._spellings[name])
            frame = with_targets(frame, self.target)
        inputs, errors = {}, dict[int, str]()
        for name, group in self.groups.items():
            inputs[name], wrong = group.read(frame)
            errors = wrong | errors
        if "numeric" in inputs:
            inputs["numeric"][list(errors)] = np.nan
        return frame.names, inputs, errors, frame

    @property
    def _spellings(self) -> dict[str, Spelling]:
        return {name: Spelling.of_pattern(each) for name, each in zip(self.written, self.spellings, strict=True)}

    def _frame(self, source: Any) -> Frame:
        if isinstance(source, dict | list | tuple):
            import pandas as pd

            rows = [source] if isinstance(source, dict) else list(source)
            if not rows or not all(isinstance(row, dict) for row in rows):
                raise InputError("expected a row as a dict of column name and value, or a list of such")
            frame = frames.read(pd.DataFrame(rows).astype(object))
            return frame._replace(names=[f"input {at}" for at in range(len(rows))], where="the rows")
        names = None
        if not self.header and isinstance(source, str | Path):
            width = len(head_of(Path(source), header=False).names)
            without = [name for name in self.columns if name not in self.target]
            names = without if width == len(without) else list(self.columns)
        literal = [*self.categorical, *self.target, *self.written, *self.dates, *self.clocks, *self.texts]
        return frames.read(source, header=self.header, text=literal, names=names)

    # ---- training ----

    def completed(self, part: Part, input_size: int | None, source: Any) -> Self:
        """With the range of each column of numbers."""
        kind = super().completed(part, input_size, source)
        if not self.numeric:
            return kind
        lowest, highest = limits_of(part.inputs["numeric"])
        return replace(kind, lowest=lowest, highest=highest)

    def place(self, inputs: Inputs, at: tuple[int, ...]) -> tuple[str, Any]:
        """The column of a number."""
        row, column = at
        if column >= len(self.numeric):  # an indicator, or of another group
            return super().place(inputs, at)
        return f"column {self.numeric[column]!r}", inputs["numeric"][row, column]

    def table_columns(self, part: Part, notes: Sequence[Note]) -> list[dict[str, Any]]:
        """See `Kind.table_columns`."""
        left = {note.name.removeprefix("column "): note.reason for note in notes if note.action == "left out"}
        rows = {name: {"read_as": "left out", "reason": left.get(name, "no input")} for name in self.columns}
        rows |= {name: {"read_as": "target"} for name in self.target}
        for key, group in self.groups.items():
            missing = group.missing(part.inputs[key]).mean(axis=0)
            for at, name in enumerate(group.columns):
                read_as, filled = group.summary(part.inputs[key], at)
                rows[name] = {"read_as": read_as, "missing": float(missing[at]), "filled": filled}
        return [{"column": name} | row for name, row in rows.items()]

    # ---- the exported model ----

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The columns that are inputs, by the name of the array that holds them."""
        groups: tuple[Group, ...] = (
            Numbers(self.numeric, self._spellings, self.lowest, self.highest),
            Dates(self.dates, self.orders),
            Categories(self.categorical),
            Texts(self.texts),
        )
        return {group.name: group for group in groups if group.columns}

    def columns_of_tensors(self) -> dict[str, tuple[str, int]]:
        """Name of a tensor of a request -> the array that its column is in, and the position there."""
        return tensor_names({name: group.columns for name, group in self.groups.items()})

    def renamed(self) -> dict[str, str]:
        """Column -> name of its tensor, where the two differ."""
        places = self.columns_of_tensors().items()
        pairs = ((self.groups[group].columns[at], name) for name, (group, at) in places)
        return {column: name for column, name in pairs if column != name}

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """A tensor (batch,) a column, float32 or string."""
        import tensorflow as tf

        places = self.columns_of_tensors()
        types = {
            name: tf.string if self.groups[group].is_string(at) else tf.float32 for name, (group, at) in places.items()
        }
        specs = {name: tf.TensorSpec([None], dtype, name=name) for name, dtype in types.items()}

        def grouped(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            columns: dict[str, list[tf.Tensor]] = {}
            for name, (group, _) in places.items():
                columns.setdefault(group, []).append(tensors[name])
            return {group: self.groups[group].from_tensors(each) for group, each in columns.items()}

        return specs, grouped

    def feeds(self, inputs: Inputs) -> dict[str, Any]:
        """The columns one by one."""
        places = self.columns_of_tensors().items()
        return {name: self.groups[group].column(inputs[group], at) for name, (group, at) in places}

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Values as in training, missing ones in columns that had some."""
        preprocess = self.preprocess_of(model)
        return {name: group.made_up(preprocess, count, rng) for name, group in self.groups.items()}

    def with_unseen(self, inputs: Inputs) -> Inputs:
        """Some numbers are missing, and some categories new."""
        for at, (name, values) in enumerate(inputs.items()):
            values.flat[at::UNSEEN_EVERY] = self.groups[name].unseen()
        return inputs

    def restored(self, reconstructions: np.ndarray, inputs: np.ndarray | None, preprocess: Any) -> np.ndarray | None:
        """There is no way back from prepared features to columns."""
        return None

    @property
    def is_restored(self) -> bool:
        """See `restored`."""
        return False

    # ---- formats without strings ----

    def tensors(self, model: keras.Model) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """One of each group: numbers, dates as days and seconds, positions of categories, counts of words."""
        preprocess = self.preprocess_of(model)
        return {group.tensor: (group.dtype, (group.width(preprocess),)) for group in self.groups.values()}

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        return {group.tensor: group.meaning() for group in self.groups.values()}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """See `Kind.numbers`."""
        preprocess = self.preprocess_of(model)
        return {group.tensor: group.numbers(preprocess, inputs[name]) for name, group in self.groups.items()}

    def prepare(self, preprocess: Any, tensors: Mapping[str, tf.Tensor]) -> Any:
        """Features of all groups, side by side."""
        import tensorflow as tf

        parts = [group.prepare(preprocess, tensors[group.tensor]) for group in self.groups.values()]
        return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]

    def beside(self, model: keras.Model) -> dict[str, str]:
        """The categories and the words of each column, if there are any."""
        preprocess, files = self.preprocess_of(model), {}
        for group in self.groups.values():
            if (strings := group.beside(preprocess)) is not None:
                columns = dict(zip(group.columns, strings[1], strict=True))
                files[strings[0]] = json.dumps(columns, indent=2, ensure_ascii=False)
        return files

    # ---- requests ----

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A field a column, in the order of the file."""
        order = {column: at for at, column in enumerate(self.columns)}
        fields = []
        for name, (group, at) in self.columns_of_tensors().items():
            column = self.groups[group].columns[at]
            fields.append({"name": name, "column": column} | self.groups[group].field(at, layers))
        return sorted(fields, key=lambda field: order.get(field["column"], len(order)))

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """Of each column the range, the categories or the words."""
        places = self.columns_of_tensors().items()
        known = (self.groups[group].training_values(name, at, layers) for name, (group, at) in places)
        return [each for each in known if each is not None]

    def example(self, part: Part) -> dict[str, Any]:
        """The first row without a missing number or date."""
        at = np.zeros(1, np.int64)
        groups = [group.missing(part.inputs[name]) for name, group in self.groups.items() if group.dtype == "float32"]
        if groups:
            at[0] = np.concatenate(groups, axis=1).any(axis=1).argmin()
        return {name: values[0] for name, values in self.feeds(chosen_inputs(part.inputs, at)).items()}

    # ---- the card ----

    def to_card(self) -> dict[str, Any]:
        """See `Kind.to_card`; fields that 0.1.0 lacks are left out where they have their defaults."""
        return {name: value for name, value in super().to_card().items() if value or name not in LATER}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        groups = [said.get(name, []) for name in ("numeric", "categorical", "dates", "texts")]
        some = all(map(are_names, groups))
        return {
            "numeric": lambda value: are_names(value) and (not some or any(groups)),
            "categorical": are_names,
            "dates?": are_names,
            "orders?": lambda value: are_orders(value) and len(value) == len(said.get("dates", ())),
            "clocks?": lambda value: (
                isinstance(value, list) and all(map(is_text, value)) and len(value) == len(said.get("dates", ()))
            ),
            "texts?": are_names,
            "target" if supervised else "target?": are_names,
            "columns" if said.get("header") is False else "columns?": are_names,
            "header?": is_flag,
            "stripped?": is_flag,
            "written?": are_names,
            "spellings?": lambda value: are_patterns(value) and len(value) == len(said.get("written", ())),
            "lowest?": lambda value: are_limits(value, len(said["numeric"])),
            "highest?": lambda value: are_limits(value, len(said["numeric"])),
            "separator?": is_text,
        }

    def shapes(self, model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """The width of each group."""
        from zoo.builders.models import entry_of

        entry = entry_of(model)
        for name in ("numeric", "categorical", *self.groups):
            there = entry.get(name) if isinstance(entry, dict) else None
            width = self.groups[name].size if name in self.groups else 0
            yield f"{name} columns", (width,), (0 if there is None else there.shape[-1],)
