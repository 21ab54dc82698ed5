"""CSV and TSV files before they are read: separator, names of the columns, first rows. No pandas is needed."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.files import read_bytes

FEWEST_LINES = 5  # that tell whether blanks separate columns
SUFFIXES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")
_NO_TEXT = re.compile(rb"[\0-\x08\x0b\x0e-\x1f\x81\x8d\x8f\x90\x9d]")  # bytes that texts in Windows-1252 lack
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", ".")


class Head(NamedTuple):
    """What the first lines of a file tell; `skipped` lines come before them, of which `comments` are comments.

    `initial_blanks` says whether a quotation mark comes after a blank, so that blanks before a field are none of it.
    """

    names: list[str]
    rows: list[list[str]]
    separator: str
    header: bool
    quoting: int
    skipped: int
    decimal: str
    header_lines: int
    comments: int = 0
    initial_blanks: bool = False


def head_of(path: Path, content: bytes | None = None, header: bool | None = None) -> Head:
    """Columns and first rows of a CSV file, without pandas; arguments and errors as `zoo.data.frames.read`."""
    content = content_of(path) if content is None else content
    lines = _first_lines(content)
    skipped = _past_empty(lines, 0)
    separator = None
    if skipped < len(lines) and (said := re.fullmatch(r'"?sep=(.)"?', lines[skipped].strip("\r\n "), re.I)):
        separator, skipped = said[1], _past_empty(lines, skipped + 1)  # as Excel writes and reads it
    comments = _comments(path, lines[skipped:], separator)
    skipped = _past_empty(lines, skipped + comments)
    if skipped == len(lines):
        raise InputError(f"{path} is empty; expected a CSV file")
    sample = "\n".join(line for line in lines[skipped:] if not (comments and line.startswith("#")))
    separator = separator or _separator(path, sample)
    quoting = csv.QUOTE_MINIMAL
    if separator == "\t" and any(
        field.startswith('"') and not (len(field) > 1 and field.rstrip("\r").endswith('"'))
        for field in re.split("[\t\n]", content.decode("utf-8"))
    ):
        quoting = csv.QUOTE_NONE  # in tab-separated text a quotation mark is often only that
    first, rows, header_lines = _rows(path, sample, separator, quoting, False)
    initial = quoting == csv.QUOTE_MINIMAL and any(re.match(' +"', cell) for row in [first, *rows] for cell in row)
    if initial:
        first, rows, header_lines = _rows(path, sample, separator, quoting, True)
    for row in rows:
        if any(cell.strip() for cell in row[len(first) :]):
            raise InputError(f"{path}: expected {len(first)} fields in each row, received {len(row)}: {row[:6]}")
    width = max(map(len, [first, *rows]))  # separators that end a row
    first += [""] * (width - len(first))
    decimal = "."
    if separator == ";" and re.search(r"(^|;)-?\d+,\d+(;|$)", sample, re.M):
        decimal = "," if not re.search(r"(^|;)-?\d+\.\d+(;|$)", sample, re.M) else "."
    has_header = _names_columns(first, rows, decimal) if header is None else header
    names = _column_names(first) if has_header else [str(number) for number in range(len(first))]
    rows = rows if has_header else [first, *rows]
    return Head(names, rows, separator, has_header, quoting, skipped, decimal, header_lines, comments, initial)


def _past_empty(lines: list[str], at: int) -> int:
    """Number of the first line from `at` on that is not empty."""
    return next((number for number in range(at, len(lines)) if lines[number].strip()), len(lines))


def _comments(path: Path, lines: list[str], separator: str | None) -> int:
    """How many lines are comments before the table: they begin with # and have not as many fields as its rows."""
    marked = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    if not marked:
        return 0
    table = [line for line in lines[marked:] if not line.startswith("#")]
    separator = separator or _separator(path, "\n".join(table))
    fields = table[0].count(separator)
    if not fields:  # one column, whose name or values may well begin so
        return 0
    return next((at for at in range(marked) if lines[at].count(separator) == fields), marked)


def _rows(
    path: Path, sample: str, separator: str, quoting: int, initial: bool
) -> tuple[list[str], list[list[str]], int]:
    """The first row, those below that are not empty, and how many lines the first takes."""
    try:
        reader = csv.reader(io.StringIO(sample), delimiter=separator, quoting=quoting, skipinitialspace=initial)
        first = next(reader)
        header_lines = reader.line_num
        return first, [row for row in reader if row], header_lines
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV file; {error}") from error


def _column_names(first: list[str]) -> list[str]:
    """Names of the columns; where several have none, they are called by their place."""
    names = [name.strip() for name in first]
    if names.count("") < 2:
        return names
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def content_of(path: Path, notes: list[Note] | None = None) -> bytes:
    """The bytes of a table in UTF-8, unpacked where it is gzipped.

    Spreadsheets of Western Europe save Windows-1252, of which Latin-1 is a part: what is no UTF-8 is read so.

    Args:
        path: of the file.
        notes: one is added on such a file.

    Raises:
        InputError: no such file, no ordinary one, empty, or neither UTF-8 nor Windows-1252.
    """
    content = text_of(path, "a CSV or TSV file", [] if notes is None else notes).encode("utf-8")
    if not content.strip():
        raise InputError(f"{path} is empty; expected a CSV file")
    if (parted := _by_blanks(content)) is not None and notes is not None:
        notes.append(Note("the file", "kept", "blanks, one or several, separate its columns"))
    return parted or content


