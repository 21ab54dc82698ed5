"""The gates: asked with the files themselves, those that the exported graph reads, and no copies left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from applications import fine_tune
from support import forks
from support.image_files import FILES, bmp, encode, picture
from support.pictures import photo
from support.places import KEPT, ROOT
from support.programs import command
from zoo.artifacts.gate import Gate, compare
from zoo.artifacts.parity_process import packed, unpacked
from zoo.artifacts.predictor import outputs
from zoo.data import images
from zoo.data.parts import Files
from zoo.errors import InputError, JobError
from zoo.files import cache_folder
from zoo.formats import verifying, writing
from zoo.kinds.codes import Codes
from zoo.kinds.images import decoding, exportable


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates load their own TensorFlow, as those of users do."""
    monkeypatch.setattr(Gate, "__init__", forks.OWN)


def unread() -> dict[str, bytes]:
    """What Pillow reads and the graph does not, each kind with the reason it begins with."""
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 256, (8, 16), dtype=np.uint8).tobytes()
    runs = b"".join(struct.pack("BB", 8, at) + b"\0\0" for at in range(8)) + b"\0\1"
    palette = rng.integers(0, 256, (256, 4), dtype=np.uint8).tobytes()
    core = struct.pack("<IHHHH", 12, 8, 8, 1, 24)
    short = bytearray(bmp(bytes([200] * 64), 8, 8, 8, rest=palette[:400]))
    short[46:50] = struct.pack("<I", 100)
    no_table = encode(picture("L", 8, 8).convert("P"), "GIF")
    frames = [picture("RGB", 8, 8), picture("RGB", 8, 8).rotate(90)]
    swapped = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    return {
        "animated WebP": encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=50),
        "TIFF": encode(picture("RGB", 8, 8), "TIFF", compression="tiff_lzw"),
        "BMP with 16 bits a pixel": bmp(rows, 8, 8, 16),
        "BMP with 16 bits a pixel, masks": bmp(rows, 8, 8, 16, compression=3, rest=masks),
        "compressed BMP": bmp(runs, 8, 8, 8, compression=1, rest=palette),
        "BMP of OS/2": b"BM" + struct.pack("<IHHI", 26 + 192, 0, 0, 26) + core + bytes(192),
        "BMP with unusual places of the colours": bmp(rows * 2, 8, 8, 32, compression=3, rest=swapped),
        "BMP with pixels outside its colour table": bytes(short),
        "GIF without a colour table": no_table[:10]
        + bytes([no_table[10] & 0x7F])
        + no_table[11:13]
        + no_table[13 + (6 << (no_table[10] & 7)) :],
    }


