"""Every model in every format, run by that format's own runtime, answers as the Keras model does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import zoo
from zoo.artifacts import checksums
from zoo.artifacts.predictor import outputs
from zoo.builders.loading import loaded
from zoo.builders.registry import BUILDERS, builder
from zoo.data import Data, sequences, tables, text
from zoo.errors import InputError, JobError
from zoo.files import digest
from zoo.formats import converting, exporting, graphs, questions, registry
from zoo.formats.opening import open_format

OUTPUTS = {"classification": "softmax", "multi_label": "sigmoid", "regression": "linear", "forecasting": "linear"}
FLOAT = ("litert", "onnx", "openvino")
PICTURES = {"kind": "images", "size": [16, 16], "crop": 1.0, "channels": 1, "pixels": "grey, 0-255"}


def passengers() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"age": rng.uniform(1, 80, 60), "fare": 900 * rng.random(60), "deck": list("ABC") * 20})
    frame["port"], frame["target"] = rng.choice(["north", "south"], 60), rng.choice(["no", "yes"], 60)
    frame.loc[::7, "age"] = np.nan
    return tables(frame)


def numbers_only() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(5, 2, (60, 3)), columns=list("abc"))
    return tables(frame.assign(price=1000 + 30 * frame["a"]), target="price")


def trends() -> Data:
    rng = np.random.default_rng(0)
    steps = [(n, step, rng.normal(), "up" if n % 2 else "down") for n in range(40) for step in range(3 + n % 6)]
    frame = pandas.DataFrame(steps, columns=["id", "step", "value", "target"])
    return sequences(frame, series="id", target="target")


def waves() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"value": 20 + 5 * np.sin(np.arange(120) / 4) + rng.normal(0, 0.1, 120)})
    return sequences(frame, target="value", window=8, horizon=3)


def films() -> Data:
    words = ["lovely", "dull", "moving", "awful", "größe", "film", "!"]
    rng = np.random.default_rng(0)
    rows = [{"text": " ".join(rng.choice(words, 6)), "label": label} for label in ("good", "bad") * 20]
    return text(pandas.DataFrame(rows), length=7)


def written(place: Path, model: Any, card: dict[str, Any]) -> Path:
    """An artifact with what an export reads of it."""
    folder = place / "made" / "1"
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    majority = {"classification": 0, "multi_label": [0] * len(card["classes"])}.get(card["task"])
    (folder / "card.json").write_text(json.dumps(card | {"majority": majority}))
    return folder


def network(name: str, data: Data, *shape: int | None, task: str = "classification", **arguments: Any) -> Any:
    """A builder's model with its reader's before it."""
    from zoo.training.composition import Scale, composed

    count = len(data.classes)
    scale = None
    if task in graphs.VALUES:
        scale = Scale(np.full(count, 7.0, np.float32), np.full(count, 3.0, np.float32))
    if task == "forecasting":
        rng = np.random.default_rng(1)
        width = data.input["window"] * len(data.input["features"])
        scale = scale._replace(kernel=rng.normal(size=(width, count)).astype(np.float32), bias=scale.mean)
    return composed(data, builder(name)(shape, count, output=OUTPUTS[task], **arguments), scale)


def supervised(name: str, read: Callable[[], Data], **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        data = read()
        shape = data.preprocess.output_shape[1:]
        if data.input["kind"] == "text":
            arguments["vocabulary_size"] = len(data.vocabulary)
        model = network(name, data, *shape, task=data.task, **arguments)
        shaken(model)
        return model, {"builder": name, "task": data.task, "classes": list(data.classes), "input": data.input}

    return made


def shaken(model: Any) -> None:
    """Weights that are 0 at first, as of normalisation and of words, get values."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in str(weight.dtype) and weight.shape and not np.asarray(weight).any():
            weight.assign(rng.normal(0, 0.1, weight.shape))


