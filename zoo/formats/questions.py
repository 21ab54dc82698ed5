"""What a format is held to its model with: held-out files of the run, a path that is named, or inputs made up."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data.dataset import Inputs, Part, chosen_inputs
from zoo.errors import InputError
from zoo.files import digest
from zoo.formats import graphs
from zoo.predictor import READERS, Predictor, decoded

if TYPE_CHECKING:
    import keras

    from zoo.generative.generator import Generator
    from zoo.generative.reconstructor import Reconstructor

    Artifact = Predictor | Reconstructor | Generator

MOST = 500  # inputs that a format is asked
CALIBRATED = 200  # examples that the ranges of an int8 model are found on
MADE_UP = 64
LONGEST = 12  # steps of a sequence made up, where any number is allowed
_UNSEEN = "\2 never seen"


class Asked(NamedTuple):
    """Inputs for the gate.

    Attributes:
        inputs: raw, in memory: as `zoo.data.Part` has them, of images uint8 pixels; of a generator ``code`` and perhaps
            ``label``.
        targets: as `zoo.data.Part` has them; None where they are not known.
        origin: where they come from, in words.
    """

    inputs: Inputs
    targets: np.ndarray | None
    origin: str

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values()))) if isinstance(self.inputs, dict) else len(self.inputs)


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
    return _held_out(artifact) or Asked(made_up(artifact.model, artifact.card), None, "made up")


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
        from zoo.data.image_sources import expanded

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
    """Inputs of the right kind, always the same ones."""
    rng = np.random.default_rng(0)
    description, preprocess = card["input"], graphs.preprocess_of(model)
    if card["task"] == "generation":
        found = {"code": rng.standard_normal((MADE_UP, model.inputs[0].shape[-1]), np.float32)}
        return found | (
            {"label": (np.arange(MADE_UP) % len(card["classes"])).astype(np.int32)} if card["classes"] else {}
        )
    kind = description["kind"]
    if kind == "images":
        return _pictures(rng, (getattr(model, "encoder", None) or model).input_shape[1:])
    if kind == "text":
        words = np.array(graphs.vocabulary(model)[2:] or ["word"], dtype=object)
        longest = preprocess.output_shape[1] or LONGEST
        texts = [" ".join([*rng.choice(words, rng.integers(0, longest)), "zzyzx"]) for _ in range(MADE_UP)]
        return np.array(texts, dtype=object)
    if kind == "sequence":
        length = (getattr(model, "encoder", None) or model).input_shape[1]
        drawn = rng.standard_normal((MADE_UP, length or LONGEST, len(description["features"])))
        if preprocess is not None:
            scale = preprocess.get_layer("scale")
            drawn = drawn * scale.deviations + scale.means
        if description["length"] is None:
            ends = rng.integers(1, drawn.shape[1] + 1, MADE_UP)
            drawn[np.arange(drawn.shape[1]) >= ends[:, None]] = np.nan
        return drawn.astype(np.float32)
    return _rows(rng, model, preprocess, description)


def _rows(rng: np.random.Generator, model: keras.Model, preprocess: Any, description: dict[str, Any]) -> Inputs:
    found: dict[str, np.ndarray] = {}
    if description.get("numeric"):
        layer = preprocess.get_layer("numbers")
        drawn = rng.standard_normal((MADE_UP, len(layer.means))) * layer.deviations + layer.means
        drawn[rng.random(drawn.shape) < 0.05] = np.nan
        found["numeric"] = drawn.astype(np.float32)
    if description.get("categorical"):
        columns = [rng.choice(np.array([*names, _UNSEEN], dtype=object), MADE_UP) for names in graphs.categories(model)]
        found["categorical"] = np.stack(columns, axis=1)
    return found


def _pictures(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Smooth random pictures, uint8 (pictures, height, width, channels)."""
    from PIL import Image

    height, width, channels = shape
    found = np.empty((MADE_UP, *shape), np.uint8)
    for picture in found:
        for channel in range(channels):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 5), dtype=np.uint8))
            picture[..., channel] = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return found


def _named(artifact: Artifact, validate: str | Path) -> Asked:
    card = artifact.card
    if card["task"] == "generation":
        raise InputError("a generator is asked with drawn codes; leave out --validate")
    if card["task"] == "reconstruction":
        inputs = artifact.read(validate)[1]
        count = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
        return Asked(chosen_inputs(inputs, _evenly(count, MOST)), None, str(validate))
    part = _labelled(artifact, validate)
    fresh = np.flatnonzero([digested not in artifact.trained_on() for digested in part.digests])
    if not len(fresh):
        raise InputError(f"{validate}: the model was trained on all of it; expected examples that it has not seen")
    return _in_memory(part.chosen(fresh[_evenly(len(fresh), MOST)]), card, str(validate))


def _held_out(artifact: Artifact) -> Asked | None:
    """Examples of the run that were held out; None where they are no longer there."""
    card, origin = artifact.card, "held-out examples of the run"
    if card["task"] == "generation" or _source(artifact) is None:
        return None
    if card["input"]["kind"] == "images":
        split = "test" if any(row["split"] == "test" for row in _splits(artifact)) else "validation"
        found = _files(artifact, split, MOST)
        if not found:
            return None
        files, labels = zip(*found, strict=True)
        if card["task"] not in ("classification", "multi_label"):
            pixels, _ = decoded(files, card["input"])
            return Asked(np.stack(pixels), None, origin)
        hot = np.array([[name in label.split(";") for name in card["classes"]] for label in labels], np.int64)
        if card["task"] == "classification":
            hot = np.array([card["classes"].index(label) for label in labels])
        part = Part(files, hot, tuple(map(str, files)), tuple(labels))
        return _in_memory(part, card, origin)
    if card["task"] == "reconstruction":
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
    return reader.read_labelled(path, card["input"], tuple(card["classes"]), card["task"])[0]


def _in_memory(part: Part, card: dict[str, Any], origin: str) -> Asked:
    if card["input"]["kind"] != "images":
        return Asked(part.inputs, part.targets, origin)
    pixels, errors = decoded(part.inputs, card["input"])
    if not pixels:
        raise InputError(f"{origin}: no image can be read; {next(iter(errors.values()), 'there is none')}")
    kept = np.array([at for at in range(len(part)) if at not in errors], np.int64)
    return Asked(np.stack(pixels), part.targets[kept], origin)


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
