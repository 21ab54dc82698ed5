"""Image folders and manifests: every file is read, or listed with the reason why not."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data import splits
from zoo.data.dataset import Data, Part, near_equal
from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError
from zoo.files import read_bytes
from zoo.kinds.class_folders import LOOSE, UNLABELLED, Example, check_names, listed_files
from zoo.kinds.images import decoding, exportable, manifests
from zoo.tasks.classification import Classification
from zoo.tasks.multi_label import MultiLabel

RARE = 0.01  # share of the files up to which a format is told as odd
UNREAD = "read here and by zoo serve, not by the exported model alone; make it PNG where that matters"
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
        notes += _emptied(listed, examples)
    task = _check(path, examples, multi_label, labels, notes)
    return _data(path, examples, task, notes, validation, seed)


def labelled(path: str | Path, *, multi_label: bool = False, labels: bool = True) -> tuple[list[Example], list[Note]]:
    """Images with their labels, before any split; forms and errors as `images`.

    Args:
        path: as `images` takes it.
        multi_label: a row of a manifest without a label is an example that has none of them, rather than left out;
            taken for granted where a row has several.
        labels: False for images without, as in `images`.

    Returns:
        those whose header is that of an image, by name; and notes on the others.
    """
    if multi_label and not labels:
        raise InputError("expected multi_label or labels=False, received both; images without labels have not several")
    path = Path(path)
    notes: list[Note] = []
    if path.is_dir():
        listed = list(listed_files(path, notes, labels))
    elif path.suffix.lower() in (".csv", ".jsonl", ".ndjson") and path.is_file():
        listed = list(_manifest(path, notes, labels))
        if not multi_label and all(len(example.labels) < 2 for example in listed):
            notes += [Note(example.name, "left out", "no label in its row") for example in listed if not example.labels]
            listed = [example for example in listed if example.labels]
    elif path.exists():
        raise InputError(f"{path} is a file: expected a folder of images, or a manifest (.csv, .jsonl)")
    else:
        raise InputError(f"{path} does not exist: expected a folder of images, or a manifest (.csv, .jsonl)")
    examples = _readable(listed, notes)
    return examples, notes + (_emptied(listed, examples) if labels else [])


def _emptied(before: Iterable[Example], after: Iterable[Example]) -> list[Note]:
    """Notes on the classes that had images before, and none after."""
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
        found = zip(examples, pool.map(reason, examples), strict=True)
        return {example.name: why for example, why in found if why is not None}


def _manifest(path: Path, notes: list[Note], labels: bool) -> Iterator[Example]:
    seen: dict[str, tuple[int, dict]] = {}
    for number, row in manifests.rows(path):
        where = f"{path}, row {number}"
        if not (row.get("path") or "").strip() or (labels and row.get("label") is None):
            columns = "columns path and label" if labels else "column path"
            raise InputError(f"{where}: expected the {columns}, received {row}")
        if not labels:
            row |= {"label": UNLABELLED}  # an image under two labels is not two different things then
        label = row["label"]
        listed = label if isinstance(label, list) else str(label).split(";")
        listed = tuple(dict.fromkeys(text for text in (str(each).strip() for each in listed) if text))
        split = str(row.get("split") or "").strip().lower() or None
        if split is not None and split not in SPLITS:
            raise InputError(f"{where}: expected split to be train, val or test, received {split!r}")
        name = str(row["path"]).strip()
        if name in seen:
            before, other = seen[name]
            if other != row:
                raise InputError(f"{path}: rows {before} and {number} say different things of {name}; keep one of them")
            notes.append(Note(name, "kept", f"listed twice; row {number} is passed over"))
            continue
        seen[name] = (number, row)
        group = str(row["group"]).strip() if row.get("group") not in (None, "") else None
        yield Example(path.parent / name, name, listed, SPLITS[split] if split else None, group)


def _readable(examples: Iterable[Example], notes: list[Note]) -> list[Example]:
    """Those whose header is that of an image, with the digest of their content."""

    def look(example: Example) -> tuple[Example | None, list[Note], str]:
        try:
            content = read_bytes(example.path)
            found, unread = decoding.probe(content), exportable.refusal(content)
        except decoding.DecodeError as error:
            return None, [Note(example.name, "left out", str(error))], ""
        except (OSError, ValueError) as error:  # ValueError: a null byte in a manifest's path
            return None, [Note(example.name, "left out", f"can't be read: {getattr(error, 'strerror', error)}")], ""
        named = decoding.EXTENSIONS.get(example.path.suffix.lower())
        odd = []
        if named != found.format:
            odd.append(
                Note(example.name, "kept", f"named {example.path.suffix or 'without suffix'}, is {found.format}")
            )
        if unread is not None:
            odd.append(Note(example.name, "kept", f"{unread}: {UNREAD}"))
        return example._replace(digest=sha256(content).hexdigest()), odd, found.format

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(look, examples))
    notes += [note for _, odd, _ in looked for note in odd]
    found = [(example, kind) for example, _, kind in looked if example is not None]
    counts = Counter(kind for _, kind in found)
    for example, kind in found:
        # A "photo not found" picture or a logo among photographs gives itself away by its format.
        if counts[kind] <= len(found) * RARE:
            usual, count = counts.most_common(1)[0]
            reason = f"{kind}, where {count} of {len(found)} files are {usual}: look whether it belongs here"
            notes.append(Note(example.name, "kept", reason))
    return [example for example, _ in found]


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
    return Data(train, held_out, test, task, None, fingerprint, path, intake)


class LabelSets(NamedTuple):
    """Labels of images, any number each, which `zoo.tasks` make arrays of; see `zoo.tasks.terms.Written`."""

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
