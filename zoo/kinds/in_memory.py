"""What users of Keras have at hand: pairs of arrays, data frames and `tf.data.Dataset` objects, each alone or in parts.

Neither TensorFlow nor polars is imported to recognise theirs: an object of a library that is not loaded can't be here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data import csv_files
from zoo.data.dataset import Data
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.kinds import tf_datasets
from zoo.kinds.array_targets import is_one_hot
from zoo.kinds.arrays import of_parts
from zoo.kinds.registry import READERS, kinds

EXPECTED = (
    "expected a path, (x, y), ((x_train, y_train), (x_test, y_test)), a data frame with target=COLUMN, (frame, COLUMN) "
    "or a tf.data.Dataset"
)
TEXT = "text"  # column of texts that come as an array


class Table(NamedTuple):
    """A pandas.DataFrame, and options of its reader that follow from how it came."""

    frame: Any
    options: dict[str, Any] = {}


class Arrays(NamedTuple):
    """Inputs and targets as arrays, and the names of the classes where these are known."""

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...] | None = None


def read(source: Any, **options: Any) -> Data:
    """Take what is in memory as a data set.

    Args:
        source: inputs and targets ``(x, y)``; two such pairs, to train on and to test, or three, the second to
            validate; a data frame of pandas or polars, ``(frame, column)`` or ``(features, targets)``; a
            `tf.data.Dataset` of pairs, batched or not, or a pair of such, the second to validate. Arrays of strings are
            texts.
        options: those of `zoo.data.arrays` for arrays, else those of the reader, as ``target`` of a table.

    Raises:
        InputError: it is nothing of these, in one line with the call that works; or an option is not known.
    """
    parts = {name: _one(each) for name, each in _parts(source).items()}
    if all(isinstance(each, Table) for each in parts.values()):
        return _of_tables(parts, options)
    if not all(isinstance(each, Arrays) for each in parts.values()):
        raise InputError(f"expected parts of one form, received {', '.join(type(e).__name__ for e in parts.values())}")
    taken = list(inspect.signature(of_parts).parameters)[1:]
    for name in options:
        if name not in taken:
            raise InputError(f"arrays take no option {name!r}; they take {', '.join(taken)}")
    options = {"classes": parts["train"].classes} | options
    return of_parts({name: each[:2] for name, each in parts.items()}, **options)


def _parts(source: Any) -> dict[str, Any]:
    """Part of the data -> what it holds."""
    if not isinstance(source, tuple | list) or len(source) not in (2, 3):
        return {"train": source}
    datasets = all(tf_datasets.holds(each) for each in source)
    pairs = all(isinstance(each, tuple | list) and len(each) == 2 and not _is_flat(each) for each in source)
    frames = all(_is_frame(each) for each in source)
    columns = {tuple(map(str, each.columns)) for each in source} if frames else set()
    if not (datasets or pairs or len(columns) == 1):
        return {"train": source}
    held_out = ("validation", "test") if len(source) == 3 else ("validation" if datasets else "test",)
    return dict(zip(("train", *held_out), source, strict=True))


def _one(source: Any) -> Table | Arrays:
    """One part."""
    if tf_datasets.holds(source):
        arrays = Arrays(*tf_datasets.read(source))
        return _texts(arrays) if _is_strings(arrays.inputs) else arrays
    if _is_frame(source):
        return Table(_pandas(source))
    if not isinstance(source, tuple | list) or len(source) != 2:
        raise InputError(_refusal(source))
    inputs, targets = source
    if _is_frame(inputs):
        return _joined(_pandas(inputs), targets)
    for each in source:
        if inspect.isgenerator(each) or _is_batches(each) or tf_datasets.holds(each):
            raise InputError(_refusal(each))
        if isinstance(each, str | Path | Mapping | None):
            raise InputError(_refusal(source))
    arrays = Arrays(_array(inputs, "x"), _array(targets, "y"))
    return _texts(arrays) if _is_strings(arrays.inputs) else arrays


def _array(values: Any, what: str) -> np.ndarray:
    if hasattr(values, "toarray"):
        raise InputError(
            f"{what} is a sparse matrix of {values.shape}; expected an array: zoo.data.open((x.toarray(), y))"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise InputError(_ragged(what)) from error
        raise InputError(f"{what}: expected an array of numbers; {error}") from error
    first = next((each for each in array.ravel()[:1]), None) if array.dtype == object else None
    if isinstance(first, list | tuple | np.ndarray):
        raise InputError(_ragged(what))
    return array


def _ragged(what: str) -> str:
    return (
        f"{what} has rows of different lengths; pad sequences of features (length, features) with NaN: "
        "x = keras.utils.pad_sequences(x, padding='post', value=numpy.nan, dtype='float32'), zoo.data.open((x, y)); "
        "make lists of word numbers texts: zoo.data.open(([' '.join(map(str, each)) for each in x], y))"
    )


def _texts(arrays: Arrays) -> Table:
    """Texts in an array, as the table of two columns that their reader takes."""
    import pandas as pd

    targets = arrays.targets.reshape(len(arrays.targets), -1)
    if targets.shape[1] != 1:
        if not is_one_hot(targets):
            raise InputError(f"expected one target a text, received {arrays.targets.shape}")
        targets = targets.argmax(axis=1)[:, None]
    values = targets[:, 0]
    if arrays.classes is not None:
        values = np.array(arrays.classes, dtype=object)[values.astype(int)]
    if len(arrays.inputs) != len(values):
        raise InputError(f"expected as many targets as texts, received {len(values)} and {len(arrays.inputs)}")
    return Table(
        pd.DataFrame({TEXT: list(map(str, arrays.inputs.tolist())), "target": values}),
        {"column": TEXT, "target": "target"},
    )


def _joined(frame: Any, targets: Any) -> Table:
    """A table and its target: the name of a column, names of several, or values beside the table."""
    if isinstance(targets, str) or (isinstance(targets, list | tuple) and all(isinstance(e, str) for e in targets)):
        names = [targets] if isinstance(targets, str) else list(targets)
        if len(names) < len(frame) or set(names) <= set(map(str, frame.columns)):
            return Table(frame, {"target": targets if isinstance(targets, str) else names})
    import pandas as pd

    indexed = hasattr(targets, "index") and not callable(targets.index)
    if indexed and len(targets) == len(frame) and not frame.index.equals(targets.index):
        raise InputError(
            "expected targets in the order of the rows, but the indexes of the two frames differ: "
            "zoo.data.open((x, y.loc[x.index]))"
        )
    beside = _pandas(targets) if _is_frame(targets) else pd.DataFrame(np.asarray(targets))
    if len(beside) != len(frame):
        raise InputError(f"expected as many targets as rows, received {len(beside)} and {len(frame)}")
    if not _is_frame(targets):
        name = str(getattr(targets, "name", None) or "target")
        beside.columns = [name] if beside.shape[1] == 1 else [f"{name}_{at}" for at in range(beside.shape[1])]
    twice = set(map(str, frame.columns)) & set(map(str, beside.columns))
    if twice:
        raise InputError(
            f"the column {min(twice)!r} is among features and targets; expected it in one: "
            f"zoo.data.open((frame, {min(twice)!r})) takes it as the target"
        )
    joined = pd.concat([frame, beside.set_axis(frame.index, axis=0)], axis=1)
    names = [str(name) for name in beside.columns]
    return Table(joined, {"target": names[0] if len(names) == 1 else names})


def _of_tables(parts: Mapping[str, Table], options: dict[str, Any]) -> Data:
    frame, known = parts["train"]
    if len(parts) > 1:
        import pandas as pd

        for each, _ in parts.values():
            if "split" in each.columns:
                raise InputError("a frame of several has a column 'split' already; drop it, or give one frame with it")
            if list(each.columns) != list(frame.columns):
                raise InputError(
                    f"expected parts with the same columns, received {', '.join(map(str, frame.columns[:10]))} and "
                    + ", ".join(map(str, each.columns[:10]))
                )
        labelled = [
            each.assign(split=name).set_axis([f"{name} {label}" for label in each.index], axis=0)
            for name, (each, _) in parts.items()
        ]
        frame = pd.concat(labelled)
    for name, value in known.items():
        if options.get(name, value) != value:
            raise InputError(f"expected one {name}, received {value!r} beside the frame and {name}={options[name]!r}")
    options = options | known
    notes: list[Note] = []
    if not options.get("task"):
        frame, options = _without_one_hot(frame, options, notes)
    reader = READERS[_form_of(frame, options)]
    reader.check("the data frame", options)
    data = reader.read(frame, **options)
    return replace(data, intake=(*notes, *data.intake))


def _without_one_hot(frame: Any, options: dict[str, Any], notes: list[Note]) -> tuple[Any, dict[str, Any]]:
    """The frame with the name of the column where a 1 is, in place of one-hot columns."""
    columns = options.get("target")
    if not isinstance(columns, list | tuple) or not set(columns) <= set(frame.columns):
        return frame, options
    hot = frame[list(columns)].to_numpy()
    if not is_one_hot(hot):
        return frame, options
    name = "target" if "target" not in set(frame.columns) - set(columns) else "_".join(columns)
    values = np.array(list(columns), dtype=object)[hot.argmax(axis=1)]
    reason = "targets are one-hot: taken as classes; task='multi_label' or 'regression' says otherwise"
    notes.append(Note("the data frame", "kept", reason))
    return frame.drop(columns=list(columns)).assign(**{name: values}), options | {"target": name}


class _Head(Look):
    """A first look at a data frame."""

    is_folder, name, top, below = False, "", (), ()  # type: ignore[assignment]

    def __init__(self, frame: Any, options: Mapping[str, Any]) -> None:
        super().__init__(Path("the data frame"), options)
        self.head = csv_files.head_of(self.path, frame.head(50).to_csv(index=False).encode(), header=True)


def _form_of(frame: Any, options: Mapping[str, Any]) -> str:
    """The form that a CSV file of these columns would have, of those whose readers take data frames."""
    look = _Head(frame, options)
    forms = (kind.recognises(look) for kind in kinds())
    return next((form for form in forms if form is not None and READERS[form].frames), "table")


def _is_frame(value: Any) -> bool:
    return (
        hasattr(value, "iloc")
        and hasattr(value, "columns")
        or _library(value) == "polars"
        and _type(value) == "DataFrame"
    )


def _pandas(frame: Any) -> Any:
    """A frame of pandas; those of polars are copied, column by column, which needs no pyarrow."""
    if hasattr(frame, "iloc"):
        return frame
    import pandas as pd

    return pd.DataFrame({column.name: column.to_numpy() for column in frame.get_columns()})


def _is_flat(values: Sequence[Any]) -> bool:
    """Whether a pair is a row of two values, not of inputs and targets."""
    return isinstance(values[0], str | int | float | np.generic)


def _is_strings(values: np.ndarray) -> bool:
    if values.ndim != 1 or not len(values):
        return False
    return values.dtype.kind == "U" or isinstance(values[0], str)


def _refusal(source: Any) -> str:
    """Why something can't be taken, and the call that works."""
    one_array = "x, y = map(numpy.concatenate, zip(*{})); zoo.data.open((x, y))"
    if isinstance(source, Mapping):
        if {"data", "target"} <= set(source):  # of scikit-learn
            return f"a {_type(source)} holds data and target apart: zoo.data.open((bunch.data, bunch.target))"
        call = "zoo.data.open(pandas.DataFrame(columns), target=COLUMN)"
        return f"a {_type(source)} of columns is no data frame yet: {call}"
    if _type(source) == "LazyFrame":
        return "a LazyFrame is not read yet: zoo.data.open(frame.collect(), target=COLUMN)"
    if _is_batches(source):
        batches = "(batches[at] for at in range(len(batches)))"
        return f"a {_type(source)} may give other batches in each epoch; collect one: {one_array.format(batches)}"
    if inspect.isgenerator(source) or (isinstance(source, Iterable) and hasattr(source, "__next__")):
        return f"a generator is read but once; collect its batches: {one_array.format('generator')}"
    if isinstance(source, tuple | list) and len(source) == 3:
        return (
            "three arrays are inputs, targets and weights, which are not taken: zoo.data.open((x, y)); "
            "class_weights=True of zoo.train weights the classes"
        )
    if hasattr(source, "toarray") or isinstance(source, np.ndarray) or hasattr(source, "__array__"):
        return f"{_type(source)} of {getattr(source, 'shape', '?')} alone has no targets: zoo.data.open((x, y))"
    if isinstance(source, Iterable) and hasattr(source, "batch_size"):
        return f"a {_type(source)} gives batches; collect them: {one_array.format('loader')}"
    return f"{EXPECTED}; received {_type(source)}"


def _is_batches(value: Any) -> bool:
    """Whether a value is a `keras.utils.PyDataset`, which was called Sequence."""
    bases = [(base.__name__, base.__module__.split(".")[0]) for base in type(value).__mro__]
    return any(name in ("PyDataset", "Sequence") and library in ("keras", "tf_keras") for name, library in bases)


def _library(value: Any) -> str:
    return type(value).__module__.split(".")[0]


def _type(value: Any) -> str:
    return type(value).__name__
