"""SavedModels of autoencoders and generators, and their part of the gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts.gate import GATE_EXAMPLES, TOLERANCE, Gate, Parity, formats_of
from zoo.artifacts.predictor import raw
from zoo.artifacts.saved_model import module_of
from zoo.builders.loading import loaded
from zoo.data.dataset import Inputs, chosen_inputs
from zoo.kinds.signatures import specification

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from zoo.builders.models import Autoencoder

__all__ = ["GATE_EXAMPLES", "autoencoder", "compare_autoencoder", "compare_generator", "generator"]


def autoencoder(model: Autoencoder, folder: Path, description: dict[str, Any]) -> None:
    """Write an autoencoder to `folder` as a SavedModel that needs no code of this project.

    Its signature ``serving_default`` takes raw inputs as `zoo.artifacts.saved_model.saved_model` says, and answers with
    ``reconstruction`` float32 (batch, ...), of images pixels 0-255, else of prepared features; ``score`` float32
    (batch,), the mean squared error; and ``is_anomaly`` bool (batch,), whether that is over the threshold. Sequences
    have the length that the model was trained on, rows of NaN after the end of shorter ones.

    Two more: ``encode``: raw inputs -> ``code`` float32 (batch, ...); ``decode``: ``code`` -> ``reconstruction``.

    Args:
        model: with its threshold set.
        folder: made if absent.
        description: `zoo.data.Data.input`.
    """
    import tensorflow as tf

    if description["kind"] == "sequence":  # shorter ones are padded with rows of NaN
        description = description | {"length": model.encoder.input_shape[1]}
    specs, assemble = specification(description)
    assemble = tf.function(assemble)  # traced once for both signatures
    threshold = float(model.threshold)

    def judge(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        reconstruction, score = model.answers(assemble(**tensors))
        return {"reconstruction": reconstruction, "score": score, "is_anomaly": score > threshold}

    module = module_of(model)
    code = tf.TensorSpec([None, *model.code_shape], tf.float32, name="code")
    decode = tf.function(lambda code: {"reconstruction": model.decoder(code, training=False)}, [code])
    encode = tf.function(lambda **tensors: {"code": model.codes(model.prepared(assemble(**tensors)))})
    _save(
        module,
        folder,
        serving_default=tf.function(judge).get_concrete_function(**specs),
        encode=encode.get_concrete_function(**specs),
        decode=decode,
    )


def generator(model: keras.Model, folder: Path, classes: tuple[str, ...]) -> None:
    """Write a generator to `folder` as a SavedModel that needs no code of this project.

    Its signature ``serving_default`` takes ``code`` float32 (batch, latent_dim), standard normal, and of a conditional
    model ``label`` string (batch,), and answers with ``pixels`` float32 (batch, height, width, channels), 0-255, and
    ``image_bytes`` string (batch,), each image as PNG. A label that is none of the classes is an error.

    Args:
        model: as `zoo.builders.adversarial_model.Adversarial` has it.
        folder: made if absent.
        classes: of a conditional model, else empty.
    """
    import tensorflow as tf

    specs = {"code": tf.TensorSpec([None, model.inputs[0].shape[-1]], tf.float32, name="code")}
    if classes:
        specs["label"] = tf.TensorSpec([None], tf.string, name="label")
        names = tf.constant(classes)

    def make(code: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        inputs = code
        if label is not None:
            same = label[:, None] == names[None]
            known = tf.debugging.Assert(tf.reduce_all(tf.reduce_any(same, axis=1)), ["no such label", label])
            with tf.control_dependencies([known] if known is not None else []):
                inputs = [code, tf.argmax(tf.cast(same, tf.int32), axis=1, output_type=tf.int32)]
        pixels = model(inputs, training=False)
        whole = tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)
        encoded = tf.map_fn(tf.io.encode_png, whole, fn_output_signature=tf.string)
        return {"pixels": pixels, "image_bytes": encoded}

    module = module_of(model)
    _save(module, folder, serving_default=tf.function(make).get_concrete_function(**specs))


def _save(module: tf.Module, folder: Path, **signatures: Any) -> None:
    import tensorflow as tf

    for name, function in signatures.items():
        setattr(module, name, function)
    tf.saved_model.save(module, str(folder), signatures=signatures)


def compare_autoencoder(folder: Path, inputs: Inputs, description: dict[str, Any], gate: Gate) -> Parity:
    """Hold the SavedModel in `folder` to the ``model.keras`` beside it, for raw `inputs`."""
    answers = gate.ask(folder, inputs, description, ("reconstruction", "score", "is_anomaly"))
    shipped = loaded(folder / "model.keras")
    found, positions, refused = answers()
    inputs = chosen_inputs(inputs, positions)
    if not found:
        return Parity(0, {}, float("inf"), 0, TOLERANCE, refused)
    asked = raw(inputs, description)
    expected, scores = shipped.reconstruct(asked), shipped.score(asked)
    # Roots, in the unit of what is reconstructed: a squared difference of nearly equal numbers has no digits to lose.
    roots, said = np.sqrt(scores), np.sqrt(np.maximum(found["score"], 0))
    largest = max(_difference(expected, found["reconstruction"]), _difference(roots, said))
    sure = np.abs(roots - np.sqrt(shipped.threshold)) > TOLERANCE * max(1.0, float(roots.max()))
    wrong = int((sure & (found["is_anomaly"] != (scores > float(shipped.threshold)))).sum())
    return Parity(len(scores), formats_of(inputs), largest, wrong, TOLERANCE, refused)


def compare_generator(folder: Path, classes: tuple[str, ...], gate: Gate, seed: int) -> Parity:
    """Hold the SavedModel in `folder` to the ``model.keras`` beside it, for drawn codes."""
    from zoo.builders.adversarial_model import generated

    shipped = loaded(folder / "model.keras")
    codes = np.random.default_rng(seed).standard_normal((GATE_EXAMPLES, shipped.inputs[0].shape[-1]), np.float32)
    feeds = {"code": codes}
    if classes:
        feeds["label"] = np.array([classes[position % len(classes)] for position in range(len(codes))])
    answers = gate.ask(folder, feeds, {"kind": "code"}, ("pixels",))
    expected = generated(shipped, codes, None, len(classes))
    return Parity(len(codes), {}, _difference(expected, answers().values["pixels"]), 0, TOLERANCE)


def _difference(expected: np.ndarray, received: np.ndarray) -> float:
    """Largest difference, in units of the largest value if that is over 1."""
    if received.shape != expected.shape or not np.isfinite(received).all():
        return float("inf")
    return float(np.abs(expected - received).max()) / max(1.0, float(np.abs(expected).max()))
