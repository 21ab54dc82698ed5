"""The table of backbones against `keras.applications`, and every way of getting a model from it."""

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from applications import backbones
from applications.backbones import BACKBONES, available, backbone, cut, preprocess, split
from support.networks import assert_same, pixels, shuffle
from support.places import ROOT

pytestmark = pytest.mark.usefixtures("seeded")
KERAS_ROWS = [name for name, row in BACKBONES.items() if row.weights == "keras"]
# The smallest of each family; those that are quick hold one of each way of preprocessing.
QUICK = ("efficientnet_lite0", "efficientnet_b0", "mobilenet", "resnet50")
SMALLEST = (
    *QUICK,
    "convnext_tiny",
    "densenet121",
    "efficientnet_v2_b0",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "nasnet_mobile",
    "resnet50_v2",
    "vgg16",
    "xception",
)


def marked(names):
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


EVERY, EVERY_KERAS = marked(BACKBONES), marked(KERAS_ROWS)
FAMILIES = marked(name for name in SMALLEST if name in KERAS_ROWS)


@pytest.fixture
def freed():
    """The memory of the networks of one test is free before the next."""
    import keras

    yield
    keras.backend.clear_session()


def assert_parts_compose(model, name: str) -> None:
    """The lower part and then the upper are the whole, of whose layers and weights they are made."""
    image = pixels(model.input_shape[1])
    lower, upper = split(model, cut(model, name, BACKBONES[name].unfreeze))
    assert_same(upper(lower(image)), model(image))
    assert all(any(part is whole for whole in model.layers) for part in upper.layers[1:])
    assert len(lower.weights) + len(upper.weights) == len(model.weights)


def constructor(name: str):
    import keras

    return getattr(keras.applications, BACKBONES[name].constructor.split(":")[1])


def family(name: str):
    """The module of `keras.applications` that the row's constructor comes from."""
    return importlib.import_module(constructor(name).__module__)


def _zeros(initializer, shape, dtype=None, **_):
    import keras

    return keras.ops.zeros(shape, dtype)


# The table


def test_importing_needs_neither_tensorflow_nor_keras():
    code = "import sys, applications.backbones; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_table_has_every_constructor_of_keras_applications():
    import keras

    public = {
        f"keras.applications:{name}"
        for name, value in vars(keras.applications).items()
        if callable(value) and not name.startswith("_")
    }
    assert {row.constructor for row in BACKBONES.values() if row.weights == "keras"} == public
    # Some are to be found in the modules of their families only by another name: none may be there alone.
    modules = [value for value in vars(keras.applications).values() if type(value) is type(keras)]
    functions = {
        name
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and name not in ("preprocess_input", "decode_predictions") and not name.startswith("_")
    }
    assert {f"keras.applications:{name}" for name in functions} <= public


def test_the_table_has_the_built_in_family():
    from applications.efficientnet_lite import VARIANTS

    built_in = {name: row.input_size for name, row in BACKBONES.items() if row.weights != "keras"}
    assert built_in == {name: variant.input_size for name, variant in VARIANTS.items()}


def test_rows_are_consistent():
    for name, row in BACKBONES.items():
        assert row.name == name and re.fullmatch(r"[a-z0-9_]+", name)
        assert row.least_input_size <= row.input_size
        assert row.preprocessing in ("lite", "tf", "torch", "caffe", "none")
        assert row.weights in ("built-in", "extra", "keras")
        assert 0.8 < row.crop <= 1
        assert not row.file_sizes or row.file_sizes[-1] == row.input_size


@pytest.mark.usefixtures("freed")
@pytest.mark.parametrize("name", EVERY)
def test_width_parameters_last_blocks_and_weights_file_are_those_of_keras(name, monkeypatch):
    import keras
    from keras.src.utils import file_utils

    row, asked = BACKBONES[name], []

    def get_file(fname, *_, cache_subdir, **__):
        asked.append(Path(cache_subdir, fname))
        return "a file"

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_, **__: None)
    # Of weights only the shapes matter here; to draw 100 million of them takes longer than all else.
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", _zeros)
    monkeypatch.setattr(keras.initializers.TruncatedNormal, "__call__", _zeros)
    model = backbone(name, weights="imagenet" if row.weights == "keras" else None)
    if row.weights == "keras":
        path = backbones.weights_file(name, row.input_size)
        assert asked == [Path(path.parent.name, path.name)]
    assert model.name == name
    assert model.input_shape == (None, row.input_size, row.input_size, 3)
    assert model.output_shape == (None, row.embedding_width)
    assert model.count_params() == row.parameters
    final = [o.output.shape[1] for o in model.operations if len(o.output.shape) == 4][-1]
    height = model.get_layer(cut(model, name, row.unfreeze)).output.shape[1]
    assert height >= 2 * final - 1 or BACKBONES[name].unfreeze == 1


