"""What a format is held to its model with: held-out files of the run, a path that is named, or inputs made up."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts import warming
from zoo.artifacts.predictor import READERS, Predictor, decoded, raw
from zoo.data.dataset import Inputs, Part, chosen_inputs
from zoo.errors import InputError
from zoo.files import digest
from zoo.kinds.images import exportable
from zoo.kinds.images.folders import LabelSets
from zoo.tasks.classification import Classification
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras

    from zoo.artifacts.generator import Generator
    from zoo.artifacts.reconstructor import Reconstructor

    Artifact = Predictor | Reconstructor | Generator

MOST = 500  # inputs that a format is asked
CALIBRATED = 200  # examples that the ranges of an int8 model are found on
MADE_UP = 64
_EVERY = 17  # one in so many made-up values is one that training had not
_UNSEEN = "\2 never seen"


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
        return len(next(iter(self.inputs.values()))) if isinstance(self.inputs, dict) else len(self.inputs)

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
    files = warming.made_up(artifact.card, artifact.model, MADE_UP, seed=0)
    inputs = made_up(artifact.model, artifact.card)
    return Asked(inputs, None, "made up", files if isinstance(files, tuple) else None)


def readable(asked: Asked) -> Asked:
    """Of images those that the version itself reads from the file.

    Raises:
        InputError: there is none.
    """
    if asked.files is None:
        return asked
    contents = (file if isinstance(file, bytes) else file.read_bytes() for file in asked.files)
    kept = np.flatnonzero([exportable.refusal(content) is None for content in contents])
    if not len(kept):
        raise InputError(f"{asked.origin}: the SavedModel reads none of these images; name others with --validate PATH")
    return asked.chosen(kept)


def calibration(artifact: Artifact, calibrate: str | Path | None) -> Inputs:
    """Up to 200 raw inputs to find the ranges of an int8 model on: those named, else training images of the run.

    Raises:
        InputError: there are none.
    """
    description = artifact.card["input"]
    images = description["kind"] == "images"
    if calibrate is None:
        files = [file for file, _ in _files(artifact, "train", CALIBRATED)] if images else []
        if not files:
            raise InputError(
                "litert-int8 needs examples to find the range of every value: those the model was trained on are no "
                "longer where they were; name some with --calibrate PATH"
                if images
                else "litert-int8 needs examples to find the range of every value: name some with --calibrate PATH"
            )
        inputs: Inputs = np.stack(decoded(files, description)[0])
    elif images:
        from zoo.kinds.images.sources import expanded

        sources = [source for _, source in expanded(calibrate) if not isinstance(source, str)]
        pixels, _ = decoded(_spread(sources, CALIBRATED), description)
        if not pixels:
            raise InputError(f"{calibrate}: expected images to calibrate on, found none that can be read")
        inputs = np.stack(pixels)
    else:
        names, inputs, errors = import_module(READERS[description["kind"]]).read_raw(calibrate, description)
        good = np.array([at for at in range(len(names)) if at not in errors], np.int64)
        if not len(good):
            raise InputError(f"{calibrate}: nothing to calibrate on; {next(iter(errors.values()), 'it is empty')}")
        inputs = chosen_inputs(inputs, good[_evenly(len(good), CALIBRATED)])
    return inputs


def made_up(model: keras.Model, card: dict[str, Any]) -> Inputs:
    """Inputs of the right kind, always the same ones; among them words, categories and gaps that training had not."""
    inputs = warming.made_up(card, model, MADE_UP, seed=0)
    if isinstance(inputs, tuple):
        return raw(inputs, card["input"])
    if task_of(card).drawn:
        return inputs
    if isinstance(inputs, dict):
        gaps = {"numeric": np.nan, "categorical": _UNSEEN}
        for at, (name, values) in enumerate(inputs.items()):
            values.flat[at::_EVERY] = gaps[name]
    elif card["input"]["kind"] == "text":
        inputs[::2] += " zzyzx"
    return inputs


def _named(artifact: Artifact, validate: str | Path) -> Asked:
    card, task = artifact.card, task_of(artifact.card)
    if task.drawn:
        raise InputError("a generator is asked with drawn codes; leave out --validate")
    if not task.supervised:
        inputs = artifact.read(validate)[1]
        count = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
        return Asked(chosen_inputs(inputs, _evenly(count, MOST)), None, str(validate))
    part = _labelled(artifact, validate)
    fresh = np.flatnonzero([digested not in artifact.trained_on() for digested in part.digests])
    if not len(fresh):
        raise InputError(f"{validate}: the model was trained on all of it; expected examples that it has not seen")
    origin = f"{validate}, training examples not left out: {artifact.doubt}" if artifact.doubt else str(validate)
    return _in_memory(part.chosen(fresh[_evenly(len(fresh), MOST)]), card, origin)


def _held_out(artifact: Artifact) -> Asked | None:
    """Examples of the run that were held out; None where they are no longer there."""
    card, task, origin = artifact.card, task_of(artifact.card), "held-out examples of the run"
    if task.drawn or _source(artifact) is None:
        return None
    if card["input"]["kind"] == "images":
        split = "test" if any(row["split"] == "test" for row in _splits(artifact)) else "validation"
        found = _files(artifact, split, MOST)
        if not found:
            return None
        files, labels = zip(*found, strict=True)
        names = tuple(map(str, files))
        if not isinstance(task, Classification):
            return _in_memory(Part(files, np.zeros(len(files)), names, labels), card, origin)._replace(targets=None)
        several = [tuple(filter(None, label.split(";"))) if task.several else (label,) for label in labels]
        targets = task.encode(LabelSets(several, names, origin, task.names))
        return _in_memory(Part(files, targets, names, tuple(labels)), card, origin)
    if not task.supervised:
        return None
    known = {row["sha256"] for row in _splits(artifact) if row["split"] != "train"}
    try:
        part = _labelled(artifact, _source(artifact))
    except (InputError, OSError):  # what is there now is something else
        return None
    same = np.flatnonzero([digested in known for digested in part.digests])
    return _in_memory(part.chosen(same[_evenly(len(same), MOST)]), card, origin) if len(same) else None


def _labelled(artifact: Artifact, path: str | Path) -> Part:
    card = artifact.card
    reader = import_module(READERS[card["input"]["kind"]])
    return reader.read_labelled(path, card["input"], task_of(card))[0]


def _in_memory(part: Part, card: dict[str, Any], origin: str) -> Asked:
    if card["input"]["kind"] != "images":
        return Asked(part.inputs, part.targets, origin)
    pixels, errors = decoded(part.inputs, card["input"])
    if not pixels:
        raise InputError(f"{origin}: no image can be read; {next(iter(errors.values()), 'there is none')}")
    kept = part.chosen(np.array([at for at in range(len(part)) if at not in errors], np.int64))
    files = kept.inputs if isinstance(kept.inputs, tuple) else None
    return Asked(np.stack(pixels), kept.targets, origin, files)


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


def _files(artifact: Artifact, split: str, most: int) -> list[tuple[Path, str]]:
    """Images of the run that still have the same content, evenly chosen, with their labels."""
    source = _source(artifact)
    if source is None:
        return []
    root = source if source.is_dir() else source.parent
    rows = _spread([row for row in _splits(artifact) if row["split"] == split], most)
    there = [(root / row["path"], row) for row in rows]
    return [(file, row["label"]) for file, row in there if file.is_file() and digest(file) == row["sha256"]]


def _spread(values: list[Any], most: int) -> list[Any]:
    return [values[at] for at in _evenly(len(values), most)]


def _evenly(count: int, most: int) -> np.ndarray:
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)
