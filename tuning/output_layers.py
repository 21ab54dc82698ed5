"""Outputs of models that users compile themselves, as tasks have them: a probability for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builders.loading import BOTH, OTHER, PROBABILITIES

if TYPE_CHECKING:
    import keras


def ends_in_logits(model: keras.Model) -> bool:
    """Whether the loss that a model is compiled with takes logits."""
    loss = getattr(model, "loss", None)
    return bool(hasattr(loss, "get_config") and loss.get_config().get("from_logits"))


def answering(model: keras.Model, num_outputs: int, output: str) -> keras.Model:
    """The model with outputs as tasks have them, and the same weights.

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
    if not (single or logits):
        return model
    activation = "sigmoid" if single else output
    entry, answer, last = model.inputs[0], model.outputs[0], model.layers[-1]
    if logits and last.output is answer and getattr(last, "activation", None) is keras.activations.linear:
        last.activation, logits = keras.activations.get(activation), False
    if logits:
        answer = keras.layers.Activation(activation, name=PROBABILITIES)(answer)
    if single:
        other = keras.layers.Rescaling(-1.0, 1.0, name=OTHER)(answer)
        answer = keras.layers.Concatenate(name=BOTH)([other, answer])
    return keras.Model(entry, answer, name=model.name)
