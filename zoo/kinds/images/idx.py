"""IDX files, the form MNIST is kept in."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.files import read_bytes

_NAME = re.compile(r"(?:(.*)[-_.])?(train|t10k|test)[-_.](images|labels)[-_.]idx([134])[-_.]ubyte(\.gz)?", re.I)
SHAPES = "train-images-idx3-ubyte and train-labels-idx1-ubyte (.gz or not), t10k-... for the test part"


def holds(folder: Path) -> bool:
    """Whether there are IDX files in `folder`, by their names."""
    return folder.is_dir() and any(True for _ in _listed(folder))


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


def parts(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Images and labels of each part; of a file and its gzipped twin the former."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}: expected a folder with {SHAPES}")
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    for file, match in _listed(folder):
        prefix, part, kind = match[1] or "", "train" if match[2].lower() == "train" else "test", match[3].lower()
        sets.setdefault(prefix, {}).setdefault((part, kind), file)  # "x" is before "x.gz" in the alphabet
    if not sets:
        raise InputError(f"{folder}: expected {SHAPES}; found no such file")
    if len(sets) > 1:
        raise InputError(f"{folder}: there are several data sets, {', '.join(sorted(sets))}; give each its own folder")
    files = next(iter(sets.values()))
    for part in ("train", "test"):
        kinds = {kind for each, kind in files if each == part}
        if len(kinds) == 1:
            raise InputError(f"{folder}: the {part} part has {kinds.pop()} only; expected {SHAPES}")
    return {
        part: (files[part, "images"], files[part, "labels"]) for part in ("train", "test") if (part, "images") in files
    }


def read_part(image_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (examples, height, width, channels) and labels uint8 (examples,) of one part."""
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
