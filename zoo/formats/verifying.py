"""Verification of a published artifact: its files are unchanged, and it answers as its Keras model does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifacts import artifact, checksums
from zoo.artifacts.artifact import DRAWN
from zoo.artifacts.card import requested_kind
from zoo.artifacts.gate import Gate, Parity, compare
from zoo.artifacts.generator import Generator
from zoo.artifacts.predictor import Predictor, model_outputs
from zoo.artifacts.reconstructor import Reconstructor
from zoo.builders.loading import UnknownLayersError
from zoo.data.notes import Note
from zoo.data.parts import Inputs, chosen_inputs, in_files
from zoo.errors import InputError, JobError
from zoo.tasks.registry import task_of

MADE_UP = 64  # made-up inputs, if none are given
MOST = 2000  # given inputs, chosen at random
Artifact = Predictor | Reconstructor | Generator


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        artifact: the version folder.
        files: number of files with a checksum; None for an artifact without checksums, of an early version.
        problems: files that are changed, missing or unexpected, a line each.
        compared: the inputs for the SavedModel and the Keras model, in words.
        parity: differences of their answers; None if they were not run.
        failure: why they could not be run.
        left_out: given inputs that could not be used, with the reason.
        formats: name of each further format -> problems with its files and its answers.
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
        values = asdict(self) | {"artifact": str(self.artifact), "parity": parity, "passed": self.passed}
        return values | {"left_out": [note._asdict() for note in self.left_out]}

    def lines(self) -> Iterator[str]:
        """The result as lines of text."""
        if self.files is None:
            yield f"{self.artifact} was made before there were checksums ({checksums.NAME}): its files can't be checked"
        else:
            yield from self.problems
            problems_text = f"{len(self.problems)} problems" if self.problems else "none changed, missing or unexpected"
            yield f"{self.files} files with checksums: {problems_text}"
        for name, problems in self.formats.items():
            yield from (f"{checksums.FORMATS}/{name}: {problem}" for problem in problems)
            yield f"{checksums.FORMATS}/{name}: {f'{len(problems)} problems' if problems else 'as it was exported'}"
        yield from (f"left out {note.name}: {note.reason}" for note in self.left_out)
        yield from (f"not read by the SavedModel {n}: {why}" for n, why in (self.parity.refused if self.parity else ()))
        if self.parity is None:
            yield f"the SavedModel was not run: {self.failure}"
            return
        verdict = "answers as the Keras model does" if self.parity.passed else "does not answer as the Keras model does"
        yield (
            f"the SavedModel {verdict}: {self.compared}, outputs within {self.parity.largest_difference:.1g} (allowed "
            f"{self.parity.tolerance:g}), {self.parity.label_differences} labels differ"
        )


def verify(path: str | Path, source: Any = None, seed: int = 0) -> Verification:
    """Check the files of an artifact against their checksums, and run the gate again in a clean process.

    If a file is changed or missing, nothing is loaded: a changed model may be malicious.

    Args:
        path: as `zoo.load` takes it.
        source: inputs to compare on; made-up ones if None. Images: a file or folder, with or without classes, or IDX
            files. Tables, texts and sequences: as `Predictor.predict` or `Reconstructor.read` takes them. A generator
            takes none.
        seed: of made-up inputs, and of the choice among many.

    Raises:
        InputError: there is no artifact, or nothing in `source` can be read.
    """
    folder = artifact.find(path)
    has_checksums = checksums.has(folder)
    problems = checksums.check(folder) if has_checksums else []
    files = checksums.count(folder) if has_checksums else None
    bad = [problem for problem in problems if not problem.startswith("unexpected")]
    formats = {place.name: checksums.check_format(place) for place in checksums.formats(folder)}
    facts: dict[str, Any] = {"files": files, "problems": problems, "formats": formats}
    if bad:
        return Verification(folder, **facts, failure="its files are not those that were published")
    with Gate() as gate:
        opened = artifact.load(folder)
        try:
            _open(opened)
            inputs, facts["left_out"], facts["compared"] = _inputs(opened, source, seed)
            facts["parity"] = _parity(opened, inputs, gate)
            unchanged = [name for name, wrong in formats.items() if not wrong]
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each runs in a process of its own
                answers = pool.map(lambda name: _format(folder / checksums.FORMATS / name, opened, inputs), unchanged)
                formats |= dict(zip(unchanged, answers, strict=True))
        except JobError as error:
            facts["failure"] = str(error)
    return Verification(folder, **facts)


def _open(opened: Artifact) -> None:
    try:
        opened.model  # noqa: B018, loads it
    except UnknownLayersError:
        raise
    except InputError as error:
        raise JobError(str(error)) from error


def _format(place: Path, opened: Artifact, inputs: Inputs) -> list[str]:
    """Problems with the answers of a further format."""
    from zoo.formats import exporting, registry

    if place.name not in registry.FORMATS:  # a format of another project: only its checksums can be verified
        return []
    if lacking := registry.missing(place.name):
        return [f"it can't be run here, as it needs {lacking}"]
    try:
        return exporting.verify_format(place, opened, inputs)
    except JobError as error:
        return [str(error)]


def _parity(opened: Artifact, inputs: Inputs, gate: Gate) -> Parity:
    """Run the gate, as when the artifact was published."""
    task, kind = task_of(opened.card), requested_kind(opened.card, opened.model)
    answers = gate.run(opened.folder, inputs, kind, list(task.values()))
    expected, request = model_outputs(task, opened.model, inputs, kind), kind.request(inputs, task.asks)
    return compare(task, expected, answers(), kind.formats(inputs), request=request)


def _inputs(opened: Artifact, source: Any, seed: int) -> tuple[Inputs, list[Note], str]:
    """Raw inputs to compare on, notes on those left out, and words for them."""
    task, kind = task_of(opened.card), requested_kind(opened.card, opened.model)
    if task.drawn and source is not None:
        raise InputError(f"{opened.folder} makes images of drawn codes; expected nothing to ask it, leave out PATH")
    if source is None:
        count, what = (DRAWN, "drawn codes") if task.drawn else (MADE_UP, "made-up inputs")
        return kind.made_up(opened.model, count, np.random.default_rng(seed)), [], f"{count} {what}"
    names, inputs, errors = kind.raw(source, every=not task.supervised)
    good = np.array([at for at in range(len(names)) if at not in errors], np.int64)
    for batch in kind.decoded(chosen_inputs(inputs, good)) if in_files(inputs) else ():
        errors |= {int(good[at]): reason for at, reason in batch.errors.items()}
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
