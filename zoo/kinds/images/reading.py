"""Reading of images: folders, manifests and IDX files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo.data import assembling
from zoo.data.dataset import Data
from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.kinds.class_folders import LOOSE, Example, check_names
from zoo.kinds.images import decoding
from zoo.kinds.images.assembling import data_of, reasons, without_contradictions
from zoo.kinds.images.folders import decodable, emptied, labelled, written
from zoo.kinds.images.idx import SHAPES, parts, read_part
from zoo.kinds.images.kind import Images
from zoo.kinds.images.manifest_columns import Naming
from zoo.kinds.images.masks import Masks, classes, holds
from zoo.kinds.images.masks import labelled as pairs
from zoo.tasks.classification import Classification
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.registry import task_class
from zoo.tasks.segmentation import Segmentation
from zoo.tasks.task import Task

SOME = 32  # images whose samples are looked at
DARK = 12  # bits that 16-bit samples have where they come from cameras and scanners
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
    task: str | None = None,
    path_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    images: str | Path | None = None,
    suffix: str | None = None,
    bits: int = 16,
) -> Data:
    """Read images, labelled or not.

    Three forms are recognised: a folder with one sub-folder a class; a folder with ``train/`` and ``val/`` and/or
    ``test/`` of such; a CSV (with a header) or JSON Lines manifest with ``path``, ``label`` and, if wanted, ``split``
    and ``group``, paths being relative to it. Several labels in a manifest are separated by ``;`` (a list in JSON)
    and make the task multi-label. Numbers in the place of labels, one column or several, are read as those of tables
    are, see `zoo.data.tables`, and make it regression. Nothing in the folder is changed.

    Parts may have other names (``training_set``, ``02_test``), and so may the columns of a manifest: that of the paths
    is the one whose values are files that are there, as they are, with a suffix, in a folder beside the manifest, or
    without folders of another machine; columns of 0 and 1 are classes, or several labels; ``is_valid`` says the part.
    How each was read is in the notes.

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
        task: name of a task, as "regression" for numbers; by default the one that labels look like.
        path_column: of a manifest, the column of the paths.
        label_column: of a manifest, the column of the labels or numbers, or several of numbers or of 0 and 1.
        images: folder of the files that a manifest lists.
        suffix: of these files, as ``.jpg``, where the manifest leaves it out.
        bits: that the samples of 16-bit grey images have, 8 to 16; cameras and scanners often fill 10 or 12 of them.

    Raises:
        InputError: no such path, nothing readable, fewer than two classes, the same number in all rows, too few images
            to hold any out, no such task, or `multi_label` without `labels`.
    """
    if not 0 < validation < 1:
        raise InputError(f"expected a validation share between 0 and 1, received {validation}")
    path = Path(path)
    if labels and holds(path):
        raise InputError(
            f"{path} has images/ beside masks/, which are no classes of images: zoo train unet {path} learns the class "
            "of every pixel; without labels (labels=False, --no-labels) all of them are images"
        )
    naming = Naming(path_column, label_column, images, suffix)
    wanted = None if task is None else task_class(task, from_columns=True)
    multi_label = multi_label or (wanted is not None and wanted.several)
    how = {"multi_label": multi_label, "labels": labels, "naming": naming, "task": wanted}
    examples, notes, numbers = labelled(path, **how)
    listed = examples

    def check() -> Task:
        _check(path, examples, labels, notes)
        return _classes(path, examples, multi_label, labels, notes) if numbers is None else numbers.task

    check()  # before the long part
    failures = (verify or decodable)(examples)
    notes += [Note(name, "left out", reason) for name, reason in failures.items()]
    examples = [example for example in examples if example.name not in failures]
    examples = without_contradictions(examples, notes, "label" if numbers is None else "number")
    if labels:
        notes += emptied(listed, examples)
    made = check()
    _note_bits(examples, bits, notes)
    kind = Images(spellings=numbers.spellings if numbers is not None and any(numbers.spellings) else (), bits=bits)
    return data_of(path, examples, made.encode(written(examples, str(path), made)), made, notes, kind, validation, seed)


def _note_bits(examples: Sequence[Example], bits: int, notes: list[Note]) -> None:
    """Note that 16-bit images do not fill their bits, or more than those that are said."""
    some = [(each.name, count) for each in examples[:SOME] if (count := decoding.bits_of(each.path)) is not None]
    if not some:
        return
    name, most = max(some, key=lambda pair: pair[1])
    if most <= DARK and most < bits:
        brightest = f"the brightest samples have {most} of {bits} bits, as {name}"
        notes.append(Note("16-bit images", "kept", f"nearly black: {brightest}; --bits {max(most, 8)} scales them"))
    elif most > bits:
        notes.append(Note("16-bit images", "kept", f"samples of more than {bits} bits are white, as in {name}"))


def _check(path: Path, examples: list[Example], labels: bool, notes: list[Note]) -> None:
    """Raise an InputError where images can't be learnt from."""
    learnt = [example for example in examples if example.split in (None, "train")]
    if not labels and len(examples) < 2:
        raise InputError(f"{path}: expected two images or more, found {len(examples) or 'none'}{reasons(notes)}")
    if examples and not learnt:
        raise InputError(f"{path}: expected images to train on, found only held-out ones{reasons(notes)}")
    if not examples:
        loose = any(note.reason == LOOSE and Path(note.name).suffix.lower() in decoding.EXTENSIONS for note in notes)
        hint = WITHOUT_LABELS if loose else ""
        raise InputError(f"{path}: expected images in one folder a class, found none{reasons(notes)}{hint}")
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


