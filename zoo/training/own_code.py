"""What users bring of their own: layers that a saved model must be opened with, and the files that define them."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.builders.loading import _foreign, _in_thread
from zoo.errors import InputError

if TYPE_CHECKING:
    import keras

    from zoo.tasks.task import Task

_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")  # operations that call back into the process they were made in


def import_file(path: str | Path, what: str = "layers of your own") -> ModuleType:
    """Run a user's file, as an import does; files beside it can be imported by it.

    Args:
        path: of the file.
        what: it is to define, for the message.

    Raises:
        InputError: there is no such file, or it fails.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected a Python file with {what}, received {path}, which is no file")
    spec = importlib.util.spec_from_file_location(f"_own_{path.stem}", path)
    if spec is None:
        raise InputError(f"expected a Python file, whose name ends in .py, received {path}; rename it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses in it look for their module there
    sys.path.insert(0, beside := str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path} can't be imported: {reason}; mend it, or name another file") from error
    finally:
        sys.path.remove(beside)
    return module


def check(network: keras.Model, inputs: np.ndarray | None = None, export: Callable[[Path], None] | None = None) -> None:
    """Whether a model of a user's own, once it is saved, can be opened again and exported: before it is trained.

    Args:
        network: built.
        inputs: some that it takes, (examples, ...), to hold the answers of what is opened to its own; None for none.
        export: writes the SavedModel to a folder, as will be done with the trained one; None for none.

    Raises:
        InputError: it can't, with the reason and the remedy; or it answers otherwise once it is opened again.
    """
    import keras

    states = random.getstate(), np.random.get_state()  # a layer that is made draws its seeds from these
    try:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "model.keras")
            try:
                network.save(path)
                # In a thread of its own there is no scope of custom objects that a later process would not have.
                again = _in_thread(lambda: keras.models.load_model(path, safe_mode=True, compile=False))
            except Exception as error:  # whatever a user's own layers raise
                raise InputError(
                    f"{network.name} could not be opened again once it is saved: {_reason(path, error)}"
                ) from error
            if inputs is not None:
                _check_training(network, inputs)
                _compare(network, again, inputs)
            if export is not None:
                _export(network.name, Path(place, "exported"), export)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _reason(path: Path, error: Exception) -> str:
    """Why a model can't be opened again, and what to do."""
    found: list[tuple[str, bool]] = []
    if path.is_file():
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
        found = _in_thread(lambda: list(dict.fromkeys(_foreign(config))))
    names = [name for name, is_lambda in found if not is_lambda]
    if names:
        return (
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not registered; decorate each class or function "
            "with @keras.saving.register_keras_serializable(), where it is defined"
        )
    if found:
        return (
            "it has a lambda, code that is never run from a file; use keras.ops in its place, or a layer or function "
            "of a name, decorated with @keras.saving.register_keras_serializable()"
        )
    reason = " ".join(str(error).split())[:300]
    return f"{reason}; give each layer of your own a get_config that has all arguments of its __init__"


def check_task(task: Task, targets: np.ndarray, answer: Any) -> None:
    """Whether a task of a user's own does what every task does, tried on an untrained network: before it is trained.

    Args:
        task: of the data.
        targets: of the training part.
        answer: of the network to the first of its examples, a tensor as NumPy's array, or several.

    Raises:
        InputError: it fails, or its card does not hold all of it.
    """
    from zoo.tasks import forms
    from zoo.tasks.terms import Exam

    try:
        fitted, outputs = task.fitted(targets), task.named(answer)
        some = targets[: len(next(iter(outputs.values())))]
        said = fitted.answer(outputs, {}, np)
        missing = fitted.values().keys() ^ said.values.keys()
        forms.in_numpy(fitted, said)
        if task.supervised:
            fitted.losses(some, outputs)
            fitted.constant(targets)
        fitted.evaluate(Exam("rehearsal", some, outputs)).to_dict()
        again = type(fitted).from_card(json.loads(json.dumps(fitted.to_card() | {"input": {}})))
    except InputError:
        raise
    except Exception as error:  # whatever a user's own code raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise InputError(f"the task {task.name} fails on examples, before training: {reason}") from error
    if missing:
        raise InputError(f"the task {task.name}: its values and its answer differ in {', '.join(sorted(missing))}")
    if again != fitted:
        raise InputError(f"the task {task.name}: its card does not hold all of it: {fitted} comes back as {again}")


def answers(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """What a user's own model answers, an array of (examples, ...).

    Raises:
        InputError: it, or the name that it has, fails.
    """
    import keras

    inputs = inputs.astype(np.float32)
    try:
        if keras.backend.backend() != "tensorflow":
            return network.predict_on_batch(inputs)
        import tensorflow as tf

        # Once, so without what Keras keeps to predict: of many models in one process TensorFlow would warn of it.
        run = tf.function(lambda rows: network(rows, training=False), autograph=False)
        form = tf.TensorSpec([None, *inputs.shape[1:]], tf.float32)
        # In a thread of its own: of a name that no graph takes Keras would keep a scope, and all later layers be in it.
        return _in_thread(lambda: run.get_concrete_function(form)(tf.constant(inputs)).numpy())
    except Exception as error:  # whatever a user's own layers raise
        raise _failed(network, "can't answer", error) from error


def _check_training(network: keras.Model, inputs: np.ndarray) -> None:
    """Make the graph of a training step's forward pass, and do not run it."""
    import tensorflow as tf

    form = tf.TensorSpec([None, *inputs.shape[1:]], tf.float32)
    try:
        run = tf.function(lambda rows: network(rows, training=True), autograph=False)
        _in_thread(lambda: run.get_concrete_function(form))
    except Exception as error:  # whatever a user's own layers raise
        raise _failed(network, "can't be trained", error) from error


def _failed(network: keras.Model, what: str, error: Exception) -> InputError:
    told = re.sub(r"\x1b\[\d*m", "", str(error)).split("Arguments received by")[0]
    reason = " ".join(f"{type(error).__name__}: {told}".split())[:300]
    return InputError(f"{network.name!r} {what}: {reason}; mend the layer or the name that this is of")


def _compare(network: keras.Model, again: keras.Model, inputs: np.ndarray) -> None:
    before, after = (np.asarray(answers(each, inputs), np.float32) for each in (network, again))
    if before.shape != after.shape or not np.allclose(before, after, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise InputError(
            f"{network.name} answers otherwise once it is saved and opened again; give each layer of your own a "
            "get_config that has all arguments of its __init__, and let nothing in it be random outside of training"
        )


def _export(name: str, folder: Path, export: Callable[[Path], None]) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        export(folder)
    except Exception as error:  # whatever a user's own layers raise
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{name} can't be exported: {reason}; mend the layer that this is of") from error
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    if any(node.op in _PYTHON for node in nodes):
        raise InputError(
            f"{name} can't be exported, as it calls Python to answer (py_function, numpy_function); use keras.ops in "
            "their place"
        )
