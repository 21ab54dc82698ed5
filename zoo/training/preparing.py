"""Preparation of a training run: data and network, and checks that they fit, before the first step."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.artifacts.gate import check_readable
from zoo.artifacts.saved_model import saved_model
from zoo.builders import registry
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation.units import Units
from zoo.kinds.recognising import open as open_data
from zoo.settings import check_name
from zoo.tasks.registry import task_class
from zoo.tasks.regression import Scale
from zoo.tasks.task import Task
from zoo.training import own_code
from zoo.training.batches import not_finite
from zoo.training.inputs import prepared_inputs, scaled_targets, units_of

if TYPE_CHECKING:
    import keras


# Number of axes -> shape to build with before the data are read; these images can be halved six times.
SHAPES = {3: (64, 64, 1)}


class Job(NamedTuple):
    """A network, with data and a task to learn.

    Attributes:
        data: as read; for an image folder with the size to decode to.
        network: built, not trained.
        name: of its builder.
        inputs: of the training part, as the network takes them.
        targets: of the training part, as the network learns them.
        task: that of the data, or one that the network brings.
        scale: converts outputs of the network to the unit of the targets; None without a unit.
        units: of each training example, where it has one of its own, in which `scale` then is.
    """

    data: Data
    network: keras.Model
    name: str
    inputs: np.ndarray
    targets: np.ndarray
    task: Task
    scale: Scale | None
    units: Units | None = None

    def on(self, chosen: np.ndarray) -> Job:
        """The job with the scale of the targets fitted on the training examples at `chosen`, int64, alone."""
        if self.scale is None:
            return self
        raw = scaled_targets(self.data.train, self.units)
        targets, scale = self.task.learnt(self.data.source, raw, self.inputs, chosen)
        return self._replace(targets=targets, scale=scale)


def check_builder(builder: Any, arguments: Mapping[str, Any], task: Task | None = None) -> None:
    """Check the arguments of a builder of the zoo before any data are read.

    `build` checks what depends on the shape of the inputs, and models and functions of users.

    Args:
        builder: as `train` takes it.
        arguments: of the builder.
        task: as `train` takes it.

    Raises:
        InputError: the builder or an argument is unknown, a value is wrong for inputs of any shape, or the builder does
            not bring `task`.
    """
    from zoo.builders import checks

    build = registry.builder(builder) if isinstance(builder, str) else builder
    row = registry.row(build)
    if row is None:
        return
    name = build.__name__
    if task is not None and task.name != row.task:
        raise _brings_none(task, name)
    for argument in arguments:
        check_name(build, argument)
    checked = {key: value for key, value in arguments.items() if key != "task"}  # deprecated, with a later warning
    if not checked:
        return
    outputs = [2] if "num_classes" in inspect.signature(build).parameters else []
    # Keras names layers by counters of the thread: in another thread, the names of the later network do not change.
    with ThreadPoolExecutor(1) as thread:
        error = thread.submit(build, SHAPES.get(len(row.shape), row.shape), *outputs, **checked).exception()
    if isinstance(error, checks.ArgumentError):
        raise InputError(f"{name}: {error}") from error
    if isinstance(error, InputError):
        raise error


def _brings_none(task: Task, name: str) -> InputError:
    names = ", ".join(each for each, row in registry.BUILDERS.items() if row.task == task.name)
    return InputError(f"expected a builder that brings the task {task.name}, one of {names}; received {name}")


def prepare(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Any,
    arguments: dict[str, Any],
    *,
    precision: str = "float32",
    input_size: int | None = None,
    task: Task | None = None,
    seed: int = 0,
) -> Job:
    """Read `data`, build the network, and check that they fit; arguments as those of `train`.

    Arguments that the data decide are added to `arguments`: the activation of the output, the size of the vocabulary.

    Raises:
        InputError: wrong data or arguments.
    """
    import keras

    if not isinstance(data, Data):
        data = open_data(data, seed=seed)
    row = registry.row_of(builder)
    kind = data.kind.uncropped() if row is not None and row.uncropped else data.kind
    if input_size is not None and takes(builder, "input_size"):  # the network resizes what has a size already
        arguments.setdefault("input_size", input_size)
        input_size = None if kind.is_sized else input_size
    data = replace(data, kind=kind.completed(data.train, input_size, data.source))
    check_readable(data, seed)
    chosen = None if task is None else task.chosen(data.task, data.parts, data.source)
    if chosen is not None:
        data = replace(data, train=data.train.chosen(chosen))
    keras.utils.set_random_seed(seed)
    inputs = prepared_inputs(data, data.train)
    for part in (data.validation, data.test):
        if part is not None and inputs.dtype.kind == "f":
            prepared_inputs(data, part)  # checks that all numbers are finite
    network, name = build(builder, data, inputs.shape[1:], arguments, precision)
    brings = getattr(network, "TASK", None)
    if task is not None and task.name != brings:
        raise _brings_none(task, name)
    task = data.task if brings is None else (task or task_class(brings)()).brought(network, data.task, data.kind)
    if task.checks_classes:
        data.check_classes()
    task.check_network(network, inputs, data.source)
    if precision == "mixed_float16" and task.plan(network).optimizers is not None:
        raise InputError(f"{name} trains in float32 or mixed_bfloat16, received {precision}")
    data = _apart(task, data)
    if task.supervised:
        _check_targets(network, data, task, inputs)
    units = units_of(data, data.train)
    targets, scale = task.learnt(data.source, scaled_targets(data.train, units), inputs, np.arange(len(inputs)))
    if is_users_own(builder):

        def export(folder: Path) -> None:
            model = task.inference_model(network, data.preprocess, scale)
            kind = requested_kind(task.to_card() | {"input": data.input}, model)
            saved_model(model, folder, task=task, kind=kind)

        own_code.check(getattr(network, "generator", network), inputs[:2] if task.supervised else None, export)
    return Job(data, network, name, inputs, targets, task, scale, units)


def takes(builder: Any, argument: str) -> bool:
    """Whether a builder of the zoo, by name or as its function, has such an argument."""
    if registry.row_of(builder) is None:
        return False
    return argument in inspect.signature(registry.builder(builder) if isinstance(builder, str) else builder).parameters


def _apart(task: Task, data: Data) -> Data:
    """The data without held-out examples that share steps with training examples, if the task requires that."""
    parts = {name: part for name, part in data.parts.items() if name != "train"}
    first = task.apart(data.source, {name: len(part) for name, part in parts.items()})
    if not first:
        return data
    return replace(data, **{name: part.chosen(np.arange(first, len(part))) for name, part in parts.items()})


def _check_targets(network: keras.Model, data: Data, task: Task, inputs: np.ndarray) -> None:
    """Raise InputError if targets are not finite, or if the outputs of `network` do not fit the task."""
    for part in data.parts.values():
        if (place := not_finite(part.targets)) is not None:
            raise InputError(
                f"{data.source}: the target of {part.names[place[0]]} is not finite, {part.targets[place]}"
            )
    answer = own_code.answers(network, inputs[:2])
    if problem := task.fits(answer):
        raise InputError(f"{network.name} {problem}")
    if not type(task).__module__.startswith("zoo.tasks."):
        own_code.check_task(task, data.train.targets, answer)


def is_users_own(builder: Any) -> bool:
    """Whether a builder, as `train` takes it, is a user's: a model or a function that is not of the zoo."""
    import keras

    return isinstance(builder, keras.Model) or not (isinstance(builder, str) or registry.row(builder))


