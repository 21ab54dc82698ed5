"""`Data` from images and their labels: contradictions are left out, and the rest is split."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np

from zoo.data import splits
from zoo.data.dataset import Data, near_equal
from zoo.data.notes import Note
from zoo.data.parts import Files, Part
from zoo.errors import InputError
from zoo.kinds.class_folders import Example
from zoo.kinds.images.kind import Images
from zoo.tasks.task import Task


def without_contradictions(examples: list[Example], notes: list[Note], target: str = "label") -> list[Example]:
    """Leave out contradictions: one content under two labels or numbers, or on both sides of a split.

    Args:
        examples: with their labels.
        notes: gets one on each example that is left out or has a copy.
        target: the word for a label in notes.
    """
    kept = []
    ordered = sorted(examples, key=lambda example: example.digest)
    for _, same in groupby(ordered, key=lambda example: example.digest):
        twins = list(same)
        labels = {(frozenset(example.labels), example.numbers) for example in twins}
        held_out = [example for example in twins if example.split in ("validation", "test")]
        for example in twins:
            others = ", ".join(twin.name for twin in twins if twin is not example)
            if len(labels) > 1:
                notes.append(Note(example.name, "left out", f"same content as {others}, under another {target}"))
            elif held_out and example.split == "train":
                notes.append(Note(example.name, "left out", f"same content as {others}, which is held out"))
            elif any(twin.split == "test" for twin in twins) and example.split == "validation":
                notes.append(Note(example.name, "left out", f"same content as {others}, which is in the test part"))
            else:
                kept.append(example)
                if len(twins) > 1:
                    notes.append(Note(example.name, "kept", f"same content as {others}; kept on the same side"))
    return sorted(kept, key=lambda example: example.name)


def reasons(notes: list[Note]) -> str:
    """The reasons why files were left out, the most frequent first, as the end of a message."""
    counts = Counter(note.reason for note in notes if note.action == "left out").most_common(3)
    return "; left out: " + ", ".join(f"{why} ({count})" for why, count in counts) if counts else ""


def data_of(
    path: Path,
    examples: list[Example],
    targets: np.ndarray,
    task: Task,
    notes: list[Note],
    kind: Images,
    validation: float,
    seed: int,
) -> Data:
    """`Data` of images, split where they have no sides yet.

    Args:
        path: of the folder or manifest.
        examples: readable ones, in order.
        targets: of each, as `task` encodes them.
        task: of them.
        notes: on what was left out.
        kind: of the inputs.
        validation: share held out where no split is given.
        seed: of that split.

    Raises:
        InputError: too few to hold any out.
    """
    sides = [example.split for example in examples]
    units = _units(examples)
    if not any(sides):
        held = splits.stratified(task.strata(targets), units, validation, seed)
        sides = ["validation" if out else "train" for out in held]
    linked = np.unique(units, return_inverse=True)[1]

    def part(split: str) -> Part | None:
        chosen = [index for index, side in enumerate(sides) if side == split]
        if not chosen:
            return None
        picked = [examples[index] for index in chosen]
        names = tuple(example.name for example in picked)
        paths, digests = Files(example.path for example in picked), tuple(example.digest for example in picked)
        return Part(paths, targets[chosen], names, digests, linked[chosen])

    train, held_out = part("train"), part("validation")
    test = part("test")
    if train is None or (held_out is None and test is None):
        wanted = "two or more in each class" if len(task.counts(targets)) > 1 else "two or more that differ"
        raise InputError(
            f"{path}: {len(examples)} readable images are too few to hold any out; expected {wanted}{reasons(notes)}"
        )
    for name, count in task.counts(train.targets).items():
        if count == 1 and not task.several and len(task.names) > 1:  # one class: images without labels
            raise InputError(f"{path}: class {name!r} has {count} training image(s); expected at least two")
    rows = [(e.name, e.digest, (*e.labels, *e.numbers), side) for e, side in zip(examples, sides, strict=True)]
    fingerprint = sha256(json.dumps([task.names, rows]).encode()).hexdigest()
    intake = (*near_equal(task.counts(targets)), *sorted(notes))
    return Data(train, held_out, test, task, None, fingerprint, path, intake, kind)


def _units(examples: Sequence[Example]) -> list[str]:
    """Examples that must stay on one side: those of a group, and of groups and files that share a content with it."""
    parent: dict[str, str] = {}

    def top(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for example in examples:
        content, group = f"content {example.digest}", f"group {example.group}"
        if example.group is not None:
            parent[top(content)] = top(group)
    return [top(f"content {example.digest}") for example in examples]
