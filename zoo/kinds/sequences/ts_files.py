"""The .ts files of the UEA and UCR archives of time series."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.data.csv_files import lines_of, text_of
from zoo.errors import InputError

_PART = re.compile(r"(.+)_(TRAIN|TEST)\.ts", re.I)


def is_ts(source: Any) -> bool:
    """Whether a source is such a file, or a folder of them."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source)
    return path.suffix.lower() == ".ts" or path.is_dir()


class Series(NamedTuple):
    """Labelled sequences of one or two files.

    Attributes:
        values: of each sequence float32 (length, features).
        labels: of each as written; empty where the file has none.
        names: file and line.
        parts: train or test of each; None where no part is named.
        numeric: whether the labels are numbers to be predicted (``@targetlabel``).
    """

    values: list[np.ndarray]
    labels: list[str]
    names: list[str]
    parts: list[str] | None
    numeric: bool


def files_of(path: Path) -> dict[str | None, Path]:
    """The files to read: part -> file; the part is None for a single file that names none.

    Raises:
        InputError: no such file, or those of several data sets.
    """
    if path.exists() and not path.is_dir():
        return {None: path}
    if not path.is_dir():
        raise InputError(f"{path} does not exist: expected a .ts file, or a folder with NAME_TRAIN.ts and NAME_TEST.ts")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".ts" and file.is_file())
    if len(files) == 1:
        return {None: files[0]}
    sets: dict[str, dict[str | None, Path]] = {}
    for file in files:
        match = _PART.fullmatch(file.name)
        if match:
            sets.setdefault(match[1], {})[match[2].lower()] = file
    if len(sets) != 1:
        names = ", ".join(file.name for file in files[:6]) or "none"
        raise InputError(f"{path}: expected NAME_TRAIN.ts and NAME_TEST.ts of one data set, found {names}")
    parts = next(iter(sets.values()))
    if "train" not in parts:
        raise InputError(f"{path}: expected a file NAME_TRAIN.ts beside {parts['test'].name}")
    return parts


def read(path: Path) -> Series:
    """Read a file, or the two of a folder.

    Raises:
        InputError: not such a file, time stamps, missing values, or sequences of other widths; it names the line.
    """
    files = files_of(path)
    read_ones = {part: _read_file(file, len(files) > 1) for part, file in files.items()}
    widths = {part: each.values[0].shape[1] for part, each in read_ones.items()}
    if len(set(widths.values())) > 1:
        raise InputError(f"{path}: the training part has {widths['train']} features and the test part {widths['test']}")
    values, labels, names, parts = [], [], [], []
    for part, each in read_ones.items():
        values += each.values
        labels += each.labels
        names += each.names
        parts += [part] * len(each.values)
    return Series(values, labels, names, None if None in files else parts, any(e.numeric for e in read_ones.values()))


def _read_file(path: Path, with_stem: bool) -> Series:
    lines = lines_of(text_of(path, "a .ts file"))
    fields, start = _header(path, lines)
    if fields.get("timestamps", "false").lower() == "true":
        raise InputError(f"{path}: expected @timeStamps false; values with time stamps are not read")
    label = next((fields[name] for name in ("classlabel", "targetlabel") if name in fields), "false").split()
    labelled = bool(label) and label[0].lower() == "true"
    allowed = set(label[1:])
    values, labels, names = [], [], []
    for number, line in _lines(lines, start):
        where = f"{path}, row {number}"
        pieces = line.split(":")
        written = pieces.pop().strip() if labelled else ""
        if labelled and allowed and written not in allowed:
            raise InputError(f"{where}: expected a class out of {', '.join(label[1:])}, received {written[:40]!r}")
        values.append(_sequence(where, pieces))
        if values[-1].shape[1] != values[0].shape[1]:
            raise InputError(f"{where}: expected {values[0].shape[1]} dimensions, received {values[-1].shape[1]}")
        labels.append(written)
        names.append(f"{path.stem} row {number}" if with_stem else f"row {number}")
    if not values:
        raise InputError(f"{path}: no sequence below @data")
    return Series(values, labels, names, None, "targetlabel" in fields and labelled)


def _header(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    for number, line in enumerate(lines):
        text = line.strip()
        if text.lower() == "@data":
            return fields, number + 1
        if text.startswith("@"):
            name, _, value = text[1:].partition(" ")
            fields[name.lower()] = value.strip()
        elif text and not text.startswith(("#", "%")):
            break
    raise InputError(f"{path}: expected a .ts file, whose header ends with a line @data")


def _lines(lines: list[str], start: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines[start:], start + 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _sequence(where: str, pieces: list[str]) -> np.ndarray:
    """Float32 (length, dimensions)."""
    if not pieces:
        raise InputError(f"{where}: expected values, then : and the class, received one of the two")
    rows = []
    for piece in pieces:
        try:
            rows.append(np.array(piece.split(","), dtype=np.float32))
        except ValueError as error:
            if "?" in piece:
                raise InputError(f"{where}: a value is missing (?); fill it in, or remove the row") from error
            raise InputError(f"{where}: expected numbers with commas between them; {error}") from error
        if not np.isfinite(rows[-1]).all():
            at = int((~np.isfinite(rows[-1])).argmax())
            raise InputError(f"{where}: expected finite numbers, received {piece.split(',')[at]} as value {at + 1}")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise InputError(f"{where}: expected dimensions of one length, received {sorted(lengths)}")
    return np.stack(rows, axis=1)
