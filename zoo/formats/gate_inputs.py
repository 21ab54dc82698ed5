"""Inputs for the gate: held-out files of the run, examples in a given path, or made-up inputs."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.artifacts.predictor import Predictor
from zoo.data.kind import Kind, spread
from zoo.data.parts import Files, Inputs, Part, chosen_inputs, count, in_files, joined
from zoo.errors import InputError
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras

    from zoo.artifacts.generator import Generator
    from zoo.artifacts.reconstructor import Reconstructor

    Artifact = Predictor | Reconstructor | Generator

MOST = 500  # inputs for a format
CALIBRATED = 200  # examples to find the ranges of an int8 model on
MADE_UP = 64


class GateInputs(NamedTuple):
    """Inputs for the gate.

    Attributes:
        inputs: raw inputs in memory, as in `zoo.data.Part`, of images uint8 pixels; of a generator ``code`` and perhaps
            ``label``.
        targets: as in `zoo.data.Part`; None if they are not known.
        origin: of the inputs, in words.
        files: the images that `inputs` are decoded from, as paths or encoded. The SavedModel takes these, because it
            crops the images that it decodes. None if there are only pixels.
    """

    inputs: Inputs
    targets: np.ndarray | None
    origin: str
    files: Files | None = None

    def __len__(self) -> int:
        return count(self.inputs)

    def chosen(self, positions: np.ndarray) -> GateInputs:
        """The inputs at `positions`, int64."""
        return GateInputs(
            chosen_inputs(self.inputs, positions),
            None if self.targets is None else self.targets[positions],
            self.origin,
            None if self.files is None else self.files[positions],
        )


def inputs_for(artifact: Artifact, validate: str | Path | None) -> GateInputs:
    """The inputs to compare formats of `artifact` on.

    Args:
        artifact: as `zoo.load` returns it.
        validate: a path with labelled examples, as `zoo evaluate` takes it (for an autoencoder without labels). None
            for the held-out files of the run if they still exist with the same content, else for made-up inputs.

    Raises:
        InputError: nothing can be read at `validate`, or the model was trained on all of it.
    """
    if validate is not None:
        return _named(artifact, validate)
    of_run = _held_out(artifact)
    if of_run is not None:
        return of_run
    files = _made_up(artifact.model, artifact.card)
    return GateInputs(made_up(artifact.model, artifact.card), None, "made up", files if in_files(files) else None)


def readable(gate_inputs: GateInputs, kind: Kind) -> GateInputs:
    """The images that the SavedModel can decode; all inputs that are no images.

    Raises:
        InputError: there are none.
    """
    if gate_inputs.files is None:
        return gate_inputs
    positions = np.flatnonzero([reason is None for reason in kind.unreadable(gate_inputs.files)])
    if not len(positions):
        raise InputError(
            f"{gate_inputs.origin}: the SavedModel reads none of these images; name others with --validate PATH"
        )
    return gate_inputs.chosen(positions)


def calibration(artifact: Artifact, calibrate: str | Path | None) -> Inputs:
    """Up to 200 raw inputs to find the ranges of an int8 model on: those in `calibrate`, or training images of the run.

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
    """Made-up inputs, always the same; some have words, categories or gaps that the training data lack."""
    return requested_kind(card, model).with_unseen(_made_up(model, card))


def _made_up(model: keras.Model, card: dict[str, Any]) -> Inputs:
    return requested_kind(card, model).made_up(model, MADE_UP, np.random.default_rng(0))


def _named(artifact: Artifact, validate: str | Path) -> GateInputs:
    task = task_of(artifact.card)
    if task.drawn:
        raise InputError("a generator is compared on random codes; leave out --validate")
    if not task.supervised:
        inputs = artifact.read(validate)[1]
        return GateInputs(chosen_inputs(inputs, spread(np.arange(count(inputs)), MOST)), None, str(validate))
    part, _ = artifact.kind.labelled(validate, task)
    unseen = np.flatnonzero([digested not in artifact.trained_on() for digested in part.digests])
    if not len(unseen):
        raise InputError(f"{validate}: the model was trained on all of it; expected examples that it has not seen")
    origin = f"{validate}, training examples not left out: {artifact.doubt}" if artifact.doubt else str(validate)
    return _in_memory(part.chosen(spread(unseen, MOST)), artifact.kind, origin)


def _held_out(artifact: Artifact) -> GateInputs | None:
    """Held-out examples of the run; None if their files are gone."""
    task, origin = task_of(artifact.card), "held-out examples of the run"
    if task.drawn:
        return None
    test = any(row["split"] == "test" for row in _splits(artifact))
    part = _of_run(artifact, ("test",) if test else ("validation",), MOST)
    if part is None:
        return None
    gate_inputs = _in_memory(part, artifact.kind, origin)
    return gate_inputs if task.supervised else gate_inputs._replace(targets=None)


def _of_run(artifact: Artifact, splits: Collection[str], most: int) -> Part | None:
    source = _source(artifact)
    rows = [row for row in _splits(artifact) if row["split"] in splits]
    return None if source is None else artifact.kind.again(source, rows, task_of(artifact.card), most)


def _in_memory(part: Part, kind: Kind, origin: str) -> GateInputs:
    read, positions, errors = [], [], {}
    for batch in kind.decoded(part.inputs):
        errors |= batch.errors
        if len(batch.positions):
            read.append(batch.inputs)
            positions.append(batch.positions)
    if not read:
        raise InputError(f"{origin}: no image can be read; {next(iter(errors.values()), 'there is none')}")
    selected = part.chosen(np.concatenate(positions))
    return GateInputs(joined(read), selected.targets, origin, selected.inputs if in_files(selected.inputs) else None)


def _source(artifact: Artifact) -> Path | None:
    """The folder or file that the run read; None if it is not known, or gone."""
    file = artifact.folder / "run" / "source.txt"
    path = Path(file.read_text(encoding="utf-8", errors="surrogateescape")) if file.is_file() else None
    return path if path is not None and path.exists() else None


def _splits(artifact: Artifact) -> list[dict[str, str]]:
    path = artifact.folder / "run" / "splits.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
