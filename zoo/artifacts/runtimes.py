"""Runtimes: what turns batches of pixels into outputs. One call for embedding, gate and server alike."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError
from zoo.files import whole_folder
from zoo.startup import hushed

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


def open_format(
    folder: Path, threads: int | None = None, part: str = "model"
) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """What ``<version>/formats/<name>/`` answers, run by its own runtime.

    Args:
        folder: as `zoo.formats.export` makes it.
        threads: of the runtime; None for one a core.
        part: "model"; of an autoencoder also "encoder" or "decoder".

    Returns:
        a function from the inputs that the manifest names, each (batch, ...) with a batch of any size, to the outputs
        that it names. Of LiteRT it must not be called by two threads at once: open one for each. Those of ONNX Runtime
        and OpenVINO may be; the latter runs the images of a batch beside each other.

    Raises:
        InputError: there is no such format or part, it is not as it was exported, or its runtime is not installed.
    """
    from zoo.artifacts import checksums
    from zoo.formats import process

    folder = Path(folder)
    manifest = checksums.require_format(folder)
    if part != "model" and part not in manifest.get("parts", {}):
        raise InputError(f"{folder}: expected the part model, or of an autoencoder encoder or decoder; received {part}")
    try:
        with hushed():
            return process.opened(folder, part, threads)
    except ModuleNotFoundError as error:
        raise InputError(f"{folder}: its runtime is not installed: {error}; see zoo formats") from error
    except Exception as error:  # runtimes raise whatever they meet in a damaged file
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{folder} can't be opened: {reason}; copy it again, or export it anew") from error


def convert(model: keras.Model, path: Path) -> Path:
    """Write `model` for OpenVINO to `path` (``.xml``, its weights beside it in ``.bin``), whole or not at all."""
    import openvino
    import tensorflow as tf

    with whole_folder(path.parent) as partial:
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
