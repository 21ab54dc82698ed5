"""Inference with a file of LiteRT, ONNX Runtime or OpenVINO, in a process with that runtime and nothing of the zoo.

Run as a script it waits for one line of JSON on standard input: ``{"folder": folder of a format, "batch": 32,
"requests": [{"part": "model", "inputs": file.npz, "output": file.npz}, ...]}``, answers in batches of 1, 3 and then
`batch`, and prints a line ``{"version": of the runtime, "latency_ms": {"1": milliseconds, "32": milliseconds}}``.
`zoo.artifacts.runtimes` has the same functions in its own process.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Answer = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
LATENCY_BATCHES = (1, 32)
PATIENCE = 3.0  # seconds a batch size is timed for, at most


def opened(folder: Path, part: str = "model", threads: int | None = None) -> Answer:
    """A function from named batches to named answers, by the manifest in the folder of a format.

    Args:
        folder: with ``manifest.json``.
        part: model, or of an autoencoder also encoder or decoder.
        threads: of the runtime; None for as many as it likes.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    described = manifest if part == "model" else manifest["parts"][part]
    return OPENERS[manifest["runtime"]["package"]](folder / described["file"], described, threads)


def _litert(path: Path, part: dict[str, Any], threads: int | None) -> Answer:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    cores = threads or os.cpu_count()  # the default would be one
    content = path.read_bytes()  # a path would be mapped into memory, and the file may be overwritten
    interpreter = Interpreter(model_content=content, num_threads=cores)
    if interpreter.num_subgraphs() > 1:
        # In a loop, the XNNPACK delegate sometimes misses a change of the batch size, and answers wrongly. The kernels
        # of LiteRT itself do not.
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=content, num_threads=cores, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()  # otherwise the first call logs a line about the delegate
    runner = interpreter.get_signature_runner("serving_default")

    def answer(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # Copies, because the next call overwrites the interpreter's memory.
        return {name: np.array(value) for name, value in runner(**_typed(batch, part)).items()}

    return answer


def _onnxruntime(path: Path, part: dict[str, Any], threads: int | None) -> Answer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def answer(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, _typed(batch, part)), strict=True))

    return answer


def _openvino(path: Path, part: dict[str, Any], threads: int | None) -> Answer:
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # the file may be overwritten while the model is in use
    model = core.read_model(path)
    # The default on processors with bfloat16 is to compute in it, which gives differences of 1e-2.
    exact: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        exact["INFERENCE_NUM_THREADS"] = threads
    names = [output.get_any_name() for output in model.outputs]
    if list(part["inputs"]) != ["pixels"]:
        compiled = core.compile_model(model, "CPU", exact | {"PERFORMANCE_HINT": "LATENCY"})

        def answer(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            request = compiled.create_infer_request()
            request.infer(_typed(batch, part))
            return {name: request.get_output_tensor(at).data.copy() for at, name in enumerate(names)}

        return answer

    # One image a core, so that its activations stay in the cache. Requests take turns; the destruction of OpenVINO's
    # queue with callbacks can deadlock with a callback on the interpreter lock.
    model.reshape({"pixels": [1, *part["inputs"]["pixels"]["shape"][1:]]})
    compiled = core.compile_model(model, "CPU", exact | {"PERFORMANCE_HINT": "THROUGHPUT"})
    count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 2

    def answer_each(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        pixels = _typed(batch, part)["pixels"]
        requests = [compiled.create_infer_request() for _ in range(min(count, len(pixels)))]
        outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}

        def take(request: Any) -> None:
            request.wait()
            for at, name in enumerate(names):
                outputs[name].append(request.get_output_tensor(at).data.copy())

        for at in range(len(pixels)):
            request = requests[at % len(requests)]
            if at >= len(requests):
                take(request)
            request.start_async({"pixels": pixels[at : at + 1]})
        for at in range(len(pixels), len(pixels) + len(requests)):
            take(requests[at % len(requests)])
        return {name: np.concatenate(parts) for name, parts in outputs.items()}

    return answer_each


OPENERS = {"ai-edge-litert": _litert, "onnxruntime": _onnxruntime, "openvino": _openvino}


def _typed(batch: dict[str, np.ndarray], part: dict[str, Any]) -> dict[str, np.ndarray]:
    inputs = part["inputs"]
    if set(batch) != set(inputs):
        raise ValueError(f"expected the inputs {', '.join(inputs)}; received {', '.join(batch)}")
    return {name: np.ascontiguousarray(batch[name], dtype=each["dtype"]) for name, each in inputs.items()}


def _timed(answer: Answer, inputs: dict[str, np.ndarray], size: int) -> float:
    """Milliseconds of a batch: the median of up to 20, after two to warm up."""
    count = len(next(iter(inputs.values())))
    batch = {name: values[np.arange(size) % count] for name, values in inputs.items()}
    for _ in range(2):
        answer(batch)
    taken: list[float] = []
    while len(taken) < 3 or (len(taken) < 20 and sum(taken) < PATIENCE):
        started = time.perf_counter()
        answer(batch)
        taken.append(time.perf_counter() - started)
    return round(1000 * statistics.median(taken), 3)


def main() -> None:
    """Answer one request."""
    for package in ("zoo", "applications", "tuning", "tensorflow", "keras"):
        sys.modules[package] = None  # its import raises ImportError: the format must not need it
    line = sys.stdin.readline()
    if not line:  # the parent process failed before it sent a request
        return
    request = json.loads(line)
    latency: dict[str, float] = {}
    for part_request in request["requests"]:
        answer = opened(Path(request["folder"]), part_request["part"])
        with np.load(part_request["inputs"]) as file:
            inputs = {name: file[name] for name in file.files}
        count = len(next(iter(inputs.values())))
        # Batches of several sizes, because a file may have been written for one size alone.
        ends = [0, *(end for end in (1, 4) if end < count)]
        ends += [*range(ends[-1] + request["batch"], count, request["batch"]), count]
        parts: dict[str, list[np.ndarray]] = {}
        for start, end in zip(ends, ends[1:], strict=False):
            for name, values in answer({name: values[start:end] for name, values in inputs.items()}).items():
                parts.setdefault(name, []).append(values)
        np.savez(part_request["output"], **{name: np.concatenate(values) for name, values in parts.items()})
        if part_request["part"] == "model":
            latency = {str(size): _timed(answer, inputs, size) for size in LATENCY_BATCHES}
    print(json.dumps({"latency_ms": latency}))


if __name__ == "__main__":
    main()
