"""What a format is held to its model with: held-out files of the run, a path that is named, or inputs made up."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.artifacts.predictor import Predictor
from zoo.data.kind import Kind, spread
from zoo.data.parts import Inputs, Part, chosen_inputs, count, in_files, joined
from zoo.errors import InputError
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras

    from zoo.artifacts.generator import Generator
    from zoo.artifacts.reconstructor import Reconstructor

    Artifact = Predictor | Reconstructor | Generator

MOST = 500  # inputs that a format is asked
CALIBRATED = 200  # examples that the ranges of an int8 model are found on
MADE_UP = 64


class Asked(NamedTuple):
    """Inputs for the gate.

    Attributes:
        inputs: raw, in memory: as `zoo.data.Part` has them, of images uint8 pixels; of a generator ``code`` and perhaps
            ``label``.
        targets: as `zoo.data.Part` has them; None where they are not known.
        origin: where they come from, in words.
        files: of images that `inputs` are decoded from, paths or encoded images: the version itself is asked with them,
            as it crops what it decodes; None where the pixels are all there is.
    """

    inputs: Inputs
    targets: np.ndarray | None
    origin: str
    files: tuple[Path | bytes, ...] | None = None

    def __len__(self) -> int:
        return count(self.inputs)

    def chosen(self, positions: np.ndarray) -> Asked:
        """Those at `positions`, int64."""
        return Asked(
            chosen_inputs(self.inputs, positions),
            None if self.targets is None else self.targets[positions],
            self.origin,
            None if self.files is None else tuple(self.files[at] for at in positions),
        )


def to_ask(artifact: Artifact, validate: str | Path | None) -> Asked:
    """What the formats of `artifact` are asked.

    Args:
        artifact: as `zoo.load` gives it.
        validate: a path with labelled examples, as `zoo evaluate` takes it (of an autoencoder without labels); None
            for the held-out files of the run where those are still there, with the same content, and else for inputs
            made up.

    Raises:
        InputError: nothing can be read at `validate`, or all of it is what the model was trained on.
    """
    if validate is not None:
        return _named(artifact, validate)
    held_out = _held_out(artifact)
    if held_out is not None:
        return held_out
    files = _made_up(artifact.model, artifact.card)
    return Asked(made_up(artifact.model, artifact.card), None, "made up", files if in_files(files) else None)


def readable(asked: Asked, kind: Kind) -> Asked:
    """Of images those that the version itself reads from the file.

    Raises:
        InputError: there is none.
    """
    if asked.files is None:
        return asked
    kept = np.flatnonzero([reason is None for reason in kind.unreadable(asked.files)])
    if not len(kept):
        raise InputError(f"{asked.origin}: the SavedModel reads none of these images; name others with --validate PATH")
    return asked.chosen(kept)


def calibration(artifact: Artifact, calibrate: str | Path | None) -> Inputs:
    """Up to 200 raw inputs to find the ranges of an int8 model on: those named, else training images of the run.

    Raises:
        InputError: there are none.
    """
    kind = artifact.kind
    if calibrate is None:
        part = _of_run(artifact, ("train",), CALIBRATED)
        if part is None:
            raise InputError(
                "litert-int8 needs examples to find the range of every value: those the model was trained on are no "
                "longer where they were; name some with --calibrate PATH"
            )
        return kind.in_memory(part.inputs)
    names, inputs, errors = kind.raw(calibrate)
    good = np.array([at for at in range(len(names)) if at not in errors], np.int64)
    some = chosen_inputs(inputs, spread(good, CALIBRATED))
    read = [each.inputs for each in kind.decoded(some) if len(each.positions)] if len(good) else []
    if not read:
        raise InputError(f"{calibrate}: nothing to calibrate on; {next(iter(errors.values()), 'it is empty')}")
    return joined(read)


def made_up(model: keras.Model, card: dict[str, Any]) -> Inputs:
    """Inputs of the right kind, always the same ones; among them words, categories and gaps that training had not."""
    return requested_kind(card, model).with_unseen(_made_up(model, card))


def _made_up(model: keras.Model, card: dict[str, Any]) -> Inputs:
    return requested_kind(card, model).made_up(model, MADE_UP, np.random.default_rng(0))


def _named(artifact: Artifact, validate: str | Path) -> Asked:
    task = task_of(artifact.card)
    if task.drawn:
        raise InputError("a generator is asked with drawn codes; leave out --validate")
    if not task.supervised:
        inputs = artifact.read(validate)[1]
        return Asked(chosen_inputs(inputs, spread(np.arange(count(inputs)), MOST)), None, str(validate))
    part, _ = artifact.kind.labelled(validate, task)
    fresh = np.flatnonzero([digested not in artifact.trained_on() for digested in part.digests])
    if not len(fresh):
        raise InputError(f"{validate}: the model was trained on all of it; expected examples that it has not seen")
    origin = f"{validate}, training examples not left out: {artifact.doubt}" if artifact.doubt else str(validate)
    return _in_memory(part.chosen(spread(fresh, MOST)), artifact.kind, origin)


def _held_out(artifact: Artifact) -> Asked | None:
    """Examples of the run that were held out; None where they are no longer there."""
    task, origin = task_of(artifact.card), "held-out examples of the run"
    if task.drawn:
        return None
    test = any(row["split"] == "test" for row in _splits(artifact))
    part = _of_run(artifact, ("test",) if test else ("validation",), MOST)
    if part is None:
        return None
    asked = _in_memory(part, artifact.kind, origin)
    return asked if task.supervised else asked._replace(targets=None)


def _of_run(artifact: Artifact, splits: Collection[str], most: int) -> Part | None:
    source = _source(artifact)
    rows = [row for row in _splits(artifact) if row["split"] in splits]
    return None if source is None else artifact.kind.again(source, rows, task_of(artifact.card), most)


def _in_memory(part: Part, kind: Kind, origin: str) -> Asked:
    read, positions, errors = [], [], {}
    for some in kind.decoded(part.inputs):
        errors |= some.errors
        if len(some.positions):
            read.append(some.inputs)
            positions.append(some.positions)
    if not read:
        raise InputError(f"{origin}: no image can be read; {next(iter(errors.values()), 'there is none')}")
    kept = part.chosen(np.concatenate(positions))
    return Asked(joined(read), kept.targets, origin, kept.inputs if in_files(kept.inputs) else None)


def _source(artifact: Artifact) -> Path | None:
    """The folder or file that the run read; None where that is not known or no longer there."""
    told = artifact.folder / "run" / "source.txt"
    path = Path(told.read_text(encoding="utf-8", errors="surrogateescape")) if told.is_file() else None
    return path if path is not None and path.exists() else None


def _splits(artifact: Artifact) -> list[dict[str, str]]:
    path = artifact.folder / "run" / "splits.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
