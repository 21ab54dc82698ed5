"""A classifier of embeddings with one hidden layer, made to be trained many times. Importing this imports Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from applications.features import Extractor


class Layer(keras.layers.Dense):
    """A dense layer with dropout before it and a penalty on its kernel.

    Both are weights that are not learnt rather than constants, so that one compiled training step serves all of them
    (`zoo.training.compiling.Reuse`).
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        super().build(input_shape)
        self.rate = self.add_weight(name="rate", shape=(), initializer="zeros", trainable=False)
        self.penalty = self.add_weight(name="penalty", shape=(), initializer="zeros", trainable=False)
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Dropout (Srivastava et al. 2014), then the layer."""
        if training:
            kept = keras.random.uniform(ops.shape(inputs), seed=self.seeds) >= self.rate
            inputs = inputs * ops.cast(kept, inputs.dtype) / (1 - self.rate)
        self.add_loss(self.penalty * ops.sum(ops.square(self.kernel)))
        return super().call(inputs)


def hidden_head(*, width: int, units: int, classes: int, several: bool) -> keras.Model:
    """Standardised embeddings to probabilities.

    Args:
        width: of the embeddings.
        units: of the hidden layer.
        classes: of the output.
        several: whether an example may have several labels.
    """
    inputs = keras.Input((width,))
    hidden, last = Layer(units, "relu"), Layer(classes, "sigmoid" if several else "softmax")
    return keras.Model(inputs, last(hidden(inputs)), name="head")


def adjust(head: keras.Model, dropout: float, penalty: float) -> None:
    """Set the dropout before the output, in [0, 1), and the penalty on the sum of squares of either kernel."""
    for layer in head.layers[1:]:
        layer.penalty.assign(penalty)
    head.layers[-1].rate.assign(dropout)


def joined_hidden(extractor: Extractor, head: keras.Model, mean: np.ndarray, deviation: np.ndarray) -> keras.Model:
    """One model from pixels to probabilities: the backbone, then `head` as plain layers, standardisation within.

    Args:
        extractor: brings the backbone.
        head: as `hidden_head` makes it, trained.
        mean: of the embeddings.
        deviation: of the embeddings.
    """
    backbone, (hidden, last) = extractor.keras_model, head.layers[1:]
    layers = [keras.layers.Dense(layer.units, layer.activation) for layer in (hidden, last)]
    plain = keras.Sequential([keras.Input((len(mean),)), *layers], name="predictions")
    kernel = np.asarray(hidden.kernel) / deviation[:, None]
    layers[0].set_weights([kernel, np.asarray(hidden.bias) - mean @ kernel])
    layers[1].set_weights([np.asarray(last.kernel), np.asarray(last.bias)])
    return keras.Model(backbone.input, plain(backbone.output), name=f"{extractor.backbone}_classifier")
