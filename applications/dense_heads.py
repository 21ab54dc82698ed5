"""A head on embeddings with one hidden layer, for many trainings of one network. Importing this imports Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from applications.features import Extractor


class RegularizedDense(keras.layers.Dense):
    """A dense layer with dropout before it and a penalty on its kernel.

    The rate and the penalty are weights that are not trained, instead of constants, so that one compiled training
    step serves all their values (`zoo.training.compiling.SessionCache`).
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        super().build(input_shape)
        self.rate = self.add_weight(name="rate", shape=(), initializer="zeros", trainable=False)
        self.penalty = self.add_weight(name="penalty", shape=(), initializer="zeros", trainable=False)
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Dropout (Srivastava et al. 2014), then the dense layer."""
        if training:
            mask = keras.random.uniform(ops.shape(inputs), seed=self.seeds) >= self.rate
            inputs = inputs * ops.cast(mask, inputs.dtype) / (1 - self.rate)
        self.add_loss(self.penalty * ops.sum(ops.square(self.kernel)))
        return super().call(inputs)


@dataclass(frozen=True)
class DenseHead:
    """A trained head from raw embeddings to probabilities or numbers.

    Attributes:
        network: standardised embeddings to outputs, as `build` or `plain` makes it.
        mean: of the embeddings, float32 (width,).
        deviation: of the embeddings, float32 (width,).
    """

    network: keras.Model
    mean: np.ndarray
    deviation: np.ndarray

    def outputs(self, embeddings: np.ndarray) -> np.ndarray:
        """float32 (batch, outputs) from float32 (batch, width)."""
        standardized = ((embeddings - self.mean) / self.deviation).astype(np.float32)
        return np.asarray(self.network(standardized, training=False))


def build(*, width: int, units: int, outputs: int, activation: str) -> keras.Model:
    """An untrained network from standardised embeddings to probabilities or numbers.

    Args:
        width: of the embeddings.
        units: of the hidden layer.
        outputs: classes, or numbers.
        activation: of the output.
    """
    inputs = keras.Input((width,))
    hidden, last = RegularizedDense(units, "relu"), RegularizedDense(outputs, activation)
    return keras.Model(inputs, last(hidden(inputs)), name="head")


def regularize(network: keras.Model, dropout: float, penalty: float) -> None:
    """Set the dropout before the output, in [0, 1), and the penalty on the sum of squares of both kernels."""
    for layer in network.layers[1:]:
        layer.penalty.assign(penalty)
    network.layers[-1].rate.assign(dropout)


def plain(
    *, width: int, units: int, outputs: int, activation: str, dropout: float = 0.0, penalty: float = 0.0
) -> keras.Model:
    """As `build`, of Keras' own layers, with dropout and penalty as constants; and without a hidden layer for 0 units.

    Args:
        width: of the embeddings.
        units: of the hidden layer; 0 for none.
        outputs: classes, or numbers.
        activation: of the output.
        dropout: before the output, in [0, 1).
        penalty: on the sum of squares of all kernels.
    """
    layers: list[keras.layers.Layer] = [keras.Input((width,))]
    if units:
        layers.append(keras.layers.Dense(units, "relu", kernel_regularizer=keras.regularizers.L2(penalty)))
    layers += [
        keras.layers.Dropout(dropout),
        keras.layers.Dense(outputs, activation, kernel_regularizer=keras.regularizers.L2(penalty)),
    ]
    return keras.Sequential(layers, name="head")


def classifier(extractor: Extractor, head: DenseHead) -> keras.Model:
    """One model from pixels to what `head` gives: the backbone, then `head` as plain layers, with the standardisation.

    Args:
        extractor: has the backbone.
        head: trained; its weights are copied.
    """
    backbone = extractor.keras_model
    trained = [layer for layer in head.network.layers if isinstance(layer, keras.layers.Dense)]
    layers = [keras.layers.Dense(layer.units, layer.activation) for layer in trained]
    answers = keras.Sequential([keras.Input((len(head.mean),)), *layers], name="predictions")
    weights = [(np.asarray(layer.kernel), np.asarray(layer.bias)) for layer in trained]
    kernel, bias = weights[0][0] / head.deviation[:, None], weights[0][1]
    weights[0] = kernel, bias - head.mean @ kernel
    for layer, values in zip(layers, weights, strict=True):
        layer.set_weights(values)
    return keras.Model(backbone.input, answers(backbone.output), name=f"{extractor.backbone}_classifier")
