"""Inference with a SavedModel, in a process with TensorFlow, and without Keras and this project.

Run as a script: it loads TensorFlow, then waits for one line of JSON on standard input:
``{"saved_model": folder, "batch": 32, "wanted": [...], "output": file.npz}`` with ``"files": [...]``, encoded images,
or ``"inputs": file.npz``, what `packed` makes of an array for each tensor that the model takes. It writes to `output`
an array (examples, ...) for each of the wanted outputs that the model has, in the order of the inputs; ``positions`` of
the inputs that were answered, which are all but files that the model refuses; ``refused``, why it refuses each other;
and with ``"timed": [1, 32]`` ``latency_ms``, the median milliseconds of batches of those sizes.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 3.0  # seconds a size is timed for, at most


def packed(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays that `numpy.savez` takes without pickles: strings become one run of bytes, and the ends of each.

    An array of strings of a fixed width would pad each to the longest.
    """
    result: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        values = np.asarray(values)
        if values.dtype.kind in "biufc":
            result[f"{name}/values"] = (
                values  # with a suffix, because a column may be named "file", as an argument of savez
            )
            continue
        texts = [text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogatepass") for text in values]
        result[f"{name}/bytes"] = np.frombuffer(b"".join(texts), np.uint8)
        result[f"{name}/ends"] = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return result


def unpacked(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays in a file of `packed` arrays; strings as bytes, object (examples,)."""
    result: dict[str, np.ndarray] = {}
    with np.load(path) as file:
        for name in file.files:
            if name.endswith("/ends"):
                plain = name.removesuffix("/ends")
                run, ends = file[f"{plain}/bytes"].tobytes(), file[name].tolist()
                result[plain] = np.empty(len(ends), object)
                result[plain][:] = [run[start:end] for start, end in zip([0, *ends], ends, strict=False)]
            elif name.endswith("/values"):
                result[name.removesuffix("/values")] = file[name]
    return result


def reason(message: str) -> str:
    """A message of TensorFlow without the names of its nodes; of an assertion, its text alone."""
    asserted = re.search(r"assertion failed: \[(.*?)\]", message, re.DOTALL)
    plain = asserted[1] if asserted else re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]", " ", message, flags=re.DOTALL)
    return " ".join(plain.split())[:300] or "TensorFlow does not say why"


def main() -> None:
    """Answer one request."""
    # Importing these raises ImportError: the SavedModel must not need them. TensorFlow does not need the last two.
    for package in ("zoo", "applications", "tuning", "keras", "jax"):
        sys.modules[package] = None
    tf = _tensorflow()
    line = sys.stdin.readline()
    if not line:  # the parent process failed before it sent a request
        return
    request = json.loads(line)
    serve = tf.saved_model.load(request["saved_model"]).signatures["serving_default"]
    arrays = unpacked(request["inputs"]) if "inputs" in request else {}
    count = len(next(iter(arrays.values()))) if arrays else len(request["files"])
    parts_by_name: dict[str, list] = {}
    answered, refused = [], []

    def batch(places: list[int]) -> dict:
        if arrays:
            chosen = {name: values[places] for name, values in arrays.items()}
            return {name: tf.constant(v.tolist() if v.dtype == object else v) for name, v in chosen.items()}
        return {"image_bytes": tf.constant([Path(request["files"][place]).read_bytes() for place in places])}

    def answer(places: list[int]) -> None:
        for name, values in serve(**batch(places)).items():
            if name in request["wanted"]:
                parts_by_name.setdefault(name, []).append(values.numpy())
        answered.extend(places)

    try:
        for start in range(0, count, request["batch"]):
            places = list(range(start, min(start + request["batch"], count)))
            try:
                answer(places)
            except tf.errors.InvalidArgumentError:
                if arrays:
                    raise
                for place in places:  # which of the files it is
                    try:
                        answer([place])
                    except tf.errors.InvalidArgumentError as error:
                        refused.append(reason(error.message))
        if request.get("timed") and answered:
            batches = [batch([answered[place % len(answered)] for place in range(size)]) for size in request["timed"]]
            parts_by_name["latency_ms"] = [
                np.array([_milliseconds(lambda given=given: serve(**given)) for given in batches])
            ]
    except tf.errors.OpError as error:
        sys.exit(reason(error.message))
    answers = {name: np.concatenate(parts) for name, parts in parts_by_name.items()}
    answers |= {"positions": np.array(answered, np.int64), "refused": np.array(refused, object)}
    np.savez(request["output"], **packed(answers))


def _tensorflow() -> Any:
    """TensorFlow, imported without its output to standard error, whose last line the parent process reports."""
    stderr, failed = os.dup(2), True
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                captured.seek(0)
                os.write(2, captured.read())
    return tf


def _milliseconds(answer: Callable[[], dict]) -> float:
    """The median of up to 20 calls after two to warm up."""
    taken: list[float] = []
    for call in range(22):
        started = time.perf_counter()
        for value in answer().values():
            value.numpy()
        if call >= 2:
            taken.append(time.perf_counter() - started)
        if len(taken) >= 3 and sum(taken) > PATIENCE:
            break
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
