"""Folders of images/ beside masks/: of each image a PNG whose grey value or palette index is the class of a pixel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from zoo.data.file_tree import walk
from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.kinds.class_folders import Example
from zoo.kinds.images import decoding
from zoo.kinds.images.folders import readable

IMAGES, MASKS = "images", "masks"
CLASSES = ("classes.txt", "labels.txt")  # files with the names of the classes
LISTED = 5  # names in a note
BINARY = (0, 255)  # grey values of a mask of two classes that people look at
EXPECTED = "expected a folder images/ beside masks/, or train/ and val/ or test/ with both"


@dataclass(frozen=True)
class Mask:
    """The class of each pixel of an image, in a file that is read when it is needed; see `zoo.tasks.segmentation`.

    Attributes:
        path: of the file, a PNG.
        name: its path inside the folder that was read.
        size: height and width in pixels.
        value_counts: grey value -> pixels that have it.
        digest: sha256 of its size and pixels.
        greys: the value of each class; empty as long as no task has said.
    """

    path: Path
    name: str
    size: tuple[int, int]
    value_counts: Mapping[int, int]
    digest: str
    greys: tuple[int, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class, int64 (classes,)."""
        return np.array([self.value_counts.get(grey, 0) for grey in self.greys], np.int64)

    def pixels(self) -> np.ndarray:
        """Positions of the classes, uint8 (height, width).

        Raises:
            InputError: the file is no longer what it was.
        """
        try:
            greys = grey_values(self.path)
        except (decoding.DecodeError, OSError) as error:
            raise InputError(f"{self.path}: {error}; it could be read before") from error
        place = np.full(256, len(self.greys), np.uint8)
        place[list(self.greys)] = np.arange(len(self.greys))
        positions = place[greys]
        if positions.shape != self.size or positions.max(initial=0) >= len(self.greys):
            raise InputError(f"{self.path} was changed while it was in use: expected {_of(self.size)} of known classes")
        return positions

    def of(self, greys: tuple[int, ...]) -> Mask:
        """The same of a task whose classes have these values."""
        return replace(self, greys=greys)


class Masks(NamedTuple):
    """Masks as they are written, which `zoo.tasks.segmentation` makes targets of; see `zoo.tasks.terms.Written`."""

    masks: Sequence[Mask]
    names: Sequence[str]
    where: str
    columns: tuple[str, ...] = ("mask",)

    def strings(self) -> np.ndarray:
        """Object (images, 1) of str: their names."""
        return np.array([mask.name for mask in self.masks], object)[:, None]

    def numbers(self) -> np.ndarray:
        """Float64 (images, 1) of NaN: a mask is no number."""
        return np.full((len(self.masks), 1), np.nan)


def grey_values(source: bytes | Path) -> np.ndarray:
    """Grey values or palette indices of a PNG as they are stored, uint8 (height, width).

    Raises:
        DecodeError: it is none, or has colours, transparency or 16 bits.
    """
    image = decoding.opened(source)
    if image.format != "PNG":
        raise decoding.DecodeError(f"{image.format}, which may change values; save the mask as PNG")
    if image.mode.startswith("I"):
        raise decoding.DecodeError("a mask of 16 bits; expected 8, as there are at most 256 classes")
    if image.mode not in ("1", "L", "P"):
        kind = "a colour mask" if image.mode.startswith("RGB") else "a mask with transparency"
        raise decoding.DecodeError(f"{kind} ({image.mode}); expected grey values or a palette, one value a class")
    # Pillow spreads values of 2 and 4 bits over 0 to 255, which those of a palette are not.
    spread = {"L;2": 85, "L;4": 17}.get(str(image.tile[0].args) if image.tile else "", 1)
    try:
        return np.asarray(image).astype(np.uint8) // spread
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise decoding.DecodeError(f"truncated or damaged PNG: {error or type(error).__name__}") from error


def holds(path: Path) -> bool:
    """Whether a folder has images/ beside masks/, itself or in one of its parts."""
    return path.is_dir() and any(_pair(top) is not None for _, top in _parts(path))


def labelled(path: str | Path) -> tuple[list[Example], dict[str, Mask], list[Note]]:
    """Images with their masks, before any split.

    Returns:
        those of which both can be read, by name, with the digest of the mask as their label; name of an image -> its
        mask; and notes on what was left out.

    Raises:
        InputError: no such folder, or a part of it lacks images/ or masks/.
    """
    root = Path(path)
    if not holds(root):
        raise InputError(f"{root}: {EXPECTED}" if root.exists() else f"{root} does not exist: {EXPECTED}")
    notes: list[Note] = []
    tops = _parts(root)
    seen = {top for _, top in tops}
    if root not in seen:
        notes += [_beside(child, root) for child in sorted(root.iterdir()) if child not in seen and not _names(child)]
    pairs = {example.name: (example, mask) for split, top in tops for example, mask in _pairs(root, split, top, notes)}
    read = readable([example for example, _ in pairs.values()], notes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(lambda example: _mask(root, example, pairs[example.name][1]), read))
    notes += [each for each in looked if isinstance(each, Note)]
    both = [(example, mask) for example, mask in zip(read, looked, strict=True) if isinstance(mask, Mask)]
    examples = [example._replace(labels=(mask.digest,)) for example, mask in both]
    return examples, {example.name: mask for example, mask in both}, notes


