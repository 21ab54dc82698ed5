"""Runtimes: functions from images to outputs, for embeddings of a frozen backbone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.artifacts import checksums
from zoo.files import atomic_folder, cache_folder

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
    """An OpenVINO model (or the path of its ``.xml``) as a runtime, float32, with images in parallel."""
    import openvino

    # The default on processors with bfloat16 is to compute in it, which gives differences of 1e-2. THROUGHPUT runs one
    # image a core, so that its activations stay in the cache.
    exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = openvino.Core().compile_model(model, "CPU", exact)

    # Requests take turns; the destruction of OpenVINO's queue with callbacks can deadlock with a callback on the
    # interpreter lock. Two more requests than can run in parallel, so that none waits for Python.
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
    """Write `model` for OpenVINO to `path` (``.xml``, with the weights beside it in ``.bin``), atomically."""
    import openvino
    import tensorflow as tf

    with atomic_folder(path.parent) as partial:
        archive = tf.Module()
        signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8)]
        archive.weights = [variable.value for variable in model.variables]
        archive.serve = tf.function(lambda pixels: model(tf.cast(pixels, tf.float32), training=False), signature)
        tf.saved_model.save(archive, str(partial / "saved_model"), signatures=archive.serve)
        # `read_model` rather than `convert_model`: the latter reports usage over the network.
        converted = openvino.Core().read_model(partial / "saved_model")
        openvino.save_model(converted, partial / path.name, compress_to_fp16=False)
        os.replace(partial / path.with_suffix(".bin").name, path.with_suffix(".bin"))
        os.replace(partial / path.name, path)  # last, so that a reader who sees it has both
    return path


def cached(model: keras.Model, key: str) -> Runtime:
    """`model` on OpenVINO. It is converted once, and is then in the cache under `key`."""
    path = cache_folder("openvino") / f"{key}.xml"
    files = path, path.with_suffix(".bin")
    if not checksums.sealed(*files):
        convert(model, path)
        checksums.seal(*files)
    return openvino_runtime(path)