def build(
    builder: Any, data: Data, shape: tuple[int, ...], arguments: dict[str, Any], precision: str = "float32"
) -> tuple[keras.Model, str]:
    """The model to train, and its name in the card. Arguments that the data decide are added to `arguments`.

    Args:
        builder: as `train` takes it.
        data: decides outputs, task and vocabulary.
        shape: of a prepared input.
        arguments: of the builder.
        precision: as `train` takes it.

    Raises:
        InputError: the builder does not take the arguments or the shape.
    """
    import keras

    if isinstance(builder, keras.Model):
        if arguments or precision != "float32":
            raise InputError(f"{builder.name} is built already; expected no arguments and precision for it")
        return builder, builder.name
    function = registry.builder(builder) if isinstance(builder, str) else builder
    known = inspect.signature(function).parameters
    row = registry.row(function)
    supervised = row is None or not row.task
    classes = supervised or "num_classes" in known
    if classes and not supervised and (data.task.several or len(data.task.counts(data.train.targets)) < 2):
        raise InputError(
            f"{function.__name__} needs images with a label each, out of two classes or more; received "
            f"{data.task.name} of {', '.join(data.classes[:10])} in {data.source}"
        )
    for name, value in data.kind.arguments().items():
        if name in known or (supervised and name in data.kind.required):
            arguments.setdefault(name, value)
    shape = data.kind.network_shape(shape) if supervised else shape
    if supervised and "task" not in arguments:
        arguments.update(_output(function, data.task) | arguments)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        network = function(shape, *([len(data.classes)] if classes else []), **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{getattr(function, '__name__', builder)} for inputs of shape {shape}: {error}") from error
    finally:
        keras.config.set_dtype_policy(before)
    return network, getattr(function, "__name__", network.name)


def _output(build: Callable[..., keras.Model], task: Task) -> dict[str, Any]:
    """Arguments of a supervised builder that the task decides, as the activation of the output."""
    arguments = task.arguments()
    if not arguments:
        return {}
    parameters = inspect.signature(build).parameters
    # Functions of users that were written for version 0.1, and partial(mlp, task="regression").
    if "task" in parameters and ("output" not in parameters or parameters["task"].default is not None):
        instead = f"give it an argument output, which receives {arguments['output']!r}"
        named = getattr(build, "__name__", build)
        warnings.warn(f"the argument task of {named} is deprecated; {instead}", DeprecationWarning, stacklevel=5)
        return {"task": task.name}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return arguments
    return {name: value for name, value in arguments.items() if name in parameters}
