"""Checksums of the files of an artifact or a cache, in the format of coreutils' sha256sum."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import InputError, Notice
from zoo.files import atomic_file, digest

NAME = "SHA256SUMS"
FORMATS = "formats"  # folder of formats that are exported later; each has a manifest of its own
MANIFEST = "manifest.json"
LOADED = ("card.json", "model.keras")  # files that `zoo.load` opens
GRAPH = ("saved_model.pb", "fingerprint.pb", "variables/", "assets/", "assets.extra/")
SERVED = (*LOADED, *GRAPH, "example.json")  # files that a server opens
_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.S)
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}  # of names, in lines that begin with a backslash


def write(folder: Path) -> Path:
    """Write ``SHA256SUMS`` for all files in `folder` except those in ``formats/``; it must be written last.

    ``sha256sum -c SHA256SUMS`` in the folder checks them as `check` does.
    """
    lines = []
    for name in _files(folder, FORMATS):
        written = os.fsencode(name)
        escaped = re.sub(rb"[\\\n\r]", lambda match: {v: k for k, v in _ESCAPES.items()}[match[0]], written)
        start = b"\\" if escaped != written else b""
        lines.append(start + digest(folder / name).encode() + b"  " + escaped + b"\n")
    (folder / NAME).write_bytes(b"".join(lines))
    return folder / NAME


def check(folder: Path) -> list[str]:
    """Differences to ``SHA256SUMS``, a line for each file that is changed, missing or unexpected.

    Files in ``formats/`` have manifests: see `check_manifest`.

    Raises:
        InputError: there is no ``SHA256SUMS``.
    """
    if not has(folder):
        raise InputError(f"{folder}: expected the file {NAME}, which artifacts of earlier versions do not have")
    expected, problems = _listed(folder)
    return problems + _compared(folder, expected, _files(folder, FORMATS))


def require(folder: Path, opened: Collection[str] = SERVED) -> None:
    """Check that the files which are about to be opened are unchanged.

    These files are read once, some 0.1 s for 100 MB. Other files may be missing or added.

    Args:
        folder: of the version, with ``SHA256SUMS``.
        opened: names of files, and of folders with ``/`` at the end.

    Raises:
        InputError: a file is changed, missing or not in the list.
    """
    expected, problems = _listed(folder)

    def chosen(names: Iterable[str]) -> list[str]:
        return [name for name in names if name in opened or f"{name.partition('/')[0]}/" in opened]

    there = {name: expected[name] for name in chosen(expected)}
    _refuse(folder, problems + _compared(folder, there, chosen(_files(folder, FORMATS))), "or export it anew")


def require_format(folder: Path) -> dict[str, Any]:
    """The manifest of a format, after a check that its files are unchanged.

    Raises:
        InputError: a file is changed or missing, or the format was exported from another model.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: expected a format, as zoo export makes it; its {MANIFEST} is not there")
    name = folder.resolve().name
    remedy = f"or write it anew: zoo export ARTIFACT --format {name} --again"
    _refuse(folder, [problem for problem in check_format(folder) if not problem.startswith("unexpected")], remedy)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    version = folder.resolve().parent.parent
    if folder.resolve().parent.name == FORMATS and (version / "model.keras").is_file():
        made_of = digest(version / "model.keras")
        if manifest.get("model_sha256", made_of) != made_of:  # those of 0.1.0 don't say
            raise InputError(f"{folder} was exported from another model.keras than that of its version; {remedy[3:]}")
    return manifest


def seal(*paths: Path) -> None:
    """Write checksums of cached files beside the first of `paths`, all of which are in one folder."""
    lines = [f"{digest(path)}  {path.name}\n" for path in paths]
    with atomic_file(_seal_of(*paths)) as partial:
        partial.write_text("".join(lines), encoding="utf-8")


