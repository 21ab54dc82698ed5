"""Code of users: files that define layers and tasks, and checks of the models that use them."""

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

_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")  # operations that call Python functions of the process


def import_file(path: str | Path, what: str = "layers of your own") -> ModuleType:
    """Import a user's file. It can import files beside it.

    Args:
        path: of the file.
        what: the file is to define, for the message.

    Raises:
        InputError: there is no such file, or its import fails.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected a Python file with {what}, received {path}, which is no file")
    spec = importlib.util.spec_from_file_location(f"_own_{path.stem}", path)
    if spec is None:
        raise InputError(f"expected a Python file, whose name ends in .py, received {path}; rename it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
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
    """Check, before training, that a user's model can be saved, loaded and exported.

    Args:
        network: built.
        inputs: some inputs, (examples, ...), to compare the answers of the loaded model; None for no comparison.
        export: a function that writes the SavedModel to a folder, as after training; None for no export.

    Raises:
        InputError: a step fails, with the reason and the remedy; or the loaded model answers otherwise.
    """
    import keras

    states = random.getstate(), np.random.get_state()  # new layers draw their seeds from these
    try:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "model.keras")
            try:
                network.save(path)
                # A thread of its own has no scope of custom objects, as a later process has none.
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
    """Why a saved model can't be loaded, and what to do."""
    foreign: list[tuple[str, bool]] = []
    if path.is_file():
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
        foreign = _in_thread(lambda: list(dict.fromkeys(_foreign(config))))
    names = [name for name, is_lambda in foreign if not is_lambda]
    if names:
        return (
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not registered; decorate each class or function "
            "with @keras.saving.register_keras_serializable(), where it is defined"
        )
    if foreign:
        return (
            "it has a lambda, code that is never run from a file; use keras.ops in its place, or a layer or function "
            "of a name, decorated with @keras.saving.register_keras_serializable()"
        )
    reason = " ".join(str(error).split())[:300]
    return f"{reason}; give each layer of your own a get_config that has all arguments of its __init__"


def check_task(task: Task, targets: np.ndarray, answer: Any) -> None:
    """Check, before training, that a user's task works on the outputs of the untrained network.

    Args:
        task: of the data.
        targets: of the training part.
        answer: outputs of the network for the first examples, an array or several.

    Raises:
        InputError: a method of the task fails, or its card does not hold all of it.
    """
    from zoo.tasks import forms
    from zoo.tasks.terms import Exam

    try:
        fitted, outputs = task.fitted(targets), task.named(answer)
        first_targets = targets[: len(next(iter(outputs.values())))]
        answer_of_task = fitted.answer(outputs, {}, np)
        missing = fitted.values().keys() ^ answer_of_task.values.keys()
        forms.in_numpy(fitted, answer_of_task)
        if task.supervised:
            fitted.losses(first_targets, outputs)
            fitted.constant(targets)
        fitted.evaluate(Exam("rehearsal", first_targets, outputs)).to_dict()
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
    """The outputs of a user's model, an array (examples, ...).

    Raises:
        InputError: the model fails, or its name is not allowed in a graph.
    """
    import keras

    inputs = inputs.astype(np.float32)
    try:
        if keras.backend.backend() != "tensorflow":
            return network.predict_on_batch(inputs)
        import tensorflow as tf

        # Not `predict`: TensorFlow warns of its many functions if a process has many models.
        run = tf.function(lambda rows: network(rows, training=False), autograph=False)
        form = tf.TensorSpec([None, *inputs.shape[1:]], tf.float32)
        # In a thread of its own: after an error of a name, Keras leaves a scope open that later layers would be in.
        return _in_thread(lambda: run.get_concrete_function(form)(tf.constant(inputs)).numpy())
    except Exception as error:  # whatever a user's own layers raise
        raise _failed(network, "can't answer", error) from error


def _check_training(network: keras.Model, inputs: np.ndarray) -> None:
    """Trace the forward pass of a training step, without running it."""
    import tensorflow as tf

    form = tf.TensorSpec([None, *inputs.shape[1:]], tf.float32)
    try:
        run = tf.function(lambda rows: network(rows, training=True), autograph=False)
        _in_thread(lambda: run.get_concrete_function(form))
    except Exception as error:  # whatever a user's own layers raise
        raise _failed(network, "can't be trained", error) from error


def _failed(network: keras.Model, what: str, error: Exception) -> InputError:
    text = re.sub(r"\x1b\[\d*m", "", str(error)).split("Arguments received by")[0]
    reason = " ".join(f"{type(error).__name__}: {text}".split())[:300]
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
