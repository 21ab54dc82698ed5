"""Manifests of images before their files are looked at: CSV with a header, or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.data.csv_files import text_of
from zoo.errors import InputError

_ROW = dict[str, Any]


def rows(path: Path) -> Iterator[tuple[int, _ROW]]:
    """The rows of a manifest, and the line of the file that each begins in (from 1 on).

    Values of CSV are strings. Those of JSON Lines are what JSON has; ``path`` is a string, ``label`` a string, a
    number, true or false, or a list of such.

    Raises:
        InputError: no UTF-8, no CSV or no JSON by the suffix, names given twice, or a value of another kind; it names
            the row.
    """
    text = text_of(path, "a manifest")
    yield from _csv(path, text) if path.suffix.lower() == ".csv" else _json_lines(path, text)


def _csv(path: Path, text: str) -> Iterator[tuple[int, _ROW]]:
    # Strict: a quotation mark that never closes would swallow the rows after it.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    line = 1
    try:
        for fields in reader:
            number, line = line, reader.line_num + 1
            if not fields:
                continue
            if not names:
                names = fields
                if twice := next((name for name in names if names.count(name) > 1), None):
                    raise InputError(f"{path}: two columns are named {twice!r}; expected each name once")
                continue
            if len(fields) > len(names):
                raise InputError(
                    f"{path}, row {number}: expected {len(names)} fields, received more; put a field with a comma in "
                    "quotes"
                )
            yield number, dict(zip(names, fields + [None] * (len(names) - len(fields)), strict=True))
    except csv.Error as error:
        raise InputError(
            f"{path}, row {line}: expected a manifest in CSV; {error}; put a field with commas, quotation marks or "
            "line breaks in quotes, and double those inside it"
        ) from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, _ROW]]:
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if not line.strip():
            continue
        where = f"{path}, row {number}"
        try:
            row = json.loads(line, object_pairs_hook=_once, parse_constant=_refused)
        except RecursionError as error:
            raise InputError(f"{where}: expected one JSON object a line, received one nested too deeply") from error
        except ValueError as error:  # JSONDecodeError, a number of too many digits, or one of the two below
            raise InputError(f"{where}: expected a manifest in JSON Lines; {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: expected a JSON object with path and label, received {_kind(row)}")
        for name, value in row.items():
            _check_value(where, name, value)
        yield number, row


def _once(pairs: list[tuple[str, Any]]) -> _ROW:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return unique


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check_value(where: str, name: str, value: Any) -> None:
    if name not in ("path", "label", "split", "group"):
        return
    for each in value if name == "label" and isinstance(value, list) else [value]:
        if isinstance(each, dict | list) or (each is None and isinstance(value, list)):
            raise InputError(f"{where}: expected {name} to be one text, received {_kind(each)}")
        if name == "path" and not isinstance(each, str | None):
            raise InputError(f"{where}: expected path to be text, received {_kind(each)}")
        try:
            # As a file's name may have bytes that are no UTF-8, "\udcff" is one; other halves of a pair are not.
            str(each).encode("utf-8", "surrogateescape" if name == "path" else "strict")
        except UnicodeEncodeError as error:
            raise InputError(f"{where}: expected {name} to be text, received half of a surrogate pair") from error


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
