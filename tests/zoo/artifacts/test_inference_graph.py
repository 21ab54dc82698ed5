"""Graphs of OpenVINO answer for models of images: quickly, without TensorFlow, and only if they are proven."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.artifacts import inference_graph
from zoo.artifacts.predictor import model_outputs
from zoo.errors import Notice
from zoo.files import cache_folder
from zoo.freezing import traced

CODE = (
    "import json, sys, zoo\n"
    "answers = zoo.load(sys.argv[1]).predict(sys.argv[2:])\n"
    "print(json.dumps([sorted({'tensorflow', 'keras'} & sys.modules.keys()), [each.answer for each in answers]]))"
)


@pytest.fixture
def files(pixels: np.ndarray, tmp_path: Path) -> list[str]:
    """Pictures of 40 digits."""
    for at, picture in enumerate(pixels[:40]):
        Image.fromarray(picture).save(tmp_path / f"{at:02d}.png")
    return [str(path) for path in sorted(tmp_path.glob("*.png"))]


def graphs() -> list[Path]:
    return sorted(cache_folder("graphs").glob("*"))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))


def test_an_exported_model_answers_without_tensorflow(classifier: Path, files: list[str]) -> None:
    started = [sys.executable, "-c", CODE, str(classifier), *files]
    done = subprocess.run(started, capture_output=True, text=True, check=True, env=os.environ)
    imported, answers = json.loads(done.stdout)
    assert imported == []
    model = zoo.load(classifier)
    expected = model.task.named(model.model.predict_on_batch(model.kind.in_memory(model.kind.raw(files).inputs)))
    for answer, shares in zip(answers, expected["probabilities"], strict=True):
        said = np.array([answer["probabilities"][name] for name in model.classes])
        np.testing.assert_allclose(said, shares, atol=1e-5)
        assert answer["label"] == model.classes[shares.argmax()]


def test_another_model_is_not_answered_by_a_graph(classifier: Path, tmp_path: Path, files: list[str]) -> None:
    model = zoo.load(classifier)
    assert inference_graph.kept(model.folder, model.task, model.kind)
    folder = shutil.copytree(model.folder, tmp_path / "other" / "1")
    network = model.model
    network.set_weights([each + 0.1 for each in network.get_weights()])
    network.save(folder / "model.keras")
    assert inference_graph.kept(folder, model.task, model.kind) is None
    turned = type(model.task)(model.task.names[::-1], model.task.majority)
    assert inference_graph.kept(model.folder, turned, model.kind) is None


def test_a_graph_that_answers_otherwise_is_not_kept(classifier: Path, own_cache: None, files: list[str]) -> None:
    model = zoo.load(classifier)
    inputs = model.kind.raw(files).inputs
    run = traced(model.model, model.model.input_shape)
    expected = model_outputs(model.task, run, inputs, model.kind)
    wrong = {"probabilities": expected["probabilities"] + np.float32(1e-3)}
    assert not inference_graph.keep(model.folder, model.task, model.kind, run, inputs, wrong)
    (reason,) = graphs()
    assert "differ" in reason.read_text()
    assert not inference_graph.keep(model.folder, model.task, model.kind, run, inputs, expected)
    reason.unlink()
    assert inference_graph.keep(model.folder, model.task, model.kind, run, inputs, expected)
    assert len(graphs()) == 3 and zoo.load(classifier).predict(files[0])[0].label in model.classes


def test_a_full_disk_costs_no_export_and_is_not_remembered(
    classifier: Path, own_cache: None, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zoo.load(classifier)
    inputs = model.kind.raw(files).inputs
    run = traced(model.model, model.model.input_shape)
    expected = model_outputs(model.task, run, inputs, model.kind)
    what = (model.folder, model.task, model.kind, run, inputs, expected)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("os.replace", full)
        assert not inference_graph.keep(*what)
    assert graphs() == [] and inference_graph.keep(*what)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_damaged_graph_is_told_and_the_model_answers(
    classifier: Path, own_cache: None, files: list[str], suffix: str
) -> None:
    model = zoo.load(classifier)
    inputs = model.kind.raw(files).inputs
    run = traced(model.model, model.model.input_shape)
    expected = model_outputs(model.task, run, inputs, model.kind)
    inference_graph.keep(model.folder, model.task, model.kind, run, inputs, expected)
    (path,) = (each for each in graphs() if each.suffix == suffix)
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    with pytest.warns(Notice, match="is damaged, and left out: the Keras model answers"):
        answers = zoo.load(classifier).predict(files)
    said = [[each.probabilities[name] for name in model.classes] for each in answers]
    np.testing.assert_allclose(said, expected["probabilities"], atol=1e-6)


def test_layers_of_a_user_are_left_to_keras(classifier: Path, tmp_path: Path, own_cache: None) -> None:
    import keras

    @keras.saving.register_keras_serializable(package="theirs")
    class Doubled(keras.layers.Layer):
        def call(self, inputs: object) -> object:
            return inputs * 2

    model = zoo.load(classifier)
    network = keras.Sequential([keras.Input((8, 8, 1)), Doubled(), keras.layers.Flatten(), keras.layers.Dense(3)])
    network.save(tmp_path / "model.keras")
    inputs = np.zeros((4, 8, 8, 1), np.uint8)
    expected = {"probabilities": network.predict_on_batch(inputs.astype(np.float32))}
    run = traced(network, network.input_shape)
    assert not inference_graph.keep(tmp_path, model.task, model.kind, run, inputs, expected)
    assert graphs() == []
