"""The value that every reader returns and every command takes."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from zoo.errors import InputError

Task = Literal["classification", "multi_label"]


class Note(NamedTuple):
    """Something the reader wants known about one file."""

    name: str
    action: Literal["kept", "left out"]
    reason: str


@dataclass(frozen=True)
class Part:
    """One side of a split.

    Attributes:
        inputs: what the model reads, one entry an example; for images a tuple of paths.
        targets: int64 (examples,), positions in `Data.classes`; multi-label: int64 (examples, classes) of 0 and 1.
        names: what to call each example in a report; for images the path inside the folder.
        digests: sha256 of each input's content.
    """

    inputs: tuple[Any, ...]
    targets: np.ndarray
    names: tuple[str, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, positions: np.ndarray) -> Part:
        """The examples at `positions`, int64."""

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[position] for position in positions)

        return Part(pick(self.inputs), self.targets[positions], pick(self.names), pick(self.digests))


@dataclass(frozen=True)
class Data:
    """Examples in their splits, and what is known of them.

    Attributes:
        train: what models are fitted on; choices between models use an inner split of it.
        validation, test: held out; nothing is fitted or chosen on them. None where there is none.
        task: what is asked: one class of several, or any number of labels.
        classes: names of the classes; a target is a position here.
        preprocess: a Keras model fitted on `train`, to go before the builder's; None for images.
        fingerprint: sha256 over names, contents, targets and splits.
        source: the folder or file that was read.
        intake: what was left out or is odd, file by file.
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
    def parts(self) -> dict[str, Part]:
        """The parts that there are, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def save(self, folder: Path) -> None:
        """Write ``splits.csv`` (path, label, split) and ``intake.csv`` (path, action, reason) to `folder`."""
        with (folder / "splits.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split", "sha256"])
            for split, part in self.parts.items():
                for name, target, digest in zip(part.names, part.targets, part.digests, strict=True):
                    writer.writerow([name, label_text(target, self.classes), split, digest])
        with (folder / "intake.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "action", "reason"])
            writer.writerows(self.intake)


def label_text(target: np.ndarray | int, classes: tuple[str, ...]) -> str:
    """A target as people write it: the class, or the labels with ``;`` between them."""
    if np.ndim(target) == 0:
        return classes[int(target)]
    return ";".join(name for name, here in zip(classes, target, strict=True) if here)


def open(path: str | Path, **options: Any) -> Data:
    """Read a data set, whatever its form.

    Args:
        path: an image folder, or a manifest of images (CSV, JSON Lines).
        options: those of the reader, as `zoo.data.images`.

    Raises:
        InputError: nothing readable is there.
    """
    from zoo.data.images import images

    return images(path, **options)
