"""`zoo verify`: an artifact's files and answers, proven again."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas
import pytest
from PIL import Image

import zoo
from support.programs import command
from zoo.artifacts import checksums
from zoo.data import tables
from zoo.errors import InputError
from zoo.formats import verifying


def verify(*arguments: object) -> CompletedProcess[str]:
    return command("verify", *arguments)


@pytest.fixture
def copied(classifier: Path, tmp_path: Path) -> Path:
    """An artifact that may be damaged."""
    return shutil.copytree(classifier, tmp_path / "digits" / "1")


def test_a_changed_byte_in_any_file_is_found(copied: Path) -> None:
    files = [file for file in sorted(copied.rglob("*")) if file.is_file() and file.stat().st_size]
    names = {file.relative_to(copied).as_posix() for file in files}
    assert {"saved_model.pb", "variables/variables.index", "model.keras", "card.json", "assets/labels.txt"} <= names
    rng = np.random.default_rng(0)
    for file in files:
        whole = file.read_bytes()
        for at in (0, len(whole) - 1, *rng.integers(len(whole), size=3).tolist()):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ int(rng.integers(1, 256))]) + whole[at + 1 :])
            found = verifying.verify(copied)
            assert not found.passed and found.parity is None and "not those that were published" in found.failure
            name = file.relative_to(copied).as_posix()
            assert name == checksums.NAME or found.problems == [f"changed: {name}"], (name, at, found.problems)
        file.write_bytes(whole)
    assert checksums.check(copied) == []


def test_what_is_wrong_is_said(copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    (copied / "variables" / "variables.index").unlink()
    broken = verify(copied)
    assert broken.returncode == 1 and broken.stderr == ""
    lines = broken.stdout.splitlines()
    assert lines[:2] == ["missing: variables/variables.index", "unexpected: notes.txt"] and "not run" in lines[-1]
    (copied / "card.json").write_text("{")
    assert "changed: card.json" in verify(copied).stdout
    nowhere = verify("nowhere")
    assert nowhere.returncode == 2 and "no artifact" in nowhere.stderr


@pytest.mark.slow
def test_people_and_machines_are_told(copied: Path) -> None:
    whole = verify(copied)
    assert whole.returncode == 0, whole.stderr
    assert "none changed, missing or unexpected" in whole.stdout
    assert "answers as the Keras model does: 64 made-up inputs" in whole.stdout and "0 labels differ" in whole.stdout
    (copied / "notes.txt").write_text("mine")
    found = json.loads((told := verify(copied, "--json")).stdout)
    assert told.returncode == 1 and found["problems"] == ["unexpected: notes.txt"] and not found["passed"]
    assert found["parity"]["passed"] and found["parity"]["files"] == 64


def test_further_formats_are_checked_by_their_manifests(copied: Path) -> None:
    place = copied / "formats" / "mine"
    place.mkdir(parents=True)
    (place / "model.bin").write_bytes(b"1234")
    told = {"model.bin": {"sha256": sha256(b"1234").hexdigest(), "bytes": 4}}
    (place / "manifest.json").write_text(json.dumps({"files": told}))
    assert checksums.check(copied) == []
    (place / "model.bin").write_bytes(b"1235")
    found = verifying.verify(copied)
    assert found.problems == [] and found.formats == {"mine": ["changed: model.bin"]} and not found.passed
    assert "formats/mine: changed: model.bin" in list(found.lines())


@pytest.mark.slow
def test_an_artifact_of_before_is_still_asked(copied: Path) -> None:
    (copied / checksums.NAME).unlink()
    with pytest.raises(InputError, match="expected the file SHA256SUMS.*copy the version again"):
        verifying.verify(copied)
    card = json.loads((copied / "card.json").read_text())
    del card["format"]
    (copied / "card.json").write_text(json.dumps(card))
    found = verifying.verify(copied)
    assert found.files is None and found.passed
    assert sum("can't be checked" in line for line in found.lines()) == 1
    whole = (copied / "model.keras").read_bytes()
    (copied / "model.keras").write_bytes(whole[: len(whole) // 2])
    cut = verifying.verify(copied)
    assert not cut.passed and cut.parity is None and "model.keras can't be opened" in cut.failure


def test_a_model_that_answers_otherwise_is_found(copied: Path) -> None:
    from zoo.builders.loading import loaded

    model = loaded(copied / "model.keras")
    model.layers[-1].bias.assign(np.array(model.layers[-1].bias) + [0.1, 0, 0])
    model.save(copied / "model.keras")
    checksums.write(copied)  # whoever changes a model can do the sums again
    found = verifying.verify(copied)
    assert found.problems == [] and found.parity.largest_difference > 1e-3 and not found.passed
    assert "does not answer as the Keras model does" in list(found.lines())[-1]


def test_labelled_and_unlabelled_pictures_are_asked(copied: Path, pixels: np.ndarray, tmp_path: Path) -> None:
    for at in range(12):
        file = tmp_path / "pictures" / ("one" if at % 2 else "two") / f"{at}.{('png', 'jpg', 'bmp')[at % 3]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[at]).save(file)
    (tmp_path / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    Image.fromarray(pixels[0]).save(tmp_path / "pictures" / "scan.tiff")
    found = verifying.verify(copied, tmp_path / "pictures")
    assert found.passed and found.parity.files == 12 and found.parity.formats == {"PNG": 4, "JPEG": 4, "BMP": 4}
    reasons = {Path(note.name).name: note.reason for note in found.left_out}
    assert set(reasons) == {"broken.png", "scan.tiff"} and "TIFF" in reasons["scan.tiff"]
    with pytest.raises(InputError, match="nothing to ask"):
        verifying.verify(copied, tmp_path / "pictures" / "broken.png")
    from zoo.kinds.images.idx import write

    (tmp_path / "idx").mkdir()
    write(tmp_path / "idx", pixels[:20], np.arange(20) % 2)
    assert verifying.verify(copied, tmp_path / "idx").parity.files == 20  # labels are not compared: any will do


@pytest.mark.slow
def test_autoencoders_and_generators_are_asked(variational: Path, conditional: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "grey.png")
    for source, count in ((None, 64), (tmp_path, 1)):
        found = verifying.verify(variational, source)
        assert found.passed and found.parity.files == count
    made = verifying.verify(conditional)
    assert made.passed and made.parity.files == 256 and "256 drawn codes" in "".join(made.lines())
    with pytest.raises(InputError, match="leave out PATH"):
        verifying.verify(conditional, tmp_path)


@pytest.mark.slow
def test_rows_are_asked(workplace: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"size": rng.normal(5, 1, 100), "colour": rng.choice(["red", "blue"], 100)})
    frame["target"] = np.where(frame["size"] > 5, "large", "small")
    zoo.train("mlp", tables(frame), model={"units": (4,)}, epochs=2).export("saved_models/rows")
    model = {"latent_dim": 1, "units": (4,)}
    zoo.train("dense_autoencoder", tables(frame), model=model, epochs=2, false_alarms=0.2).export("codes")
    frame = frame.drop(columns="target").astype(object)
    frame.loc[3, "size"] = "wide"
    frame.to_csv("asked.csv", index=False)
    assert verifying.verify("rows").passed
    found = verifying.verify("codes", "asked.csv")
    assert found.passed and found.parity.files == 99 and "expected a number" in found.left_out[0].reason
    told = verify("rows", "asked.csv", "--json")
    found = json.loads(told.stdout)
    assert told.returncode == 0 and found["passed"] and found["parity"]["files"] == 99
    assert len(found["left_out"]) == 1 and "expected a number" in json.dumps(found["left_out"])
    assert verify("rows", "gone.csv").returncode == 2
