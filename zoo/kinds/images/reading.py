"""Reading of images: folders, manifests and IDX files."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np

from zoo.data import assembling, splits
from zoo.data.dataset import Data, near_equal
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.errors import InputError
from zoo.kinds.class_folders import LOOSE, Example, check_names
from zoo.kinds.images import decoding
from zoo.kinds.images.folders import LabelSets, decodable, emptied, labelled
from zoo.kinds.images.idx import SHAPES, parts, read_part
from zoo.kinds.images.kind import Images
from zoo.tasks.classification import Classification
from zoo.tasks.multi_label import MultiLabel

WITHOUT_LABELS = "; or, for autoencoders and GANs, read it without labels (labels=False, --no-labels)"
Verify = Callable[[Sequence[Example]], Mapping[str, str]]


def images(
    path: str | Path,
    *,
    validation: float = 0.2,
    seed: int = 0,
    verify: Verify | None = None,
    multi_label: bool = False,
    labels: bool = True,
) -> Data:
    """Read images, labelled or not.

    Three forms are recognised: a folder with one sub-folder a class; a folder with ``train/`` and ``val/`` and/or
    ``test/`` of such; a CSV (with a header) or JSON Lines manifest with ``path``, ``label`` and, if wanted, ``split``
    and ``group``, paths being relative to it. Several labels in a manifest are separated by ``;`` (a list in JSON)
    and make the task multi-label. Nothing in the folder is changed.

    Args:
        path: the folder or the manifest.
        validation: share held out, in (0, 1), where no split is given: stratified by label, exact duplicates and
            groups on one side.
        seed: of that split.
        verify: given every readable example, returns the names that can't be decoded after all, with the reason.
            By default each file is decoded and thrown away; a job that decodes them anyway passes itself.
        multi_label: take a manifest as multi-label even if each row has one label, or none.
        labels: False for models that learn from images alone: every image below the folder or in the manifest is of
            one class, `UNLABELLED`. Only train, val and test folders at the top, and ``split`` and ``group`` in a
            manifest, keep their meaning.

    Raises:
        InputError: no such path, nothing readable, fewer than two classes, too few images to hold any out, or
            `multi_label` without `labels`.
    """
    if not 0 < validation < 1:
        raise InputError(f"expected a validation share between 0 and 1, received {validation}")
    examples, notes = labelled(path, multi_label=multi_label, labels=labels)
    listed = examples
    path = Path(path)
    _check(path, examples, multi_label, labels, notes)  # before the long part
    failures = (verify or decodable)(examples)
    notes += [Note(name, "left out", reason) for name, reason in failures.items()]
    examples = [example for example in examples if example.name not in failures]
    examples = _without_contradictions(examples, notes)
    if labels:
        notes += emptied(listed, examples)
    task = _check(path, examples, multi_label, labels, notes)
    return _data(path, examples, task, notes, validation, seed)


def _without_contradictions(examples: list[Example], notes: list[Note]) -> list[Example]:
    """Leave out what would teach or score wrongly: one content under two labels, or on both sides of a split."""
    kept = []
    ordered = sorted(examples, key=lambda example: example.digest)
    for _, same in groupby(ordered, key=lambda example: example.digest):
        twins = list(same)
        labels = {frozenset(example.labels) for example in twins}
        held_out = [example for example in twins if example.split in ("validation", "test")]
        for example in twins:
            others = ", ".join(twin.name for twin in twins if twin is not example)
            if len(labels) > 1:
                notes.append(Note(example.name, "left out", f"same content as {others}, under another label"))
            elif held_out and example.split == "train":
                notes.append(Note(example.name, "left out", f"same content as {others}, which is held out"))
            elif any(twin.split == "test" for twin in twins) and example.split == "validation":
                notes.append(Note(example.name, "left out", f"same content as {others}, which is in the test part"))
            else:
                kept.append(example)
                if len(twins) > 1:
                    notes.append(Note(example.name, "kept", f"same content as {others}; kept on the same side"))
    return sorted(kept, key=lambda example: example.name)


def _check(path: Path, examples: list[Example], multi_label: bool, labels: bool, notes: list[Note]) -> Classification:
    """Task of what can be learnt from; an InputError where nothing can."""
    several = multi_label or any(len(example.labels) != 1 for example in examples)
    classes = tuple(sorted({label for example in examples for label in example.labels}))
    learnt = [example for example in examples if example.split in (None, "train")]
    if not labels and len(examples) < 2:
        raise InputError(f"{path}: expected two images or more, found {len(examples) or 'none'}{_reasons(notes)}")
    if examples and not learnt:
        raise InputError(f"{path}: expected images to train on, found only held-out ones{_reasons(notes)}")
    if not examples:
        loose = any(note.reason == LOOSE and Path(note.name).suffix.lower() in decoding.EXTENSIONS for note in notes)
        hint = WITHOUT_LABELS if loose else ""
        raise InputError(f"{path}: expected images in one folder a class, found none{_reasons(notes)}{hint}")
    if len(classes) < 2 and labels and not several:
        raise InputError(
            f"{path}: expected at least two classes, found only {classes[0] if classes else 'none'}; "
            f"put the images of each class in a folder of its own{_reasons(notes)}{WITHOUT_LABELS}"
        )
    given = [example for example in examples if example.split]
    if given and len(given) < len(examples):
        missing = next(example for example in examples if not example.split)
        raise InputError(f"{path}: some rows name a split and {missing.name} does not; name it for all or for none")
    groups = defaultdict(set)
    for example in given:
        if example.group:
            groups[example.group].add(example.split)
    torn = next((group for group, sides in groups.items() if len(sides) > 1), None)
    if torn:
        raise InputError(f"{path}: group {torn!r} is in {' and '.join(sorted(groups[torn]))}; put it in one")
    check_names(path, classes)
    return (MultiLabel if several else Classification)(classes)


def _reasons(notes: list[Note]) -> str:
    """Why files were left out, the most frequent first, as the end of a message."""
    counts = Counter(note.reason for note in notes if note.action == "left out").most_common(3)
    return "; left out: " + ", ".join(f"{why} ({count})" for why, count in counts) if counts else ""


def _data(
    path: Path,
    examples: list[Example],
    task: Classification,
    notes: list[Note],
    validation: float,
    seed: int,
) -> Data:
    raw = LabelSets([e.labels for e in examples], [e.name for e in examples], str(path), task.names)
    targets = task.encode(raw)
    sides = [example.split for example in examples]
    units = _units(examples)
    if not any(sides):
        held = splits.stratified(task.hot(targets), units, validation, seed)
        sides = ["validation" if out else "train" for out in held]
    linked = np.unique(units, return_inverse=True)[1]

    def part(split: str) -> Part | None:
        chosen = [index for index, side in enumerate(sides) if side == split]
        if not chosen:
            return None
        picked = [examples[index] for index in chosen]
        names = tuple(example.name for example in picked)
        paths, digests = tuple(example.path for example in picked), tuple(example.digest for example in picked)
        return Part(paths, targets[chosen], names, digests, linked[chosen])

    train, held_out = part("train"), part("validation")
    test = part("test")
    if train is None or (held_out is None and test is None):
        wanted = "two or more in each class" if len(task.names) > 1 else "two or more that differ"
        raise InputError(
            f"{path}: {len(examples)} readable images are too few to hold any out; expected {wanted}{_reasons(notes)}"
        )
    for name, count in task.counts(train.targets).items():
        if count == 1 and not task.several and len(task.names) > 1:  # one class: images without labels
            raise InputError(f"{path}: class {name!r} has {count} training image(s); expected at least two")
    rows = [(e.name, e.digest, e.labels, side) for e, side in zip(examples, sides, strict=True)]
    fingerprint = sha256(json.dumps([task.names, rows]).encode()).hexdigest()
    intake = (*near_equal(task.names), *sorted(notes))
    return Data(train, held_out, test, task, None, fingerprint, path, intake, Images())


def _units(examples: Sequence[Example]) -> list[str]:
    """What must stay on one side: a group, and the groups and files that share a content with it."""
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
    found = parts(folder)
    if "train" not in found:
        raise InputError(f"{folder}: expected {SHAPES}; there is no training part")
    images, labels, names, sides = [], [], [], []
    for part, side in (("train", "train"), ("test", "test")):
        if part in found:
            pixels, positions = read_part(*found[part])
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
        kind=Images.of_pixels(pixels),
        validation=validation,
        seed=seed,
    )
