"""The value that every reader returns and every command takes."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.data.kind import Kind
from zoo.data.notes import Note
from zoo.data.parts import Part, in_files
from zoo.errors import InputError
from zoo.tasks.task import Task

_DIFFERENCES: dict[str, Callable[[str], str]] = {  # between names that look like one
    "spaces": lambda name: " ".join(name.split()),
    "case": str.casefold,
    "Unicode normal form": partial(unicodedata.normalize, "NFC"),
}


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
        task: of the targets, as `zoo.tasks.classification.Classification`; its names are those of the outputs: the
            classes, a target being a position there, or the numbers to predict.
        preprocess: a Keras model fitted on `train`, to go before the builder's; None for images. Readers may give an
            `Unbuilt` one.
        fingerprint: sha256 over names, contents, targets and splits.
        source: the folder or file that was read.
        intake: what was left out or is odd, file by file.
        kind: of the inputs, with what is needed to read new ones as these were.
    """

    train: Part
    validation: Part | None
    test: Part | None
    task: Task
    preprocess: Any
    fingerprint: str
    source: Path
    intake: tuple[Note, ...]
    kind: Kind

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
    def input(self) -> dict[str, Any]:
        """The kind as JSON holds it; it goes into the card of an artifact. Empty where a size is still to be chosen."""
        return self.kind.to_card()

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Of texts the words; a word's number is its position."""
        return self.kind.vocabulary

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs: the classes, or the numbers to predict."""
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
        self.task.check(self.source, self.parts, every=in_files(self.train.inputs))

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
            differences = [each for each in _DIFFERENCES if len({folded(name, each) for name in names}) > 1]
            show = ascii if "Unicode normal form" in differences else repr  # which is not to be seen
            reason = f"{len(names)} classes, their names alike but for {' and '.join(differences)}"
            reason += "; give them one name if they are one class"
            notes.append(Note(" and ".join(map(show, names[:5])), "kept", reason))
    return notes
