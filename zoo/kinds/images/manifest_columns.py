"""Which columns of a manifest hold the path, the label, the part and the group, whatever they are called."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from zoo.errors import InputError
from zoo.kinds.folder_parts import side_of
from zoo.kinds.images.decoding import EXTENSIONS
from zoo.kinds.images.manifest_files import Files

PATHS = ("path", "filename", "file_name", "file", "filepath", "file_path", "image_path", "image", "img", "image_id")
LABELS = ("label", "labels", "class", "target", "y", "class_name", "category", "diagnosis", "breed", "species", "tags")
FLAGS = {"is_valid": "validation", "is_val": "validation", "is_test": "test", "is_train": "train"}
SPLITS = ("split", "subset", "set", "partition", "fold", "usage")
TRUE, FALSE = ("1", "1.0", "true", "yes", "t", "y"), ("0", "0.0", "false", "no", "f", "n", "")
MISSING = ("None", "NaN", "nan", "NAN", "<NA>")  # as programs write them; "none" and "NA" may be classes
ZEROS = 0.1  # share of rows without a 1 up to which columns of 0 and 1 are classes, and not several labels
LISTED = 12  # names in a message

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Naming:
    """What a user says of a manifest; None or empty for what is to be seen from it.

    Attributes:
        path_column, label_column: names of columns; several of labels or numbers with commas between, or a sequence.
        images: folder of the files.
        suffix: of the files, where the paths have none.
    """

    path_column: str | None = None
    label_column: str | Sequence[str] | None = None
    images: str | Path | None = None
    suffix: str | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.path_column, self.label_column, self.images, self.suffix))

    @property
    def label_columns(self) -> list[str]:
        """The names of the columns of labels."""
        given = self.label_column
        return given.split(",") if isinstance(given, str) else list(given or ())

    def files(self, manifest: Path, values: Sequence[str]) -> Files:
        """Where the files of a manifest are."""
        return Files(manifest, values, None if self.images is None else Path(self.images), self.suffix)


class Columns(NamedTuple):
    """The columns of a manifest.

    Attributes:
        path: of the files.
        labels: one of labels or numbers, several of 0 and 1 or of numbers, or none.
        split: of the part; None without.
        group: of the group; None without.
        files: where the files are.
        flags: whether `labels` are several of 0 and 1.
        exclusive: whether of these just one is 1 in a row, so that they are classes.
        guessed: roles that were not to be seen from the names ``path``, ``label``, ``split`` and ``group``.
    """

    path: str
    labels: tuple[str, ...]
    split: str | None
    group: str | None
    files: Files
    flags: bool = False
    exclusive: bool = True
    guessed: Mapping[str, str] = field(default_factory=dict)  # type: ignore[assignment]

    def labels_of(self, row: Row) -> tuple[str, ...] | None:
        """The labels of a row; None where they are missing."""
        if len(self.labels) > 1:
            ones = tuple(name for name in self.labels if text(row.get(name)).lower() in TRUE)
            return None if self.exclusive and not ones else ones
        value = row.get(self.labels[0])
        if is_missing(value):
            return None
        listed = value if isinstance(value, list) else text(value).split(";")
        return tuple(dict.fromkeys(each for each in map(text, listed) if each))

    def split_of(self, row: Row) -> str | None:
        """The part of a row, as the manifest says it; None where it says none."""
        if self.split is None:
            return None
        value = text(row.get(self.split))
        flag = FLAGS.get(self.split.lower())
        if flag is not None and value.lower() in (*TRUE, *FALSE):
            other = "train" if flag != "train" else "validation"
            return flag if value.lower() in TRUE else other
        return value or None


def text(value: Any) -> str:
    """A cell as a text without blanks around it."""
    return "" if value is None else str(value).strip()


def is_missing(value: Any) -> bool:
    """Whether a cell says that there is no value."""
    return value is None or text(value) in MISSING


def columns_of(
    manifest: Path, rows: Sequence[Row], naming: Naming, labels: bool = True, known: Collection[str] = ()
) -> Columns:
    """The columns of a manifest.

    Args:
        manifest: its path.
        rows: all of them, or the first ones.
        naming: what the user says.
        labels: False where labels are not read.
        known: classes of a model; a column that holds nothing else is that of the labels.

    Raises:
        InputError: a column that is named is not there, or which hold paths and labels can't be seen.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in (naming.path_column, *naming.label_columns):
        if name is not None and name not in names:
            raise InputError(f"{manifest}: there is no column {name!r}; expected one of {_listed(names)}")
    path, files = _path_column(manifest, rows, naming, names)
    if os.path.isfile(files.path(path)):
        raise InputError(f"{manifest}: expected names of columns in the first row, as path and label, received {path}")
    split = next((name for name in names if name != path and _is_split(name, rows)), None)
    group = "group" if "group" in names else None
    others = [name for name in names if name not in (path, split, group)]
    found = _label_columns(manifest, rows, naming, others, known) if labels else ()
    flags = len(found) > 1 and all(is_flag(rows, name) for name in found)
    exclusive = not flags or _exclude(rows, found)
    roles = {"path": path, "split": split} | ({"label": ", ".join(found)} if found else {})
    guessed = {role: name for role, name in roles.items() if name is not None and name != role}
    return Columns(path, found, split, group, files, flags, exclusive, guessed)


