"""Optimizers and losses of Keras that a caller brings: told in the card, and checked before the first step."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts.card import plain
from zoo.errors import InputError
from zoo.keras_internals import decays_all_weights, loss_arguments
from zoo.training.optimizers import OPTIMIZERS
from zoo.training.own_code import answers

if TYPE_CHECKING:
    import keras

    from zoo.training.preparing import Job

ROWS = 7  # examples that a loss is tried on; no usual number of classes, so that wrong shapes don't fit by chance
OF_UNITS = ("poisson", "logarithmic", "percentage", "msle", "mape", "entropy", "divergence")  # in names of losses
SET_BY = {
    "learning_rate": "learning_rate=...",
    "schedule": "learning_rate=keras.optimizers.schedules.CosineDecay(...)",
    "warm_up": "learning_rate=keras.optimizers.schedules.CosineDecay(..., warmup_steps=...)",
    "momentum": "momentum=...",
    "weight_decay": "weight_decay=...",
    "clip_norm": "global_clipnorm=...",
}
"""Argument of `zoo.train` for an optimizer by name -> what an optimizer of Keras is given in its place."""


def optimizer_config(optimizer: Any) -> dict[str, Any]:
    """A Keras optimizer as JSON holds it, of which `optimizer_of` makes new ones.

    Args:
        optimizer: not used before; with its own learning rate or schedule, decay and clipping.

    Raises:
        InputError: it is none, was used, or has something that its configuration does not say.
    """
    import keras

    if isinstance(optimizer, type):
        raise InputError(
            f"expected an optimizer, received the class {optimizer.__name__}; call it: {optimizer.__name__}()"
        )
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        names = ", ".join(OPTIMIZERS)
        raise InputError(
            f"expected an optimizer out of {names}, or one of Keras, as keras.optimizers.Adam(1e-3); received "
            f"{optimizer!r}"
        )
    name = type(optimizer).__name__
    for wrong, reason in (
        (
            isinstance(optimizer, keras.optimizers.LossScaleOptimizer),
            "precision='mixed_float16' scales the loss by itself; give the optimizer in it",
        ),
        (
            getattr(optimizer, "use_ema", False),
            "use_ema sets mean weights at the end alone, and the weights of the best epoch are taken; leave it out",
        ),
        (
            not decays_all_weights(optimizer),
            "weights that are excluded from decay are not in its configuration; leave out exclude_from_weight_decay",
        ),
    ):
        if wrong:
            raise InputError(f"{name} can't be used here: {reason}")
    if int(optimizer.iterations):
        raise InputError(
            f"{name} has made {int(optimizer.iterations)} steps already; give a new one: "
            f"{name}.from_config(optimizer.get_config())"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a lambda, which is refused below
        config = keras.optimizers.serialize(optimizer)
    config["config"].pop("name", None)  # counts the optimizers of the process
    rate = config["config"].get("learning_rate")
    if isinstance(rate, float):
        config["config"]["learning_rate"] = float(str(np.float32(rate)))  # 0.01, not 0.009999999776482582
    try:
        again = optimizer_of(config)
        if type(again) is not type(optimizer):
            raise ValueError(f"it comes back as {type(again).__name__}")
    except Exception as error:  # whatever a user's own class raises
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name} can't be made anew from its configuration: {reason}; decorate a class of your own with "
            "@keras.saving.register_keras_serializable(), and give rates as numbers or schedules of Keras"
        ) from error
    return plain(config)


def optimizer_of(config: Mapping[str, Any], *, shared: bool = False) -> keras.optimizers.Optimizer:
    """A new optimizer of a configuration by `optimizer_config`.

    Args:
        config: by `optimizer_config`.
        shared: whether compiled functions serve trainings with other learning rates: the rate is a
            `zoo.training.schedules.Schedule`, which callbacks can't set.
    """
    import keras

    config = copy.deepcopy(dict(config))
    if shared and isinstance(rate := config["config"].get("learning_rate"), float):
        from zoo.training.schedules import Schedule

        config["config"]["learning_rate"] = keras.saving.serialize_keras_object(Schedule("constant", rate, 1))
    return keras.saving.deserialize_keras_object(config)  # `optimizers.deserialize` lacks Lamb


def check_rule(optimizer: str, rule: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise InputError where an argument for optimizers by name is given beside one of Keras, `optimizer`."""
    for name, value in rule.items():
        if value != defaults[name]:
            raise InputError(
                f"{name}={value!r} is for optimizers by name; leave it out, and set up {optimizer} itself where it has "
                f"that: {optimizer}({SET_BY[name]})"
            )


