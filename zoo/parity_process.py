"""Answers of a SavedModel, from a process that has TensorFlow and nothing of this project.

Run as a script: it loads TensorFlow, then waits for one line of JSON on standard input:
``{"saved_model": folder, "files": [...], "batch": 32, "output": file.npz}``, and writes to `output`, in the order
of the files, ``probabilities`` float32 (files, classes) and ``labels``, strings (files,).
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
    probabilities, labels = [], []
    for start in range(0, len(request["files"]), request["batch"]):
        files = request["files"][start : start + request["batch"]]
        answer = serve(image_bytes=tf.constant([Path(file).read_bytes() for file in files]))
        probabilities.append(answer["probabilities"].numpy())
        labels += [label.decode() for label in answer["label"].numpy()]
    np.savez(request["output"], probabilities=np.concatenate(probabilities), labels=np.array(labels))


if __name__ == "__main__":
    main()
