"""Embeddings of photos, and the photos of a folder that are nearest to one of yours."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from applications import features
from applications.reading import extractor_of
from zoo.artifacts import artifact
from zoo.artifacts.nearest import Neighbour
from zoo.data.notes import Note, alike
from zoo.errors import InputError, Notice
from zoo.files import atomic_file
from zoo.kinds.class_folders import Example
from zoo.kinds.images import decoding
from zoo.kinds.images.folders import readable
from zoo.kinds.images.sources import expanded
from zoo.settings import integer

DEFAULT = "efficientnet_lite0"
TILE = 144  # pixels a side of a photo in a picture


class Similar(NamedTuple):
    """What a search found for one photo.

    Attributes:
        name: the file, or ``input 0`` and so on for photos in memory.
        neighbours: photos of the folder with their similarity, the nearest first; without `copies`.
        copies: photos of the folder with the content of this one, under another path.
        error: why the photo can't be read; None if it can.
    """

    name: str
    neighbours: tuple[Neighbour, ...] = ()
    copies: tuple[str, ...] = ()
    error: str | None = None


def embed(
    photos: Any,
    backbone: Any = DEFAULT,
    *,
    weights: str | Path | None = "imagenet",
    preprocessing: str | None = None,
    input_size: int | None = None,
    start: str | Path | None = None,
) -> np.ndarray:
    """Embeddings of photos by a frozen backbone. Those computed before come from the cache.

    Args:
        photos: a file or folder (str or Path), an encoded image, a PIL image, a uint8 array (height, width, 3) or
            (height, width), a list of such or an array of several. Of a folder, all files but hidden ones, at any
            depth, in the order of their sorted paths.
        backbone: as `applications.fine_tune` takes it, without auto.
        weights: of the backbone, as `applications.fine_tune` takes them.
        preprocessing: as `applications.fine_tune` takes it.
        input_size: side of the square that photos are resized to, in pixels; that of the backbone by default.
        start: an artifact of a fine-tune, whose network embeds instead of `backbone`.

    Returns:
        float32 (photos, embedding width), a row a photo in the order of `photos`.

    Raises:
        InputError: a photo can't be read, there is none, or an argument is wrong.
    """
    network = extractor(backbone, weights, input_size, start, preprocessing)
    several = isinstance(photos, np.ndarray) and photos.ndim == 4
    every = expanded(list(photos) if several else photos)
    pairs = [(name, item) for name, item in every if not (isinstance(item, str) and item == "hidden")]
    if not pairs:
        raise InputError(f"expected photos, or a folder with some; {_called(photos)} holds none")
    found, reasons = _read(pairs, network)
    if not reasons:
        vectors, reasons = features.embed(list(found.values()), network)
    if reasons:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"{name} can't be read: {reason}; leave it out")
    return np.stack([vectors[found[name].digest] for name, _ in pairs])


def similar(
    photo: Any,
    folder: str | Path,
    count: int = 5,
    backbone: Any = DEFAULT,
    *,
    weights: str | Path | None = "imagenet",
    preprocessing: str | None = None,
    input_size: int | None = None,
    start: str | Path | None = None,
) -> list[Neighbour]:
    """The photos of a folder that are nearest to one photo, by the cosine of their embeddings and its own.

    Files with the very content of `photo` are left out. A warning tells of files that can't be read.

    Args:
        photo: a file, an encoded image, a PIL image, or a uint8 array (height, width, 3) or (height, width).
        folder: of photos, at any depth; they need no labels.
        count: number of photos.
        backbone: as `embed` takes it.
        weights: as `embed` takes them.
        preprocessing: as `embed` takes it.
        input_size: as `embed` takes it.
        start: as `embed` takes it.

    Returns:
        path and similarity, from -1 to 1, of each, the nearest first; fewer than `count` of a small folder.

    Raises:
        InputError: the photo can't be read, the folder has no photos, or an argument is wrong.
    """
    if isinstance(photo, list | tuple) or (isinstance(photo, str | Path) and Path(photo).is_dir()):
        raise InputError(f"expected one photo, received {_called(photo)}; call similar for each of several")
    (result,), notes = search(photo, folder, count, extractor(backbone, weights, input_size, start, preprocessing))
    if result.error is not None:
        raise InputError(f"{result.name}: {result.error}")
    for group in alike(notes):
        warnings.warn(f"left out {group.name}: {group.first.reason}", Notice, stacklevel=2)
    return list(result.neighbours)


def search(
    photos: Any, folder: str | Path, count: int, extractor: features.Extractor
) -> tuple[list[Similar], list[Note]]:
    """The nearest photos of a folder to each of some photos, and notes on the files of the folder that can't be read.

    Args:
        photos: as `embed` takes them. One that can't be read has an error.
        folder: of photos, at any depth.
        count: number of photos for each.
        extractor: computes the embeddings.

    Raises:
        InputError: a single photo does not exist, or the folder has no photo that can be read.
    """
    count = integer("count", count, least=1)
    folder = Path(folder)
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {state}; expected a folder of photos to search, after the photo to compare with")
    pairs = list(expanded(photos))
    queries, errors = _read(pairs, extractor)
    if not queries:
        return [Similar(name, error=errors[name]) for name, _ in pairs], []
    gallery, left_out = _read(expanded(folder), extractor)
    vectors, failures = features.embed([*gallery.values(), *queries.values()], extractor)
    errors |= failures
    left_out |= {name: reason for name, reason in failures.items() if name in gallery}
    notes = [Note(name, "left out", reason) for name, reason in left_out.items()]
    gallery = {name: each for name, each in gallery.items() if name not in failures}
    if not gallery:
        first = f": {notes[0].name} is left out, {notes[0].reason}" if notes else ""
        raise InputError(f"{folder}: expected photos at any depth, found none that can be read{first}")
    names, digests = list(gallery), np.array([each.digest for each in gallery.values()])
    unit = unit_length(np.stack([vectors[digest] for digest in digests]))
    results = []
    for name, _ in pairs:
        if name in errors:
            results.append(Similar(name, error=errors[name]))
            continue
        query = queries[name]
        cosines = np.clip(unit @ unit_length(vectors[query.digest]), -1, 1)
        same = digests == query.digest
        order = [at for at in np.argsort(-cosines, kind="stable") if not same[at]][:count]
        copies = [names[at] for at in np.flatnonzero(same) if not _is(query.path, names[at])]
        neighbours = tuple(Neighbour(names[at], float(cosines[at])) for at in order)
        results.append(Similar(name, neighbours, tuple(copies)))
    return results, notes


def extractor(
    backbone: Any,
    weights: str | Path | None,
    input_size: int | None,
    start: str | Path | None,
    preprocessing: str | None = None,
) -> features.Extractor:
    """What embeds, for these arguments of `embed`.

    Raises:
        InputError: one of them is wrong.
    """
    parent = None if start is None else artifact.load(start, "predict")
    return extractor_of(backbone, weights, input_size, parent, 0, preprocessing=preprocessing)


def row(result: Similar) -> dict[str, Any]:
    """A result as JSON holds it."""
    if result.error is not None:
        return {"photo": result.name, "error": result.error}
    similar = [each._asdict() for each in result.neighbours]
    return {"photo": result.name, "similar": similar, "copies": list(result.copies)}


def write(results: Iterable[Similar], path: str | Path) -> None:
    """Write CSV with a row a photo found: photo, rank from 1 on, name, similarity, error. A copy has rank 0."""
    with (
        atomic_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["photo", "rank", "name", "similarity", "error"])
        for result in results:
            if result.error is not None:
                writer.writerow([result.name, "", "", "", result.error])
            writer.writerows([result.name, 0, name, 1.0, ""] for name in result.copies)
            writer.writerows([result.name, rank, *each, ""] for rank, each in enumerate(result.neighbours, 1))


def draw(results: Iterable[Similar], path: str | Path) -> None:
    """Write a picture: a row for each photo in a file that could be read, at its left, and beside it those found.

    Raises:
        InputError: there is nothing to see, or the picture can't be written.
    """
    from zoo.pictures.sheets import sheet

    rows = [result for result in results if result.error is None]
    if not rows:
        raise InputError(f"{path}: nothing can be seen, as no photo could be read; leave out the picture")
    columns = 1 + max(len(result.neighbours) for result in rows)
    tiles, titles = [], []
    for result in rows:
        shown = [(result.name, Path(result.name).name)]
        shown += [(name, f"{cosine:.3f} {Path(name).name}") for name, cosine in result.neighbours]
        tiles += [decoding.decode(name, (TILE, TILE)) for name, _ in shown]
        tiles += [np.full((TILE, TILE, 3), 255, np.uint8)] * (columns - len(shown))
        titles += [title for _, title in shown] + [""] * (columns - len(shown))
    sheet(np.stack(tiles), path, columns=columns, scale=1, titles=titles)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., width) of length one, float32; those of zeros stay zeros."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return (vectors / np.maximum(length, 1e-30)).astype(np.float32)


def _read(pairs: Iterable[tuple[str, Any]], extractor: features.Extractor) -> tuple[dict[str, Example], dict[str, str]]:
    """Photos by name, each with its digest, and why others are none, by name; `pairs` are those of `expanded`."""
    found: dict[str, Example] = {}
    reasons: dict[str, str] = {}
    for name, item in pairs:
        if isinstance(item, str):
            reasons[name] = item
            continue
        if not isinstance(item, decoding.Source):
            raise InputError(f"expected photos as files, bytes, PIL images or uint8 arrays, received {_called(item)}")
        found[name] = Example(item, name, ())
        if isinstance(item, bytes):
            found[name] = found[name]._replace(digest=sha256(item).hexdigest())
        elif not isinstance(item, Path):
            try:  # what the network sees of it; no file has these bytes
                size = (extractor.input_size, extractor.input_size)
                pixels = decoding.decode(item, size, extractor.crop, extractor.bits)
                found[name] = found[name]._replace(digest=sha256(b"pixels" + pixels.tobytes()).hexdigest())
            except decoding.DecodeError as error:
                del found[name]
                reasons[name] = str(error)
    notes: list[Note] = []
    files = readable((each for each in found.values() if not each.digest), notes)
    found |= {each.name: each for each in files}
    reasons |= {note.name: note.reason for note in notes if note.action == "left out"}
    return {name: each for name, each in found.items() if each.digest}, reasons


def _is(source: Any, path: str) -> bool:
    return isinstance(source, Path) and source.resolve() == Path(path).resolve()


def _called(photos: Any) -> str:
    return str(photos) if isinstance(photos, str | Path) else type(photos).__name__
