"""What tests share: a cache of their own, small real folders, and the data beside the project where it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from support import backbones, forks
from support.pictures import photo

# Begun first, the longest one at the head, so that no worker is alone with one of them at the end.
LONG = (
    "test_docs.py",
    "applications/test_fine_tuning.py",
    "zoo/tasks/test_generative.py",
    "tuning/test_kinds.py",
    "tuning/test_searching.py",
    "zoo/formats/test_contract.py",
    "zoo/builders/test_contract.py",
    "applications/test_commands.py",
    "tuning/test_workers.py",
    "applications/test_backbones.py",
    "zoo/serving/test_server.py",
    "zoo/formats/test_exporting.py",
    "zoo/artifacts/test_generative.py",
    "applications/test_fine_tuning_numbers.py",
    "zoo/builders/test_composites.py",
    "zoo/commands/test_segmentation.py",
    "test_packaging.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first, in the order of `LONG`, the others stay as they are."""
    places = {f"tests/{name}": at for at, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(places)))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ZOO_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def forked_gates() -> Iterator[None]:
    """Gates in this process load no TensorFlow of their own; those of processes that a test starts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.artifacts.gate.Gate.__init__", forks.gate)
        yield


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of twelve pictures."""
    root = tmp_path / "photos"
    for colour, name in enumerate(("blue sky", "grün", "red")):
        for index in range(12):
            photo(root / name / f"{index:02d}.png", 2 - colour, 100 * colour + index)
    return root


@pytest.fixture
def tiny() -> Iterator[str]:
    """The name of a backbone of a few layers, for fine-tunes in this process that are about something else."""
    from applications.backbone_table import BACKBONES

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, backbones.NAME, backbones.ROW)
        yield backbones.NAME


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """Uint8 (images, 8, 8), digits below three."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.round(digits.images[digits.target < 3] * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="session")
def labels() -> np.ndarray:
    """Int64 (images,), those of `pixels`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.target[digits.target < 3]


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """The artifact of a small network that tells the classes of `pixels`."""
    import zoo

    data = zoo.data.arrays(pixels, labels, classes=["nought", "one", "two"])
    trained = zoo.train("cnn", data, model={"filters": (8,)}, epochs=3)
    place = tmp_path_factory.mktemp("made")
    return trained.export(place / "Small Digits", run=place / "run")


@pytest.fixture(scope="session")
def tabular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small network over a table of four numbers."""
    import zoo

    rows = np.random.default_rng(0).normal(size=(60, 4))
    data = zoo.data.arrays(rows, (rows[:, 0] > 0).astype(int))
    return zoo.train("mlp", data, model={"units": (4,)}, epochs=1).export(tmp_path_factory.mktemp("made") / "table")


@pytest.fixture(scope="session")
def variational(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """The artifact of a small variational autoencoder of `pixels`, to which twos are anomalies."""
    import zoo

    data = zoo.data.arrays(pixels, labels)
    model = {"latent_dim": 4, "filters": (8,)}
    trained = zoo.train("variational_autoencoder", data, model=model, epochs=20, normal=["0", "1"], false_alarms=0.05)
    return trained.export(tmp_path_factory.mktemp("made") / "vae")


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """The artifact of small conditional adversarial networks."""
    import zoo
    from zoo.training import judges

    data = zoo.data.arrays(pixels, labels, classes=["nought", "one", "two"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judges, "has_judge", lambda data: False)  # training one takes longer than all else
        trained = zoo.train("conditional_gan", data, model={"latent_dim": 8, "filters": (8,)}, epochs=2)
    return trained.export(tmp_path_factory.mktemp("made") / "gan")
