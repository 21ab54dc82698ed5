"""CSV and TSV files before they are read: separator, names of the columns, first rows. No pandas is needed."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from zoo.errors import InputError
from zoo.files import read_bytes

SUFFIXES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", ".")


class Head(NamedTuple):
    """What the first lines of a file tell; `skipped` empty lines come before them."""

    names: list[str]
    rows: list[list[str]]
    separator: str
    header: bool
    quoting: int
    skipped: int
    decimal: str
    header_lines: int


def head_of(path: Path, content: bytes | None = None, header: bool | None = None) -> Head:
    """Columns and first rows of a CSV file, without pandas; arguments and errors as `zoo.data.frames.read`."""
    content = content_of(path) if content is None else content
    lines = _first_lines(content)
    skipped = next((number for number, line in enumerate(lines) if line.strip()), None)
    if skipped is None:
        raise InputError(f"{path} is empty; expected a CSV file")
    sample = "\n".join(lines[skipped:])
    separator = _separator(path, sample)
    quoting = csv.QUOTE_MINIMAL
    if separator == "\t" and any(
        field.startswith('"') and not (len(field) > 1 and field.rstrip("\r").endswith('"'))
        for field in re.split("[\t\n]", content.decode("utf-8"))
    ):
        quoting = csv.QUOTE_NONE  # in tab-separated text a quotation mark is often only that
    try:
        reader = csv.reader(io.StringIO(sample), delimiter=separator, quoting=quoting)
        first = next(reader)
        header_lines = reader.line_num
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV file; {error}") from error
    has_header = _names_columns(first, rows) if header is None else header
    names = [name.strip() for name in first] if has_header else [str(number) for number in range(len(first))]
    for row in rows:
        if len(row) > len(first):
            raise InputError(f"{path}: expected {len(first)} fields in each row, received {len(row)}: {row[:6]}")
    decimal = "."
    if separator == ";" and re.search(r"(^|;)-?\d+,\d+(;|$)", sample, re.M):
        decimal = "," if not re.search(r"(^|;)-?\d+\.\d+(;|$)", sample, re.M) else "."
    return Head(
        names, rows if has_header else [first, *rows], separator, has_header, quoting, skipped, decimal, header_lines
    )


def content_of(path: Path) -> bytes:
    """The bytes of a table, unpacked where it is gzipped.

    Raises:
        InputError: no such file, no ordinary one, empty, or no UTF-8.
    """
    content = text_of(path, "a CSV or TSV file").encode("utf-8")
    if not content.strip():
        raise InputError(f"{path} is empty; expected a CSV file")
    return content


def lines_of(text: str) -> list[str]:
    """Lines as editors and CSV readers count them: ended by \\n, \\r\\n or \\r, and by no other character."""
    return re.split("\r\n|\r|\n", text)


def text_of(path: Path, what: str) -> str:
    """A file of text, unpacked where it is gzipped, without its byte-order mark.

    Args:
        path: of the file.
        what: is expected, for messages.

    Raises:
        InputError: no such file, no ordinary one, no UTF-8, or one with null characters.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist: expected {what}")
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: expected {what}; it is {error.strerror}") from error
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: expected {what}; a damaged gzip file: {error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: expected {what} in UTF-8, received the byte 0x{content[error.start]:02x} in line {line}; "
            "save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}: expected {what}, received a null byte in line {line}")
    return text


def _first_lines(content: bytes, most: int = 60) -> list[str]:
    """The first lines, up to `most`, of 64 kB; of more where the first line that is not empty is longer."""
    size = 65536
    while True:
        lines = lines_of(content[:size].decode("utf-8", errors="ignore").removeprefix("\ufeff"))
        if size >= len(content):
            return lines[:most]
        if any(line.strip() for line in lines[:-1]):  # the last one may be cut
            return lines[:-1][:most]
        size *= 4


def _separator(path: Path, sample: str) -> str:
    tabs = path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    for separator in ("\t", ",", ";", "|") if tabs else (",", ";", "\t", "|"):
        try:
            counts = {len(row) for row in list(csv.reader(io.StringIO(sample), delimiter=separator))[:20] if row}
        except csv.Error:
            continue
        if len(counts) == 1 and counts != {1}:
            return separator
    return "\t" if tabs else ","


def _names_columns(first: list[str], rows: list[list[str]]) -> bool:
    if not rows or first == [str(number) for number in range(len(first))]:
        return True
    below = list(zip(*(row for row in rows if len(row) == len(first)), strict=True))
    if not below:
        return True
    numeric = [at for at, cells in enumerate(below) if any(map(str.strip, cells)) and all(map(_number, cells))]
    return not numeric or not all(_number(first[at]) for at in numeric)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() in MISSING
    return True
