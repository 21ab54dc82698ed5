"""Exports into further formats: published whole or not at all, with what belongs to them, in int8 too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import zoo
from support.models import FLOAT, MODELS, PICTURES, content, written
from zoo.artifacts import checksums
from zoo.builders.loading import loaded
from zoo.data import sequences, tables
from zoo.errors import InputError, JobError
from zoo.formats import converting, exporting, registry
from zoo.formats.runtime import open_format


@pytest.mark.slow
def test_what_strings_became_lies_beside_and_in_the_files(workplace: Path) -> None:
    folder = written(workplace, *MODELS["mlp-table"]())
    made = {each.name: each for each in zoo.export(folder, FLOAT)}
    for each in made.values():
        assert json.loads((each.folder / "categories.json").read_text()) == {
            "deck": ["A", "B", "C"],
            "port": ["north", "south"],
        }
        assert (each.folder / "labels.txt").read_text() == "no\nyes\n"
        answer = open_format(each.folder)
        row = {"numeric": np.array([[30, np.nan]], np.float32), "categorical": np.array([[2, -1]], np.int32)}
        (wanted,) = zoo.load(folder).predict({"age": 30, "fare": None, "deck": "C", "port": "elsewhere"})
        np.testing.assert_allclose(answer(row)["probabilities"].max(), wanted.probability, atol=1e-5)
        with pytest.raises(ValueError, match="expected the inputs numeric, categorical"):
            answer({"numeric": row["numeric"]})
    with zipfile.ZipFile(made["litert"].folder / "model.tflite") as archive:
        assert archive.read("labels.txt") == b"no\nyes\n"
        assert json.loads(archive.read("input.json"))["numeric"] == ["age", "fare"]
        assert json.loads(archive.read("categories.json"))["deck"] == ["A", "B", "C"]
    import onnx
    import openvino

    told = {entry.key: entry.value for entry in onnx.load(made["onnx"].folder / "model.onnx").metadata_props}
    assert told["labels.txt"] == "no\nyes\n" and json.loads(told["input.json"])["kind"] == "table"
    model = openvino.Core().read_model(made["openvino"].folder / "model.xml")
    assert model.get_rt_info(["zoo", "labels.txt"]).astype(str).split() == ["no", "yes"]
    assert json.loads(model.get_rt_info(["zoo", "input.json"]).astype(str))["task"] == "classification"


def test_weights_that_differ_publish_nothing(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(workplace, *MODELS["mlp-table"]())
    freeze = converting.freeze

    def wrong(graph: Any, place: Path) -> Path:
        model.set_weights([weight + 0.05 for weight in model.get_weights()])
        return freeze(graph, place)

    model = loaded(folder / "model.keras")
    monkeypatch.setattr(zoo.Predictor, "model", model)
    monkeypatch.setattr(converting, "freeze", wrong)
    with pytest.raises(JobError, match=r"litert answers otherwise than the model.*differ by up to 0\.\d+ \(allowed"):
        zoo.export(folder, "litert")
    assert not (folder / "formats").exists()


def test_one_that_is_there_is_kept_and_made_anew_when_asked(workplace: Path) -> None:
    folder = written(workplace, *MODELS["mlp-table"]())
    (first,) = zoo.export(folder, "litert")
    seen = (first.folder / "manifest.json").stat().st_mtime_ns
    (second,) = zoo.export(folder, ["litert"])
    assert not second.new and (second.folder / "manifest.json").stat().st_mtime_ns == seen
    (third,) = zoo.export(folder, "litert", again=True)
    assert third.new and (third.folder / "manifest.json").stat().st_mtime_ns > seen
    assert [p.name for p in (folder / "formats").iterdir()] == ["litert"]
    assert [each.name for each in exporting.listed(folder)] == ["saved_model", "litert"]


@pytest.mark.slow
def test_a_stop_half_way_leaves_nothing_that_counts(workplace: Path) -> None:
    folder = written(workplace, *MODELS["mlp-table"]())
    code = f"import zoo; zoo.export({str(folder)!r}, 'litert')"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 200
    while not list(folder.glob("formats/.partial-*/model.tflite")) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert [p.name for p in (folder / "formats").iterdir() if not p.name.startswith(".partial-")] == []
    assert [each.name for each in exporting.listed(folder)] == ["saved_model"]
    zoo.export(folder, "litert")
    assert [p.name for p in (folder / "formats").iterdir()] == ["litert"]


def test_what_can_not_go_in_is_told_before_anything_is_done(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(workplace, *MODELS["mlp-table"]())
    with pytest.raises(InputError, match="expected formats out of saved_model, litert.*received 'coreml'"):
        zoo.export(folder, "litert,coreml")
    with pytest.raises(InputError, match="--calibrate PATH"):
        zoo.export(folder, "litert-int8")
    card = json.loads((folder / "card.json").read_text())
    of_text = {"kind": "text", "column": None, "target": None, "length": 7}
    for changed, what in (
        ({"task": "reconstruction", "threshold": 1.0}, "mlp of rows"),
        ({"input": of_text}, "mlp of texts"),
    ):
        (folder / "card.json").write_text(json.dumps(card | changed))
        with pytest.raises(InputError, match=f"litert-int8 takes classes or values .*this is a {what}: try litert"):
            zoo.export(folder, "litert-int8")
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^needs ai-edge-litert: pip install 'keras-model-zoo\[litert\]'$"):
        zoo.export(folder, "litert")
    assert not (folder / "formats").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier", "variational", "conditional"])
def test_the_version_itself_is_asked_and_timed_too(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    before = content(folder)
    (made,) = zoo.export(folder, "saved_model")
    assert made.folder == folder and not made.new and content(folder) == before
    assert made.manifest["gate"]["passed"] and made.manifest["gate"]["examples"] == 64
    assert made.manifest["latency_ms"]["32"] > 0 and made.manifest["latency_ms"]["1"] > 0


@pytest.mark.slow
def test_a_version_that_answers_otherwise_is_told(classifier: Path, workplace: Path) -> None:
    folder = Path(shutil.copytree(classifier, workplace / "made" / "1"))
    model = zoo.load(folder).model
    model.layers[-1].set_weights([-weight for weight in model.layers[-1].get_weights()])
    model.save(folder / "model.keras")
    checksums.write(folder)
    with pytest.raises(JobError, match="the SavedModel answers otherwise than the model: over 64 inputs"):
        zoo.export(folder, "saved_model")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_an_operation_that_a_format_lacks_is_named(name: str, workplace: Path) -> None:
    import keras

    entry = keras.Input((16, 16, 1))
    odd = keras.layers.Flatten()(keras.ops.erfinv(entry / 300))
    model = keras.Model(entry, keras.layers.Dense(2, activation="softmax")(odd))
    card = {"builder": "own", "task": "classification", "classes": ["a", "b"], "input": PICTURES}
    folder = written(workplace, model, card)
    with pytest.raises(JobError, match=r"(LiteRT|ONNX) can't hold this model: .*(tf\.|op \[.*)Erfinv") as caught:
        zoo.export(folder, name)
    assert "\n" not in str(caught.value)
    assert not (folder / "formats").exists()


@pytest.mark.slow
def test_int8_of_an_image_folder(folder: Path, workplace: Path) -> None:
    model = {"filters": (8,), "units": 8, "batch_normalization": False, "dropout": 0.0}
    trained = zoo.train("cnn", folder, model=model, epochs=60, learning_rate=5e-3, validation=0, input_size=16)
    assert trained.evaluation.accuracy == 1
    path = trained.export("saved_models/photos")
    small, large = zoo.export(path, "litert-int8,litert")
    assert small.manifest["gate"]["inputs"] == "held-out examples of the run"
    assert small.manifest["score"]["measure"] == "accuracy" and small.manifest["score"]["format"] == 1
    assert small.manifest["gate"]["labels_agree"] == 1
    assert small.manifest["bytes"] < large.manifest["bytes"]
    assert (
        small.manifest["inputs"]["pixels"]["dtype"] == small.manifest["outputs"]["probabilities"]["dtype"] == "float32"
    )
    answer = open_format(small.folder)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(answer({"pixels": pixels})["probabilities"].sum(axis=1), 1, atol=0.05)
    away = folder.rename(folder.with_name("away"))
    with pytest.raises(InputError, match="no longer where they were; name some with --calibrate PATH"):
        zoo.export(path, "litert-int8", again=True)
    with pytest.raises(InputError, match="--validate PATH"):
        zoo.export(path, "litert-int8", again=True, calibrate=away)
    (again,) = zoo.export(path, "litert-int8", again=True, calibrate=away, validate=away)
    assert again.new and again.manifest["gate"]["inputs"] == str(away)
    assert again.manifest["gate"]["examples"] == small.manifest["gate"]["examples"]  # what it learnt is left out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "sequence"])
def test_int8_of_raw_numbers_prepares_them_in_float32(kind: str, workplace: Path) -> None:
    rng = np.random.default_rng(0)
    if kind == "table":
        values = {"age": rng.uniform(1, 80, 300), "income": rng.lognormal(10, 1, 300), "deck": list("ABC") * 100}
        frame = pandas.DataFrame(values)
        frame["target"] = np.where((frame["age"] < 30) | (frame["deck"] == "A"), "yes", "no")
        frame.loc[::7, "age"] = np.nan
        frame.to_csv("rows.csv", index=False)
        trained = zoo.train("mlp", tables("rows.csv"), model={"units": (16,)}, learning_rate=5e-3, epochs=40)
    else:
        steps = [
            (n, (s if n % 2 else -s) + rng.normal(0, 0.3), "ud"[n % 2]) for n in range(120) for s in range(4 + n % 6)
        ]
        pandas.DataFrame(steps, columns=["id", "value", "target"]).to_csv("rows.csv", index=False)
        data = sequences("rows.csv", series="id", target="target")
        trained = zoo.train("lstm", data, model={"units": (8,)}, learning_rate=1e-2, epochs=40)
    assert trained.evaluation.accuracy > 0.85
    (made,) = zoo.export(trained.export("saved_models/rows"), "litert-int8", calibrate="rows.csv")
    assert made.manifest["gate"]["inputs"] == "held-out examples of the run"
    assert made.manifest["score"]["model"] == pytest.approx(trained.evaluation.accuracy)
    assert made.manifest["score"]["format"] >= made.manifest["score"]["model"] - 0.01
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(made.folder / "model.tflite"))
    assert any(each["dtype"] == np.int8 for each in interpreter.get_tensor_details())


def test_an_own_network_for_images_may_name_its_layers_as_the_zoo_does(workplace: Path) -> None:
    import keras

    names = ("preprocess", "numbers", "categories")
    entry = keras.Input((8, 8, 1), name=names[1])
    flat = keras.layers.Flatten(name=names[0])(entry)
    model = keras.Model({"image": entry}, keras.layers.Dense(2, "softmax", name=names[2])(flat))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    trained = zoo.train(model, zoo.data.arrays(pixels, np.arange(40) % 2), epochs=1)
    assert exporting.export(trained.export("saved_models/own"), "litert")[0].new


def test_a_folder_that_is_no_format_is_told(workplace: Path) -> None:
    with pytest.raises(InputError, match="expected a format, as zoo export makes it"):
        open_format(workplace)
