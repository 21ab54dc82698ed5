"""Keras models of users as backbones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import applications
import zoo
from applications import backbones, features
from applications.own_backbones import own_backbone
from applications.reading import extractor_of
from support.pictures import photo
from support.programs import command
from zoo.errors import InputError

SIZE = 32


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def trained(keras: Any, tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """A small network that has learnt to tell 0, 1 and 2, with its Rescaling and its probabilities."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(24, activation="relu", name="inner"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, activation="softmax", name="digit"),
        ]
    )
    rgb = np.repeat(pixels.repeat(4, 1).repeat(4, 2)[..., None], 3, axis=-1).astype(np.float32)
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(rgb, labels, epochs=6, batch_size=16, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    path = tmp_path_factory.mktemp("own") / "mine.keras"
    model.save(path)
    return path


def convolutions(keras: Any, *, head: str = "", scaled: bool = True, size: int | None = SIZE, channels: int = 3) -> Any:
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((size, size, channels))
    if scaled:
        x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="last_map")(x)
    if head:
        x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    if head in ("softmax", "sigmoid"):
        x = keras.layers.Dense(4, activation=head, name="classes")(x)
    if head == "apart":
        x = keras.layers.Softmax()(keras.layers.Dense(4, name="logits")(x))
    return keras.Model(inputs, x, name="mine")


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


