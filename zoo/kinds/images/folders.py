"""Labelled images of folders and manifests. Each file is read, or has a note with the reason why it is not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.kinds.array_targets import Columns
from zoo.kinds.class_folders import Example, listed_files
from zoo.kinds.images import decoding, exportable
from zoo.kinds.images.manifest_columns import Naming
from zoo.kinds.images.manifest_examples import SUFFIXES, examples_of
from zoo.kinds.images.manifest_numbers import Numbers
from zoo.tasks.task import Task
from zoo.tasks.terms import Written

RARE = 0.01  # share of the files up to which a format is noted as odd
UNREAD = "read here and by zoo serve, not by the exported model alone; make it PNG where that matters"
WITHOUT_LABELS = "; or, for autoencoders and GANs, read it without labels (labels=False, --no-labels)"


def labelled(
    path: str | Path,
    *,
    multi_label: bool = False,
    labels: bool = True,
    known: Collection[str] = (),
    naming: Naming | None = None,
    task: type[Task] | None = None,
    fitted: Task | None = None,
    spellings: Sequence[str] = (),
) -> tuple[list[Example], list[Note], Numbers | None]:
    """Images with their labels, before any split; forms and errors as `images`.

    Args:
        path: as `images` takes it.
        multi_label: a row of a manifest without a label is an example without labels, and not left out. It is implied
            if a row has several labels.
        labels: False for images without, as in `images`.
        known: classes of a model, which folders may be named after.
        naming: what the user says of a manifest.
        task: that a user names; None for the one that fits.
        fitted: the task of a model; None without a model.
        spellings: how numbers of this model are written, as in `Images`.

    Returns:
        files with the header of an image, by name; notes on the others; and the numbers of a manifest, None where it
        has classes.
    """
    if multi_label and not labels:
        raise InputError("expected multi_label or labels=False, received both; images without labels have not several")
    path = Path(path)
    notes: list[Note] = []
    numbers = None
    if path.is_dir():
        wanted = task if fitted is None else fitted
        if wanted is not None and not wanted.categorical:
            raise InputError(
                f"{path} is a folder, whose images have classes; the numbers of {wanted.name} are in a manifest (.csv, "
                ".jsonl)"
            )
        if naming:
            raise InputError(f"{path} is a folder; columns, images and suffix are those of a manifest (.csv, .jsonl)")
        listed = list(listed_files(path, notes, labels, known))
    elif path.suffix.lower() in SUFFIXES and path.is_file():
        how = {"labels": labels, "multi_label": multi_label, "naming": naming, "known": known}
        listed, numbers = examples_of(path, notes, task=task, fitted=fitted, spellings=spellings, **how)
    elif path.exists():
        raise InputError(f"{path} is a file: expected a folder of images, or a manifest (.csv, .jsonl)")
    else:
        raise InputError(f"{path} does not exist: expected a folder of images, or a manifest (.csv, .jsonl)")
    examples = readable(listed, notes)
    return examples, notes + (emptied(listed, examples) if labels else []), numbers


def emptied(before: Iterable[Example], after: Iterable[Example]) -> list[Note]:
    """Notes on the classes with images in `before` and none in `after`."""
    first, left = ({label for example in examples for label in example.labels} for examples in (before, after))
    return [Note(label, "left out", "no readable image in this class") for label in sorted(first - left)]


def decodable(examples: Sequence[Example]) -> dict[str, str]:
    """Decode every example; the names of those that fail, with the reason."""

    def reason(example: Example) -> str | None:
        try:
            decoding.decode(example.path, (8, 8))
        except decoding.DecodeError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = zip(examples, pool.map(reason, examples), strict=True)
        return {example.name: why for example, why in reasons if why is not None}


def readable(examples: Iterable[Example], notes: list[Note]) -> list[Example]:
    """The examples with the header of an image, each with the digest of its content."""

    def look(example: Example) -> tuple[Example | None, list[Note], str]:
        try:
            content = read_bytes(example.path)
            image, unread = decoding.probe(content), exportable.refusal(content)
        except decoding.DecodeError as error:
            return None, [Note(example.name, "left out", str(error))], ""
        except (OSError, ValueError) as error:  # ValueError: a null byte in a manifest's path
            return None, [Note(example.name, "left out", f"can't be read: {getattr(error, 'strerror', error)}")], ""
        named = decoding.EXTENSIONS.get(example.path.suffix.lower())
        odd = []
        if named != image.format:
            odd.append(
                Note(example.name, "kept", f"named {example.path.suffix or 'without suffix'}, is {image.format}")
            )
        if unread is not None:
            odd.append(Note(example.name, "kept", f"{unread}: {UNREAD}"))
        return example._replace(digest=sha256(content).hexdigest()), odd, image.format

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(look, examples))
    notes += [note for _, odd, _ in looked for note in odd]
    images = [(example, kind) for example, _, kind in looked if example is not None]
    counts = Counter(kind for _, kind in images)
    for example, kind in images:
        # A "photo not found" picture or a logo among photographs gives itself away by its format.
        if counts[kind] <= len(images) * RARE:
            common, count = counts.most_common(1)[0]
            reason = f"{kind}, where {count} of {len(images)} files are {common}: look whether it belongs here"
            notes.append(Note(example.name, "kept", reason))
    return [example for example, _ in images]


class LabelSets(NamedTuple):
    """Labels of images, any number each, which tasks encode as arrays; see `zoo.tasks.terms.Written`."""

    labels: Sequence[tuple[str, ...]]
    names: Sequence[str]
    where: str
    columns: tuple[str, ...]

    def strings(self) -> np.ndarray:
        """Object (images, 1) of str, where each has one label."""
        if any(len(each) != 1 for each in self.labels):
            raise InputError(f"{self.where}: the model gives one label an image; expected one in every row")
        return np.array([each[0] for each in self.labels], object)[:, None]

    def numbers(self) -> np.ndarray:
        """Float64 (images, labels) of 0 and 1."""
        unknown = sorted({label for each in self.labels for label in each} - set(self.columns))
        if unknown:
            known = ", ".join(self.columns)
            raise InputError(f"{self.where}: the model does not know the label {unknown[0]!r}; expected one of {known}")
        hot = [[name in each for name in self.columns] for each in self.labels]
        return np.array(hot, np.float64).reshape(-1, len(self.columns))


def written(examples: Sequence[Example], where: str, task: Task) -> Written:
    """The targets of images as a manifest or folders have them.

    Args:
        examples: with labels, or with numbers.
        where: the manifest or folder.
        task: of the targets.
    """
    names = [example.name for example in examples]
    if task.categorical:
        return LabelSets([example.labels for example in examples], names, where, task.names)
    values = np.array([example.numbers for example in examples], np.float64).reshape(-1, len(task.names))
    return Columns(values, task.names, names, where)
