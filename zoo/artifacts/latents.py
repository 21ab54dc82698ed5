"""Codes of the examples in a path, with their classes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.artifacts.reconstructor import Reconstructor
from zoo.data.notes import Note
from zoo.data.parts import chosen_inputs
from zoo.errors import InputError

MOST = 5000  # examples; more than that cover each other in a picture


class Latents(NamedTuple):
    """Codes and classes.

    Attributes:
        codes: float32 (examples, width).
        targets: int64 (examples,), positions in `classes`; None without classes.
        classes: names; empty without classes.
        total: number of examples in the path, chosen or not.
        notes: on examples that were left out.
    """

    codes: np.ndarray
    targets: np.ndarray | None
    classes: tuple[str, ...]
    total: int
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
    classes = tuple(reconstructor.card["classes"])
    kind = reconstructor.kind.of_model(reconstructor.model)
    raw, labels, notes = kind.classed(Path(path), classes)
    notes = [*notes, *(Note(raw.names[at], "left out", reason) for at, reason in raw.errors.items())]
    good = np.array([at for at in range(len(raw.names)) if at not in raw.errors], np.int64)
    chosen = np.sort(good[np.random.default_rng(seed).permutation(len(good))[:most]])
    codes, read = [], []
    for some in kind.decoded(chosen_inputs(raw.inputs, chosen), doing="encoding"):
        notes += [Note(raw.names[chosen[at]], "left out", "can't be decoded") for at in some.errors]
        if len(some.positions):
            codes.append(reconstructor.model.encode(some.inputs))
            read.append(chosen[some.positions])
    if not codes:
        raise InputError(f"{path}: nothing can be read; {notes[0].name}: {notes[0].reason}")
    flat = np.concatenate(codes).reshape(sum(map(len, codes)), -1)
    if labels is None:
        return Latents(flat, None, (), len(good), notes)
    names = tuple(sorted(set(labels)))
    targets = np.array([names.index(labels[at]) for at in np.concatenate(read)], np.int64)
    return Latents(flat, targets, names, len(good), notes)