def pictures(name: str, task: str = "classification", **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        model = builder(name)((16, 16, 1), 3, output=OUTPUTS[task], **arguments)
        shaken(model)
        return model, {"builder": name, "task": task, "classes": ["zero", "one", "two"], "input": PICTURES}

    return made


def autoencoder(
    name: str, read: Callable[[], Data] | None, **arguments: Any
) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        data = read() if read else None
        shape = data.preprocess.output_shape[1:] if data else (16, 16, 1)
        if None in shape:
            shape = (9, *shape[1:])
        model = builder(name)(shape, **arguments).behind(data.preprocess if data else None)
        model.threshold.assign(0.2)
        card = {"builder": name, "task": "reconstruction", "classes": [], "threshold": float(model.threshold)}
        return model, card | {"input": data.input if data else PICTURES}

    return made


def generator(name: str, **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        classes = ["nought", "one"] if name == "conditional_gan" else []
        model = builder(name)((8, 8, 1), *([2] if classes else []), latent_dim=4, **arguments).average
        shaken(model)
        return model, {"builder": name, "task": "generation", "classes": classes, "input": PICTURES | {"size": [8, 8]}}

    return made


MODELS = {
    "perceptron-table": supervised("perceptron", numbers_only),
    "mlp-table": supervised("mlp", passengers, units=(4,)),
    "mlp-images": pictures("mlp", units=(4,), activation="gelu", batch_normalization=True),
    "cnn-images": pictures("cnn", filters=(4,), units=4, activation="elu"),
    "cnn-several-labels": pictures("cnn", task="multi_label", filters=(4,), units=4, activation="leaky_relu"),
    "resnet-images": pictures("resnet", depth=8, width=4),
    "rnn-sequence": supervised("rnn", trends, units=(4,), pooling="mean"),
    "lstm-sequence": supervised("lstm", trends, units=(4, 3)),
    "lstm-text": supervised("lstm", films, units=(4,), embedding=3, bidirectional=True, ngrams=2),
    "lstm-forecast": supervised("lstm", waves, units=(4,)),
    "gru-sequence": supervised("gru", trends, units=(4,), bidirectional=True, pooling="mean_max"),
    "gru-text": supervised("gru", films, units=(4,), embedding=3, token_dropout=0.1),
    "gru-forecast": supervised("gru", waves, units=(4,), bidirectional=True),
    "dense_autoencoder-table": autoencoder("dense_autoencoder", passengers, latent_dim=2, units=(4,)),
    "dense_autoencoder-images": autoencoder("dense_autoencoder", None, latent_dim=2, units=(4,)),
    "conv_autoencoder-images": autoencoder("conv_autoencoder", None, latent_dim=2, filters=(4, 4)),
    "denoising_autoencoder-images": autoencoder("denoising_autoencoder", None, filters=(4, 4)),
    "sequence_autoencoder-sequence": autoencoder("sequence_autoencoder", trends, latent_dim=2, units=4, cell="lstm"),
    "sequence_autoencoder-windows": autoencoder("sequence_autoencoder", waves, latent_dim=2, units=4),
    "variational_autoencoder-images": autoencoder("variational_autoencoder", None, latent_dim=2, filters=(4,)),
    "variational_autoencoder-table": autoencoder("variational_autoencoder", numbers_only, latent_dim=2, units=(4,)),
    "gan": generator("gan", units=(4,)),
    "dcgan": generator("dcgan", filters=(4,)),
    "conditional_gan": generator("conditional_gan", filters=(4,)),
    "wasserstein_gan": generator("wasserstein_gan", filters=(4,)),
}
QUICK = ("mlp-table",)


def content(folder: Path) -> dict[str, str]:
    """What a version holds beside its formats."""
    files = (file for file in folder.rglob("*") if file.is_file() and "formats" not in file.relative_to(folder).parts)
    return {str(file): digest(file) for file in files}


def test_every_builder_is_held_to_this() -> None:
    assert {name.split("-")[0] for name in MODELS} == set(BUILDERS)


@pytest.mark.numerical
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_it_answers_as_the_model_in_batches_of_any_size(name: str, workplace: Path) -> None:
    folder = written(workplace, *MODELS[name]())
    before = content(folder)
    made = zoo.export(folder, FLOAT)
    assert [each.name for each in made] == list(FLOAT) and all(each.new for each in made)
    assert content(folder) == before
    artifact = zoo.load(folder)
    inputs = graphs.numbers(artifact.model, questions.made_up(artifact.model, artifact.card), artifact.card)
    for each in made:
        manifest = each.manifest
        assert manifest["gate"]["passed"] and manifest["gate"]["inputs"] == "made up"
        assert manifest["gate"]["largest_difference"] <= 1e-4
        assert set(manifest["latency_ms"]) == {"1", "32"}
        for file, told in manifest["files"].items():
            assert told == {"sha256": digest(each.folder / file), "bytes": (each.folder / file).stat().st_size}
        assert {p.name for p in each.folder.iterdir()} == {*manifest["files"], "manifest.json", checksums.NAME}
        assert all(spec["shape"][0] is None and spec["meaning"] for spec in manifest["inputs"].values())
        answer = open_format(each.folder)
        whole = answer(inputs)
        assert set(whole) == set(manifest["outputs"])
        for start, end in ((0, 1), (1, 4), (4, 36)):
            part = answer({key: values[start:end] for key, values in inputs.items()})
            for key, values in part.items():
                assert values.dtype == manifest["outputs"][key]["dtype"] and len(values) == end - start
                np.testing.assert_allclose(values, whole[key][start:end], rtol=1e-4, atol=1e-4)
        if artifact.card["task"] == "reconstruction":
            encoded = open_format(each.folder, part="encoder")(inputs)
            code = next(iter(encoded.values())) if "code" in encoded else encoded["mean"]
            decoded = open_format(each.folder, part="decoder")({"code": code})["reconstruction"]
            np.testing.assert_allclose(decoded, whole["reconstruction"], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_no_answer_depends_on_the_batch_before_it(workplace: Path) -> None:
    folder = written(workplace, *MODELS["rnn-sequence"]())
    (made,) = zoo.export(folder, "litert")
    artifact = zoo.load(folder)
    values = questions.made_up(artifact.model, artifact.card)
    whole = open_format(made.folder, threads=1)({"sequence": values})["probabilities"]
    rng = np.random.default_rng(0)
    for _ in range(150):
        answer = open_format(made.folder, threads=1)
        for size in rng.choice([1, 1, 2, 3, 4, 8], 6):
            kept = [np.ones(length) for length in rng.integers(1, 3000, 20)]  # memory is never given out the same
            start = int(rng.integers(len(values) - size))
            part = answer({"sequence": values[start : start + size]})["probabilities"]
            np.testing.assert_allclose(part, whole[start : start + size], atol=1e-5)
            del kept


@pytest.mark.slow
def test_shorter_sequences_need_no_padding_and_padded_ones_answer_the_same(workplace: Path) -> None:
    folder = written(workplace, *supervised("gru", trends, units=(4,), bidirectional=True)())
    (made,) = zoo.export(folder, "litert")
    assert made.manifest["inputs"]["sequence"]["shape"] == [None, None, 2]
    model = zoo.load(folder).model
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 4, 2)).astype(np.float32)
    padded = np.concatenate([values, np.full((5, 20, 2), np.nan, np.float32)], axis=1)
    answer = open_format(made.folder)
    for asked in (values, padded, values[:, :1]):
        found = answer({"sequence": asked})["probabilities"]
        np.testing.assert_allclose(found, outputs(model, asked, {"kind": "sequence"}), atol=1e-5)


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
        ({"task": "reconstruction", "threshold": 1.0}, "mlp of table"),
        ({"input": of_text}, "mlp of text"),
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


@pytest.mark.slow
def test_swish_and_grouped_convolutions_as_pretrained_networks_have_them(workplace: Path) -> None:
    import keras

    entry = keras.Input((16, 16, 1), name="pixels")
    wide = keras.layers.Conv2D(4, 3, activation="swish")(keras.layers.Rescaling(1 / 255)(entry))
    grouped = keras.layers.Conv2D(8, 3, groups=2, activation="gelu")(wide)
    answer = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(grouped))
    card = {"builder": "own", "task": "classification", "classes": ["a", "b"], "input": PICTURES}
    made = zoo.export(written(workplace, keras.Model(entry, answer), card), FLOAT)
    assert all(each.manifest["gate"]["passed"] for each in made)


def test_an_own_network_for_images_may_name_its_layers_as_the_zoo_does(workplace: Path) -> None:
    import keras

    names = ("preprocess", "numbers", "categories")
    entry = keras.Input((8, 8, 1), name=names[1])
    flat = keras.layers.Flatten(name=names[0])(entry)
    model = keras.Model({"image": entry}, keras.layers.Dense(2, "softmax", name=names[2])(flat))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    trained = zoo.train(model, zoo.data.arrays(pixels, np.arange(40) % 2), epochs=1)
    assert exporting.export(trained.export("saved_models/own"), "litert")[0].new


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_of_half_precision_goes_in_as_float32(policy: str, workplace: Path) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, card = pictures("cnn", filters=(4,), units=4)()
    finally:
        keras.config.set_dtype_policy(before)
    for each in zoo.export(written(workplace, model, card), FLOAT):
        assert each.manifest["gate"]["largest_difference"] <= 1e-4


def test_a_folder_that_is_no_format_is_told(workplace: Path) -> None:
    with pytest.raises(InputError, match="expected a format, as zoo export makes it"):
        open_format(workplace)
