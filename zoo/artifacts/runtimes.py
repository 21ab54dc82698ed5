"""Runtimes: functions from images to outputs, for embeddings of a frozen backbone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import freezing
from zoo.artifacts import checksums
from zoo.files import atomic_folder, cache_folder

if TYPE_CHECKING:
    import keras
    import openvino
    import tensorflow as tf

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
    outputs_of, _ = requests(model)
    return lambda images: (outputs[0][0].astype(np.float32, copy=False) for outputs in outputs_of(images))


def requests(
    model: openvino.Model | Path,
) -> tuple[Callable[[Iterable[np.ndarray]], Iterator[list[np.ndarray]]], list[str]]:
    """An OpenVINO model (or the path of its ``.xml``) in float32, with images in parallel.

    Returns:
        a function from images (height, width, channels), one by one, to all outputs of each, (1, ...), in the same
        order; and the names of the outputs.
    """
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file may be overwritten while the model is in use
    model = core.read_model(model) if isinstance(model, Path) else model
    # The default on processors with bfloat16 is to compute in it, which gives differences of 1e-2. THROUGHPUT runs one
    # image a core, so that its activations stay in the cache.
    exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = core.compile_model(model, "CPU", exact)

    # Requests take turns; the destruction of OpenVINO's queue with callbacks can deadlock with a callback on the
    # interpreter lock. Two more requests than can run in parallel, so that none waits for Python.
    count, width = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 2, len(model.outputs)

    def run(images: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        idle = [compiled.create_infer_request() for _ in range(count)]
        running: deque[openvino.InferRequest] = deque()

        def oldest() -> list[np.ndarray]:
            request = running.popleft()
            request.wait()
            idle.append(request)
            return [request.get_output_tensor(at).data.copy() for at in range(width)]

        for image in images:
            if not idle:
                yield oldest()
            request = idle.pop()
            request.start_async({0: image[None]})
            running.append(request)
        while running:
            yield oldest()

    return run, [min(output.get_names(), default="") for output in model.outputs]


def convert(model: keras.Model, path: Path) -> Path:
    """Write `model`, of uint8 images, for OpenVINO to `path`; see `write`."""
    import tensorflow as tf

    pixels = tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8, name="pixels")
    run = tf.function(lambda pixels: model(tf.cast(pixels, tf.float32), training=False))
    return write(run.get_concrete_function(pixels), path)


def write(function: tf.types.experimental.ConcreteFunction, path: Path, names: Mapping[str, int] | None = None) -> Path:
    """Write a function of images for OpenVINO to `path` (``.xml``, its weights beside it in ``.bin``), atomically.

    Args:
        function: as `zoo.freezing.traced` gives it.
        path: of the file.
        names: of the outputs -> their places in the flat list of them.
    """
    import openvino

    with atomic_folder(path.parent) as partial:
        constant = freezing.frozen(function)
        file = partial / "frozen.pb"
        file.write_bytes(constant.graph.as_graph_def().SerializeToString())
        # `read_model` rather than `convert_model`: the latter reports usage over the network.
        converted = openvino.Core().read_model(file)
        called = {constant.outputs[at].name: name for name, at in (names or {}).items()}
        for output in converted.outputs if called else ():
            output.get_tensor().set_names({next(called[each] for each in output.get_names() if each in called)})
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
