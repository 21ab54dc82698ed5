"""Segmentation on the command line and behind a server: check, train, evaluate, predict, export, verify, serve."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from support.masks import write
from support.pictures import b64
from support.programs import command
from support.servers import served
from zoo.commands import drawing
from zoo.errors import InputError
from zoo.serving.model_manager import ModelManager
from zoo.tasks.classification import Classification

MODEL = ("--set", "filters=8", "--set", "depth=1", "--epochs", "20", "--batch-size", "4", "--learning-rate", "0.01")


def png(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, and what is trained on it."""
    root = tmp_path_factory.mktemp("segmentation")
    write(root / "blots" / "train", 16, greys=(0, 255))
    write(root / "blots" / "test", 5, greys=(0, 255), seed=1)
    (root / "blots" / "classes.txt").write_text("ground\nblot\n")
    return root


@pytest.fixture(scope="module")
def version(place: Path) -> Path:
    shown = command("train", "unet", place / "blots", *MODEL, "--augment", "flip", "--out", place / "made")
    assert shown.returncode == 0, shown.stderr
    assert "share of the pixels" in shown.stdout and "mean IoU" in shown.stdout and "Otsu's threshold" in shown.stdout
    assert "the export answers as the model does: 5 inputs" in shown.stdout and "no mask differs" in shown.stdout
    return place / "made" / "1"


@pytest.fixture(scope="module")
def photos(place: Path) -> Path:
    """New photos, one of them large and one none."""
    folder = place / "photos"
    write(place / "new", 2, seed=2)
    (place / "new" / "images").rename(folder)
    Image.fromarray(np.full((2000, 3000, 3), (40, 40, 60), np.uint8)).save(folder / "large.jpg")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_it_is_trained_and_scored_beside_simple_models(version: Path) -> None:
    card = json.loads((version / "card.json").read_text())
    assert card["task"] == "segmentation" and card["mask_values"] == [0, 255] and card["input"]["crop"] is None
    assert card["metrics"]["iou"] > 0.8 > card["metrics"]["baselines"]["always the most frequent class"]["iou"]
    worst = np.asarray(Image.open(version / "run" / "worst.png"))
    assert worst.ndim == 3 and worst.shape[0] > 3 * 128


def test_it_is_scored_again_worst_photos_first(version: Path, place: Path) -> None:
    shown = command("evaluate", version, place / "blots", "--csv", place / "rows.csv", "--picture", place / "worst.png")
    assert shown.returncode == 0, shown.stderr
    assert "most wrong:" in shown.stdout and (place / "worst.png").is_file()
    header, *rows = (place / "rows.csv").read_text().splitlines()
    assert header == "name,mask,IoU ground,IoU blot,pixel accuracy" and len(rows) == 5
    scores = [sum(map(float, row.split(",")[2:4])) for row in rows]
    assert scores == sorted(scores) and rows[0].split(",")[1].startswith("test/masks/")
    as_json = json.loads(command("evaluate", version, place / "blots", "--json").stdout)
    card = json.loads((version / "card.json").read_text())
    assert as_json["iou"] == pytest.approx(card["metrics"]["iou"], abs=1e-6)


def test_masks_and_overlays_are_written(version: Path, photos: Path, place: Path) -> None:
    shown = command("predict", version, photos, "--out", place / "masks", "--csv", place / "answers.csv")
    assert shown.returncode == 0, shown.stderr
    names = {"000.png", "000_overlay.png", "001.png", "001_overlay.png", "large.png", "large_overlay.png"}
    assert {path.name for path in (place / "masks").iterdir()} == names
    for stem, size in (("000", (24, 24)), ("001", (24, 32)), ("large", (2000, 3000))):
        mask, over = (np.asarray(Image.open(place / "masks" / f"{stem}{end}.png")) for end in ("", "_overlay"))
        assert mask.shape == size and over.shape == (*size, 3) and set(np.unique(mask)) <= {0, 255}
    lines = (place / "answers.csv").read_text().splitlines()
    assert lines[0] == "name,ground,blot,error" and len(lines) == 5
    again = command("predict", version, photos, "--out", place / "masks")
    assert again.returncode == 2 and "expected a new or an empty folder" in again.stderr
    inside = command("predict", version, photos, "--out", photos / "masks")
    assert inside.returncode == 2 and "only read" in inside.stderr
    rows = {Path(row["name"]).stem: row for row in json.loads(command("predict", version, photos, "--json").stdout)}
    np.testing.assert_array_equal(png(rows["001"]["mask_bytes"]), np.asarray(Image.open(place / "masks" / "001.png")))
    (one,) = zoo.load(version).predict(photos / "001.png")
    np.testing.assert_array_equal(one.mask, png(rows["001"]["mask_bytes"]))


