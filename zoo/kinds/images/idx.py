"""IDX files, the form MNIST is kept in."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import assembling
from zoo.data.dataset import Data, Part
from zoo.data.notes import Note
from zoo.data.targets import Targets
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.tasks.classification import Classification
from zoo.tasks.task import Task

_NAME = re.compile(r"(?:(.*)[-_.])?(train|t10k|test)[-_.](images|labels)[-_.]idx([134])[-_.]ubyte(\.gz)?", re.I)
_SHAPES = "train-images-idx3-ubyte and train-labels-idx1-ubyte (.gz or not), t10k-... for the test part"


def idx(folder: str | Path, *, seed: int = 0, validation: float = 0.2) -> Data:
    """Read images in IDX files.

    Args:
        folder: with ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, gzipped or not, and for the test part
            the same with ``t10k``. A point may stand for a hyphen. Colour images are idx4.
        seed: of the split where there is no test part.
        validation: share held out then, in (0, 1).

    Returns:
        `Data` of uint8 images (examples, height, width, channels), 0-255; the classes are the labels' numbers. A
        training image that is also in the test part is left out of the training part.

    Raises:
        InputError: a file is missing, cut off, of another kind, or has another count than its partner.
    """
    folder = Path(folder)
    assembling.check_share(validation)
    found = _parts(folder)
    if "train" not in found:
        raise InputError(f"{folder}: expected {_SHAPES}; there is no training part")
    images, labels, names, sides = [], [], [], []
    for part, side in (("train", "train"), ("test", "test")):
        if part in found:
            pixels, positions = _read_part(*found[part])
            images.append(pixels)
            labels.append(positions)
            names += [f"{part} {index}" for index in range(len(pixels))]
            sides += [side] * len(pixels)
    if len({each.shape[1:] for each in images}) > 1:
        raise InputError(f"{folder}: images of {images[0].shape[1:]} in train and {images[1].shape[1:]} in test")
    pixels, numbers = np.concatenate(images), np.concatenate(labels)
    values, targets = np.unique(numbers, return_inverse=True)
    if len(values) < 2:
        raise InputError(f"{folder}: expected at least two classes, found only {values[0]}")
    classes = tuple(str(value) for value in values)
    rows = assembling.Rows(pixels, targets.astype(np.int64), names, assembling.row_digests(pixels))
    return assembling.assemble(
        rows,
        Classification(classes),
        source=folder,
        sides=np.array(sides, dtype=object) if "test" in found else None,
        notes=[],
        description=describe(pixels),
        validation=validation,
        seed=seed,
    )


def read_labelled(folder: str | Path, description: dict[str, Any], task: Task) -> tuple[Part, list[Note]]:
    """Read images to score: the test part where there is one, else the training part.

    Args:
        folder: as `idx` takes it.
        description: `Data.input` of what the model was trained on.
        task: of the model; one label an image.

    Raises:
        InputError: as `idx`, images of another size, or a label that the model does not know.
    """
    folder = Path(folder)
    if task.several:
        raise InputError(f"{folder}: IDX files have one label an image; the model's task is {task.name}")
    found = _parts(folder)
    part = "test" if "test" in found else "train"
    if part not in found:
        raise InputError(f"{folder}: expected {_SHAPES}; found neither part")
    pixels, numbers = _read_part(*found[part])
    wanted = (*description["size"], description["channels"])
    if pixels.shape[1:] != wanted:
        raise InputError(f"{folder}: expected images of {wanted}, received {pixels.shape[1:]}")
    names = tuple(f"{part} {index}" for index in range(len(pixels)))
    targets = task.encode(Targets.of_labels(numbers.astype(np.int64), names, folder))
    return Part(pixels, targets, names, tuple(assembling.row_digests(pixels))), []


def holds(folder: Path) -> bool:
    """Whether there are IDX files in `folder`, by their names."""
    return folder.is_dir() and any(True for _ in _listed(folder))


def describe(pixels: np.ndarray) -> dict[str, Any]:
    """`Data.input` of uint8 images (examples, height, width, channels)."""
    _, height, width, channels = pixels.shape
    kind = "grey, 0-255" if channels == 1 else "RGB, 0-255"
    return {"kind": "images", "size": [height, width], "crop": 1.0, "channels": channels, "pixels": kind}


def write(folder: Path, pixels: np.ndarray, labels: np.ndarray, part: str = "train") -> None:
    """Write images uint8 (examples, height, width) and labels, 0-255, as IDX files of `part`."""
    for kind, values in (("images", pixels), ("labels", labels)):
        values = np.ascontiguousarray(values, dtype=np.uint8)
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
        (folder / f"{part}-{kind}-idx{values.ndim}-ubyte").write_bytes(header + values.tobytes())


def _listed(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for file in sorted(folder.iterdir()):
        match = _NAME.fullmatch(file.name)
        if match:
            yield file, match


def _parts(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Images and labels of each part; of a file and its gzipped twin the former."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}: expected a folder with {_SHAPES}")
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    for file, match in _listed(folder):
        prefix, part, kind = match[1] or "", "train" if match[2].lower() == "train" else "test", match[3].lower()
        sets.setdefault(prefix, {}).setdefault((part, kind), file)  # "x" is before "x.gz" in the alphabet
    if not sets:
        raise InputError(f"{folder}: expected {_SHAPES}; found no such file")
    if len(sets) > 1:
        raise InputError(f"{folder}: there are several data sets, {', '.join(sorted(sets))}; give each its own folder")
    found = next(iter(sets.values()))
    for part in ("train", "test"):
        kinds = {kind for each, kind in found if each == part}
        if len(kinds) == 1:
            raise InputError(f"{folder}: the {part} part has {kinds.pop()} only; expected {_SHAPES}")
    return {
        part: (found[part, "images"], found[part, "labels"]) for part in ("train", "test") if (part, "images") in found
    }


def _read_part(image_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = read(image_file), read(label_file)
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3)):
        raise InputError(
            f"{image_file}: expected (count, height, width) or the same with 1 or 3 channels, received {pixels.shape}"
        )
    if labels.ndim != 1:
        raise InputError(f"{label_file}: expected one label an image, received {labels.shape}")
    if len(pixels) != len(labels):
        raise InputError(
            f"{image_file} has {len(pixels)} images and {label_file.name} {len(labels)} labels; "
            "expected as many of each"
        )
    if not pixels.size:
        raise InputError(f"{image_file} holds no image; expected at least one")
    return (pixels[..., None] if pixels.ndim == 3 else pixels), labels


def read(path: Path) -> np.ndarray:
    """One IDX file of unsigned bytes.

    Raises:
        InputError: it is cut off, longer than it says, or of another kind.
    """
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: expected an IDX file; it is {error.strerror}") from error
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: expected a whole gzip file; {error}") from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise InputError(
            f"{path}: expected an IDX file of unsigned bytes, whose magic number begins with 00 00 08, received "
            f"{content[:4].hex(' ')}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    if axes not in (1, 3, 4) or len(content) < start:
        raise InputError(f"{path}: expected 1, 3 or 4 axes and their lengths, received {axes}, {len(content)} bytes")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, 4))
    size = 1
    for length in shape:
        size *= length
    if len(content) - start != size:
        raise InputError(f"{path}: expected {size} bytes for {shape}, received {len(content) - start}; is it whole?")
    return np.frombuffer(content, np.uint8, size, start).reshape(shape)
