"""Rows of tables as inputs of a model: columns of numbers and of categories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from zoo.data.unseen import KnownCategories, Limits, TrainingValues, limits_of, ranges_of
from zoo.errors import InputError
from zoo.kinds.tables.rows import Columns, digests_of, inputs_of, tensor_names
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras
    import pandas as pd
    import tensorflow as tf

MISSING_EVERY = 8  # one made-up value in so many is missing, in columns where training had missing ones
UNSEEN_EVERY = 17  # one made-up value in so many is one that training had not
LATER = (
    "stripped",
    "written",
    "spellings",
    "lowest",
    "highest",
)  # fields of the kind that artifacts of 0.1.0 do not have
UNSEEN = "\2 never seen"


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
    lowest: Limits = ()
    highest: Limits = ()

    name: ClassVar[str] = "table"
    plural: ClassVar[str] = "rows"
    title: ClassVar[str] = "tables"
    takes: ClassVar[str] = "numeric float32 (batch, columns); categorical int32 (batch, columns), with categories.json"
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
        frames.require(frame, [*self.numeric, *self.categorical], "a feature the model was trained on")
        if labelled:
            for name in self.target:
                if name in self.written and name in frame.columns:
                    frame = converted(frame, name, self._spellings[name])
            frame = with_targets(frame, self.target)
        errors: dict[int, str] = {}
        numbers = {}
        for name in self.numeric:
            column = frame.values[name]
            values, bad = self._numbers(name, column)
            with np.errstate(over="ignore"):
                infinite = np.isinf(values.astype(np.float32))
            for at in np.flatnonzero(bad | infinite):
                expected = "a finite number" if infinite[at] else f"a number{self._like(name)}"
                errors.setdefault(int(at), f"column {name!r}: expected {expected}, received {column.iloc[at]!r}")
            numbers[name] = np.where(infinite, np.nan, values)
        inputs = inputs_of(frame, Columns(list(self.numeric), list(self.categorical), numbers))
        if "numeric" in inputs:
            inputs["numeric"][list(errors)] = np.nan
        return frame.names, inputs, errors, frame

    @property
    def _spellings(self) -> dict[str, Spelling]:
        return {name: Spelling.of_pattern(each) for name, each in zip(self.written, self.spellings, strict=True)}

    def _numbers(self, name: str, column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Float64 (rows,), NaN where missing; and bool (rows,), where a cell has no number."""
        if name in self.written:
            return self._spellings[name].read(column)
        values = frames.as_numbers(column)
        return values, frames.not_numbers(column, values)

    def _like(self, name: str) -> str:
        return f" like {self._spellings[name].pattern}" if name in self.written else ""

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
        return frames.read(
            source, header=self.header, text=[*self.categorical, *self.target, *self.written], names=names
        )

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
        if column >= len(self.numeric):  # an indicator or a category
            return super().place(inputs, at)
        return f"column {self.numeric[column]!r}", inputs["numeric"][row, column]

    # ---- the exported model ----

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The columns, by the name of the array that holds them."""
        return {"numeric": self.numeric, "categorical": self.categorical}

    def columns_of_tensors(self) -> dict[str, tuple[str, int]]:
        """Name of a tensor of a request -> the array that its column is in, and the position there."""
        return tensor_names(self.groups)

    def renamed(self) -> dict[str, str]:
        """Column -> name of its tensor, where the two differ."""
        pairs = ((self.groups[group][at], name) for name, (group, at) in self.columns_of_tensors().items())
        return {column: name for column, name in pairs if column != name}

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """A tensor (batch,) a column, float32 or string."""
        import tensorflow as tf

        places = self.columns_of_tensors()
        types = {"numeric": tf.float32, "categorical": tf.string}
        specs = {name: tf.TensorSpec([None], types[group], name=name) for name, (group, _) in places.items()}

        def stacked(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            groups: dict[str, list[tf.Tensor]] = {}
            for name, (group, _) in places.items():
                groups.setdefault(group, []).append(tensors[name])
            return {group: tf.stack(values, axis=1) for group, values in groups.items()}

        return specs, stacked

    def feeds(self, inputs: Inputs) -> dict[str, Any]:
        """The columns one by one."""
        return {name: inputs[group][:, position] for name, (group, position) in self.columns_of_tensors().items()}

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Numbers that vary as in training, missing ones in columns that had some; known categories."""
        preprocess, inputs = self.preprocess_of(model), {}
        if self.numeric:
            numbers = preprocess.get_layer("numbers")
            shape = (count, len(self.numeric))
            values = np.array(numbers.means) + np.array(numbers.deviations) * rng.standard_normal(shape)
            for column in numbers.indicators:
                values[rng.integers(MISSING_EVERY, size=count) == 0, column] = np.nan
            inputs["numeric"] = values.astype(np.float32)
        if self.categorical:
            columns = [rng.choice(np.array(names, object), count) for names in self._categories(model)]
            inputs["categorical"] = np.stack(columns, axis=1)
        return inputs

    def with_unseen(self, inputs: Inputs) -> Inputs:
        """Some numbers are missing, and some categories new."""
        gaps = {"numeric": np.nan, "categorical": UNSEEN}
        for at, (name, values) in enumerate(inputs.items()):
            values.flat[at::UNSEEN_EVERY] = gaps[name]
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
        """Numbers, and categories as whole numbers."""
        types = {"numeric": "float32", "categorical": "int32"}
        return {group: (types[group], (len(columns),)) for group, columns in self.groups.items() if columns}

    def meanings(self) -> dict[str, str]:
        """See `Kind.meanings`."""
        numeric, categorical = map(", ".join, self.groups.values())
        unknown = "positions in the lists of categories.json, -1 for another value"
        return {"numeric": f"columns {numeric}; NaN where missing", "categorical": f"columns {categorical}; {unknown}"}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """Numbers, and the position of each category among those of training, -1 for others."""
        numbers = {"numeric": inputs["numeric"].astype(np.float32)} if "numeric" in inputs else {}
        if "categorical" in inputs:
            places = [{each: at for at, each in enumerate(names)} for names in self._categories(model)]
            columns = zip(inputs["categorical"].T, places, strict=True)
            ids = [[place.get(str(each), -1) for each in column] for column, place in columns]
            numbers["categorical"] = np.array(ids, np.int32).T.reshape(-1, len(places))
        return numbers

    def prepare(self, preprocess: Any, tensors: Mapping[str, tf.Tensor]) -> Any:
        """Scaled numbers, and a column of 0 and 1 for each category; all are 0 for -1."""
        import tensorflow as tf

        parts = []
        if "numeric" in tensors:
            parts.append(preprocess.get_layer("numbers")(tensors["numeric"]))
        if "categorical" in tensors:
            ids = tensors["categorical"]
            parts += [
                tf.cast(tf.equal(ids[:, at : at + 1], tf.range(len(names))[None]), tf.float32)
                for at, names in enumerate(preprocess.get_layer("categories").categories)
            ]
        return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]

    def beside(self, model: keras.Model) -> dict[str, str]:
        """The categories of each column, if there are any."""
        if not self.categorical:
            return {}
        columns = dict(zip(self.categorical, self._categories(model), strict=True))
        return {"categories.json": json.dumps(columns, indent=2, ensure_ascii=False)}

    def _categories(self, model: keras.Model) -> list[list[str]]:
        return self.preprocess_of(model).get_layer("categories").categories

    # ---- requests ----

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Numbers and categories, in the order of the file; a category has those that training knew."""
        categories = layers.get("Categories", {}).get("categories")
        order = {column: at for at, column in enumerate(self.columns)}
        fields = []
        for name, (group, position) in self.columns_of_tensors().items():
            column = self.groups[group][position]
            field = {"name": name, "column": column, "type": "number" if group == "numeric" else "category"}
            if group == "categorical" and categories:
                field["categories"] = categories[position]
            fields.append(field)
        return sorted(fields, key=lambda field: order.get(field["column"], len(order)))

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """Ranges of numbers, and categories."""
        names: dict[str, list[str]] = {"numeric": [], "categorical": []}
        for name, (group, _) in self.columns_of_tensors().items():
            names[group].append(name)
        numbers = ranges_of([(name, None) for name in names["numeric"]], self.numeric, self.lowest, self.highest)
        known = layers.get("Categories", {}).get("categories", ())
        columns = zip(names["categorical"], self.categorical, known, strict=False)
        return numbers + [KnownCategories(tensor, column, frozenset(each)) for tensor, column, each in columns]

    def example(self, part: Part) -> dict[str, Any]:
        """The first row without a missing number."""
        at = np.zeros(1, np.int64)
        if "numeric" in part.inputs:
            at[0] = np.isnan(part.inputs["numeric"]).any(axis=1).argmin()
        return {name: values[0] for name, values in self.feeds(chosen_inputs(part.inputs, at)).items()}

    # ---- the card ----

    def to_card(self) -> dict[str, Any]:
        """See `Kind.to_card`; fields that 0.1.0 lacks are left out where they have their defaults."""
        return {name: value for name, value in super().to_card().items() if value or name not in LATER}

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """See `Kind.card_checks`."""
        some = are_names(said.get("numeric")) and are_names(said.get("categorical"))
        return {
            "numeric": lambda value: are_names(value) and (not some or bool(said["numeric"] + said["categorical"])),
            "categorical": are_names,
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
        """The number of columns of both groups."""
        from zoo.builders.models import entry_of

        entry = entry_of(model)
        for group, columns in self.groups.items():
            there = entry.get(group) if isinstance(entry, dict) else None
            yield f"{group} columns", (len(columns),), (0 if there is None else there.shape[-1],)
