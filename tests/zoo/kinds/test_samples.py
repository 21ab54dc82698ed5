from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo import InputError
from zoo.data import open as open_data
from zoo.kinds import samples

TABLES = {
    "iris": (150, 4, ("setosa", "versicolor", "virginica")),
    "wine": (178, 13, ("class_0", "class_1", "class_2")),
    "breast_cancer": (569, 30, ("benign", "malignant")),
    "diabetes": (442, 10, ("target",)),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path: Path, name: str) -> None:
    count, width, classes = TABLES[name]
    assert samples.write(name, tmp_path / "new") == count
    data = open_data(tmp_path / "new" / f"{name}.csv")
    assert data.classes == classes and len(data.input["numeric"]) == width
    assert len(data.train) + len(data.validation) == count
    assert data.task.name == ("regression" if name == "diabetes" else "classification")


def test_mnist_is_written_as_idx(tmp_path: Path) -> None:
    assert samples.write("mnist5000", tmp_path / "mnist") == 5000
    data = open_data(tmp_path / "mnist")
    assert data.classes == tuple("0123456789") and data.input["size"] == [28, 28]
    assert np.bincount(data.validation.targets).tolist() == [100] * 10


def test_every_sample_says_what_it_is() -> None:
    assert {*TABLES, "xor", "digits", "mnist5000", "japanese_vowels", "seattle_weather", "seattle_temps"} == set(
        samples.SAMPLES
    )
    assert all("\n" not in line and len(line) < 120 for line in samples.SAMPLES.values())


def test_nothing_is_overwritten_and_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="nothing is overwritten"):
        samples.write("iris", tmp_path)
    with pytest.raises(InputError, match="expected xor, digits, iris, .*, received 'irises'"):
        samples.write("irises", tmp_path / "new")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'vega-datasets, which is not installed: pip install "keras-model-zoo\[sam'):
        samples.write("seattle_temps", tmp_path / "new")
    assert not (tmp_path / "new").exists() and [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