def _classes(path: Path, examples: list[Example], multi_label: bool, labels: bool, notes: list[Note]) -> Classification:
    """The task of images with classes; an InputError where these can't be learnt."""
    several = multi_label or any(len(example.labels) != 1 for example in examples)
    classes = tuple(sorted({label for example in examples for label in example.labels}))
    if len(classes) < 2 and labels and not several:
        raise InputError(
            f"{path}: expected at least two classes, found only {classes[0] if classes else 'none'}; "
            f"put the images of each class in a folder of its own{reasons(notes)}{WITHOUT_LABELS}"
        )
    check_names(path, classes)
    return (MultiLabel if several else Classification)(classes)


def masks(path: str | Path, *, validation: float = 0.2, seed: int = 0) -> Data:
    """Read images with the class of each of their pixels.

    A folder has ``images/`` beside ``masks/``, or has ``train/`` and ``val/`` and/or ``test/`` of such. A mask has the
    name of its image but for the suffix, and is a PNG of the same size, whose grey value or palette index is the class.
    The names of the classes are the lines of ``classes.txt`` or ``labels.txt`` in the folder, in the order of the
    values; else they are the values. Nothing in the folder is changed.

    Args:
        path: the folder.
        validation: share held out, in (0, 1), where no split is given: stratified by the classes that an image has,
            exact duplicates on one side.
        seed: of that split.

    Returns:
        `Data` whose targets are masks in files, read when they are needed; see `zoo.tasks.segmentation.Segmentation`.
        Images are not cropped for networks.

    Raises:
        InputError: no such folder, nothing readable, a single class, a class that no training mask has, or too few
            images to hold any out.
    """
    assembling.check_share(validation)
    root = Path(path)
    examples, by_name, notes = pairs(root)
    failures = decodable(examples)
    notes += [Note(name, "left out", reason) for name, reason in failures.items()]
    examples = [example for example in examples if example.name not in failures]
    examples = without_contradictions(examples, notes, "mask")
    if not examples:
        raise InputError(f"{root}: expected images with masks of the same names, found none{reasons(notes)}")
    if not any(example.split in (None, "train") for example in examples):
        raise InputError(f"{root}: expected images to train on, found only held-out ones{reasons(notes)}")
    every = [by_name[example.name] for example in examples]
    task = Segmentation(*classes(root, every))
    check_names(root, task.names)
    targets = task.encode(Masks(every, [example.name for example in examples], str(root)))
    data = data_of(root, examples, targets, task, notes, Images(crop=None), validation, seed)
    data.check_classes()
    return data


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
    files = parts(folder)
    if "train" not in files:
        raise InputError(f"{folder}: expected {SHAPES}; there is no training part")
    images, labels, names, sides = [], [], [], []
    for part, side in (("train", "train"), ("test", "test")):
        if part in files:
            pixels, positions = read_part(*files[part])
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
        sides=np.array(sides, dtype=object) if "test" in files else None,
        notes=[],
        kind=Images.of_pixels(pixels),
        validation=validation,
        seed=seed,
    )
