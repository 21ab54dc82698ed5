"""Artifacts whose files are not those that were published: whatever opens one refuses it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from support.places import KEPT
from support.programs import command
from zoo.artifacts import checksums
from zoo.errors import InputError
from zoo.files import digest
from zoo.formats import exporting
from zoo.formats.runtime import open_format
from zoo.serving import deployment, model_manager
from zoo.serving.model_manager import ModelManager


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of images that 0.1.0 made, with a format of today."""
    place = tmp_path_factory.mktemp("whole") / "photos"
    shutil.unpack_archive(KEPT / "fine_tuned.zip", place)
    exporting.export(place / "1", "openvino")
    return place / "1"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "photos" / "1")


def zero(path: Path) -> None:
    """Half of the file, its length stays."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 4] + bytes(len(whole) // 2) + whole[len(whole) // 4 + len(whole) // 2 :])


HARMS: dict[str, Callable[[Path], object]] = {
    "zeroed": zero,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_model_that_is_not_as_published_is_not_opened(copied: Path, harm: str) -> None:
    HARMS[harm](copied / "model.keras")
    expected = r"its files are not those that were published \((changed|missing): model.keras.*\); copy it again"
    for opened in (
        lambda: zoo.load(copied),
        lambda: exporting.export(copied, "litert"),
        lambda: deployment.kubernetes(copied),
        lambda: ModelManager({"photos": copied.parent}),
    ):
        with pytest.raises(InputError, match=expected):
            opened()
    asked = command("predict", copied, KEPT)
    assert asked.returncode == 2 and asked.stderr.count("\n") == 1 and "model.keras" in asked.stderr
    assert command("finetune", KEPT, "--from", copied).stderr.count("model.keras") == 1


@pytest.mark.parametrize("file", ["model.bin", "model.xml", "manifest.json", "labels.txt"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_format_that_is_not_as_exported_is_not_opened(copied: Path, harm: str, file: str) -> None:
    place = copied / "formats" / "openvino"
    HARMS[harm](place / file)
    if file == "manifest.json" and harm in ("missing", "a folder"):
        with pytest.raises(InputError, match="expected a format, as zoo export makes it"):
            open_format(place)
        return
    expected = rf"not those that were published \((changed|missing): {file}.*--format openvino --again"
    for opened in (
        lambda: open_format(place),
        lambda: exporting.export(copied, "openvino"),
        lambda: exporting.listed(copied),
        lambda: ModelManager({"photos": copied}),
    ):
        with pytest.raises(InputError, match=expected):
            opened()
    if (harm, file) == ("zeroed", "model.bin"):
        exporting.export(copied, "openvino", again=True)
        open_format(place)


def test_a_format_of_another_model_is_not_opened(copied: Path, classifier: Path) -> None:
    place = copied / "formats" / "openvino"
    other = shutil.copytree(classifier, copied.parent / "2", ignore=shutil.ignore_patterns("formats"))
    moved = shutil.copytree(place, other / "formats" / "openvino")
    with pytest.raises(InputError, match="exported from another model.keras than that of its version; write it anew"):
        open_format(moved)
    open_format(shutil.copytree(place, copied.parent / "on a device" / "openvino"))  # alone it may be anywhere


def test_formats_of_before_have_a_manifest_alone(copied: Path) -> None:
    place = copied / "formats" / "openvino"
    (place / checksums.NAME).unlink()
    with pytest.raises(InputError, match=f"missing: {checksums.NAME}"):
        open_format(place)
    manifest = json.loads((place / checksums.MANIFEST).read_text())
    del manifest["model_sha256"]
    (place / checksums.MANIFEST).write_text(json.dumps(manifest))
    open_format(place)
    zero(place / "model.bin")
    with pytest.raises(InputError, match=r"changed: model.bin"):
        open_format(place)


def test_the_last_good_version_goes_on(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "POLL", 0.05)
    events: list[tuple[str, dict[str, Any]]] = []
    host = ModelManager({"photos": copied.parent}, on_event=lambda event, **facts: events.append((event, facts)))
    host.start()

    def until(event: str, count: int) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            seen = [facts for name, facts in events if name == event]
            if len(seen) >= count:
                return seen[-1]
            time.sleep(0.02)
        raise AssertionError(events)

    try:
        for number, file in enumerate(("formats/openvino/model.bin", "model.keras", "variables/variables.index")):
            partial = shutil.copytree(copied, copied.parent / "partial")
            zero(partial / file)
            partial.rename(copied.parent / str(number + 2))
            assert file.rpartition("/")[2] in until("version broken", number + 1)["reason"]
            assert host.get("photos").number == 1
        shutil.copyfile(copied / "variables/variables.index", copied.parent / "4/variables/variables.index")
        assert until("version ready", 2)["version"] == 4
    finally:
        host.close()


def test_files_that_nobody_opens_may_be_missing_or_added(copied: Path, tmp_path: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    shutil.rmtree(copied / "run")
    ModelManager({"photos": copied}, runtime="saved_model").close()
    shutil.rmtree(copied / "variables")
    assert zoo.load(copied).model
    (tmp_path / "linked").mkdir()
    for child in copied.iterdir():
        (tmp_path / "linked" / child.name).symlink_to(child)
    assert zoo.load(tmp_path / "linked").model


def test_versions_of_before_there_were_checksums_are_told(copied: Path) -> None:
    (copied / checksums.NAME).unlink()
    events = []
    ModelManager({"photos": copied}, on_event=lambda event, **facts: events.append(event)).close()
    assert events == ["without checksums", "version ready"]


RECORDS: dict[str, Callable[[Path], object]] = {
    "is missing": lambda record: record.unlink(),
    "is not as it was published": lambda record: record.write_text(record.read_text().replace("train", "test", 1)),
    "is damaged": lambda record: (zero(record), checksums.write(record.parent.parent)),
}


@pytest.mark.parametrize("harm", RECORDS)
def test_scores_that_may_be_of_training_examples_are_told(copied: Path, harm: str, tmp_path: Path) -> None:
    shutil.unpack_archive(KEPT / "inputs.zip", tmp_path / "inputs")
    photos = tmp_path / "inputs" / "photos"
    whole = zoo.load(copied).evaluate(photos)
    assert [note.action for note in whole.intake] == ["left out"] and whole.evaluation.examples < 24
    RECORDS[harm](copied / "run" / "splits.csv")
    report = zoo.load(copied).evaluate(photos)
    assert report.evaluation.examples == 24
    (note,) = report.intake
    assert note == ("training examples", "kept", f"those of {photos} can't be left out: run/splits.csv {harm}")
    told = command("evaluate", copied, photos)
    assert told.returncode == 0 and f"run/splits.csv {harm}" in " ".join(told.stdout.split())
    assert len(zoo.load(copied).predict(photos)) == 24


def test_sums_that_are_damaged_vouch_for_nothing(copied: Path) -> None:
    listed = (copied / checksums.NAME).read_bytes().splitlines(keepends=True)
    (copied / checksums.NAME).write_bytes(b"".join(line for line in listed if b"model.keras" not in line))
    with pytest.raises(InputError, match="unexpected: model.keras"):
        zoo.load(copied)
    (copied / checksums.NAME).write_bytes(b"".join(listed)[9:])
    with pytest.raises(InputError, match=f"changed: {checksums.NAME}, whose line"):
        zoo.load(copied)
    HARMS["a folder"](copied / checksums.NAME)
    with pytest.raises(InputError, match=f"unreadable: {checksums.NAME}: Is a directory"):
        zoo.load(copied)


def test_a_look_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["model.keras", "card.json"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(1 << 20))
    checksums.write(tmp_path)
    read: list[str] = []
    monkeypatch.setattr(checksums, "digest", lambda path: read.append(path.name) or digest(path))
    checksums.require(tmp_path)
    assert sorted(read) == sorted(names)
