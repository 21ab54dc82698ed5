"""Labelled images as a manifest lists them, before their files are looked at."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError
from zoo.kinds.class_folders import UNLABELLED, Example
from zoo.kinds.folder_parts import side_of
from zoo.kinds.images import manifests
from zoo.kinds.images.manifest_columns import Columns, Naming, columns_of, is_flag, is_missing, text
from zoo.kinds.images.manifest_numbers import Numbers, numbers_of
from zoo.tasks.task import Task

SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
NO_LABEL = "no label in its row"
NO_NUMBER = "no number in its row"


def examples_of(
    path: Path,
    notes: list[Note],
    *,
    labels: bool = True,
    multi_label: bool = False,
    naming: Naming | None = None,
    known: Collection[str] = (),
    task: type[Task] | None = None,
    fitted: Task | None = None,
    spellings: Sequence[str] = (),
) -> tuple[list[Example], Numbers | None]:
    """The images that a manifest lists, and the numbers that they are labelled with; None where these are classes.

    Args:
        path: of the manifest.
        notes: gets one on how its columns are read, where they have other names, and on rows that are left out.
        labels: False to take all images as of the one class `UNLABELLED`.
        multi_label: a row without a label is an example that has none of them; taken for granted where a row has
            several. A value like NaN says that it is not known.
        naming: what the user says of its columns and files.
        known: classes of a model.
        task: as `numbers_of` takes it.
        fitted: as `numbers_of` takes it.
        spellings: as `numbers_of` takes them.

    Raises:
        InputError: columns or values that are none of a manifest, or none of its files is there.
    """
    rows = list(manifests.rows(path))
    if not rows:
        return [], None
    naming = naming or Naming()
    columns = columns_of(path, [row for _, row in rows], naming, labels, known)
    _check_rows(path, rows, columns)
    numbers = None
    wanted = task if fitted is None else fitted
    if columns.labels and not multi_label and (wanted is None or not wanted.categorical):
        numbers = numbers_of(path, rows, columns, task, fitted, spellings, notes)
    if numbers is None and len(columns.labels) > 1 and not columns.flags:
        odd = next(name for name in columns.labels if not is_flag([row for _, row in rows], name))
        raise InputError(f"{path}: several columns of labels are numbers, or 0 and 1 each; {odd!r} has other values")
    listed = list(_listed(path, rows, columns, notes, labels, numbers))
    if how := _how(columns):
        notes.append(Note(path.name, "kept", how))
    if listed and not any(os.path.lexists(example.path) for _, example, _ in listed):
        number, example, value = listed[0]
        raise InputError(
            f"{path}, row {number}: expected the path of an image, received {value!r}; tried {example.path}; none of "
            f"the {len(listed)} files is there; name their folder with --images (images=), or their ending with "
            "--suffix (suffix=)"
        )
    examples = [example for _, example, _ in listed]
    if numbers is not None:
        return examples, numbers
    several = multi_label or not columns.exclusive
    if not several and all(len(example.labels) < 2 for example in examples):
        notes += [Note(example.name, "left out", NO_LABEL) for example in examples if not example.labels]
        examples = [example for example in examples if example.labels]
    return examples, None


def _listed(
    path: Path,
    rows: list[tuple[int, manifests.Row]],
    columns: Columns,
    notes: list[Note],
    labels: bool,
    numbers: Numbers | None,
) -> Iterator[tuple[int, Example, str]]:
    """Each row with the value of its path, once a file; rows whose label or number is missing are left out."""
    seen: dict[str, tuple[int, object]] = {}
    for number, row in rows:
        where = f"{path}, row {number}"
        value = text(row.get(columns.path))
        file = columns.files.path(value)
        name = value if file == path.parent / value else _name_of(file, path.parent)
        values = () if numbers is None else numbers.rows.get(number)
        if numbers is not None:
            found = None if values is None else ()
        else:
            found = columns.labels_of(row) if labels else (UNLABELLED,)
        split = columns.split_of(row)
        side = None if split is None else SPLITS.get(split.lower()) or side_of(split)
        if split is not None and side is None:
            raise InputError(f"{where}: expected {columns.split} to be train, val or test, received {split!r}")
        cell = None if columns.group is None else row.get(columns.group)
        group = None if is_missing(cell) or cell == "" else text(cell)
        said = found, values, side, group
        if name in seen:
            before, other = seen[name]
            if other != said:
                raise InputError(f"{path}: rows {before} and {number} say different things of {name}; keep one of them")
            notes.append(Note(name, "kept", f"listed twice; row {number} is passed over"))
            continue
        seen[name] = (number, said)
        if found is None:
            notes.append(Note(name, "left out", NO_LABEL if numbers is None else NO_NUMBER))
        else:
            yield number, Example(file, name, found, side, group, numbers=values), value


def _check_rows(path: Path, rows: list[tuple[int, manifests.Row]], columns: Columns) -> None:
    """Raise an InputError where a row lacks a column, or has a value that none of a manifest is."""
    expected = f"the columns {columns.path} and {columns.labels[0]}" if columns.labels else f"the column {columns.path}"
    for number, row in rows:
        where = f"{path}, row {number}"
        if not text(row.get(columns.path)) or any(name not in row for name in columns.labels):
            raise InputError(f"{where}: expected {expected}, received {row}")
        for role, name in [("path", columns.path), *(("label", name) for name in columns.labels)]:
            manifests.check_value(where, role, row[name])


def _name_of(file: Path, folder: Path) -> str:
    """A path as seen from the folder of the manifest, where it is below that."""
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file.absolute())


def _how(columns: Columns) -> str:
    """How the columns and paths are read, where they are not as the documentation has them."""
    said = [f"{name} as {role}" for role, name in columns.guessed.items()]
    if columns.flags:
        said[-1] += ": classes, as just one of them is 1 in a row" if columns.exclusive else ": several labels a row"
    return "; ".join(filter(None, [f"read {', '.join(said)}" if said else "", columns.files.words()]))
