"""Fine-tuning of images that are labelled with numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from applications import choosing, fine_tune, linear_heads
from support.pictures import b64
from support.programs import command
from support.servers import process
from zoo import InputError
from zoo.data import images

SMALL = 32
COUNT = 60


@pytest.fixture
def manifest(workplace: Path) -> Path:
    """Sixty noisy pictures; how bright they are is their age, how red their height."""
    rng = np.random.default_rng(0)
    rows = ["file,age,height"]
    for index in range(COUNT):
        age, height = rng.uniform(2, 20), rng.uniform(1.5, 2)
        pixels = 10 * age * np.array([2 * height - 3, 4 - 2 * height, 0.5]) + rng.normal(0, 4, (24, 24, 3))
        (workplace / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(workplace / "photos" / f"{index:02}.png")
        rows.append(f"photos/{index:02}.png,{age:.2f},{height:.3f}")
    (workplace / "m.csv").write_text("\n".join(rows) + "\n")
    return workplace / "m.csv"


@pytest.mark.slow
def test_a_number_is_told_in_its_unit_from_the_bytes_of_a_file(tiny: str, manifest: Path) -> None:
    network = ("--backbone", tiny, "--weights", "random")
    done = command("finetune", manifest, "--label-column", "age,height", *network, "--out", "saved/a", "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)["metrics"]
    assert list(scores["values"]) == ["age", "height"] and scores["values"]["age"]["r2"] > 0.5
    assert scores["baselines"].keys() == {"mean", "nearest neighbours of the embeddings"}
    assert scores["baselines"]["mean"]["r2"] < 0.05
    predictor = zoo.load("saved/a")
    row = predictor.evaluate(manifest).rows[0].cells()
    name = row["name"]
    (answer,) = predictor.predict(Path(name))
    numbers = answer.answer["prediction"]
    assert numbers == pytest.approx({"age": row["predicted age"], "height": row["predicted height"]}, rel=1e-4)
    assert predictor.card["parity"]["largest_difference"] <= 1e-5
    with process("saved/a") as (_, client, _):
        status, said = client("/v1/models/a:predict", {"instances": [b64(Path(name).read_bytes())]})
        assert status == 200, said
        assert said["predictions"][0]["is_known"] is answer.answer["is_known"]
        assert said["predictions"][0]["prediction"] == pytest.approx([numbers["age"], numbers["height"]], rel=1e-4)


@pytest.mark.slow
def test_one_model_starts_from_another(tiny: str, manifest: Path) -> None:
    first = fine_tune(images(manifest, label_column="age"), tiny, weights=None, out="saved/a")
    again = fine_tune(images(manifest, label_column="height"), start=first.artifact, out="saved/b")
    kernel = zoo.load(again.artifact).model.layers[-2].get_weights()[0]
    assert again.data.classes == ("height",) and kernel.shape[1] == 1


@pytest.mark.slow
def test_last_blocks_learn_numbers_where_that_helps(tiny: str, manifest: Path) -> None:
    data = images(manifest, label_column="age,height")
    how = {"effort": "max", "epochs": 3, "augment": ("flip", "mixup"), "out": "saved/a"}
    done = fine_tune(data, tiny, weights=None, **how)
    (note,) = [note for note in done.notes if "squared error" in note]
    assert "and r2 from" in note and done.evaluation.r2 > 0.5
    kept = " helped: " in note
    assert ("a linear head on the frozen backbone" in done.evaluation.baselines) == kept
    assert zoo.load(done.artifact).evaluate(manifest).evaluation.r2 == pytest.approx(done.evaluation.r2, abs=1e-4)


@pytest.mark.slow
def test_searches_find_heads_for_numbers(manifest: Path) -> None:
    done = command(
        *("tune", manifest, "--label-column", "age,height", "--trials", 3, "--input-size", SMALL, "--json"),
        *("--out", "saved/a", "--run", "run", "--seed", 1),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["held_out"]["best"] > 0.5 and zoo.load(result["artifact"]).task.names == ("age", "height")


def test_folders_have_no_numbers(folder: Path) -> None:
    done = command("finetune", folder, "--task", "regression")
    assert done.returncode == 2 and "in a manifest" in done.stderr


def test_ridge_is_that_of_scikit_learn_and_keeps_copies_in_one_fold() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    rows = rng.normal(2, 3, (80, 6)).astype(np.float32)
    targets = (rows @ rng.normal(size=(6, 2)) + rng.normal(0, 5, (80, 2))).astype(np.float32)
    targets = (targets - targets.mean(axis=0)) / targets.std(axis=0)
    head = linear_heads.fit_ridge(rows, targets, 0)
    mean, deviation = choosing.middle_of(rows)
    reference = Ridge(1 / head.strength).fit((rows - mean) / deviation, targets)
    np.testing.assert_allclose(head.outputs(rows), reference.predict((rows - mean) / deviation), atol=1e-4)
    noise = rng.normal(size=(40, 60)).astype(np.float32)
    numbers = rng.normal(size=(40, 1)).astype(np.float32)
    twice, units = np.tile(noise, (5, 1)), np.tile(np.arange(40), 5)
    apart = linear_heads.fit_ridge(twice, np.tile(numbers, (5, 1)), 0)
    together = linear_heads.fit_ridge(twice, np.tile(numbers, (5, 1)), 0, units=units)
    assert together.strength < apart.strength
    assert linear_heads.fit_ridge(rows[:1], targets[:1], 0).folds == 0


def test_what_hardly_varies_in_training_does_not_decide() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    rows[:, 3] = 1e-6 * rng.normal(size=50)
    head = linear_heads.fit_ridge(rows, rows[:, :1].copy(), 0)
    rows[:, 3] = 0.1
    assert np.abs(head.outputs(rows) - rows[:, :1]).max() < 0.5


def test_the_same_number_for_all_training_images_is_refused(manifest: Path) -> None:
    lines = manifest.read_text().splitlines()
    split = [f"{line.split(',')[0]},{3.5 if at < 50 else at / 8},{'train' if at < 50 else 'val'}" for at, line in
             enumerate(lines[1:])]  # fmt: skip
    manifest.write_text("\n".join(["file,age,split", *split]))
    with pytest.raises(InputError, match="expected different values in the training part"):
        fine_tune(manifest, input_size=SMALL)
