"""Checksums of an artifact's files, in the format of coreutils' sha256sum."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import InputError
from zoo.files import digest

NAME = "SHA256SUMS"
FORMATS = "formats"  # folder of what is exported later; each format in it has a manifest of its own
MANIFEST = "manifest.json"
_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.S)
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}  # of names, in lines that begin with a backslash


def write(folder: Path) -> Path:
    """Write ``SHA256SUMS`` over all files in `folder`, those in ``formats/`` excepted; to be written last.

    ``sha256sum -c SHA256SUMS`` in the folder checks them as `check` does.
    """
    lines = []
    for name in _files(folder, FORMATS):
        written = os.fsencode(name)
        escaped = re.sub(rb"[\\\n\r]", lambda found: {v: k for k, v in _ESCAPES.items()}[found[0]], written)
        start = b"\\" if escaped != written else b""
        lines.append(start + digest(folder / name).encode() + b"  " + escaped + b"\n")
    (folder / NAME).write_bytes(b"".join(lines))
    return folder / NAME


def check(folder: Path) -> list[str]:
    """What is not as when ``SHA256SUMS`` was written, a line a file: changed, missing or unexpected.

    Files in ``formats/`` have manifests: see `check_manifest`.

    Raises:
        InputError: there are no sums.
    """
    if not has(folder):
        raise InputError(f"{folder}: expected the file {NAME}, which artifacts of earlier versions do not have")
    expected, problems = {}, []
    for number, line in enumerate((folder / NAME).read_bytes().splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            problems.append(f"changed: {NAME}, whose line {number} is no checksum")
            continue
        name = re.sub(rb"\\[\\nr]", lambda pair: _ESCAPES[pair[0]], found[3]) if found[1] else found[3]
        expected[os.fsdecode(name)] = found[2].decode()
    return problems + _compared(folder, expected, _files(folder, FORMATS))


def count(folder: Path) -> int:
    """How many files ``SHA256SUMS`` lists."""
    return len((folder / NAME).read_bytes().splitlines())


def has(folder: Path) -> bool:
    """Whether there is a ``SHA256SUMS``."""
    return (folder / NAME).is_file()


def formats(folder: Path) -> list[Path]:
    """Folders of the formats that the artifact in `folder` was exported to later; half-written ones are none."""
    place = folder / FORMATS
    found = sorted(place.iterdir()) if place.is_dir() else []
    return [child for child in found if child.is_dir() and not child.name.startswith(".")]


def check_manifest(folder: Path) -> list[str]:
    """What is not as the ``manifest.json`` of a format says, a line a file: changed, missing or unexpected."""
    if not (folder / MANIFEST).is_file():
        return [f"missing: {MANIFEST}"]
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: told["sha256"] for name, told in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"changed: {MANIFEST}, which has no list of files"]
    return _compared(folder, expected, [name for name in _files(folder) if name != MANIFEST])


def _compared(folder: Path, expected: Mapping[str, str], found: list[str]) -> list[str]:
    problems = [f"missing: {name}" for name in expected if not (folder / name).is_file()]
    there = [name for name in expected if (folder / name).is_file()]
    problems += [f"changed: {name}" for name in there if digest(folder / name) != expected[name]]
    return problems + [f"unexpected: {name}" for name in found if name not in expected]


def _files(folder: Path, without: str = "") -> list[str]:
    """Names of all files in `folder`, in the alphabet's order; not of the sums, nor in the folder `without`."""
    found = []
    for place, folders, names in os.walk(folder):
        here = Path(place).relative_to(folder)
        if here == Path() and without in folders:
            folders.remove(without)
        found += [(here / name).as_posix() for name in names]
    return sorted(name for name in found if name != NAME)
