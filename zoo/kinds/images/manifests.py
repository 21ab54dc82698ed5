"""Rows of manifests of images: CSV with a header and any separator, or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.data.csv_files import text_of
from zoo.errors import InputError

Row = dict[str, Any]
JSON_LINES = (".jsonl", ".ndjson")
SEPARATORS = (",", ";", "\t", "|")


def rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a manifest, and the line of the file that each begins in (from 1 on).

    Values of CSV are strings. Those of JSON Lines are what JSON has; ``path`` is a string, ``label`` a string, a
    number, true or false, or a list of such.

    Raises:
        InputError: no UTF-8, no CSV or no JSON by the suffix, names given twice, or a value of another kind; it names
            the row.
    """
    text = text_of(path, "a manifest")
    yield from _json_lines(path, text) if path.suffix.lower() in JSON_LINES else _csv(path, text)


def _csv(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    # Strict: a quotation mark that never closes would swallow the rows after it.
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    line = 1
    try:
        for fields in reader:
            number, line = line, reader.line_num + 1
            if not fields:
                continue
            if not names:
                names = [name.strip() for name in fields]
                while names and not names[-1]:  # columns that a spreadsheet leaves behind
                    names.pop()
                if twice := next((name for name in names if names.count(name) > 1), None):
                    raise InputError(f"{path}: two columns are named {twice!r}; expected each name once")
                continue
            while len(fields) > len(names) and not fields[-1]:
                fields.pop()
            if len(fields) > len(names):
                raise InputError(
                    f"{path}, row {number}: expected {len(names)} fields, received more; put a field with "
                    f"{separator!r} in quotes"
                )
            yield number, dict(zip(names, fields, strict=False))
    except csv.Error as error:
        raise InputError(
            f"{path}, row {line}: expected a manifest in CSV; {error}; put a field with commas, quotation marks or "
            "line breaks in quotes, and double those inside it"
        ) from error


def _separator(text: str) -> str:
    """What stands between the names of the columns, in the first line that is not empty."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub('"[^"]*"', "", first)
    return max(SEPARATORS, key=bare.count)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Row]]:
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
            check_value(where, name, value)
        yield number, row


def _once(pairs: list[tuple[str, Any]]) -> Row:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return unique


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def check_value(where: str, name: str, value: Any) -> None:
    """Raise an InputError where a value is none that ``path``, ``label``, ``split`` or ``group`` may have."""
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
