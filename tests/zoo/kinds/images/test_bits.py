"""16-bit grey images whose samples fill fewer bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from support.programs import command
from zoo.data import images
from zoo.data.parts import Files
from zoo.kinds.images import decoding


def samples(bits: int, bright: bool, seed: int = 0) -> np.ndarray:
    top = 1 << bits
    rng = np.random.default_rng(seed)
    low, high = (top // 2, top) if bright else (0, top // 2)
    return rng.integers(low, high, (16, 16)).astype(np.uint16)


def folder_of(folder: Path, bits: int, suffix: str = ".png") -> Path:
    for name in ("dark", "bright"):
        (folder / name).mkdir(parents=True)
        for at in range(8):
            Image.fromarray(samples(bits, name == "bright", at)).save(folder / name / f"{at}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_high_byte_is_that_of_the_bits_that_there_are(tmp_path: Path, bits: int, suffix: str) -> None:
    pixels = samples(bits, True)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path)
    assert decoding.bits_of(path) == bits
    found = decoding.decode(path, (16, 16), 1.0, bits)
    np.testing.assert_array_equal(found[..., 0], pixels >> (bits - 8))
    assert decoding.decode(path, (16, 16), 1.0, 8).max() == 255  # what is more is white
    tf = pytest.importorskip("tensorflow")
    if suffix == ".png":
        from zoo.kinds.images.decoding_graph import decode_batch

        for said in {bits, 8, 16}:
            read = decode_batch(tf.constant([path.read_bytes()]), (16, 16), 1.0, said).numpy()[0]
            np.testing.assert_array_equal(read, decoding.decode(path, (16, 16), 1.0, said))


def test_other_images_have_no_such_bits(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    assert decoding.bits_of(tmp_path / "a.jpg") is None
    np.testing.assert_array_equal(
        decoding.decode(tmp_path / "a.jpg", (4, 4), 1.0, 12), decoding.decode(tmp_path / "a.jpg", (4, 4))
    )


def test_images_that_are_nearly_black_are_said_with_the_option(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "scans", 12)
    (note,) = (each for each in images(folder).intake if each.name == "16-bit images")
    assert "12 of 16 bits" in note.reason and "--bits 12 scales them" in note.reason
    assert not [each for each in images(folder, bits=12).intake if each.name == "16-bit images"]
    assert any("white" in each.reason for each in images(folder, bits=10).intake)
    assert not images(folder_of(tmp_path / "full", 16)).intake


@pytest.mark.slow
@pytest.mark.parametrize("job", [("train", "cnn"), ("finetune",)])
def test_the_exported_model_scales_as_training_did(tiny: str, tmp_path: Path, job: tuple[str, ...]) -> None:
    folder = folder_of(tmp_path / "scans", 12)
    how = ("--backbone", tiny, "--weights", "random") if job == ("finetune",) else ("--epochs", 2, "--set", "filters=8")
    made = command(*job, folder, "--bits", 12, *how, "--out", tmp_path / "made")
    assert made.returncode == 0, made.stderr
    card = json.loads((tmp_path / "made" / "1" / "card.json").read_text())
    assert card["input"]["bits"] == 12
    photo = folder / "bright" / "3.png"
    (answer,) = zoo.load(tmp_path / "made").predict(photo)
    assert next(zoo.load(tmp_path / "made").kind.decoded(Files([photo]))).inputs.mean() > 150
    if job == ("finetune",):
        assert answer.label == "bright"
    assert command("verify", tmp_path / "made").returncode == 0
