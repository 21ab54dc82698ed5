"""Answers of a SavedModel, from a process that has TensorFlow, and neither Keras nor anything of this project.

Run as a script: it loads TensorFlow, then waits for one line of JSON on standard input:
``{"saved_model": folder, "batch": 32, "wanted": [...], "output": file.npz}`` with ``"files": [...]``, encoded images,
or ``"inputs": file.npz``, an array for each tensor that the model takes, and their ``"names"``. It writes to `output`
an array (examples, ...) for each of the wanted outputs that the model has, in the order of the inputs; and with
``"timed": [1, 32]`` ``latency_ms``, the median milliseconds of batches of those sizes.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 3.0  # seconds a size is timed for, at most


def main() -> None:
    """Answer one request."""
    # Importing these raises ImportError: what is proven must not need them. TensorFlow does without the last two.
    for package in ("zoo", "applications", "tuning", "keras", "jax"):
        sys.modules[package] = None
    import numpy as np

    tf = _tensorflow()
    line = sys.stdin.readline()
    if not line:  # the parent failed before it had anything to prove
        return
    request = json.loads(line)
    serve = tf.saved_model.load(request["saved_model"]).signatures["serving_default"]
    arrays = {}
    if "inputs" in request:
        with np.load(request["inputs"]) as found:
            arrays = {name: found[file] for name, file in zip(request["names"], found.files, strict=True)}
    count = len(next(iter(arrays.values()))) if arrays else len(request["files"])
    found: dict[str, list] = {}

    def batch(places: list[int]) -> dict:
        if arrays:
            return {name: tf.constant(values[places]) for name, values in arrays.items()}
        return {"image_bytes": tf.constant([Path(request["files"][place]).read_bytes() for place in places])}

    for start in range(0, count, request["batch"]):
        for name, answer in serve(**batch(list(range(start, min(start + request["batch"], count))))).items():
            if name in request["wanted"]:
                values = answer.numpy()
                # Strings of a fixed width: objects would have to be pickled.
                found.setdefault(name, []).append(
                    np.array([value.decode() for value in values]) if values.dtype == object else values
                )
    if request.get("timed"):
        batches = [batch([place % count for place in range(size)]) for size in request["timed"]]
        found["latency_ms"] = [np.array([_milliseconds(lambda asked=asked: serve(**asked)) for asked in batches])]
    np.savez(request["output"], **{name: np.concatenate(parts) for name, parts in found.items()})


def _tensorflow() -> Any:
    """TensorFlow, without what it writes to standard error past Python, whose last line is what the parent reports."""
    kept, failed = os.dup(2), True
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                said.seek(0)
                os.write(2, said.read())
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
