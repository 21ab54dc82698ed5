"""Layers that Keras lacks, registered so that saved models load in safe mode once this module is imported.

It imports the layers of preprocessing and the models of several networks too, so that one import makes all known.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.builders import adversarial_model, columns, models, patch_memory, preprocessing  # noqa: F401 - registered

POOLINGS = ("last", "mean", "max", "mean_max")


@keras.saving.register_keras_serializable("zoo")
class Padding(keras.layers.Layer):
    """Turns NaN into 0 and masks the steps that are NaN in every feature.

    Input: float (batch, length, features). Output: the same shape, without NaN, with a Keras mask.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Float (batch, length, features) -> the same."""
        return ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Bool (batch, length), False at padding."""
        return ops.logical_not(ops.all(ops.isnan(inputs), axis=-1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same."""
        return input_shape


@keras.saving.register_keras_serializable("zoo")
class MaskedPooling(keras.layers.Layer):
    """Mean, maximum or both over the steps that are not masked; 0 where all of them are.

    Input: float (batch, length, features). Output: float (batch, features), twice the features for "mean_max".
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Float (batch, length, features), bool (batch, length) -> float (batch, features)."""
        weights = ops.ones_like(inputs[..., :1]) if mask is None else ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        parts = []
        if "mean" in self.mode:
            parts.append(ops.sum(inputs * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1))
        if "max" in self.mode:
            lowest = ops.where(weights > 0, inputs, ops.full_like(inputs, -6e4))  # near the lowest float16
            parts.append(ops.where(ops.max(weights, axis=1) > 0, ops.max(lowest, axis=1), 0.0))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No steps, no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(batch, features)."""
        return input_shape[0], input_shape[-1] * (2 if self.mode == "mean_max" else 1)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return super().get_config() | {"mode": self.mode}


@keras.saving.register_keras_serializable("zoo")
class TokenDropout(keras.layers.Layer):
    """In training, makes a share of the tokens unknown, so that no single word decides.

    Input: int32 (batch, length), token ids, 0 is padding, 1 the unknown token. Output: the same shape.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """As the class says."""
        if not training:
            return inputs
        mask = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator) >= self.rate
        return ops.where(mask, inputs, ops.minimum(inputs, 1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return super().get_config() | {"rate": self.rate}


@keras.saving.register_keras_serializable("zoo")
class NGrams(keras.layers.Layer):
    """A linear model of a text's words and pairs of words: each has a weight for every output.

    Pairs share 65,521 rows of weights by their hash. Sums are divided by the root of how many there are.

    Input: int32 (batch, length), token ids, 0 is padding, 1 the unknown token. Output: float (batch, outputs).

    Source: Wang and Manning 2012, "Baselines and Bigrams"; Weinberger et al. 2009, "Feature Hashing".
    """

    BUCKETS = 65_521  # the largest prime below 2 ** 16
    SPREAD = 40_493  # nearest to the golden section of it: pairs of frequent words, whose ids are small, don't collide
    SCALE = 10.0  # Adam's steps have one size for all; a linear model starts from 0 and has further to go

    def __init__(self, outputs: int, vocabulary_size: int, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outputs, self.vocabulary_size, self.n = outputs, vocabulary_size, n

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """One row of weights a word, and a bucket."""
        self.words = self.add_weight((self.vocabulary_size, self.outputs), "zeros", name="words")
        if self.n == 2:
            self.pairs = self.add_weight((self.BUCKETS, self.outputs), "zeros", name="pairs")

    def call(self, inputs: Any) -> Any:
        """As the class says."""
        total = self._sum(self.words, inputs, inputs > 0)
        if self.n == 2:
            first, second = inputs[:, :-1], inputs[:, 1:]
            pairs = ops.mod(first * self.SPREAD + second, self.BUCKETS)
            total += self._sum(self.pairs, pairs, ops.logical_and(first > 1, second > 1))
        return self.SCALE * total

    def _sum(self, weights: Any, ids: Any, present: Any) -> Any:
        mask = ops.expand_dims(ops.cast(present, self.compute_dtype), -1)  # LiteRT has no slices that add an axis
        rows = ops.take(ops.cast(weights, self.compute_dtype), ids, axis=0)
        return ops.sum(rows * mask, axis=1) / ops.sqrt(ops.maximum(ops.sum(mask, axis=1), 1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(batch, outputs)."""
        return input_shape[0], self.outputs

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        own = {"outputs": self.outputs, "vocabulary_size": self.vocabulary_size, "n": self.n}
        return super().get_config() | own
