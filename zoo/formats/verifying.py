"""Proving a published artifact again: its files are those that were written, and it answers as its Keras model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifacts import artifact, checksums
from zoo.artifacts.artifact import DRAWN
from zoo.artifacts.card import requested_kind
from zoo.artifacts.gate import Gate, Parity, compare
from zoo.artifacts.generator import Generator
from zoo.artifacts.predictor import Predictor, said_of
from zoo.artifacts.reconstructor import Reconstructor
from zoo.builders.loading import UnknownLayersError
from zoo.data.notes import Note
from zoo.data.parts import Inputs, chosen_inputs, in_files
from zoo.errors import InputError, JobError
from zoo.tasks.registry import task_of

MADE_UP = 64  # inputs, where none are given
MOST = 2000  # of those given, chosen at random
Artifact = Predictor | Reconstructor | Generator


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        artifact: the version folder.
        files: how many have a checksum; None for an artifact of before there were any.
        problems: files that are changed, missing or unexpected, a line each.
        compared: what the SavedModel and the Keras model were asked.
        parity: how their answers differ; None where they were not asked.
        failure: why not, where that is a fault.
        left_out: of what was given, what could not be asked, with the reason.
        formats: name of each further format -> what is wrong with its files.
    """

    artifact: Path
    files: int | None
    problems: list[str]
    compared: str = ""
    parity: Parity | None = None
    failure: str | None = None
    left_out: list[Note] = field(default_factory=list)
    formats: dict[str, list[str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and not any(self.formats.values()) and self.parity is not None and self.parity.passed

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        parity = self.parity and self.parity._asdict() | {"passed": self.parity.passed}
        told = asdict(self) | {"artifact": str(self.artifact), "parity": parity, "passed": self.passed}
        return told | {"left_out": [note._asdict() for note in self.left_out]}

    def lines(self) -> Iterator[str]:
        """The same as people read it."""
        if self.files is None:
            yield f"{self.artifact} was made before there were checksums ({checksums.NAME}): its files can't be checked"
        else:
            yield from self.problems
            told = f"{len(self.problems)} problems" if self.problems else "none changed, missing or unexpected"
            yield f"{self.files} files with checksums: {told}"
        for name, problems in self.formats.items():
            yield from (f"{checksums.FORMATS}/{name}: {problem}" for problem in problems)
            yield f"{checksums.FORMATS}/{name}: {f'{len(problems)} problems' if problems else 'as it was exported'}"
        yield from (f"left out {note.name}: {note.reason}" for note in self.left_out)
        yield from (f"not read by the SavedModel {n}: {why}" for n, why in (self.parity.refused if self.parity else ()))
        if self.parity is None:
            yield f"the SavedModel was not asked: {self.failure}"
            return
        found = "answers as the Keras model does" if self.parity.passed else "does not answer as the Keras model does"
        yield (
            f"the SavedModel {found}: {self.compared}, outputs within {self.parity.largest_difference:.1g} (allowed "
            f"{self.parity.tolerance:g}), {self.parity.label_differences} labels differ"
        )


def verify(path: str | Path, source: Any = None, seed: int = 0) -> Verification:
    """Check the files of an artifact against their sums, and ask it in a clean process as when it was published.

    Where a file is changed or missing nothing is loaded: a model that someone changed is not to be opened.

    Args:
        path: as `zoo.load` takes it.
        source: inputs to ask; made-up ones where None. Images: a file or folder, with or without classes, or IDX
            files. Tables, texts and sequences: what `Predictor.predict` or `Reconstructor.read` takes. A generator
            takes none.
        seed: of what is made up or chosen.

    Raises:
        InputError: no artifact, or nothing that can be read in `source`.
    """
    folder = artifact.find(path)
    known = checksums.has(folder)
    problems = checksums.check(folder) if known else []
    files = checksums.count(folder) if known else None
    bad = [problem for problem in problems if not problem.startswith("unexpected")]
    formats = {place.name: checksums.check_format(place) for place in checksums.formats(folder)}
    found: dict[str, Any] = {"files": files, "problems": problems, "formats": formats}
    if bad:
        return Verification(folder, **found, failure="its files are not those that were published")
    with Gate() as gate:
        asked = artifact.load(folder)
        try:
            _open(asked)
            inputs, found["left_out"], found["compared"] = _inputs(asked, source, seed)
            found["parity"] = _parity(asked, inputs, gate)
            for name, wrong in formats.items():
                wrong += [] if wrong else _format(folder / checksums.FORMATS / name, asked, inputs)
        except JobError as error:
            found["failure"] = str(error)
    return Verification(folder, **found)


def _open(asked: Artifact) -> None:
    try:
        asked.model  # noqa: B018, loads it
    except UnknownLayersError:
        raise
    except InputError as error:
        raise JobError(str(error)) from error


def _format(place: Path, asked: Artifact, inputs: Inputs) -> list[str]:
    """What is wrong with the answers of a further format."""
    from zoo.formats import exporting, registry

    if place.name not in registry.FORMATS:  # of another project's making: its sums are all that is known
        return []
    if lacking := registry.missing(place.name):
        return [f"it can't be asked here, as it needs {lacking}"]
    try:
        return exporting.verify_format(place, asked, inputs)
    except JobError as error:
        return [str(error)]


def _parity(asked: Artifact, inputs: Inputs, gate: Gate) -> Parity:
    """The gate, as when the artifact was published."""
    task, kind = task_of(asked.card), requested_kind(asked.card, asked.model)
    answers = gate.ask(asked.folder, inputs, kind, list(task.values()))
    expected, request = said_of(task, asked.model, inputs, kind), kind.request(inputs, task.asks)
    return compare(task, expected, answers(), kind.formats(inputs), request=request)


def _inputs(asked: Artifact, source: Any, seed: int) -> tuple[Inputs, list[Note], str]:
    """Raw inputs to ask, what was left out, and what to call them."""
    task, kind = task_of(asked.card), requested_kind(asked.card, asked.model)
    if task.drawn and source is not None:
        raise InputError(f"{asked.folder} makes images of drawn codes; expected nothing to ask it, leave out PATH")
    if source is None:
        count, what = (DRAWN, "drawn codes") if task.drawn else (MADE_UP, "made-up inputs")
        return kind.made_up(asked.model, count, np.random.default_rng(seed)), [], f"{count} {what}"
    names, inputs, errors = kind.raw(source, every=not task.supervised)
    good = np.array([at for at in range(len(names)) if at not in errors], np.int64)
    for some in kind.decoded(chosen_inputs(inputs, good)) if in_files(inputs) else ():
        errors |= {int(good[at]): reason for at, reason in some.errors.items()}
    good = np.array([at for at in good if at not in errors], np.int64)
    for at, reason in zip(good.tolist(), kind.unreadable(chosen_inputs(inputs, good)), strict=True):
        if reason is not None:
            errors[at] = f"the SavedModel does not read it ({reason}); zoo serve makes it PNG first"
    notes = [Note(name, "left out", errors[at]) for at, name in enumerate(names) if at in errors]
    good = np.array([at for at in range(len(names)) if at not in errors], np.int64)
    if not len(good):
        raise InputError(f"{source}: nothing to ask; {f'{notes[0].name}: {notes[0].reason}' if notes else 'empty'}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(good))[:MOST])
    of = f" of {len(good):,}, chosen by seed {seed}" if len(good) > MOST else ""
    return chosen_inputs(inputs, good[chosen]), notes, f"{len(chosen):,} inputs{of}"
