"""Warm-up requests for TensorFlow Serving, with made-up inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.data.parts import chosen_inputs

if TYPE_CHECKING:
    import keras

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")  # where TensorFlow Serving looks for them
BATCHES = (1, 32)


def write(folder: Path, card: Mapping[str, Any], model: keras.Model, name: str) -> int:
    """Write requests of batch 1 and 32 to the SavedModel in `folder`, which TensorFlow Serving replays at loading.

    Without them, the first request of every shape waits for TensorFlow's set-up. The inputs are made up.

    Args:
        folder: of the version.
        card: of the artifact.
        model: raw inputs to outputs.
        name: of the artifact, which is the name of the served model.

    Returns:
        number of requests; 0 if the package tensorflow-serving-api is not installed.

    Source: TensorFlow Serving's guide "SavedModel Warmup", tensorflow.org/tfx/serving/saved_model_warmup.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        return 0
    import tensorflow as tf

    kind = requested_kind(card, model)
    inputs = kind.made_up(model, max(BATCHES), np.random.default_rng(0))
    (folder / REQUESTS).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / REQUESTS)) as file:
        for batch in BATCHES:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, "serving_default"
            for tensor, values in kind.feeds(chosen_inputs(inputs, np.arange(batch))).items():
                request.inputs[tensor].CopyFrom(tf.make_tensor_proto(_encoded(values), shape=np.shape(values)))
            file.write(log.SerializeToString())
    return len(BATCHES)


def _encoded(values: Any) -> Any:
    """Strings as bytes, other values as they are."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    return [each if isinstance(each, bytes) else str(each).encode() for each in values]