def test_masks_are_for_what_has_some(place: Path) -> None:
    with pytest.raises(InputError, match="no answer of classification is a picture; leave out --out"):
        drawing.check(Classification(("a", "b")), place / "none", [])


def exported(version: Path, name: str) -> dict[str, Any]:
    shown = command("export", version, "--format", name)
    assert shown.returncode == 0, shown.stderr
    return json.loads((version / "formats" / name / "manifest.json").read_text())


def test_it_is_exported_and_verified(version: Path, photos: Path) -> None:
    manifest = exported(version, "litert")
    assert set(manifest["outputs"]) == {"mask", "probabilities"} and manifest["mask_values"] == [0, 255]
    assert manifest["gate"]["passed"] and manifest["score"]["measure"] == "iou"
    verified = command("verify", version, photos / "000.png")
    assert verified.returncode == 0, verified.stderr + verified.stdout


@pytest.fixture(scope="module")
def client(version: Path) -> Iterator[Any]:
    with served(ModelManager({"blots": version}, runtime="saved_model")) as found:
        yield found


def test_it_is_served(client: Any, version: Path, photos: Path) -> None:
    content = (photos / "001.png").read_bytes()
    (wanted,) = zoo.load(version).predict(photos / "001.png")
    status, reply = client("/v1/models/blots:predict", {"instances": [{"image_bytes": b64(content)}]})
    assert status == 200, reply
    (said,) = reply["predictions"]
    np.testing.assert_array_equal(png(said["mask_bytes"]["b64"]), wanted.mask)
    assert said["shares"] == pytest.approx([wanted.answer["shares"][name] for name in ("ground", "blot")], abs=1e-5)
    (described,) = client("/v1/models")[1]["models"]
    assert described["beside"] == {"mask_values": [0, 255]} and described["values"]["mask_bytes"]["form"] == "mask"
    size = zoo.load(version).kind.size
    photo = np.zeros((*size, 3)).tolist()
    body = {"signature_name": "serving_pixels", "instances": [{"pixels": photo}]}
    status, reply = client("/v1/models/blots:predict", body)
    assert status == 200 and np.shape(reply["predictions"][0]["probabilities"]) == (*size, 2)
    both = {"instances": [{"image_bytes": b64(content)}, {"image_bytes": b64((photos / "large.jpg").read_bytes())}]}
    status, reply = client("/v1/models/blots:predict", both)
    assert [png(each["mask_bytes"]["b64"]).shape for each in reply["predictions"]] == [(24, 32), (2000, 3000)]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnx", "openvino"])
def test_other_runtimes_serve_the_same(runtime: str, version: Path, photos: Path) -> None:
    assert exported(version, runtime)["gate"]["passed"]
    content = (photos / "001.png").read_bytes()
    (wanted,) = zoo.load(version).predict(photos / "001.png")
    with served(ModelManager({"blots": version}, runtime=runtime)) as client:
        status, reply = client("/v1/models/blots:predict", {"instances": [{"image_bytes": b64(content)}]})
    assert status == 200, reply
    assert (png(reply["predictions"][0]["mask_bytes"]["b64"]) != wanted.mask).mean() < 0.01


@pytest.mark.slow
def test_it_is_searched(place: Path) -> None:
    few = command("tune", place / "blots", "--trials", "1", "--epochs", "2", "--out", place / "best")
    assert few.returncode == 2 and "16 training examples are too few to choose a configuration by" in few.stderr
    write(place / "more" / "train", 24)
    write(place / "more" / "test", 5, seed=1)
    shown = command("tune", place / "more", "--trials", "1", "--epochs", "2", "--out", place / "best")
    assert shown.returncode == 0, shown.stderr
    assert "iou" in shown.stdout and json.loads((place / "best" / "1" / "card.json").read_text())["builder"] == "unet"


def test_fine_tuning_says_what_does_not_go_with_masks(place: Path) -> None:
    refused = command("finetune", place / "blots", "--effort", "max", "--out", place / "tuned")
    assert refused.returncode == 2 and "leave out effort" in refused.stderr and refused.stderr.count("\n") == 1
