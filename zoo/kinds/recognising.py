"""Which form a data set has, seen from names and first lines, without TensorFlow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from zoo.data.dataset import Data
from zoo.data.look import Look
from zoo.errors import InputError
from zoo.kinds.registry import READERS, kinds
from zoo.tasks.registry import task_class

EXPECTED = (
    "expected a folder of images or of .txt files with one sub-folder a class, images/ beside masks/, a manifest of "
    "images (.csv with a column of paths and one of labels; .jsonl), a table (.csv, .tsv), IDX files, or time "
    "series (.ts)"
)


def form_of(path: str | Path, options: Mapping[str, Any] | None = None) -> str:
    """The form of a data set, a key of `zoo.kinds.registry.READERS`.

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
    look = Look(path, options or {})
    for kind in kinds():
        if (form := kind.recognises(look)) is not None:
            return form
    raise InputError(f"{path} is a {'folder' if look.is_folder else 'file'}: {EXPECTED}")


def check_options(form: str, path: str | Path, options: Collection[str]) -> None:
    """Raise an InputError where the reader of `form` does not take one of `options`."""
    READERS[form].check(path, options)


def open(path: Any, **options: Any) -> Data:
    """Read a data set, whatever its form.

    A folder may hold images or .txt files, one sub-folder a class, ``images/`` beside ``masks/``, images without
    classes (``labels=False``), IDX files or .ts files; a file may be a manifest of images (CSV with a column of
    paths and one of labels, JSON Lines), .ts, or a CSV or TSV file. The last is text where it has one column of long
    strings and nothing else beside the label, a series to be forecast where `window` or `horizon` are among the
    options, sequences where `series` is, and else a table. The explicit forms are `zoo.data.images`, `masks`, `idx`,
    `tables`, `text` and `sequences`.

    What is in memory is taken too: ``(x, y)`` and ``((x_train, y_train), (x_test, y_test))`` as `zoo.data.arrays` takes
    arrays, data frames of pandas and polars as the table that they are, and `tf.data.Dataset` objects of pairs.

    Args:
        path: the folder or file, or what is in memory; see `zoo.kinds.in_memory.read`.
        options: those of the form's reader.

    Raises:
        InputError: nothing readable is there, or the form has no such option.
    """
    if isinstance(path, Data):
        if options:
            raise InputError(f"the data are read already; expected no options, received {', '.join(options)}")
        return path
    if not isinstance(path, str | PathLike):
        from zoo.kinds import in_memory

        return in_memory.read(path, **options)
    form = form_of(path, options)
    check_options(form, path, options)
    if options.get("task") is not None:
        task_class(options["task"], from_columns=True)
    return READERS[form].read(path, **options)