@pytest.mark.parametrize(
    ("head", "layer", "said"),
    [
        ("softmax", "pooled", "what its last layer, classes, takes"),
        ("sigmoid", "pooled", "what its last layer, classes, takes"),
        ("apart", "pooled", "what its last layer, logits, takes"),
        ("pooled", "pooled", "its output, that of pooled"),
        ("", "last_map", "the mean of the feature maps of last_map"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_embedding_is_what_a_head_would_take(keras: Any, head: str, layer: str, said: str, nested: bool) -> None:
    model = convolutions(keras, head=head)
    expected = np.asarray(keras.Model(model.input, model.get_layer(layer).output)(images().astype(np.float32)))
    expected = expected.mean(axis=(1, 2)) if expected.ndim == 4 else expected
    if nested:
        model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), model])
    assert said in own_backbone(model).note
    np.testing.assert_allclose(applications.embed(images(), model), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preprocessing", ["none", "unit", "tf", "torch", "caffe", "lite"])
def test_preprocessing_is_said_where_the_model_has_none(keras: Any, preprocessing: str) -> None:
    model = convolutions(keras, head="pooled", scaled=False)
    with pytest.raises(InputError, match=r"mine.keras begins with no Rescaling.* none .* unit .* tf .* torch, caffe"):
        own_backbone(model)
    pixels = images().astype(np.float32)
    expected = {
        "none": lambda: pixels,
        "unit": lambda: pixels / 255,
        "lite": lambda: (pixels - 127) / 128,
    }.get(preprocessing, lambda: keras.applications.imagenet_utils.preprocess_input(pixels.copy(), mode=preprocessing))
    embeddings = applications.embed(images(), model, preprocessing=preprocessing)
    np.testing.assert_allclose(embeddings, model(expected()), rtol=1e-4, atol=1e-4)


def test_a_model_of_any_size_needs_one(keras: Any) -> None:
    model = convolutions(keras, head="pooled", size=None)
    with pytest.raises(InputError, match=r"images of any size: say which with input_size"):
        own_backbone(model)
    small, large = (applications.embed(images(), model, input_size=size) for size in (24, 48))
    assert small.shape == large.shape == (5, 6) and not np.allclose(small, large)


def test_what_is_no_backbone_is_refused(keras: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"three channels, .* received \(32, 32, 1\)"):
        own_backbone(convolutions(keras, channels=1))
    with pytest.raises(InputError, match=r"received \(8\)"):
        own_backbone(keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]))
    with pytest.raises(InputError, match="expected the input size to be that, received 64"):
        own_backbone(convolutions(keras), input_size=64)
    with pytest.raises(InputError, match="as high as wide"):
        own_backbone(keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Rescaling(1.0)]))
    with pytest.raises(InputError, match="a Sequential one with an Input layer"):
        own_backbone(keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]))
    with pytest.raises(InputError, match=r"feature maps .* received \(6, 6\)"):
        shaped = [keras.Input((6, 6, 3)), keras.layers.Rescaling(1.0), keras.layers.Reshape((6, 18))]
        own_backbone(keras.Sequential([*shaped, keras.layers.Dense(6)]))
    with pytest.raises(InputError, match="received 'uint'; did you mean unit"):
        own_backbone(convolutions(keras), "uint")
    with pytest.raises(InputError, match=r"absent.keras does not exist"):
        own_backbone("absent.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(InputError, match=r"text.keras: it can't be opened as a Keras model"):
        own_backbone(tmp_path / "text.keras")
    with pytest.raises(InputError, match="has its own weights"):
        applications.embed(images(), convolutions(keras), weights=None)
    with pytest.raises(InputError, match="leave it out"):
        applications.embed(images(), preprocessing="tf")


def test_the_name_of_a_file_changes_nothing(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(shutil.copy(trained, tmp_path / "another name.keras"))
    first, second = (extractor_of(path, "imagenet", None, None, 0) for path in (trained, other))
    assert first.key == second.key and first.weights == second.weights
    assert first.backbone == "mine.keras" and first.input_size == SIZE
    counts: list[int] = []
    runtime = features.Extractor.runtime
    monkeypatch.setattr(features.Extractor, "runtime", lambda self, count: counts.append(count) or runtime(self, count))
    before = applications.embed(images(7), trained)
    assert counts == [7]
    np.testing.assert_array_equal(applications.embed(images(7), str(other)), before)
    assert counts == [7]


def test_another_preprocessing_is_another_key(keras: Any) -> None:
    model = convolutions(keras, head="pooled")
    extractors = [extractor_of(model, "imagenet", None, None, 0, preprocessing=each) for each in (None, "unit")]
    assert extractors[0].key != extractors[1].key
    changed = convolutions(keras, head="pooled")
    changed.get_layer("last_map").set_weights([weight + 0.1 for weight in changed.get_layer("last_map").get_weights()])
    assert extractor_of(changed, "imagenet", None, None, 0).key != extractors[0].key


def test_names_of_the_table_are_no_own_backbones() -> None:
    assert not any(backbones.is_own(name) for name in (*backbones.BACKBONES, "auto"))


@pytest.mark.slow
def test_a_fine_tune_of_an_own_network(keras: Any, trained: Path, workplace: Path, folder: Path) -> None:
    done = command("finetune", folder, "--backbone", trained)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "the embedding of mine.keras is what its last layer, digit, takes" in shown and "no label differs" in shown
    made = zoo.load("photos")
    assert made.card["backbone"] == "mine.keras" and made.card["parity"]["passed"]
    assert made.card["weights"].startswith(features.digest(trained))
    again = photo(workplace / "new.png", 0, 4321)
    assert made.predict(again.read_bytes())[0].label in made.classes
    # The artifact needs nothing but itself, and its network is that of the file.
    shutil.rmtree(features.cache_folder("backbones"))
    inner = keras.models.load_model(trained)
    inner = keras.Model(inner.inputs[0], inner.get_layer("inner").output)
    expected = inner(np.stack([zoo.kinds.images.decoding.decode(again, (SIZE, SIZE))]).astype(np.float32))
    np.testing.assert_allclose(applications.embed(again, start="photos"), expected, rtol=1e-4, atol=1e-5)
    going_on = applications.fine_tune(folder, start="photos", draft=True)
    assert going_on.artifact is None
    with pytest.raises(InputError, match=r"mine.keras: where the blocks .* leave out effort"):
        applications.fine_tune(folder, start="photos", effort="balanced")
    refused = command("finetune", folder, "--backbone", trained, "--effort", "max", "--json")
    assert refused.returncode == 2 and "is not known; leave out effort" in refused.stderr
    assert json.loads(command("similar", again, folder, "--backbone", trained, "--json").stdout)["photos"][0]["similar"]


def test_a_layer_that_is_not_known_is_named(keras: Any, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("mine")
    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    path = tmp_path / "custom.keras"
    shaped = [keras.Input((SIZE, SIZE, 3)), keras.layers.Rescaling(1 / 255), Twice()]
    keras.Sequential([*shaped, keras.layers.GlobalMaxPooling2D()]).save(path)
    expected = images().max(axis=(1, 2)) / np.float32(127.5)
    np.testing.assert_allclose(applications.embed(images(), path), expected, rtol=1e-5)
    keras.saving.get_custom_objects().pop("mine>Twice")
    with pytest.raises(InputError, match=r"not known here: mine>Twice; name the file .* --import FILE"):
        own_backbone(path)
    with pytest.raises(InputError, match=r"layers that can't be opened again: .*Twice; register them"):
        own_backbone(keras.Sequential([*shaped, keras.layers.GlobalMaxPooling2D(name="another")]))
    shaped[2] = keras.layers.Lambda(lambda x: 2 * x)
    with pytest.raises(InputError, match=r"can't be opened again: lambda; .* write a lambda as a layer"):
        own_backbone(keras.Sequential(shaped))


@pytest.mark.slow
def test_a_model_in_memory_is_fine_tuned(keras: Any, workplace: Path, folder: Path) -> None:
    model = convolutions(keras)
    result = applications.fine_tune(folder, model, out="saved_models/memory")
    assert result.artifact is not None and zoo.load("memory").card["backbone"] == "mine.keras"
    assert any("the mean of the feature maps of last_map" in note for note in result.notes)