def sealed(*paths: Path, then: str = "made again") -> bool:
    """Whether `paths` are unchanged since `seal`; a warning tells of a damaged file.

    Files of 0.1.0 have no checksums, and count as absent.

    Args:
        paths: as `seal` was given them.
        then: what becomes of a damaged file, for the warning.
    """
    seal_file = _seal_of(*paths)
    try:
        lines = seal_file.read_bytes().splitlines()
        if lines == [f"{digest(path)}  {path.name}".encode() for path in paths]:
            return True
    except FileNotFoundError:
        if not seal_file.exists():
            return False
    except OSError:
        pass
    warnings.warn(f"{paths[0]} is damaged, and {then}", Notice, stacklevel=2)
    return False


def _seal_of(first: Path, *_: Path) -> Path:
    return first.with_name(f"{first.name}.sha256")


def _refuse(folder: Path, problems: list[str], remedy: str) -> None:
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise InputError(
            f"{folder}: its files are not those that were published ({problems[0]}{more}); copy it again, {remedy}"
        )


def _listed(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Name -> checksum in ``SHA256SUMS``, and the problems of that file."""
    expected: dict[str, str] = {}
    problems = []
    try:
        lines = (folder / NAME).read_bytes().splitlines()
    except OSError as error:
        return {}, [f"unreadable: {NAME}: {error.strerror}"]
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"changed: {NAME}, whose line {number} is no checksum")
            continue
        name = re.sub(rb"\\[\\nr]", lambda pair: _ESCAPES[pair[0]], match[3]) if match[1] else match[3]
        expected[os.fsdecode(name)] = match[2].decode()
    return expected, problems


def count(folder: Path) -> int:
    """Number of files in ``SHA256SUMS``."""
    return len(_listed(folder)[0])


def has(folder: Path) -> bool:
    """Whether `folder` has a ``SHA256SUMS``."""
    return os.path.lexists(folder / NAME)


def formats(folder: Path) -> list[Path]:
    """Folders of the further formats of the artifact in `folder`, without half-written ones."""
    place = folder / FORMATS
    children = sorted(place.iterdir()) if place.is_dir() else []
    return [child for child in children if child.is_dir() and not child.name.startswith(".")]


def check_format(folder: Path) -> list[str]:
    """Differences of a format to its ``SHA256SUMS``, or to its manifest if it is of 0.1.0."""
    if has(folder):
        return check(folder)
    problems = check_manifest(folder)
    if not problems and "model_sha256" in json.loads((folder / MANIFEST).read_text(encoding="utf-8")):
        return [f"missing: {NAME}"]
    return problems


def check_manifest(folder: Path) -> list[str]:
    """Differences to the ``manifest.json`` of a format, a line for each file that is changed, missing or unexpected."""
    if not (folder / MANIFEST).is_file():
        return [f"missing: {MANIFEST}"]
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: facts["sha256"] for name, facts in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"changed: {MANIFEST}, which has no list of files"]
    return _compared(folder, expected, [name for name in _files(folder) if name != MANIFEST])


def _compared(folder: Path, expected: Mapping[str, str], names: list[str]) -> list[str]:
    problems = [f"missing: {name}" for name in expected if not (folder / name).is_file()]
    for name in expected:
        if (folder / name).is_file():
            try:
                same = digest(folder / name) == expected[name]
            except OSError as error:
                problems.append(f"unreadable: {name}: {error.strerror}")
            else:
                problems += [] if same else [f"changed: {name}"]
    return problems + [f"unexpected: {name}" for name in names if name not in expected]


def _files(folder: Path, without: str = "") -> list[str]:
    """Names of all files in `folder`, sorted, except ``SHA256SUMS`` and those in the folder `without`."""
    names_of_files = []
    for place, folders, names in os.walk(folder):
        here = Path(place).relative_to(folder)
        if here == Path() and without in folders:
            folders.remove(without)
        names_of_files += [(here / name).as_posix() for name in names]
    return sorted(name for name in names_of_files if name != NAME)
