"""Anomalies on pretrained features: from images to an artifact that finds them, and where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

import zoo
from support.programs import command
from zoo.errors import InputError

SIZE, COUNT = 96, 40


def weave(rng: np.random.Generator, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    """Cloth: stripes of a random phase and colour, with noise."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    wave = np.sin((rows + rng.uniform(0, 12)) * 0.7) + np.sin((columns + rng.uniform(0, 12)) * 0.7)
    pixels = 120 + 25 * wave[..., None] + rng.uniform(-10, 10, 3) + rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def holed(rng: np.random.Generator) -> tuple[Image.Image, tuple[int, ...]]:
    """Cloth with a hole, and its box: left, top, right, bottom."""
    photo = weave(rng)
    left, top = rng.integers(4, SIZE - 24, 2).tolist()
    box = (left, top, left + 16, top + 16)
    ImageDraw.Draw(photo).ellipse(box, (25, 20, 30))
    return photo, box


@pytest.fixture(scope="module")
def cloth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test parts as makers of such data lay them out: only normal photos to learn from."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "cloth"
    for part, label, count in (("train", "good", COUNT), ("test", "good", 20), ("test", "hole", 10)):
        place = folder / part / label
        place.mkdir(parents=True)
        for number in range(count):
            photo = weave(rng) if label == "good" else holed(rng)[0]
            photo.save(place / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def version(cloth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    trained = zoo.train("patchcore", cloth, normal=["good"], false_alarms=0.05, model={"patches": 300})
    assert trained.evaluation.roc_auc > 0.95 and trained.evaluation.detected > 0.9
    assert trained.evaluation.examples == 20 and trained.evaluation.anomalies == 10
    return trained.export(place / "cloth", run=place / "run")


def test_the_map_is_brightest_inside_the_defect(version: Path) -> None:
    model, rng = zoo.load(version), np.random.default_rng(5)
    for _ in range(8):
        photo, (left, top, right, bottom) = holed(rng)
        (verdict,) = model.predict(photo)
        assert verdict.answer["is_anomaly"]
        (distances,) = np.asarray(model.model(np.asarray(photo, np.float32)[None])[1])
        y, x = np.unravel_index(distances.argmax(), distances.shape)
        half = 4  # of a patch
        assert left - half <= x <= right + half and top - half <= y <= bottom + half, (x, y)


def test_what_is_exported_answers_as_what_was_trained(version: Path, cloth: Path) -> None:
    import tensorflow as tf

    model, files = zoo.load(version), sorted((cloth / "test").rglob("*.png"))
    assert model.card["parity"]["passed"] and model.card["parity"]["label_differences"] == 0
    verdicts = model.anomalies(cloth / "test")
    answers = model.predict(cloth / "test")
    assert [each.score for each in verdicts] == [each.answer["score"] for each in answers]
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    said = served(image_bytes=tf.constant([file.read_bytes() for file in files]))
    assert set(said) == {"score", "is_anomaly", "map_bytes"}
    np.testing.assert_allclose(said["score"].numpy(), [each.score for each in verdicts], rtol=1e-4)
    assert said["is_anomaly"].numpy().tolist() == [each.is_anomaly for each in verdicts]
    assert all(each.is_anomaly == (each.score > model.threshold) for each in verdicts)


def test_the_threshold_is_set_on_what_was_not_learnt_from(version: Path) -> None:
    card = zoo.load(version).card
    assert (
        card["threshold_from"]
        == f"{COUNT} training examples, each scored by one of 5 networks that did not learn from it"
    )
    assert card["false_alarms_promised"] == 0.05 and card["normal"] == ["good"]
    assert card["input"]["crop"] is None  # whole photos: a defect may be at the edge


def test_a_model_is_scored_on_classes_that_it_never_saw(version: Path, cloth: Path, tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(7), tmp_path / "new"
    for label, count in (("good", 6), ("stain", 6)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            photo = weave(rng) if label == "good" else holed(rng)[0]
            photo.save(folder / label / f"{number}.png")
    report = zoo.load(version).evaluate(folder)
    assert report.evaluation.examples == 6 and report.evaluation.anomalies == 6 and report.evaluation.roc_auc > 0.9
    assert {row.target for row in report.rows} == {"good", "another class"}
    again = zoo.load(version).evaluate(cloth)
    assert again.evaluation.examples == 20 and again.evaluation.anomalies == 10


def test_commands_list_anomalies_and_draw_them_over_the_photo(version: Path, cloth: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    (tmp_path / "photos").mkdir()
    photo, (left, top, right, bottom) = holed(rng)
    photo.save(tmp_path / "photos" / "torn.png")
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    done = command("predict", version, tmp_path / "photos" / "torn.png", "--out", tmp_path / "drawn", "--json")
    assert done.returncode == 0, done.stderr
    (said,) = json.loads(done.stdout)
    assert said["is_anomaly"] and said["score"] > zoo.load(version).threshold
    over, plain = (np.asarray(Image.open(tmp_path / "drawn" / f"torn{end}.png")) for end in ("_overlay", ""))
    assert over.shape == (SIZE, SIZE, 3) and plain.shape == (SIZE, SIZE) and plain.max() >= 128
    changed = np.abs(over.astype(int) - np.asarray(photo)).sum(axis=-1)
    there = np.zeros(changed.shape, bool)
    there[top:bottom, left:right] = True
    assert changed[there].mean() > 2 * changed[~there].mean()
    listed = command("anomalies", version, tmp_path / "photos", "--json")
    rows = {Path(row["name"]).name: row for row in json.loads(listed.stdout)["inputs"]}
    assert rows["torn.png"]["is_anomaly"] and rows["notes.txt"]["error"]


def test_images_in_memory_are_resized_by_the_network() -> None:
    rng = np.random.default_rng(0)
    normal = np.stack([np.asarray(weave(rng, (28, 28)).convert("L")) for _ in range(30)])
    odd = rng.integers(0, 256, (10, 28, 28), np.uint8)
    pixels, labels = np.concatenate([normal, odd]), np.repeat([0, 1], (30, 10))
    data = zoo.data.arrays(pixels, labels)
    trained = zoo.train("patchcore", data, normal=["0"], model={"patches": 100})
    assert trained.network.features.input_shape == (None, 28, 28, 1)
    assert trained.network.features.output_shape[1:3] == (8, 8)  # of 64 pixels
    larger = zoo.train("patchcore", data, normal=["0"], model={"patches": 100}, input_size=96)
    assert larger.network.features.output_shape[1:3] == (12, 12)
    assert trained.evaluation.roc_auc > 0.9 and {"nearest neighbours, of pixels"} <= set(trained.evaluation.baselines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name those that are normal, as --normal good"),
        ({"normal": ["fine"]}, "expected normal classes out of good, hole; received 'fine'"),
        ({"normal": ["good", "hole"]}, "some class that is not normal"),
        ({"normal": ["hole"]}, "no training example is of a normal class"),
        ({"normal": ["good"], "input_size": 40}, "multiple of 16"),
        ({"normal": ["good"], "epochs": 3}, "leave out epochs"),
        ({"normal": ["good"], "model": {"backbone": "vgg"}}, "unknown backbone"),
    ],
)
def test_what_can_not_be_learnt_is_refused(cloth: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        zoo.train("patchcore", cloth, **options)


def test_what_are_no_images_is_refused() -> None:
    rows = zoo.data.arrays(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2)
    with pytest.raises(InputError, match="takes.*images"):
        zoo.train("patchcore", rows, normal=["0"])
    texts = zoo.data.text(pd.DataFrame({"text": [f"film {n}" for n in range(40)], "label": ["yes", "no"] * 20}))
    with pytest.raises(InputError, match="takes.*images"):
        zoo.train("patchcore", texts, normal=["yes"])


def test_photos_without_labels_are_all_normal(tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(3), tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        weave(rng).save(folder / f"{number}.png")
    trained = zoo.train(
        "patchcore", zoo.data.open(folder, labels=False), model={"patches": 100}, false_alarms=0.1, input_size=64
    )
    assert trained.evaluation.roc_auc is None and trained.evaluation.anomalies == 0 and not trained.evaluation.baselines
    assert trained.network.score(np.asarray(holed(rng)[0].resize((64, 64)))[None])[0] > trained.task.threshold
