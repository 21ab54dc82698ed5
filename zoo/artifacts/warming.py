"""Made-up inputs of a model, and the requests that TensorFlow Serving warms a new version up with."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.dataset import Inputs, chosen_inputs
from zoo.kinds.signatures import feeds
from zoo.tasks.registry import task_class

if TYPE_CHECKING:
    import keras

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")  # where TensorFlow Serving looks for them
BATCHES = (1, 32)
STEPS = 24  # of a made-up sequence, where the model takes any length
EVERY = 8  # one in so many values is missing, in columns where training had missing ones


def write(folder: Path, card: Mapping[str, Any], model: keras.Model, name: str) -> int:
    """Write requests of batch 1 and 32 to the SavedModel in `folder`, for TensorFlow Serving to replay at loading.

    Without them the first request of every shape waits for TensorFlow to set itself up. The inputs are made up.

    Args:
        folder: of the version.
        card: as `made_up` takes it.
        model: as `made_up` takes it.
        name: of the artifact, which the model will be called by.

    Returns:
        how many; 0 where the package tensorflow-serving-api is not installed.

    Source: TensorFlow Serving's guide "SavedModel Warmup", tensorflow.org/tfx/serving/saved_model_warmup.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        return 0
    import tensorflow as tf

    inputs = made_up(card, model, max(BATCHES), seed=0)
    (folder / REQUESTS).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / REQUESTS)) as file:
        for batch in BATCHES:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, "serving_default"
            for tensor, values in feeds(chosen_inputs(inputs, np.arange(batch)), described(card)).items():
                request.inputs[tensor].CopyFrom(tf.make_tensor_proto(_encoded(values), shape=np.shape(values)))
            file.write(log.SerializeToString())
    return len(BATCHES)


def described(card: Mapping[str, Any], model: keras.Model | None = None) -> dict[str, Any]:
    """What ``serving_default`` takes, as `zoo.kinds.signatures` wants it: the card's input, or codes.

    Args:
        card: of the artifact.
        model: says the width of codes, which a specification needs.
    """
    if "task" not in card or not task_class(card["task"]).drawn:
        return card.get("input", card)
    width = None if model is None else model.inputs[0].shape[-1]
    return {"kind": "code", "width": width, "classes": list(card["classes"])}


def made_up(card: Mapping[str, Any], model: keras.Model, count: int, seed: int) -> Inputs:
    """Plausible inputs that are nobody's data: drawn, by what the model knows of its kind of input.

    Args:
        card: of the artifact, or only its ``input`` where the model is no generator.
        model: raw inputs to outputs; its preprocessing says how numbers vary, and which categories and words it knows.
        count: how many.
        seed: of what is drawn.

    Returns:
        images: a tuple of encoded files, JPEG and PNG in turn; else what `zoo.data.Part.inputs` has, of a generator
        ``code`` and perhaps ``label``. `zoo.kinds.signatures.feeds` takes it with `described`.
    """
    rng, description = np.random.default_rng(seed), described(card)
    kind = description.get("kind", "images")
    if kind == "images":
        return tuple(_picture(rng, description, "PNG" if at % 2 else "JPEG") for at in range(count))
    if kind == "code":
        found = {"code": rng.standard_normal((count, model.inputs[0].shape[-1]), np.float32)}
        names = card["classes"]
        return found | ({"label": np.array([names[at % len(names)] for at in range(count)], object)} if names else {})
    preprocess = getattr(model, "preprocess", None) or model.get_layer("preprocess")
    if kind == "text":
        return _texts(rng, preprocess.get_layer("words").get_vocabulary()[2:], description["length"], count)
    if kind == "sequence":
        length = description["length"]
        if length is None and hasattr(model, "longest"):  # an autoencoder takes no longer ones
            length = model.longest
        return _sequences(rng, preprocess.get_layer("scale"), length, description["length"] is None, count)
    return _rows(rng, preprocess, description, count)


def _picture(rng: np.random.Generator, description: Mapping[str, Any], form: str) -> bytes:
    """A smooth picture somewhat larger than the model's input, encoded."""
    from PIL import Image

    channels = description.get("channels", 3)
    coarse = rng.integers(0, 256, (4, 4, channels), np.uint8)
    height, width = (max(8, math.ceil(side * rng.uniform(1, 1.5))) for side in description["size"])
    small = Image.fromarray(coarse[..., 0] if channels == 1 else coarse)
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def _rows(
    rng: np.random.Generator, preprocess: keras.Model, description: Mapping[str, Any], count: int
) -> dict[str, np.ndarray]:
    """Numbers that vary as those of training did, some missing where some were; known categories."""
    found = {}
    if description.get("numeric"):
        numbers = preprocess.get_layer("numbers")
        shape = (count, len(description["numeric"]))
        values = np.array(numbers.means) + np.array(numbers.deviations) * rng.standard_normal(shape)
        for column in numbers.indicators:
            values[rng.integers(EVERY, size=count) == 0, column] = np.nan
        found["numeric"] = values.astype(np.float32)
    if description.get("categorical"):
        columns = [
            rng.choice(np.array(names, object), count) for names in preprocess.get_layer("categories").categories
        ]
        found["categorical"] = np.stack(columns, axis=1)
    return found


def _texts(rng: np.random.Generator, words: list[str], length: int, count: int) -> np.ndarray:
    """Words of the vocabulary, the frequent ones, which come first, more often."""
    words = words or ["word"]
    texts = []
    for size in rng.integers(1, length, count, endpoint=True):
        drawn = (len(words) * rng.random(size) ** 3).astype(int)
        texts.append(" ".join(words[at] for at in drawn))
    return np.array(texts, object)


def _sequences(
    rng: np.random.Generator, scale: keras.layers.Layer, length: int | None, uneven: bool, count: int
) -> np.ndarray:
    """Noisy waves in the unit of each feature; where `uneven`, every second one ends early, NaN from there."""
    length, features = length or STEPS, len(scale.means)
    phases, periods = rng.uniform(0, 2 * np.pi, (count, 1, features)), rng.uniform(4, 24, (count, 1, features))
    waves = np.sin(phases + 2 * np.pi * np.arange(length)[:, None] / periods)
    waves = waves + 0.2 * rng.standard_normal((count, length, features))
    if uneven:
        ends = rng.integers(1, length, count, endpoint=True)[1::2]
        waves[1::2][np.arange(length) >= ends[:, None]] = np.nan
    return (np.array(scale.means) + np.array(scale.deviations) * waves).astype(np.float32)


def _encoded(values: Any) -> Any:
    """Strings as bytes, other values as they are."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    return [each if isinstance(each, bytes) else str(each).encode() for each in values]
