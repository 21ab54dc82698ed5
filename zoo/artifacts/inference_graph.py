"""Models of images as graphs of OpenVINO, which answer without an import of TensorFlow.

A graph is in the cache, under the checksum of the ``model.keras`` that it was made of. It is made when that model is
exported, and is there only if it has answered on this machine as the model does.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifacts import checksums, runtimes
from zoo.artifacts.gate import TOLERANCE, alike
from zoo.data.kind import Kind
from zoo.data.parts import Inputs, chosen_inputs, count
from zoo.files import atomic_file, cache_folder, digest
from zoo.settings import short_hash
from zoo.tasks.task import Task
from zoo.tasks.terms import Outputs

PROOF = 32  # images to compare a graph with its model on


def keep(folder: Path, task: Task, kind: Kind, run: Any, inputs: Inputs, expected: Outputs) -> bool:
    """Make the graph of a version's model, and keep it if it answers as the model does.

    The answers to `PROOF` of `inputs` are compared: numbers by the tolerance of the gate, decisions exactly. A model
    that OpenVINO can't hold, or that answers otherwise there, is not tried again. Layers of a user are left to Keras,
    as their code may change.

    Args:
        folder: has ``model.keras``.
        task: of the model.
        kind: of images.
        run: the Keras model in the folder, as `zoo.freezing.traced` gives it.
        inputs: raw, as in `zoo.data.Part`.
        expected: outputs of the model for them, by name.

    Returns:
        whether there is a graph now.
    """
    path = _path(folder, task, kind)
    refused = path.with_suffix(".txt")
    if refused.exists() or _foreign(folder):
        return False
    chosen = np.unique(np.linspace(0, count(inputs) - 1, PROOF).astype(np.int64))
    try:
        runtimes.write(run, path, task.named(_places(run.structured_outputs)))
        answers = _answers(path)(kind.in_memory(chosen_inputs(inputs, chosen)))
        proven = alike(task, {name: values[chosen] for name, values in expected.items()}, answers, TOLERANCE)
        reason = "its answers differ from those of the Keras model"
    except (OSError, MemoryError):  # a full disk or memory is no fault of the model: the next export tries again
        return False
    except Exception as error:  # TensorFlow and OpenVINO raise whatever they meet
        proven, reason = False, f"{type(error).__name__}: {error}"
    if proven:
        checksums.seal(path, path.with_suffix(".bin"))
        return True
    for file in (path, path.with_suffix(".bin")):
        file.unlink(missing_ok=True)
    with atomic_file(refused) as partial:
        partial.write_text(f"{reason}\n", encoding="utf-8")
    return False


def kept(folder: Path, task: Task, kind: Kind) -> Callable[[np.ndarray], dict[str, np.ndarray]] | None:
    """A function from pixels (images, height, width, channels), 0-255, to outputs by name; None without a graph.

    A warning tells of a damaged graph.
    """
    path = _path(folder, task, kind)
    sound = checksums.sealed(path, path.with_suffix(".bin"), then="left out: the Keras model answers")
    return _answers(path) if sound else None


def _path(folder: Path, task: Task, kind: Kind) -> Path:
    """The place of a graph; what a graph was proven for is in its name."""
    what = short_hash(task.name, list(task.names), list(task.output_names), kind.to_card(), version("openvino"))
    return cache_folder("graphs") / f"{digest(folder / 'model.keras')}-{what}.xml"


def _answers(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    run, names = runtimes.requests(path)

    def answers(pixels: np.ndarray) -> dict[str, np.ndarray]:
        rows = list(run(pixels.astype(np.float32, copy=False)))
        return {name: np.concatenate([row[at] for row in rows]) for at, name in enumerate(names)}

    return answers


def _places(structure: Any) -> Any:
    """The places of tensors in the flat list of them, in their structure."""
    import tensorflow as tf

    return tf.nest.pack_sequence_as(structure, range(len(tf.nest.flatten(structure))))


def _foreign(folder: Path) -> bool:
    """Whether the model has layers or functions of a user."""
    theirs = []

    def look(each: dict[str, Any]) -> None:
        kind, own = str(each.get("class_name", "")), str(each.get("registered_name")).startswith("zoo>")
        plain = kind.startswith("__") and kind != "__lambda__"  # as a tuple
        if kind and not (own or plain or str(each.get("module")).split(".")[0] == "keras"):
            theirs.append(kind)

    with zipfile.ZipFile(folder / "model.keras") as file:
        json.loads(file.read("config.json"), object_hook=lambda each: look(each) or each)
    return bool(theirs)
