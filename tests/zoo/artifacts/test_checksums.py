"""Checksums of a published version: coreutils reads them, and nothing that happens to a file goes unnoticed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from zoo.artifacts import checksums
from zoo.errors import InputError

NAMES = ("a.txt", "variables/b c", "deep/er/grün.bin", "back\\slash", "line\nbreak", " leading", "formats.txt")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A folder with sums over files of awkward names."""
    for at, name in enumerate(NAMES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes([at]) * at)
    checksums.write(tmp_path)
    return tmp_path


def test_coreutils_check_them(listed: Path) -> None:
    assert checksums.check(listed) == [] and checksums.count(listed) == len(NAMES)
    checked = subprocess.run(["sha256sum", "-c", checksums.NAME], cwd=listed, capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stdout.count(": OK\n") == len(NAMES), checked
    # The very file that coreutils write of the same names.
    made = subprocess.run(["sha256sum", *sorted(NAMES)], cwd=listed, capture_output=True, check=True).stdout
    assert (listed / checksums.NAME).read_bytes() == made


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda f: (f / "a.txt").write_text("x"), ["changed: a.txt"]),
        (lambda f: (f / "variables/b c").unlink(), ["missing: variables/b c"]),
        (lambda f: (f / "variables/new").touch(), ["unexpected: variables/new"]),
        (lambda f: (f / "a.txt").rename(f / "b.txt"), ["missing: a.txt", "unexpected: b.txt"]),
        (lambda f: (f / "line\nbreak").write_text("x"), ["changed: line\nbreak"]),
        (lambda f: (f / "back\\slash").unlink(), ["missing: back\\slash"]),
        (lambda f: shutil.rmtree(f / "deep"), ["missing: deep/er/grün.bin"]),
        (lambda f: (f / checksums.NAME).write_text(""), [f"unexpected: {name}" for name in sorted(NAMES)]),
    ],
)
def test_whatever_happens_is_named(listed: Path, harm: Callable[[Path], object], expected: list[str]) -> None:
    harm(listed)
    assert checksums.check(listed) == expected


def test_changed_sums_are_found(listed: Path) -> None:
    whole = (listed / checksums.NAME).read_bytes()
    for at in range(0, len(whole), 7):
        (listed / checksums.NAME).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert checksums.check(listed), whole[at - 20 : at + 20]


def test_formats_have_manifests_of_their_own(listed: Path) -> None:
    place = listed / "formats" / "litert"
    place.mkdir(parents=True)
    (place / "model.tflite").write_bytes(b"model")
    assert checksums.check(listed) == [] and checksums.formats(listed) == [place]
    assert checksums.check_manifest(place) == ["missing: manifest.json"]
    (place / "manifest.json").write_text("[]")
    assert checksums.check_manifest(place) == ["changed: manifest.json, which has no list of files"]
    files = {"model.tflite": {"sha256": sha256(b"model").hexdigest(), "bytes": 5}}
    (place / "manifest.json").write_text(json.dumps({"files": files}))
    assert checksums.check_manifest(place) == []
    (place / "model.tflite").write_bytes(b"medol")
    (place / "labels.txt").touch()
    assert checksums.check_manifest(place) == ["changed: model.tflite", "unexpected: labels.txt"]
    (listed / "formats" / ".partial-half").mkdir()
    assert checksums.formats(listed) == [place]


def test_without_sums_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SHA256SUMS"):
        checksums.check(tmp_path)


def test_every_file_of_an_artifact_has_one(classifier: Path, conditional: Path) -> None:
    for folder in (classifier, conditional):
        assert checksums.check(folder) == []
        named = {line[66:] for line in (folder / checksums.NAME).read_text().splitlines()}
        files = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
        # Other tests may have exported it to further formats.
        there = {file.as_posix() for file in files if file.parts[0] != checksums.FORMATS}
        assert named == there - {checksums.NAME} and "model.keras" in named and any(n.startswith("run/") for n in named)
        check = ["sha256sum", "-c", "--strict", checksums.NAME]
        subprocess.run(check, cwd=folder, check=True, stdout=subprocess.DEVNULL)
