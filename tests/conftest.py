"""What tests share: a cache of their own, small real folders, and the data beside the project where it is."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ZOO_CACHE"] = str(folder)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shared(name: str) -> Path:
    """A folder of the data beside the project; the test is skipped where it is absent."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {name} in ../shared/data, which is not part of the project")
    return folder


def photo(path: Path, colour: int, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a noisy picture whose mean colour tells its class; the suffix chooses the format."""
    rng = np.random.default_rng(seed)
    base = np.zeros((*size[::-1], 3)) + np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200)][colour])
    pixels = np.clip(base + rng.normal(0, 25, base.shape), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of twelve pictures."""
    root = tmp_path / "photos"
    for colour, name in enumerate(("blue sky", "grün", "red")):
        for index in range(12):
            photo(root / name / f"{index:02d}.png", 2 - colour, 100 * colour + index)
    return root
