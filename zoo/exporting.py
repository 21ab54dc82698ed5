"""SavedModel export, and the gate that proves it equal to the Keras model."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.data import decoding
from zoo.data.dataset import Data, Part
from zoo.errors import JobError

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-5  # largest difference in a probability
GATE_FILES = 256


def saved_model(
    model: keras.Model, folder: Path, *, classes: tuple[str, ...], task: str, size: tuple[int, int], crop: float
) -> None:
    """Write `model` to `folder` as a SavedModel that needs no code of this project.

    Signatures: ``serving_default``: ``image_bytes``, string (batch,) of encoded images → ``label`` string (batch,),
    ``probability`` float32 (batch,), ``probabilities`` float32 (batch, classes); for several labels ``label`` joins
    those of at least 0.5 by ``;``. ``serving_pixels``: ``pixels`` float32 (batch, height, width, 3), 0-255 → the same.
    ``embed``: ``image_bytes`` → ``embedding`` float32 (batch, width).

    Args:
        model: pixels 0-255 → probabilities; its last layer takes the embedding.
        folder: made if absent.
        classes: names, in the order of the output.
        task: ``classification`` or ``multi_label``.
        size: height and width of the pixels.
        crop: as `zoo.data.decoding.decode` takes it.
    """
    import keras
    import tensorflow as tf

    from zoo.data.decoding_graph import decode_batch

    both = keras.Model(model.inputs, [model.output, model.layers[-1].input])
    names = tf.constant(classes)

    @tf.function(input_signature=[tf.TensorSpec([None, *size, 3], tf.float32, name="pixels")])
    def run(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(both(pixels, training=False))

    def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities, _ = run(pixels)
        if task == "multi_label":
            chosen = tf.ragged.boolean_mask(tf.broadcast_to(names, tf.shape(probabilities)), probabilities >= 0.5)
            label = tf.strings.reduce_join(chosen, axis=1, separator=";")
        else:
            label = tf.gather(names, tf.argmax(probabilities, axis=1))
        return {"label": label, "probability": tf.reduce_max(probabilities, axis=1), "probabilities": probabilities}

    encoded = tf.TensorSpec([None], tf.string, name="image_bytes")

    @tf.function(input_signature=[encoded])  # traced once for both signatures
    def pixels_of(image_bytes: tf.Tensor) -> tf.Tensor:
        return tf.cast(decode_batch(image_bytes, size, crop), tf.float32)

    module = tf.Module()
    module.weights = both.variables  # not the model: its hundreds of layers would be written one by one
    module.run = run
    module.serving_default = tf.function(lambda image_bytes: answer(pixels_of(image_bytes)), [encoded])
    module.serving_pixels = tf.function(lambda pixels: answer(pixels), run.input_signature)
    module.embed = tf.function(lambda image_bytes: {"embedding": run(pixels_of(image_bytes))[1]}, [encoded])
    with tempfile.TemporaryDirectory() as place:
        labels = Path(place, "labels.txt")
        labels.write_text("\n".join(classes) + "\n", encoding="utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
        signatures = {name: getattr(module, name) for name in ("serving_default", "serving_pixels", "embed")}
        tf.saved_model.save(module, str(folder), signatures=signatures)


class Parity(NamedTuple):
    """What the gate found.

    Attributes:
        files: how many were compared.
        formats: of those files, with their counts.
        largest_difference: in any probability.
        label_differences: labels that differ although their margin is over the tolerance.
        tolerance: what was allowed.
    """

    files: int
    formats: dict[str, int]
    largest_difference: float
    label_differences: int
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the export may be published."""
        return self.files > 0 and self.label_differences == 0 and self.largest_difference <= self.tolerance


class Gate:
    """A clean process that answers from a SavedModel alone; start it early, as it has TensorFlow to load."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("parity_process.py")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        # -I: neither this folder nor PYTHONPATH is on its path.
        self.process = subprocess.Popen([sys.executable, "-I", str(script)], text=True, **pipes)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ask(self, folder: Path, files: Sequence[Path]) -> Callable[[], tuple[np.ndarray, list[str]]]:
        """Begin to answer for `files`; the function returned waits for probabilities and labels.

        Raises (the function):
            JobError: the process failed; with its last words.
        """
        place = tempfile.TemporaryDirectory()
        output = Path(place.name, "answers.npz")
        request = {"saved_model": str(folder.resolve()), "files": [str(file.resolve()) for file in files]}
        with contextlib.suppress(BrokenPipeError):  # it died before; the answers will say of what
            self.process.stdin.write(json.dumps(request | {"batch": 32, "output": str(output)}) + "\n")
            self.process.stdin.flush()

        def answers() -> tuple[np.ndarray, list[str]]:
            with place:
                _, errors = self.process.communicate()
                if self.process.returncode or not output.exists():
                    raise JobError(f"the exported model can't be run: {(errors.strip().splitlines() or ['?'])[-1]}")
                with np.load(output) as found:
                    return found["probabilities"], found["labels"].tolist()

        return answers


def compare(
    expected: np.ndarray, received: np.ndarray, labels: Sequence[str], data: Data, files: Sequence[Path]
) -> Parity:
    """Hold the answers of an export (`received`, `labels`) to those of the Keras model (`expected`)."""
    several = data.task == "multi_label"
    wrong = 0
    for row, label in zip(expected, labels, strict=True):
        if several:
            sure = np.abs(row - 0.5).min() > TOLERANCE
            wanted = ";".join(name for name, p in zip(data.classes, row, strict=True) if p >= 0.5)
        else:
            top = np.sort(row)[::-1]
            sure = top[0] - top[1] > TOLERANCE
            wanted = data.classes[int(row.argmax())]
        wrong += int(sure and label != wanted)
    formats: dict[str, int] = {}
    for file in files:
        kind = decoding.probe(file).format
        formats[kind] = formats.get(kind, 0) + 1
    difference = float(np.abs(expected - received).max()) if np.isfinite(received).all() else float("inf")
    return Parity(len(files), formats, difference, wrong, TOLERANCE)


def gate_sample(part: Part, seed: int) -> list[int]:
    """Positions in `part` of up to 256 files that the exported graph reads: of every format and class some."""
    formats = [decoding.probe(path).format for path in part.inputs]
    labels = part.targets if part.targets.ndim == 1 else part.targets.argmax(axis=1)
    order = np.random.default_rng(seed).permutation(len(part))
    # Dealt out in turns over all pairs of format and class.
    turns: dict[tuple[str, int], int] = {}
    ranked = []
    for index in order.tolist():
        if formats[index] in decoding.GRAPH_FORMATS:
            key = (formats[index], int(labels[index]))
            turns[key] = turns.get(key, -1) + 1
            ranked.append((turns[key], len(ranked), index))
    return sorted(index for _, _, index in sorted(ranked)[:GATE_FILES])