def check_loss(loss: Any) -> None:
    """Raise InputError where `loss` is no loss of Keras, nor the name of one."""
    import keras

    if isinstance(loss, keras.losses.Loss):
        return
    try:
        if not isinstance(loss, str):
            raise ValueError
        keras.losses.get(loss)
    except ValueError as error:
        hint = "; make a function a class: class Mine(keras.losses.Loss)" if callable(loss) else ""
        raise InputError(
            f"expected loss to be a loss of Keras or the name of one, as keras.losses.Huber() or 'huber', received "
            f"{loss!r}{hint}"
        ) from error


def loss_config(loss: Any) -> str | dict[str, Any]:
    """A loss as the card tells it: its name, or its class and arguments."""
    if isinstance(loss, str):
        return loss
    said = {name: value for name, value in vars(loss).items() if not name.startswith("_") and _is_plain(value)}
    config = {**said, **loss.get_config(), **loss_arguments(loss)}  # the second lacks some, as the delta of Huber
    kind = type(loss)
    return {"class_name": f"{kind.__module__}.{kind.__qualname__}", "config": plain(config)}


def fit_loss(loss: Any, positions: bool) -> keras.losses.Loss:
    """The loss as the loop takes it.

    Args:
        loss: as `zoo.train` takes it.
        positions: whether targets are positions of classes, (examples, ...), of which it gets one-hot rows unless its
            name begins with sparse.
    """
    from zoo.training.given_loss import GivenLoss

    return GivenLoss(loss, loss_config(loss), one_hot=positions and not name_of(loss).startswith("sparse"))


def rehearse(loss: Any, job: Job) -> None:
    """Check, before training, that a loss fits the outputs of the network and the targets.

    Raises:
        InputError: it does not; says what was expected and what to do.
    """
    import keras

    if job.task.plan(job.network).loss is None:
        raise InputError(f"{job.name} has a loss of its own; leave out loss")
    said = f"the loss {loss if isinstance(loss, str) else type(loss).__name__}"
    outputs, targets = answers(job.network, job.inputs[:ROWS]), job.targets[:ROWS]
    name, positions = name_of(loss), job.task.positions
    if not isinstance(loss, str) and loss.get_config().get("from_logits"):
        raise InputError(f"{said} expects logits, and the network ends in probabilities; leave out from_logits=True")
    if job.scale is not None and (word := next((each for each in OF_UNITS if each in name), None)):
        raise InputError(
            f"{said} is of shares or of numbers over 0 ({word}), and the network learns numbers in deviations from "
            "their mean; take one of differences, as 'mean_absolute_error' or 'huber'"
        )
    if name.startswith("sparse") and not positions:
        raise InputError(
            f"{said} expects classes, and the targets are {job.task.name} of shape {targets.shape[1:]}; take "
            f"{'binary_crossentropy' if job.scale is None else 'mean_squared_error'!r}"
        )
    shape = outputs.shape if positions else targets.shape
    if shape != outputs.shape:
        raise InputError(f"{said}: expected targets of shape {outputs.shape}, received {shape}")
    try:
        value = keras.ops.convert_to_numpy(fit_loss(loss, positions)(targets, outputs))
    except Exception as error:  # whatever a user's own loss raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{said} fails on targets {shape} and outputs {outputs.shape}: {reason}") from error
    if value.shape != () or not np.isfinite(value):
        raise InputError(
            f"{said}: expected one finite number, received {value if value.shape == () else value.shape}; give it the "
            "reduction sum_over_batch_size"
        )


def name_of(loss: Any) -> str:
    """The name of a loss without underscores, in lower case: sparsecategoricalcrossentropy."""
    return re.sub("_", "", loss if isinstance(loss, str) else type(loss).__name__).lower()


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | np.generic)
