"""The value that every reader returns and every command takes."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.data.notes import Note
from zoo.errors import InputError

Task = Literal["classification", "multi_label", "regression", "forecasting"]
Inputs = tuple[Any, ...] | np.ndarray | dict[str, np.ndarray]

_DIFFERENCES: dict[str, Callable[[str], str]] = {  # between names that look like one
    "spaces": lambda name: " ".join(name.split()),
    "case": str.casefold,
    "Unicode normal form": partial(unicodedata.normalize, "NFC"),
}


@dataclass(frozen=True)
class Part:
    """One side of a split.

    Attributes:
        inputs: what the model reads, one entry an example along the first axis. Images: a tuple of paths, or uint8
            (examples, height, width, channels). Tables: ``numeric`` float32 (examples, columns), NaN where missing,
            and ``categorical``, strings (examples, columns), empty where missing. Text: strings (examples,).
            Sequences: float32 (examples, length, features), rows of NaN after the end of a shorter one.
        targets: classification: int64 (examples,), positions in `Data.classes`. Multi-label: int64 (examples,
            classes) of 0 and 1. Regression and forecasting: float32 (examples, values).
        names: what to call each example in a report; for images the path inside the folder.
        digests: sha256 of each input's content.
        units: int64 (examples,); examples with equal values, which are of one group or copies, stay on one side of
            every split. None where there are no groups: copies stay together.
    """

    inputs: Inputs
    targets: np.ndarray
    names: tuple[str, ...]
    digests: tuple[str, ...]
    units: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, positions: np.ndarray) -> Part:
        """The examples at `positions`, int64."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[position] for position in positions)

        inputs = chosen_inputs(self.inputs, positions)
        units = None if self.units is None else self.units[positions]
        return Part(inputs, self.targets[positions], pick(self.names), pick(self.digests), units)

    @property
    def together(self) -> np.ndarray:
        """Int64 (examples,): examples with equal values stay on one side of every split."""
        return np.unique(np.asarray(self.digests) if self.units is None else self.units, return_inverse=True)[1]


def chosen_inputs(inputs: Inputs, positions: np.ndarray) -> Inputs:
    """The entries of `Part.inputs` at `positions`, int64."""
    if isinstance(inputs, dict):
        return {name: values[positions] for name, values in inputs.items()}
    return inputs[positions] if isinstance(inputs, np.ndarray) else tuple(inputs[position] for position in positions)


@dataclass(frozen=True)
class Data:
    """Examples in their splits, and what is known of them.

    Attributes:
        train: what models are fitted on; choices between models use an inner split of it.
        validation, test: held out; nothing is fitted or chosen on them. None where there is none.
        task: what is asked: one class of several, any number of labels, numbers, or the next values of a series.
        classes: names of the outputs: the classes, a target being a position here; the numbers asked for.
        preprocess: a Keras model fitted on `train`, to go before the builder's; None for images.
        fingerprint: sha256 over names, contents, targets and splits.
        source: the folder or file that was read.
        intake: what was left out or is odd, file by file.
        input: what is needed to read new inputs as these were, as JSON holds it: ``kind``, one of images, table, text
            and sequence, and what that kind needs. It goes into the artifact's card.
        vocabulary: of text, the tokens; a token's id is its position.
    """

    train: Part
    validation: Part | None
    test: Part | None
    task: Task
    classes: tuple[str, ...]
    preprocess: Any
    fingerprint: str
    source: Path
    intake: tuple[Note, ...] = field(default=())
    input: dict[str, Any] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = field(default=())

    @property
    def held_out(self) -> Part:
        """The part that scores are reported on: `test` where there is one, else `validation`.

        Raises:
            InputError: nothing is held out.
        """
        part = self.test if self.test is not None else self.validation
        if part is None:
            raise InputError(f"{self.source}: nothing is held out to score on; give it a val/ or test/ part")
        return part

    @property
    def deviations(self) -> list[float] | None:
        """Of the training targets, one a value, where these are numbers; else None."""
        targets = self.train.targets
        return targets.std(axis=0, dtype=np.float64).tolist() if targets.dtype.kind == "f" else None

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that there are, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def check_classes(self) -> None:
        """Whether there is a training example of each class, as there must be for telling them.

        Raises:
            InputError: there is none of some class that the held-out part has.
        """
        images = isinstance(self.train.inputs, tuple)
        if self.task != "classification" and not (images and self.task == "multi_label"):
            return

        def found(part: Part) -> set[int]:
            told = part.targets if part.targets.ndim == 1 else np.flatnonzero(part.targets.any(axis=0))
            return set(np.unique(told).tolist())

        unseen = set().union(*map(found, self.parts.values())) - found(self.train)
        if unseen:
            name = self.classes[min(unseen)]
            raise InputError(
                f"{self.source}: no training example has the class {name!r}, which the held-out part has"
                + ("; only an autoencoder can find what it did not learn" if self.task == "classification" else "")
            )

    def save(self, folder: Path) -> None:
        """Write ``splits.csv`` (path, label, split, sha256) and ``intake.csv`` (path, action, reason) to `folder`.

        And ``source.txt``, the path of what was read, where that is one: an export to other formats asks its files.
        """
        if self.source.exists():
            where = str(self.source.resolve())
            (folder / "source.txt").write_text(where, encoding="utf-8", errors="surrogateescape")
        with (folder / "splits.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split", "sha256"])
            for split, part in self.parts.items():
                for name, target, digest in zip(part.names, part.targets, part.digests, strict=True):
                    numbers = self.task in ("regression", "forecasting")
                    answer = ";".join(map(str, target.tolist())) if numbers else label_text(target, self.classes)
                    writer.writerow([name, answer, split, digest])
        with (folder / "intake.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "action", "reason"])
            writer.writerows(self.intake)


def near_equal(classes: Iterable[str]) -> list[Note]:
    """Notes on classes whose names are alike but for case, spaces or the Unicode normal form."""

    def folded(name: str, without: str = "") -> str:
        for difference, change in _DIFFERENCES.items():
            name = name if difference == without else change(name)
        return name

    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(folded(name), []).append(name)
    notes = []
    for names in alike.values():
        if len(names) > 1:
            found = [each for each in _DIFFERENCES if len({folded(name, each) for name in names}) > 1]
            show = ascii if "Unicode normal form" in found else repr  # which is not to be seen
            reason = f"{len(names)} classes, their names alike but for {' and '.join(found)}"
            reason += "; give them one name if they are one class"
            notes.append(Note(" and ".join(map(show, names[:5])), "kept", reason))
    return notes


def label_text(target: np.ndarray | int, classes: tuple[str, ...]) -> str:
    """A target as people write it: the class, or the labels with ``;`` between them."""
    if np.ndim(target) == 0:
        return classes[int(target)]
    return ";".join(name for name, here in zip(classes, target, strict=True) if here)
