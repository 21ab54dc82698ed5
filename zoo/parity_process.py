"""Answers of a SavedModel, from a process that has TensorFlow and nothing of this project.

Run as a script: it loads TensorFlow, then waits for one line of JSON on standard input:
``{"saved_model": folder, "batch": 32, "wanted": [...], "output": file.npz}`` with ``"files": [...]``, encoded images,
or ``"inputs": file.npz``, an array for each tensor that the model takes. It writes to `output` an array (examples, ...)
for each of the wanted outputs that the model has, in the order of the inputs.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Answer one request."""
    for package in ("zoo", "applications", "tuning"):
        sys.modules[package] = None  # importing it raises ImportError: what is proven must not need it
    import numpy as np
    import tensorflow as tf

    line = sys.stdin.readline()
    if not line:  # the parent failed before it had anything to prove
        return
    request = json.loads(line)
    serve = tf.saved_model.load(request["saved_model"]).signatures["serving_default"]
    arrays = {}
    if "inputs" in request:
        with np.load(request["inputs"]) as found:
            arrays = {name: found[name] for name in found.files}
    count = len(next(iter(arrays.values()))) if arrays else len(request["files"])
    found: dict[str, list] = {}
    for start in range(0, count, request["batch"]):
        chosen = slice(start, start + request["batch"])
        asked = {name: tf.constant(values[chosen]) for name, values in arrays.items()}
        if not arrays:
            asked["image_bytes"] = tf.constant([Path(file).read_bytes() for file in request["files"][chosen]])
        for name, answer in serve(**asked).items():
            if name in request["wanted"]:
                values = answer.numpy()
                # Strings of a fixed width: objects would have to be pickled.
                found.setdefault(name, []).append(
                    np.array([value.decode() for value in values]) if values.dtype == object else values
                )
    np.savez(request["output"], **{name: np.concatenate(parts) for name, parts in found.items()})


if __name__ == "__main__":
    main()
