"""Where an autoencoder puts the examples of a path, and of which class each is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.artifacts.predictor import READERS
from zoo.artifacts.reconstructor import Reconstructor
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.tasks.classification import Classification

MOST = 5000  # examples; more than that cover each other in a picture


class Latents(NamedTuple):
    """Codes and classes.

    Attributes:
        codes: float32 (examples, width).
        targets: int64 (examples,), positions in `classes`; None where there are none.
        classes: names; empty where the examples have none.
        found: how many examples there are, chosen or not.
        notes: what was left out.
    """

    codes: np.ndarray
    targets: np.ndarray | None
    classes: tuple[str, ...]
    found: int
    notes: list[Note]


class _Examples(NamedTuple):
    """What to encode: sources of images, or raw inputs."""

    names: list[str]
    inputs: Any
    labels: list[str] | None
    notes: list[Note]


def of_path(reconstructor: Reconstructor, path: str | Path, *, most: int = MOST, seed: int = 0) -> Latents:
    """The codes of the examples in `path`.

    Args:
        reconstructor: encodes them.
        path: labelled data of the kind that it was trained on, as `zoo.data.open` takes it, or unlabelled.
        most: examples at most, chosen at random.
        seed: of that choice.

    Raises:
        InputError: nothing of the kind is there, or nothing can be read.
    """
    read = {"images": _images, "table": _rows, "sequence": _rows}[reconstructor.kind]
    names, inputs, labels, notes = read(reconstructor, Path(path))
    count = len(names)
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:most])
    if reconstructor.kind == "images":
        codes = reconstructor.encode([inputs[at] for at in chosen])
        readable = ~np.isnan(codes.reshape(len(codes), -1)).any(axis=1)
        notes += [Note(names[at], "left out", "can't be decoded") for at in chosen[~readable]]
        codes, chosen = codes[readable], chosen[readable]
    else:
        some = {key: each[chosen] for key, each in inputs.items()} if isinstance(inputs, dict) else inputs[chosen]
        codes = reconstructor.model.encode(some)
    codes = codes.reshape(len(codes), -1)
    if labels is None:
        return Latents(codes, None, (), count, notes)
    classes = tuple(sorted(set(labels)))
    targets = np.array([classes.index(labels[at]) for at in chosen], np.int64)
    return Latents(codes, targets, classes, count, notes)


def _images(reconstructor: Reconstructor, path: Path) -> _Examples:
    from zoo.kinds.class_folders import UNLABELLED
    from zoo.kinds.images.folders import labelled
    from zoo.kinds.images.idx import holds, idx

    if holds(path):
        data = idx(path)
        parts = list(data.parts.values())
        pixels = [image for part in parts for image in part.inputs]
        labels = [data.classes[target] for part in parts for target in part.targets]
        return _Examples([name for part in parts for name in part.names], pixels, labels, [])
    if path.is_file() and path.suffix.lower() not in (".csv", ".jsonl", ".ndjson"):
        raise InputError(f"{path}: expected a folder of images, or a manifest (.csv, .jsonl)")
    named = reconstructor.card["classes"] != [UNLABELLED]
    examples, notes = labelled(path, labels=named)
    if named and not examples:
        named = False  # none of them is in the folder of a class
        examples, notes = labelled(path, labels=False)
    if not examples:
        raise InputError(f"{path}: expected images, found none that can be read")
    labels = [";".join(example.labels) for example in examples] if named else None
    return _Examples([each.name for each in examples], [each.path for each in examples], labels, notes)


def _rows(reconstructor: Reconstructor, path: Path) -> _Examples:
    """Of tables and sequences."""
    card = reconstructor.card
    description, classes = card["input"], tuple(card["classes"])
    notes: list[Note] = []
    target = description.get("target")
    numbers = classes == ((target,) if isinstance(target, str) else tuple(target or ()))  # named after the columns
    if classes and not numbers and "window" not in description:
        reader = import_module(READERS[reconstructor.kind])
        try:
            part, notes = reader.read_labelled(path, description, Classification(classes))
        except InputError as error:
            notes = [Note(str(path), "kept", f"without classes; {error}")]
        else:
            labels = [classes[target] for target in part.targets]
            return _Examples(list(part.names), part.inputs, labels, notes)
    names, inputs, errors = reconstructor.read(path)
    notes += [Note(names[at], "left out", reason) for at, reason in errors.items()]
    return _Examples([name for at, name in enumerate(names) if at not in errors], inputs, None, notes)