def _by_blanks(content: bytes) -> bytes | None:
    """With tabs for blanks, where these separate columns most of which are numbers; None for other tables."""
    first = [line for line in _first_lines(content) if line.strip()]
    widths = {len(line.split()) for line in first}
    other = any(set(line) & set(',;|\t"') for line in first)
    if len(first) < FEWEST_LINES or len(widths) > 1 or max(widths) < 2 or other:
        return None
    cells = [cell for line in first[1:] for cell in line.split()]
    if 2 * sum(map(_number, cells)) < len(cells):
        return None
    return "\n".join("\t".join(line.split()) for line in lines_of(content.decode("utf-8"))).encode("utf-8")


def lines_of(text: str) -> list[str]:
    """Lines as editors and CSV readers count them: ended by \\n, \\r\\n or \\r, and by no other character."""
    return re.split("\r\n|\r|\n", text)


def text_of(path: Path, what: str, notes: list[Note] | None = None) -> str:
    """A file of text, unpacked where it is gzipped, without its byte-order mark.

    Args:
        path: of the file.
        what: is expected, for messages.
        notes: where given, a file that is no UTF-8 is read as Windows-1252 if it can be, with a note.

    Raises:
        InputError: no such file, no ordinary one, neither UTF-8 nor UTF-16 with its byte-order mark, or one with null
            characters.
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
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if notes is not None and not wide and not _NO_TEXT.search(content):
            around = content[max(0, error.start - 12) : error.start + 12].decode("cp1252")
            word = next(each for each in re.split(r'[\s,;|"]+', around) if not each.isascii())
            reason = (
                f"read as Windows-1252, of which Latin-1 is a part, as {word!r} in line {line}; else save it as UTF-8"
            )
            notes.append(Note("the file", "kept", reason))
            return content.decode("cp1252")
        raise InputError(
            f"{path}: expected {what} in {'UTF-16, as its first bytes say' if wide else 'UTF-8'}, "
            f"received the byte 0x{content[error.start]:02x} in line {line}; save it as UTF-8"
            f"{_other_encoding(content, error.start)}"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        halves = (text[::2], text[1::2])
        hint = "; it looks like UTF-16 without byte-order mark: save it as UTF-8" if _nulls(*halves) else ""
        raise InputError(f"{path}: expected {what}, received a null byte in line {line}{hint}")
    return text


def _other_encoding(content: bytes, at: int) -> str:
    """A guess at the encoding of text that is no UTF-8, for a message; empty where it is no text."""
    if any(byte < 9 for byte in content[:4096]):
        return ""
    character = content[at : at + 1].decode("cp1252", errors="ignore")
    return f" (it may be Windows-1252 or latin-1, where that byte is {character!r})" if character.isprintable() else ""


def _nulls(*halves: str) -> bool:
    """Whether one of two halves is null bytes almost alone, and the other has none."""
    shares = sorted(half.count("\0") / max(1, len(half)) for half in halves)
    return shares[0] == 0 and shares[1] > 0.8


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
    order = ("\t", ",", ";", "|") if tabs else (",", ";", "\t", "|")
    first = [line for line in sample.split("\n")[:20] if line.strip()]
    if not tabs and '"' not in sample and len({line.count(";") for line in first} - {0}) == 1:
        commas = sum(line.count(",") for line in first)
        if commas and commas == sum(len(re.findall(r"(?<=\d),(?=\d)", line)) for line in first if ";" in line):
            return ";"  # each comma is inside a number
    for separator in order:
        try:
            counts = {len(row) for row in list(csv.reader(io.StringIO(sample), delimiter=separator))[:20] if row}
        except csv.Error:
            continue
        if len(counts) == 1 and counts != {1}:
            return separator
    for separator in order:  # rows that end in separators, a header that does not
        try:
            rows = [row for row in list(csv.reader(io.StringIO(sample), delimiter=separator))[:20] if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width > 1 and all(len(row) >= width and not any(map(str.strip, row[width:])) for row in rows):
            return separator
    return "\t" if tabs else ","


def _names_columns(first: list[str], rows: list[list[str]], decimal: str = ".") -> bool:
    if not rows or first == [str(number) for number in range(len(first))]:
        return True
    below = list(zip(*(row for row in rows if len(row) == len(first)), strict=True))
    if not below:
        return True
    numeric = [
        at
        for at, cells in enumerate(below)
        if any(map(str.strip, cells)) and all(_number(cell, decimal) for cell in cells)
    ]
    if not first[0].strip() and len(first) > 1 and _counts(below[0]):  # an index that was saved with the table
        if first[1:] == [str(number) for number in range(len(first) - 1)]:
            return True
        numeric.remove(0)
        if not numeric:
            return True
    return not numeric or not all(_number(first[at], decimal) for at in numeric)


def _counts(cells: Sequence[str]) -> bool:
    """Whether they are whole numbers, each one more than the one above; of at least two."""
    numbers = [int(cell) for cell in cells if re.fullmatch(r"\s*\d{1,15}\s*", cell, re.ASCII)]
    return len(cells) == len(numbers) > 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _number(cell: str, decimal: str = ".") -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return cell.strip() in MISSING
    return True
