"""Which form a data set has, seen from names and first lines, without TensorFlow."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from zoo.data import csv_files, targets
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.kinds.images.idx import holds
from zoo.tasks.registry import task_class

READERS = {  # form -> module and function, and what to call it in a message
    "images": ("zoo.kinds.images.folders:images", "images"),
    "idx": ("zoo.kinds.images.idx:idx", "IDX files"),
    "table": ("zoo.kinds.tables:tables", "a table"),
    "text": ("zoo.kinds.texts:text", "text"),
    "sequence": ("zoo.kinds.sequences:sequences", "sequences"),
}
EXPECTED = (
    "expected a folder of images or of .txt files with one sub-folder a class, a manifest of images (.csv with the "
    "columns path and label; .jsonl), a table (.csv, .tsv), IDX files, or time series (.ts)"
)
WORDS = 4  # a string of so many words, on average, is text
LOOK = 500  # files of a folder by which its form is told


def reader(form: str) -> Callable[..., Data]:
    """The function that reads `form`."""
    module, name = READERS[form][0].split(":")
    return getattr(importlib.import_module(module), name)


def form_of(path: str | Path, options: Mapping[str, Any] | None = None) -> str:
    """The form of a data set, a key of `READERS`.

    Args:
        path: a folder or a file.
        options: those given: ``window`` or ``horizon`` ask for a forecast, ``series`` for sequences,
            ``column``, ``length`` or ``vocabulary_size`` for text, ``labels`` for images.

    Raises:
        InputError: there is nothing of a known form.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: {EXPECTED}")
    if path.is_dir():
        return _folder(path, options or {})
    name = path.name.lower()
    if name.endswith(".ts"):
        return "sequence"
    if name.endswith((".jsonl", ".ndjson")):
        return "images"
    if not name.endswith(csv_files.SUFFIXES):
        raise InputError(f"{path} is a file: {EXPECTED}")
    return _table(path, options or {})


def check_options(form: str, path: str | Path, options: Collection[str]) -> None:
    """Raise an InputError where the reader of `form` does not take one of `options`."""
    known = list(inspect.signature(reader(form)).parameters)[1:]
    for name in options:
        if name not in known:
            raise InputError(
                f"{path} is read as {READERS[form][1]}, which takes no option {name!r}; it takes {', '.join(known)}"
            )


def _folder(path: Path, options: Mapping[str, Any]) -> str:
    if holds(path):
        return "idx"
    if any(entry.name.lower().endswith(".ts") for entry in os.scandir(path)):
        return "sequence"
    if "labels" in options:  # images beside as many captions or boxes in .txt are no texts then
        return "images"
    kinds = [Path(name).suffix.lower() for name in islice(_files(path), LOOK)]
    texts = kinds.count(".txt")
    return "text" if texts and 2 * texts > len(kinds) else "images"


def _files(path: Path) -> Iterator[str]:
    """Names of files in folders below `path`, hidden ones aside."""
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if Path(folder) != path:
            yield from (name for name in sorted(names) if not name.startswith("."))


def _table(path: Path, options: Mapping[str, Any]) -> str:
    head = csv_files.head_of(path, header=options.get("header"))
    if "path" in head.names:
        return "images"
    if {"window", "horizon", "series"} & set(options):
        return "sequence"
    if {"column", "length", "vocabulary_size"} & set(options):
        return "text"
    return "text" if _is_text(head, options.get("target")) else "table"


def _is_text(head: csv_files.Head, target: str | None) -> bool:
    """Whether there is one column of text, and beside the label nothing else that could be a feature."""
    named = {str(target)} if target is not None else set(targets.NAMES)
    rows = [row for row in head.rows if len(row) == len(head.names)]
    long, others = 0, 0
    for name, cells in zip(head.names, zip(*rows, strict=True), strict=False):
        told = [cell for cell in cells if cell.strip()]
        if name.lower() in named or name in named or name.lower() == "split" or not told:
            continue
        words = sum(len(cell.split()) for cell in told) / len(told)
        if words >= WORDS:
            long += 1
        elif not _counts(told) or len(rows) == 1:
            others += 1
    labelled = any(name in named or name.lower() in named for name in head.names)
    return long == 1 and others == (0 if labelled else 1)


def _counts(cells: list[str]) -> bool:
    try:
        numbers = [int(cell) for cell in cells]
    except ValueError:
        return False
    return all(after - before == 1 for before, after in zip(numbers, numbers[1:], strict=False))


def open(path: str | Path, **options: Any) -> Data:
    """Read a data set, whatever its form.

    A folder may hold images or .txt files, one sub-folder a class, images without classes (``labels=False``), IDX
    files or .ts files; a file may be a manifest of images (CSV with the columns ``path`` and ``label``, JSON Lines),
    .ts, or a CSV or TSV file. The last is text where it has one column of long strings and nothing else beside the
    label, a series to be forecast where `window` or `horizon` are among the options, sequences where `series` is, and
    else a table. The explicit forms are `zoo.data.images`, `idx`, `tables`, `text` and `sequences`.

    Args:
        path: the folder or file.
        options: those of the form's reader.

    Raises:
        InputError: nothing readable is there, or the form has no such option.
    """
    from zoo.kinds import recognising

    form = recognising.form_of(path, options)
    recognising.check_options(form, path, options)
    if options.get("task") is not None:
        task_class(options["task"], from_columns=True)
    return recognising.reader(form)(path, **options)
