"""Real data sets that declared dependencies ship, written as a user would have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.files import whole_folder


def write(name: str, folder: str | Path) -> int:
    """Write a sample data set.

    Args:
        name: ``digits``: scikit-learn's 1,797 handwritten digits, 8 x 8 grey PNG files, one folder a class.
            Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI repository.
        folder: must not exist yet, or be empty.

    Returns:
        how many images were written.

    Raises:
        InputError: another name, or `folder` has something in it.
    """
    folder = Path(folder)
    if name != "digits":
        raise InputError(f"expected digits, received {name!r}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; expected a new or empty folder, as nothing is overwritten")
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    with whole_folder(folder.resolve().parent) as partial:
        for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
            place = partial / str(label)
            place.mkdir(exist_ok=True)
            Image.fromarray(image).save(place / f"{index:04d}.png")
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    return len(pixels)
