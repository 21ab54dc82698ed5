"""Which folders are the parts of a data set, which hold classes, and which hold files without labels."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.data.file_tree import walk
from zoo.data.notes import Note
from zoo.data.splits import SPLITS
from zoo.errors import InputError

WORDS = SPLITS | {"eval": "test", "evaluation": "test", "holdout": "test"}  # in longer names: training_set, 02_test
ENDINGS = ("set", "data", "images", "imgs", "split")  # that are written without a gap: trainset, testdata
WITHOUT_LABELS = {
    "pred",
    "predict",
    "prediction",
    "predictions",
    "unlabelled",
    "unlabeled",
    "unlabel",
    "unsup",
    "unknown",
}
WRAPPERS = {"images", "image", "imgs", "photos", "pictures", "files", "data", "all", "texts", *WITHOUT_LABELS}
FOLDS = {"fold", "folds", "split", "part", "subset", "batch", "cv"}  # with a number each: fold1, fold2
LISTED = 4  # names in a note
DEEPEST = 6  # folders around the classes


@dataclass(frozen=True)
class Top:
    """A folder of class folders.

    Attributes:
        path: of the folder.
        split: the part of the data that it is, if the folders say so.
        group: what its files stay on one side with, as those of one fold do.
        split_inside: whether each class has sub-folders that are the parts, as in ``cat/train/``.
    """

    path: Path
    split: str | None = None
    group: str | None = None
    split_inside: bool = False


def side_of(name: str) -> str | None:
    """The part that the words of a folder's name say, as ``training_set`` or ``02_test``; None without just one."""
    sides = set()
    for word in _words(name):
        stems = [word, *(word.removesuffix(ending) for ending in ENDINGS)]
        sides |= {WORDS[stem] for stem in stems if stem in WORDS}
    return sides.pop() if len(sides) == 1 else None


def tops_of(root: Path, notes: list[Note], labels: bool, known: Collection[str] = ()) -> list[Top]:
    """The folders that hold the classes, each with its part; at most `root` itself, whose files have no part yet.

    Args:
        root: the folder that is read.
        notes: gets one on each decision that exact names (``train``, ``val``, ``test``) do not make.
        labels: whether folders are classes; without, only parts at the top are looked for.
        known: classes that folders are known to be named after, as those of a model; such a folder is no wrapper.

    Raises:
        InputError: one folder is called the training part, and beside it is one of the same sub-folders whose name
            says no part.
    """
    if not labels:
        return _without_labels(root, notes)
    top = _entered(root, root, notes, known)
    inside = folders_in(top)
    sided = {child: side for child in inside if (side := side_of(child.name)) and child.name not in known}
    exact = [child for child in inside if child.name.lower() in SPLITS]
    if exact and len(exact) == len(inside) and "train" not in sided.values():
        return [Top(child) for child in exact]  # a lone test/ is a folder of classes
    classes = {child: _names_in(_entered(child, root, None, known)) for child in inside}
    if _are_parts(inside, sided, classes):
        return _parts(root, top, notes, sided, classes, known)
    return _same_folders(root, top, notes, sided, classes)


