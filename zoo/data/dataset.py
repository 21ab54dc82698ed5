"""The value that every reader returns and every command takes."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.notes import Note
from zoo.errors import InputError
from zoo.tasks.task import Task

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
        targets: as `Data.task` has them. Classification: int64 (examples,), positions in its names. Multi-label: int64
            (examples, labels) of 0 and 1. Regression and forecasting: float32 (examples, values).
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


class Unbuilt:
    """A Keras model that is built when it is first needed: reading alone imports neither Keras nor TensorFlow.

    Args:
        build: gives the model; what it needs was taken from the training part already.
    """

    def __init__(self, build: Callable[[], Any]) -> None:
        self.build = build


@dataclass(frozen=True)
class Data:
    """Examples in their splits, and what is known of them.

    Attributes:
        train: what models are fitted on; choices between models use an inner split of it.
        validation, test: held out; nothing is fitted or chosen on them. None where there is none.
        task: what is asked, as `zoo.tasks.classification.Classification`; its names are those of the outputs: the
            classes, a target being a position there, or the numbers asked for.
        preprocess: a Keras model fitted on `train`, to go before the builder's; None for images. Readers may give an
            `Unbuilt` one.
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
    preprocess: Any
    fingerprint: str
    source: Path
    intake: tuple[Note, ...] = field(default=())
    input: dict[str, Any] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = field(default=())

    def __getstate__(self) -> dict[str, Any]:
        """The fields, for pickle, with the preprocessing built."""
        return self.__dict__ | {"preprocess": self.preprocess}

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
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs: the classes, or the numbers asked for."""
        return self.task.names

    @property
    def fitted_task(self) -> Task:
        """The task with what the training targets say, as the most frequent class."""
        return self.task.fitted(self.train.targets)

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
        self.task.check(self.source, self.parts, every=isinstance(self.train.inputs, tuple))

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
                    writer.writerow([name, self.task.text(target), split, digest])
        with (folder / "intake.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "action", "reason"])
            writer.writerows(self.intake)


class _BuiltOnce:
    """The field `Data.preprocess`: an `Unbuilt` model in it is built at the first look."""

    def __get__(self, data: Data | None, owner: type) -> Any:
        if data is None:
            return self
        held = data.__dict__["preprocess"]
        if isinstance(held, Unbuilt):
            held = data.__dict__["preprocess"] = held.build()
        return held

    def __set__(self, data: Data, value: Any) -> None:
        data.__dict__["preprocess"] = value


setattr(Data, "preprocess", _BuiltOnce())  # noqa: B010  once the class is made: it is no default of the field


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