def test_what_the_graph_reads_is_known_from_the_bytes(decoder_graph) -> None:
    for name, encoded in FILES.items():
        assert exportable.refusal(encoded) is None, name
    import tensorflow as tf

    for name, encoded in unread().items():
        decoding.decode(encoded, (8, 8))  # Pillow reads it
        assert name.startswith(exportable.refusal(encoded)), name
        if name != "animated WebP":  # TensorFlow's decoder is not to see one
            with pytest.raises(tf.errors.InvalidArgumentError):
                decoder_graph("small", [encoded])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Large photos of two classes, held out in part, and beside them files that the graph does not read."""
    root = tmp_path / "mixed"
    for side, count in (("train", 8), ("val", 6)):
        for colour, name in enumerate(("red", "green")):
            for index in range(count):
                photo(
                    root / side / name / f"{index}.jpg", colour, 100 * colour + index + 10 * (side == "val"), (80, 60)
                )
    for number, encoded in enumerate(unread().values()):
        (root / "val" / "red" / f"odd{number}.img").write_bytes(encoded)
    return root


@pytest.mark.slow
def test_a_fine_tune_over_files_that_the_graph_does_not_read_ends(tiny: str, mixed: Path, workplace: Path) -> None:
    """Before, the first of them ended the job after training; and the gate of `export` cropped what it had cropped."""
    kept = images(mixed).intake
    assert sum("not by the exported model alone" in note.reason for note in kept) == len(unread())
    done = fine_tune(mixed, tiny, weights=None, out="saved_models/mixed")
    parity = json.loads((done.artifact / "card.json").read_text())["parity"]
    assert parity["passed"] and parity["files"] == 12 and parity["refused"] == []
    assert json.loads((done.artifact / "card.json").read_text())["input"]["crop"] < 1
    assert done.evaluation.examples == 12 + len(unread())  # scored by Pillow's reader
    again = command("export", "saved_models/mixed", "--format", "saved_model,openvino")
    assert again.returncode == 0, again.stderr
    report = verifying.verify(done.artifact, mixed / "val")
    assert report.passed and report.parity.files == 12
    assert len(report.left_out) == len(unread())
    for name in ("red", "green"):
        shutil.rmtree(mixed / "val" / name)
        (mixed / "val" / name).mkdir()
    Image.new("RGB", (50, 40), "red").save(mixed / "val" / "red" / "only.tiff")
    with pytest.raises(InputError, match="reads no held-out image .1 TIFF."):
        fine_tune(mixed, tiny, weights=None)
    with pytest.raises(InputError, match="reads no held-out image .1 TIFF."):
        zoo.train("cnn", mixed, epochs=1)


@pytest.fixture
def cropping(tmp_path: Path) -> Path:
    """An artifact whose images are cropped, and photos larger than its input."""
    for name in ("fine_tuned", "inputs"):
        shutil.unpack_archive(KEPT / f"{name}.zip", tmp_path / name)
    return tmp_path


def test_the_version_is_asked_with_the_files_themselves(cropping: Path) -> None:
    found = zoo.load(cropping / "fine_tuned")
    assert found.card["input"]["crop"] < 1
    for validate in (cropping / "inputs" / "photos", None):
        assert writing.measure_saved_model(found, validate)["gate"]["passed"]


def test_a_file_that_only_one_reader_gives_up_is_named_and_passed_over(cropping: Path, tmp_path: Path) -> None:
    found = zoo.load(cropping / "fine_tuned", "predict")
    good = tuple(sorted((cropping / "inputs" / "photos").rglob("*.png")))
    damaged = tmp_path / "damaged.bmp"
    damaged.write_bytes(bmp(bytes(192), 8, 8, 24)[:-1])  # the graph wants the last byte
    kind, inputs = found.kind, Files((good[0], damaged, *good[1:]))
    expected = outputs(found.model, Files((*good, good[0])), kind)
    with Gate() as gate:
        answered = gate.run(found.folder, inputs, kind, list(found.task.values()))()
    assert answered.positions.tolist() == [0, *range(2, len(good) + 1)]
    assert answered.refused == ((str(damaged), "truncated BMP"),)
    expected = np.insert(expected[: len(good)], 1, 0, axis=0)
    parity = compare(found.task, found.task.named(expected), answered, kind.formats(inputs))
    assert parity.passed and parity.files == len(good) and parity.refused == answered.refused
    with Gate() as gate:
        answered = gate.run(found.folder, (damaged, damaged), kind, list(found.task.values()))()
    parity = compare(found.task, found.task.named(expected[:2]), answered, ["PNG"] * 2)
    assert not parity.passed and "does not read 2 of 2 files" in parity.reason() and "truncated BMP" in parity.reason()


def test_strings_of_any_length_take_their_own_room() -> None:
    texts = np.array(["word"] * 260 + ["x" * 2_000_000], object)
    assert sum(values.nbytes for values in packed({"text": texts}).values()) < 2_010_000  # 2 GB at one width


def test_packed_arrays_come_back(tmp_path: Path) -> None:
    given = {"text": np.array(["", "ü\0", "a" * 300, "日"], object), "number": np.arange(6.0).reshape(2, 3)}
    np.savez(tmp_path / "it.npz", **packed(given | {"none": np.array([], object)}))
    found = unpacked(tmp_path / "it.npz")
    assert [text.decode() for text in found["text"]] == given["text"].tolist() and len(found["none"]) == 0
    np.testing.assert_array_equal(found["number"], given["number"])


def test_nothing_of_the_data_stays_where_the_process_is_killed(cropping: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from zoo.artifacts.gate import Gate
from zoo.data.parts import Files
from zoo.kinds import Images
folder = Path({str(cropping / "fine_tuned")!r})
files = Files([Path({str(cropping / "inputs" / "photos" / "red" / "00.png")!r}).read_bytes()] * 3)
gate = Gate()
pending = gate.run(folder, files, Images((16, 16), 0.75), ["label"])
print("asked", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    before = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("tmp*"))
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL and "asked" in killed.stdout, killed.stderr
    left = [file for file in (Path(os.environ["ZOO_CACHE"]) / "gate").rglob("*") if file.is_file()]
    assert left, "the copies are in the folder that is swept"
    assert not list(cache_folder("gate").iterdir())
    assert not [
        place for place in set(Path(os.environ.get("TMPDIR", "/tmp")).glob("tmp*")) - before if list(place.glob("0"))
    ]


def test_a_failure_of_the_process_is_told_without_names_of_nodes(cropping: Path) -> None:
    with Gate() as gate, pytest.raises(JobError) as told:
        gate.run(cropping / "fine_tuned", {"code": np.zeros((2, 3), np.float32)}, Codes(3), ["label"])()
    assert "can't be run" in str(told.value) and "{{" not in str(told.value) and "[[" not in str(told.value)