def folders_in(folder: Path) -> list[Path]:
    """Sub-folders in order, hidden ones and those of archive programs aside."""
    if not os.access(folder, os.R_OK):
        return []
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and not is_hidden(child.name)]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is there for a program and not for people."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _names_in(folder: Path) -> set[str]:
    return {child.name for child in folders_in(folder)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def _without_labels(root: Path, notes: list[Note]) -> list[Top]:
    inside = folders_in(root)
    exact = [child for child in inside if child.name.lower() in SPLITS]
    sided = {child: SPLITS[child.name.lower()] for child in exact}
    if "train" not in sided.values() or len(set(sided.values())) < 2:
        sided = {child: side for child in inside if (side := side_of(child.name))}
        if "train" not in sided.values() or len(set(sided.values())) < 2 or len(sided) < len(inside):
            return [Top(root)]
        notes.append(_parts_note(root, sided, ""))
    return [Top(child, side) for child, side in sided.items()]


def _entered(folder: Path, root: Path, notes: list[Note] | None, known: Collection[str]) -> Path:
    """The folder at or below `folder` where classes or parts begin: lone sub-folders around them are passed."""
    chain = [folder]
    while len(inside := folders_in(chain[-1])) == 1 and inside[0].name not in known and len(chain) < DEEPEST:
        chain.append(inside[0])
    if len(inside) < 2:  # files, and no classes: in test/test/ they are those of test/
        alike = [chain[0]]
        while chain[0] != root and len(alike) < len(chain) and _alike(chain[len(alike)], alike[-1]):
            alike.append(chain[len(alike)])
        chain = alike
    for each in chain[1:]:
        if notes is not None and each.name.lower() not in SPLITS:
            name = each.relative_to(root).as_posix()
            notes.append(Note(name, "kept", "the only folder there: the folders in it are taken as the classes"))
    return chain[-1]


def _alike(one: Path, other: Path) -> bool:
    return one.name.casefold() == other.name.casefold()


def _are_parts(inside: list[Path], sided: dict[Path, str], classes: dict[Path, set[str]]) -> bool:
    """Whether folders are parts: the training part has classes, and the others are named as further parts."""
    exact = {SPLITS[child.name.lower()] for child in inside if child.name.lower() in SPLITS}
    sides = set(sided.values())
    if "train" in exact and len(exact) > 1 or "train" in sides and len(sides) > 1 and len(sided) == len(inside):
        return True
    train = [child for child in inside if sided.get(child) == "train" and classes[child]]
    if not train:
        return False
    trained = set.union(*(classes[child] for child in train))
    others = [child for child in sided if child not in train]
    if not all(_is_flat(child, classes[child], trained) or classes[child] <= trained for child in others):
        return False
    if others or len(train) > 1:
        return len(trained) > 1
    return all(_is_unlabelled(child) and not classes[child] & trained for child in inside if child not in sided)


def _is_unlabelled(folder: Path) -> bool:
    return bool(set(_words(folder.name)) & WITHOUT_LABELS)


def _is_flat(folder: Path, names: set[str], trained: Collection[str]) -> bool:
    """Whether a part has files and no classes, beside a training part that has classes."""
    if not trained:
        return False
    generic = all(name.lower() in WRAPPERS or name.lower() == folder.name.lower() for name in names)
    return generic and len(names) < 2 and not names & set(trained)


def _parts(
    root: Path,
    top: Path,
    notes: list[Note],
    sided: dict[Path, str],
    classes: dict[Path, set[str]],
    known: Collection[str],
) -> list[Top]:
    trained = set.union(*(classes[child] for child, side in sided.items() if side == "train"))
    flat = {child for child in sided if sided[child] != "train" and _is_flat(child, classes[child], trained)}
    parts = {child: side for child, side in sided.items() if child not in flat}
    for child in folders_in(top):
        if child in flat or (child not in sided and _is_unlabelled(child)):
            count = sum(1 for _ in walk(child, []))
            reason = (
                f"{count} files in no folder of a class: taken as unlabelled, not held out; zoo predict answers them"
            )
            notes.append(Note(child.relative_to(root).as_posix(), "left out", reason))
    if any(child.name.lower() not in SPLITS for child in parts):
        notes.append(_parts_note(root, parts, f"; the classes are {_listed(sorted(trained))}"))
    several = len(set(parts.values())) > 1
    return [Top(_entered(child, root, notes, known), side if several else None) for child, side in parts.items()]


def _parts_note(root: Path, parts: dict[Path, str], classes: str) -> Note:
    names = [child.relative_to(root).as_posix() for child in parts]
    if len(set(parts.values())) < 2:
        return Note(_listed(names), "kept", f"taken as the training part, of which a share is held out{classes}")
    called = ", ".join(f"{name} ({side})" for name, side in zip(names, parts.values(), strict=True))
    return Note(_listed(names), "kept", f"taken as parts of the data by their names: {called}{classes}")


def _same_folders(
    root: Path, top: Path, notes: list[Note], sided: dict[Path, str], classes: dict[Path, set[str]]
) -> list[Top]:
    """What folders are that hold the same sub-folders, and whose names say no training part."""
    inside = list(classes)
    names = [child.name for child in inside]
    shared = set.intersection(*classes.values()) if classes else set()
    same = len(inside) > 1 and len(shared) > 1 and all(found == shared for found in classes.values())
    if not same:
        return [Top(top)]
    subfolders = _listed(sorted(shared))
    inner = {side_of(name) for name in shared}
    if "train" in inner and None not in inner and len(inner) > 1:
        notes.append(Note(_listed(names), "kept", f"taken as classes, and {subfolders} in each as parts of the data"))
        return [Top(top, split_inside=True)]
    stems = {tuple(_words(name)) for name in names}
    if len(stems) == 1 and set(next(iter(stems))) & FOLDS:
        reason = f"taken as folds: each stays on one side of the split; the classes are {subfolders}"
        notes.append(Note(_listed(names), "kept", reason))
        return [Top(child, group=child.name) for child in inside]
    unsided = [child for child in inside if child not in sided]
    if not unsided:  # several validation and test parts
        reason = f"no training part among them: a share of all their files is held out; the classes are {subfolders}"
        notes.append(Note(_listed(names), "kept", reason))
        return [Top(child) for child in inside]
    if "train" in sided.values():
        train = next(child for child, side in sided.items() if side == "train")
        raise InputError(
            f"{root}: {train.name} and {unsided[0].name} hold the same folders ({subfolders}); expected parts of the "
            "data called train, val and test, or classes of other names; rename them to say which they are"
        )
    if sided and len(unsided) == 1:
        parts = sided | {unsided[0]: "train"}
        notes.append(_parts_note(root, parts, f"; the classes are {subfolders}"))
        return [Top(child, side) for child, side in parts.items()]
    reason = (
        f"taken as classes; each holds the same folders ({subfolders}): if those are the classes, call the outer "
        "ones train, val and test"
    )
    notes.append(Note(_listed(names), "kept", reason))
    return [Top(top)]