@pytest.mark.parametrize("name", [name for name in KERAS_ROWS if not name.startswith("mobilenet_v3")])  # takes any size
def test_default_size_is_that_of_keras(name, monkeypatch):
    from keras.src.applications import imagenet_utils

    asked = []

    def obtain_input_shape(input_shape, default_size, **_):
        asked.append(default_size)
        raise OSError("caught")  # the network itself would take a minute to make

    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", obtain_input_shape)
    with pytest.raises(OSError, match="caught"):
        constructor(name)(weights=None)
    assert asked == [BACKBONES[name].input_size]


@pytest.mark.parametrize("name", EVERY_KERAS)
def test_least_size_is_that_of_keras(name):
    least = BACKBONES[name].least_input_size
    with pytest.raises(ValueError, match="at least"):
        constructor(name)(weights=None, include_top=False, input_shape=(least - 1, least - 1, 3))


# From pixels to embeddings


@pytest.mark.parametrize("name", KERAS_ROWS)
def test_preprocessing_is_that_of_the_family(name):
    image = pixels(8)
    expected = np.asarray(family(name).preprocess_input(image.copy()))
    np.testing.assert_allclose(np.asarray(preprocess(name, image)), expected, rtol=1e-6, atol=1e-6)


def test_preprocessing_of_the_built_in_family():
    image = pixels(8)
    np.testing.assert_allclose(preprocess("efficientnet_lite0", image), (image - 127) / 128, rtol=1e-6, atol=1e-6)


@pytest.mark.numerical
@pytest.mark.usefixtures("freed")
@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_are_those_of_keras_on_its_own_preprocessing_whole_and_cut(name, tmp_path, monkeypatch):
    """Both load one weights file; Keras as if it were the ImageNet one, so that its graph is that of "imagenet"."""
    import keras
    from keras.src.utils import file_utils

    size = max(BACKBONES[name].least_input_size, 64)
    arguments = {"include_top": False, "pooling": "avg", "input_shape": (size, size, 3)}
    path = tmp_path / "notop.h5"
    model = constructor(name)(weights=None, **arguments)
    shuffle(model, np.asarray(family(name).preprocess_input(pixels(size, 32))))
    model.save(path)
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MobileNets, about the size
        theirs = constructor(name)(weights="imagenet", **arguments)
    expected = theirs(np.asarray(family(name).preprocess_input(pixels(size)))).numpy()

    for weights in (path, "imagenet") if name in QUICK else ("imagenet",):
        ours = backbone(name, weights=weights, input_size=size)
        result = ours(pixels(size)).numpy()
        assert not any(isinstance(x, keras.Model) and not isinstance(x, keras.Sequential) for x in ours.layers)
        assert_same(result, expected)
    assert_parts_compose(ours, name)
    if name in QUICK:
        saved = tmp_path / "model.keras"
        ours.save(saved)
        np.testing.assert_array_equal(keras.models.load_model(saved)(pixels(size)).numpy(), result)


# Cutting


@pytest.mark.numerical
def test_lower_and_upper_part_of_the_built_in_family_compose():
    model = backbone("efficientnet_lite0", weights=None, input_size=64)
    shuffle(model, pixels(64, 32))
    assert_parts_compose(model, "efficientnet_lite0")


def test_more_blocks_are_cut_lower():
    model = backbone("resnet50", weights=None, input_size=64)
    assert cut(model, "resnet50", 1) == "conv5_block2_out"
    assert cut(model, "resnet50", 3) == "conv4_block6_out"
    assert cut(model, "resnet50", 16) == "pool1_pool"
    for blocks in (0, 17):
        with pytest.raises(ValueError, match=f"expected 1 to 16 last blocks, received {blocks}"):
            cut(model, "resnet50", blocks)


def test_a_layer_that_a_path_goes_around_is_no_cut():
    model = backbone("mobilenet_v2", weights=None, input_size=64)
    cuts = [cut(model, "mobilenet_v2", n) for n in range(1, 18)]
    assert "block_15_add" in cuts and "block_15_project_BN" not in cuts
    assert "block_13_project_BN" in cuts


def test_parts_can_be_saved(tmp_path):
    import keras

    model = backbone("resnet50", weights=None, input_size=64)
    for number, part in enumerate(split(model, cut(model, "resnet50", 1))):
        part.save(tmp_path / f"{number}.keras")
        assert keras.models.load_model(tmp_path / f"{number}.keras").output_shape == part.output_shape


# Wrong use


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(ValueError, match=r"unknown backbone 'resnet50v2': did you mean .*resnet50_v2.*zoo backbones"):
        backbone("resnet50v2")
    with pytest.raises(ValueError, match=r"unknown backbone 'zzz': zoo backbones lists them"):
        available("zzz")


def test_a_size_under_the_least_one():
    with pytest.raises(ValueError, match="inception_v3: expected input_size of at least 75, received 74"):
        backbone("inception_v3", input_size=74)
