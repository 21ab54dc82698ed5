"""Runtimes: functions from images to outputs, for embeddings of a frozen backbone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import checksums
from zoo.files import atomic_folder, cache_folder
from zoo.startup import without_noise

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

    return write(lambda pixels: model(tf.cast(pixels, tf.float32), training=False), model.input_shape, path, "uint8")


def write(function: Callable[[Any], Any], shape: Sequence[int | None], path: Path, dtype: str = "float32") -> Path:
    """Write a function of TensorFlow for OpenVINO to `path` (``.xml``, its weights beside it in ``.bin``), atomically.

    Args:
        function: from a batch of images to a tensor, or to tensors by name.
        shape: of a batch; the number of images is free.
        path: of the file.
        dtype: of the images.
    """
    import openvino
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with atomic_folder(path.parent) as partial:
        signature = [tf.TensorSpec([None, *shape[1:]], dtype, name="pixels")]
        traced = tf.function(function).get_concrete_function(*signature)
        with without_noise():
            frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
        file = partial / "frozen.pb"
        file.write_bytes(frozen.graph.as_graph_def().SerializeToString())
        # `read_model` rather than `convert_model`: the latter reports usage over the network.
        converted = openvino.Core().read_model(file)
        if isinstance(traced.structured_outputs, dict):  # whose flat outputs are sorted by name
            names = {
                tensor.name: name
                for tensor, name in zip(frozen.outputs, sorted(traced.structured_outputs), strict=True)
            }
            for output in converted.outputs:
                output.get_tensor().set_names({next(names[each] for each in output.get_names() if each in names)})
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