def classes(root: Path, masks: Sequence[Mask]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the classes, and the value of each: as ``classes.txt`` names them, else those that masks have.

    Raises:
        InputError: the file can't be read, names one twice, or a mask has a value that it does not name.
    """
    values = sorted({value for mask in masks for value in mask.value_counts})
    file = next((root / name for name in CLASSES if (root / name).is_file()), None)
    if file is None:
        return tuple(map(str, values)), tuple(values)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: expected names of classes in UTF-8, one a line: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or twice is not None:
        raise InputError(f"{file}: expected different names of classes, one a line, received {twice or 'none'!r}")
    if tuple(values) == BINARY and len(names) == len(BINARY):
        return names, BINARY
    strange = next((mask for mask in masks if max(mask.value_counts) >= len(names)), None)
    if strange is not None:
        raise InputError(
            f"{root}: {strange.name} has pixels of value {max(strange.value_counts)}, and {file.name} names "
            f"{len(names)} classes, 0 to {len(names) - 1}; name all of them, one a line, in the order of the values"
        )
    return names, tuple(range(len(names)))


def _parts(root: Path) -> list[tuple[str | None, Path]]:
    """The folders of the parts, each with its part; or `root`, whose images have no part yet."""
    inside = [child for child in sorted(root.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    parts = [(SPLITS[child.name.lower()], child) for child in inside if child.name.lower() in SPLITS]
    if _pair(root) is not None or not any(_pair(top) for _, top in parts):
        return [(None, root)]
    return parts if len({part for part, _ in parts}) > 1 else [(None, top) for _, top in parts]


def _pair(top: Path) -> tuple[Path, Path] | None:
    """The two folders in `top`, whatever the case of their names."""
    inside = {child.name.lower(): child for child in top.iterdir() if child.is_dir()} if top.is_dir() else {}
    return (inside[IMAGES], inside[MASKS]) if IMAGES in inside and MASKS in inside else None


def _names(file: Path) -> bool:
    return file.name in CLASSES and file.is_file()


def _beside(child: Path, root: Path) -> Note:
    """That a file or folder is not read."""
    count = sum(1 for _ in walk(child, [])) if child.is_dir() else 1
    what = f"{count} files " if child.is_dir() else ""
    return Note(child.relative_to(root).as_posix(), "left out", f"{what}beside {IMAGES}/ and {MASKS}/")


def _pairs(root: Path, split: str | None, top: Path, notes: list[Note]) -> Iterator[tuple[Example, Path]]:
    """Each image with its mask."""
    pair = _pair(top)
    if pair is None:
        raise InputError(f"{top}: {EXPECTED}; this part lacks one of them")
    for child in sorted(top.iterdir()):
        if child not in pair and not _names(child):
            notes.append(_beside(child, root))
    images, masks = (_by_stem(folder, root, notes) for folder in pair)
    for what, other, here, there in (("image", "mask", images, masks), ("mask", "image", masks, images)):
        alone = [here[stem] for stem in here if stem not in there]
        listed = [file.relative_to(root).as_posix() for file in alone]
        if len(alone) > 1:
            some = ", ".join(listed[:LISTED]) + (", ..." if len(listed) > LISTED else "")
            notes.append(Note(f"{len(alone)} {what}s", "left out", f"without {other}, of {len(here)}: {some}"))
        notes += [Note(name, "left out", f"{what} without {other}: expected one of the same name") for name in listed]
    for stem in images:
        if stem in masks:
            yield Example(images[stem], images[stem].relative_to(root).as_posix(), (), split), masks[stem]


def _by_stem(folder: Path, root: Path, notes: list[Note]) -> dict[str, Path]:
    """Path inside `folder` without suffix -> file; names that two files have are left out."""
    by_stem: dict[str, list[Path]] = {}
    for file in walk(folder, notes, root):
        inner = PurePosixPath(file.relative_to(folder).as_posix())
        if any(part.startswith(".") for part in inner.parts) or inner.name in ("Thumbs.db", "desktop.ini"):
            notes.append(Note(file.relative_to(root).as_posix(), "left out", "hidden"))
        else:
            by_stem.setdefault(str(inner.with_suffix("")), []).append(file)
    for several in by_stem.values():
        if len(several) > 1:
            names = ", ".join(file.name for file in several)
            notes.append(Note(several[0].relative_to(root).as_posix(), "left out", f"files of one name: {names}"))
    return {stem: several[0] for stem, several in by_stem.items() if len(several) == 1}


def read_mask(path: Path, root: Path) -> Mask:
    """The mask in a file.

    Args:
        path: of the file.
        root: of the folder that its name is relative to.

    Raises:
        DecodeError: it is none.
        OSError: it can't be read.
    """
    greys = grey_values(read_bytes(path))
    counts = np.bincount(greys.ravel(), minlength=256)
    value_counts = {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    content = sha256(repr(greys.shape).encode() + greys.tobytes()).hexdigest()
    return Mask(path, path.relative_to(root).as_posix(), (greys.shape[0], greys.shape[1]), value_counts, content)


def _mask(root: Path, example: Example, path: Path) -> Mask | Note:
    """The mask of an image; a note on what is wrong with it."""
    name = path.relative_to(root).as_posix()
    try:
        mask, size = read_mask(path, root), decoding.upright_size(example.path)
    except decoding.DecodeError as error:
        return Note(name, "left out", f"{error}; its image is left out with it")
    except OSError as error:
        return Note(name, "left out", f"can't be read: {error.strerror or error}; its image is left out with it")
    if mask.size != size:
        turned = ", turned upright," if mask.size == size[::-1] else ""
        return Note(name, "left out", f"a mask of {_of(mask.size)}, and {example.name}{turned} has {_of(size)}")
    return mask


def _of(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} pixels"
