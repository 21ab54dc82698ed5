"""Runtimes: what turns batches of pixels into outputs. One call for embedding, gate and server alike."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.files import atomic_folder

if TYPE_CHECKING:
    import keras
    import openvino

Runtime = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]
"""Takes uint8 images (height, width, 3), 0-255, one by one; gives the float32 output of each in the same order."""

BATCH = 32


def keras_runtime(model: keras.Model) -> Runtime:
    """`model` as a runtime, in batches of 32."""

    def run(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        batch: list[np.ndarray] = []
        for image in images:
            batch.append(image)
            if len(batch) == BATCH:
                yield from model.predict_on_batch(np.stack(batch).astype(np.float32))
                batch = []
        if batch:
            yield from model.predict_on_batch(np.stack(batch).astype(np.float32))

    return run


def openvino_runtime(model: openvino.Model | Path) -> Runtime:
    """An OpenVINO model (or the path of its ``.xml``) as a runtime, float32, images running beside each other."""
    import openvino

    # On processors that have bfloat16 the default is to compute in it: 1e-2 off. Throughput runs one image per core,
    # which keeps an image's activations in that core's cache.
    exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = openvino.Core().compile_model(model, "CPU", exact)

    # Requests in turns rather than OpenVINO's queue with callbacks, whose destruction can wait for the interpreter
    # lock that its callback waits for. Two more than run at once, so that none waits for Python.
    count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 2

    def run(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        idle = [compiled.create_infer_request() for _ in range(count)]
        running: deque[openvino.InferRequest] = deque()

        def oldest() -> np.ndarray:
            request = running.popleft()
            request.wait()
            idle.append(request)
            return request.get_output_tensor(0).data[0].astype(np.float32, copy=True)

        for image in images:
            if not idle:
                yield oldest()
            request = idle.pop()
            request.start_async({0: image[None]})
            running.append(request)
        while running:
            yield oldest()

    return run


def convert(model: keras.Model, path: Path) -> Path:
    """Write `model` for OpenVINO to `path` (``.xml``, its weights beside it in ``.bin``), whole or not at all."""
    import openvino
    import tensorflow as tf

    with atomic_folder(path.parent) as partial:
        archive = tf.Module()
        signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)]
        archive.weights = model.variables
        archive.serve = tf.function(lambda pixels: model(tf.cast(pixels, tf.float32), training=False), signature)
        tf.saved_model.save(archive, str(partial / "saved_model"), signatures=archive.serve)
        # `read_model` rather than `convert_model`: the latter reports usage over the network.
        converted = openvino.Core().read_model(partial / "saved_model")
        openvino.save_model(converted, partial / path.name, compress_to_fp16=False)
        os.replace(partial / path.with_suffix(".bin").name, path.with_suffix(".bin"))
        os.replace(partial / path.name, path)  # last: who sees it has both
    return path
