"""Layers around models that users compile themselves: inputs and outputs as the zoo has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builders.loading import BOTH, OTHER, PROBABILITIES

if TYPE_CHECKING:
    import keras


def ends_in_logits(model: keras.Model) -> bool:
    """Whether the loss that a model is compiled with takes logits."""
    loss = getattr(model, "loss", None)
    return bool(hasattr(loss, "get_config") and loss.get_config().get("from_logits"))


def is_sequences(model: keras.Model) -> bool:
    """Whether a model takes sequences of any length, which may be unequal."""
    return len(model.input_shape) == 3 and model.input_shape[1] is None


def answering(model: keras.Model, num_outputs: int, output: str) -> keras.Model:
    """The model with inputs and outputs as the zoo has them, and the same weights.

    Steps of NaN, which sequences of unequal length end in, become steps of 0, which `keras.layers.Masking` skips.

    Logits, of which the loss tells, become probabilities. A single probability for two classes, that of the second
    one, gets that of the first one beside it: the cross-entropy of both is that of the one.

    Args:
        model: compiled or not; the activation of its last layer may change.
        num_outputs: number of classes, labels or numbers.
        output: activation of the last layer of a builder for the task: softmax, sigmoid, linear.
    """
    import keras

    if getattr(model, "inputs", None) is None:
        return model  # a model that does not say what it takes, which `Task.check_network` refuses
    single = output == "softmax" and num_outputs == 2 and model.output_shape[-1] == 1
    logits = output in ("softmax", "sigmoid") and ends_in_logits(model)
    if not (is_sequences(model) or single or logits):
        return model
    activation = "sigmoid" if single else output
    entry, answer, last = model.inputs[0], model.outputs[0], model.layers[-1]
    if logits and last.output is answer and getattr(last, "activation", None) is keras.activations.linear:
        last.activation, logits = keras.activations.get(activation), False
    if is_sequences(model):
        entry = keras.Input(model.input_shape[1:])
        answer = model(keras.ops.where(keras.ops.isnan(entry), 0.0, entry))
    if logits:
        answer = keras.layers.Activation(activation, name=PROBABILITIES)(answer)
    if single:
        other = keras.layers.Rescaling(-1.0, 1.0, name=OTHER)(answer)
        answer = keras.layers.Concatenate(name=BOTH)([other, answer])
    return keras.Model(entry, answer, name=model.name)