def are_images(manifest: Path, rows: Sequence[Row]) -> bool:
    """Whether a table lists images: one of its columns holds files of images that are there.

    Where its values are no names of images, as ids without suffix, there must be nothing else but labels beside it.
    """
    if len(rows) < 2:
        return False
    try:
        path, files = _path_column(manifest, rows, Naming(), list(rows[0]))
        if files.share < 0.5:
            return False
        values = [text(row.get(path)) for row in rows]
        if all(PurePosixPath(value.replace("\\", "/")).suffix.lower() in EXTENSIONS for value in values):
            return True
        columns = columns_of(manifest, rows, Naming())
    except InputError:
        return False
    others = [n for n in rows[0] if n not in (path, columns.split, columns.group, *columns.labels)]
    return all(_counts(rows, name) for name in others)


def _path_column(manifest: Path, rows: Sequence[Row], naming: Naming, names: list[str]) -> tuple[str, Files]:
    if naming.path_column is not None or "path" in names:
        path = naming.path_column or "path"
        return path, naming.files(manifest, [text(row.get(path)) for row in rows])
    ranks = {name: PATHS.index(name.lower()) if name.lower() in PATHS else len(PATHS) for name in names}
    best: tuple[float, str, Files] | None = None
    for name in sorted(names, key=lambda each: ranks[each]):
        values = [text(row.get(name)) for row in rows if isinstance(row.get(name), str | int)]
        if name in naming.label_columns or 2 * len(set(values)) <= len(rows):
            continue
        files = naming.files(manifest, values)
        if files.share and (best is None or files.share > best[0]):
            best = files.share, name, files
        if best is not None and best[0] == 1:
            break
    if best is None:
        tried = ""
        if values := [text(row.get(names[0])) for row in rows[:1] if names]:
            tried = f"; tried {naming.files(manifest, []).path(values[0])} of the first row"
        raise InputError(
            f"{manifest}: expected a column of paths of images, as path; none of {_listed(names)} holds files that are "
            f"there{tried}; name it with --path-column (path_column=), and their folder with --images (images=)"
        )
    return best[1], best[2]


def _label_columns(
    manifest: Path, rows: Sequence[Row], naming: Naming, others: list[str], known: Collection[str]
) -> tuple[str, ...]:
    if given := naming.label_columns:
        return tuple(given)
    if known:
        holding = [name for name in others if {text(row.get(name)) for row in rows if row.get(name)} <= set(known)]
        if holding and "label" not in others:
            return (holding[0],)
        if len(known) > 1 and set(known) <= set(others):
            return tuple(known)
    lower = {name.lower(): name for name in reversed(others)}
    for name in LABELS:
        if name == "label" and "label" in others:
            return ("label",)
        if name in lower:
            return (lower[name],)
    left = [name for name in others if not _counts(rows, name)]
    if len(left) == 1:
        return (left[0],)
    flags = [name for name in left if is_flag(rows, name)]
    if len(flags) > 1 and (len(flags) == len(left) or _exclude(rows, flags)):
        return tuple(flags)
    raise InputError(
        f"{manifest}: expected a column of labels, as label; there are {_listed(others) or 'none'}; name it with "
        "--label-column (label_column=), several columns of numbers or of 0 and 1 with commas between, or read the "
        "images without labels (--no-labels, labels=False)"
    )


def _is_split(name: str, rows: Sequence[Row]) -> bool:
    if name == "split":
        return True
    values = {text(row.get(name)) for row in rows}
    if name.lower() in FLAGS:
        return {value.lower() for value in values} <= {*TRUE, *FALSE}
    return name.lower() in SPLITS and all(side_of(value) is not None for value in values)


def is_flag(rows: Sequence[Row], name: str) -> bool:
    """Whether a column holds 0 and 1."""
    values = {text(row.get(name)).lower() for row in rows}
    return values <= {"0", "1", "0.0", "1.0", "true", "false"}


def _exclude(rows: Sequence[Row], names: Sequence[str]) -> bool:
    """Whether at most one of columns of 0 and 1 is 1 in a row, and hardly ever none."""
    ones = [sum(text(row.get(name)).lower() in TRUE for name in names) for row in rows]
    return max(ones, default=0) == 1 and ones.count(0) <= ZEROS * len(ones)


def _counts(rows: Sequence[Row], name: str) -> bool:
    """Whether a column numbers the rows, as an index that was written with them does."""
    try:
        numbers = [int(text(row.get(name))) for row in rows]
    except ValueError:
        return False
    return len(numbers) > 1 and all(b - a == 1 for a, b in zip(numbers, numbers[1:], strict=False))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
