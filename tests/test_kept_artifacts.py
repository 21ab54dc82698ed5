"""Artifacts that version 0.1.0 made: they open, answer, verify and are served as they were.

`artifacts_0_1_0/make.py` made them, and kept what that version answered for `inputs.zip`.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import zoo
from support.places import KEPT, KEPT_NAMES
from support.servers import served
from zoo.formats import verifying
from zoo.serving.model_manager import ModelManager

CLOSE = 1e-5  # processors take sums in other orders


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an artifact for each of `KEPT_NAMES`, and `inputs`."""
    place = tmp_path_factory.mktemp("kept")
    for name in (*KEPT_NAMES, "inputs"):
        shutil.unpack_archive(KEPT / f"{name}.zip", place / name)
    return place


def requests(kept: Path) -> dict[str, Any]:
    """What each of those that predict was given."""
    inputs = kept / "inputs"
    return {
        "classification": inputs / "films.csv",
        "fine_tuned": [str(path) for path in sorted((inputs / "photos").rglob("*.*"))[::4]],
        "forecasting": inputs / "days.csv",
        "multi_label": inputs / "things.csv",
        "regression": np.load(inputs / "lengths.npy"),
    }


def answers(name: str) -> Any:
    return json.loads((KEPT / "answers.json").read_text(encoding="utf-8"))[name]


def same(row: dict[str, Any], kept: dict[str, Any]) -> None:
    assert set(row) == set(kept)
    for key, value in kept.items():
        if isinstance(value, dict):
            same(row[key], value)
        else:
            assert row[key] == (pytest.approx(value, abs=CLOSE, rel=CLOSE) if isinstance(value, float) else value)


@pytest.mark.parametrize("name", ["classification", "fine_tuned", "forecasting", "multi_label", "regression"])
def test_predictions_are_those_of_then(kept: Path, name: str) -> None:
    predictions = zoo.load(kept / name, "predict").predict(requests(kept)[name])
    for prediction, row in zip(predictions, answers(name), strict=True):
        assert prediction.error is None
        said = {key: getattr(prediction, key) for key in ("label", "probability", "probabilities", "values")}
        same({key: value for key, value in said.items() if value is not None}, row)


def test_anomalies_are_those_of_then(kept: Path) -> None:
    anomalies = zoo.load(kept / "reconstruction", "anomalies").anomalies(kept / "inputs" / "things.csv")
    for anomaly, row in zip(anomalies, answers("reconstruction"), strict=True):
        same({"score": anomaly.score, "is_anomaly": anomaly.is_anomaly}, row)


def test_generated_images_are_those_of_then(kept: Path) -> None:
    images = zoo.load(kept / "generation", "generate").generate(3, seed=5)
    np.testing.assert_allclose(images, np.array(answers("generation")), atol=255 * CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT_NAMES)
def test_they_verify(kept: Path, name: str) -> None:
    verification = verifying.verify(kept / name)
    assert verification.passed and verification.files, list(verification.lines())


@pytest.mark.slow
def test_they_are_served(kept: Path) -> None:
    with served(ModelManager({name: kept / name for name in KEPT_NAMES}, runtime="saved_model")) as client:
        for name, request in requests(kept).items():
            if name == "fine_tuned":
                rows = [{"b64": base64.b64encode(Path(file).read_bytes()).decode()} for file in request]
            elif name == "classification":
                rows = pandas.read_csv(request)["text"].tolist()
            elif name == "regression":
                rows = request.tolist()
            else:
                continue
            status, reply = client(f"/v1/models/{name}:predict", {"instances": rows[:5]})
            assert status == 200, reply
            for said, row in zip(reply["predictions"], answers(name), strict=False):
                if name == "regression":
                    assert said == pytest.approx(list(row["values"].values()), abs=CLOSE)
                else:
                    assert said["label"] == row["label"]
                    assert max(said["probabilities"]) == pytest.approx(row["probability"], abs=CLOSE)
        for name in KEPT_NAMES:
            status, reply = client(f"/v1/models/{name}/metadata")
            assert status == 200 and "serving_default" in json.dumps(reply)


def test_a_form_is_made_of_them(kept: Path) -> None:
    with served(ModelManager({name: kept / name for name in KEPT_NAMES}, runtime="saved_model")) as client:
        found = {name: client(f"/v1/models/{name}/inputs")[1]["inputs"] for name in KEPT_NAMES}
        models = client("/v1/models")[1]["models"]
    errors = {each["name"]: each["errors"] for each in models}
    assert [each["threshold"] is not None for each in models] == [name == "reconstruction" for name in KEPT_NAMES]
    assert found["generation"] == [{"name": "code", "type": "code", "length": 4}]
    assert found["fine_tuned"] == [{"name": "image_bytes", "type": "image"}]
    (text,) = found["classification"]
    assert (
        set(text["words"]) == {"good", "bad", "film", "plot", "long", "short", "actor", "scene"} and text["length"] == 6
    )
    things = [
        {"name": "size", "column": "size", "type": "number"},
        {"name": "kind_of_thing", "column": "kind of thing", "type": "category", "categories": ["a", "b", "ü"]},
    ]
    label = {"name": "label", "column": "label", "type": "category", "categories": ["no", "yes"]}
    assert found["multi_label"] == [*things, label]
    numbers = [{"name": name, "column": name, "type": "number"} for name in ("large", "rare")]
    assert found["reconstruction"] == [*things, *numbers]
    steps = {"name": "sequence", "type": "sequence", "shorter": False}
    assert found["forecasting"] == [steps | {"features": ["value"], "length": 7}]
    assert found["regression"] == [steps | {"features": ["feature_0", "feature_1"], "length": 5}]
    assert errors["forecasting"] == {
        f"value +{step}": pytest.approx(mae, abs=0.01) for step, mae in ((1, 0.254), (2, 0.236))
    }
    assert errors["classification"] == {}
