"""Names of Keras that are not public, each with the reason why it is used. Seen with Keras 3.15.1.

No other file uses any, so that an update of Keras can break this file alone; `tests/test_house.py` holds that.
Importing this does not import Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# What `compile` sets of a model. A model that another call compiled meanwhile is restored by these; Keras has no
# public way to compile without tracing again.
COMPILED = ("optimizer", "loss", "_compile_loss", "_compile_metrics", "_loss_tracker", "_compile_config")


def compiled_state(model: keras.Model) -> dict[str, Any]:
    """The attributes that `compile` set of `model`, by name; `vars(model).update` restores them."""
    return {name: vars(model).get(name) for name in COMPILED}


def all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers of a model, also those inside other layers, which the public `Model.layers` leaves out."""
    return list(model._flatten_layers())


def calls(model: keras.Model) -> list[Any]:
    """The calls of layers in a functional model, with `operation`, `arguments` and `outputs`.

    Public attributes of a layer tell its last call alone, not which call belongs to this model.
    """
    return [node for level in model._nodes_by_depth.values() for node in level]


def learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """The learning rate or schedule of an optimizer; None if it has none.

    The public attribute `learning_rate` is the value of the schedule at the current step.
    """
    return getattr(optimizer, "_learning_rate", None)


def loss_arguments(loss: keras.losses.Loss) -> dict[str, Any]:
    """Arguments of the function that a loss wraps; the public `get_config` lacks some, as the delta of Huber."""
    return dict(getattr(loss, "_fn_kwargs", {}))


def decays_all_weights(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether no variables are excluded from weight decay; `exclude_from_weight_decay` has no public counterpart."""
    return not any(vars(optimizer).get(f"_exclude_from_weight_decay{what}") for what in ("", "_pattern"))


def share_steps(optimizer: keras.optimizers.Optimizer, other: keras.optimizers.Optimizer) -> None:
    """Let `other`, which is not built, count its steps in the variable of `optimizer`; `iterations` is read-only."""
    vars(other)["_iterations"] = optimizer.iterations


def traces_batches(callback: keras.callbacks.TensorBoard) -> bool:
    """Whether a TensorBoard callback profiles batches; the attribute `profile_batch` is not parsed."""
    return bool(callback._should_trace)


def backend() -> Any:
    """The backend's module, whose functions recurrent layers call; `keras.backend` does not have them."""
    from keras.src import backend

    return backend


def operation_of(tensor: Any) -> Any:
    """The layer or operation of a network that a symbolic tensor is the output of; None for a list of tensors."""
    history = getattr(tensor, "_keras_history", None)
    return None if history is None else history.operation


def arguments_of(tensor: Any) -> list[Any]:
    """The symbolic tensors that a symbolic tensor was computed from. `input` of a layer knows one call alone."""
    history = tensor._keras_history
    return list(history.operation._inbound_nodes[history.node_index].input_tensors)
