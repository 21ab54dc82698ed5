"""Models of several networks, and autoencoders, registered so that saved ones load in safe mode.

Their networks are constructor arguments: each saves, loads and exports on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.arrays import apply
from zoo.keras_internals import calls

BATCH = 256  # examples of a forward pass in methods that return arrays


class Composite(keras.Model):
    """A model of named networks, any of which may be absent, and plain settings."""

    NETWORKS: tuple[str, ...] = ()
    SETTINGS: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        networks = {name: getattr(self, name) for name in self.NETWORKS}
        config = {
            name: None if each is None else keras.saving.serialize_keras_object(each) for name, each in networks.items()
        }
        return {"name": self.name} | config | {name: getattr(self, name) for name in self.SETTINGS}

    def untrained(self) -> Composite:
        """A model like this one with new weights."""
        return type(self).from_config(self.get_config())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Composite:
        """The model of `get_config`; its networks may be models already."""
        arguments = dict(config)
        for name in cls.NETWORKS:
            if isinstance(arguments.get(name), dict):
                arguments[name] = keras.saving.deserialize_keras_object(arguments[name])
        return cls(**arguments)


def entry_of(model: keras.Model) -> Any:
    """The symbolic inputs of a model, of one network or of several: one, or as many as it takes in their structure."""
    return model.entry if isinstance(model, Composite) else model.input


def only_entry(model: keras.Model) -> Any:
    """The symbolic input of a model that takes one."""
    return keras.tree.flatten(entry_of(model))[0]


def preprocess_of(model: keras.Model) -> keras.Model | None:
    """The part of a model that a reader fitted; None where there is none."""
    if isinstance(model, Composite):
        return getattr(model, "preprocess", None)
    return next((layer for layer in model.layers if layer.name == "preprocess"), None)


def without_preprocess(model: keras.Model) -> keras.Model:
    """The model on prepared inputs: what comes after the part that a reader fitted."""
    preprocess = preprocess_of(model)
    if preprocess is None:
        return model
    if isinstance(model, Composite):
        return model.behind(None)
    call = next(node for node in calls(model) if node.operation is preprocess)
    return keras.Model(call.outputs, model.outputs)


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(Composite):
    """An encoder and a decoder, trained to give back their input.

    Input: what the encoder takes, or, with `preprocess`, what that takes. Output: the reconstruction, float32 in the
    shape of the encoder's input; of images pixels 0-255.

    Args:
        encoder: inputs to codes.
        decoder: codes to reconstructions.
        preprocess: raw inputs to what the encoder takes and the reconstruction is compared with; None for nothing.
    """

    NETWORKS = ("encoder", "decoder", "preprocess")
    TASK = "reconstruction"
    variational = False

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, preprocess: keras.Model | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.encoder, self.decoder, self.preprocess = encoder, decoder, preprocess
        self.threshold = self.add_weight((), "zeros", trainable=False, name="threshold")
        self.built = True

    @property
    def unit(self) -> float:
        """What errors are divided by: 255 for images, so that they are in unit range; else 1."""
        return 255.0 if len(self.decoder.output_shape) == 4 else 1.0

    @property
    def code_shape(self) -> tuple[int | None, ...]:
        """Shape of the codes, the batch axis left out."""
        return tuple(self.decoder.input_shape[1:])

    @property
    def noise(self) -> float:
        """Deviation of the noise that is added in training, in unit range; 0 for none."""
        return next(
            (layer.stddev for layer in self.encoder.layers if isinstance(layer, keras.layers.GaussianNoise)), 0.0
        )

    def prepared(self, inputs: Any) -> Any:
        """What the reconstruction is compared with."""
        return ops.cast(inputs, "float32") if self.preprocess is None else self.preprocess(inputs)

    def behind(self, preprocess: keras.Model | None) -> Autoencoder:
        """The same networks with `preprocess` before them, not compiled."""
        settings = {name: getattr(self, name) for name in self.SETTINGS}
        model = type(self)(self.encoder, self.decoder, preprocess, name=self.name, **settings)
        model.threshold.assign(self.threshold)
        return model

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The reconstruction."""
        return self.decoder(self.encoder(self.prepared(inputs), training=training), training=training)

    def errors(self, inputs: Any, reconstructions: Any) -> Any:
        """Mean squared error of each example, float32 (batch,), in unit range squared; NaN in `inputs` counts not."""
        present = ops.logical_not(ops.isnan(inputs))
        difference = (ops.where(present, inputs, 0.0) - reconstructions) / self.unit
        square = ops.square(ops.where(present, difference, 0.0))
        axes = tuple(range(1, len(square.shape)))
        count = ops.sum(ops.cast(present, "float32"), axis=axes)
        return ops.sum(ops.cast(square, "float32"), axis=axes) / ops.maximum(count, 1.0)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean of `errors`, and penalties on weights; `y` has no say. Noise is added in validation as in training."""
        if not training and any(isinstance(layer, keras.layers.GaussianNoise) for layer in self.encoder.layers):
            y_pred = self.decoder(self.encoder(x, training=True), training=False)
        return ops.mean(self.errors(ops.cast(x, "float32"), y_pred)) + sum(self.losses)

    def encode(self, inputs: Any) -> np.ndarray:
        """Codes, float32 (examples, ...), of inputs as the model takes them."""
        return apply(lambda batch: self.codes(self.prepared(batch)), inputs, BATCH)

    def codes(self, prepared: Any) -> Any:
        """The code of each prepared input, a tensor."""
        return self.encoder(prepared, training=False)

    def decode(self, codes: Any) -> np.ndarray:
        """Reconstructions, float32 (examples, ...), of codes."""
        return apply(lambda batch: self.decoder(batch, training=False), np.asarray(codes, np.float32), BATCH)

    def reconstruct(self, inputs: Any) -> np.ndarray:
        """What the decoder makes of the code of each input, float32 (examples, ...)."""
        return apply(self, inputs, BATCH)

    def score(self, inputs: Any) -> np.ndarray:
        """How badly each input is reconstructed: mean squared error in unit range, float32 (examples,)."""
        return apply(lambda batch: self.answers(batch)[1], inputs, BATCH)

    def answers(self, inputs: Any) -> tuple[Any, Any]:
        """Reconstruction and score of each input, as tensors."""
        prepared = self.prepared(inputs)
        reconstructions = self.decoder(self.codes(prepared), training=False)
        return reconstructions, self.errors(prepared, reconstructions)

    @property
    def entry(self) -> Any:
        """Raw inputs, symbolic."""
        return (self.preprocess or self.encoder).input

    @property
    def longest(self) -> int | None:
        """Steps of the sequences that the encoder takes."""
        return self.encoder.input_shape[1]

    def signatures(self, assemble: Any, specs: Mapping[str, Any]) -> dict[str, Any]:
        """Further signatures of a SavedModel.

        ``encode``: raw inputs -> ``code`` float32 (batch, ...); ``decode``: ``code`` -> ``reconstruction``.

        Args:
            assemble: from the tensors of a request to inputs.
            specs: of these tensors, by name.
        """
        import tensorflow as tf

        code = tf.TensorSpec([None, *self.code_shape], tf.float32, name="code")
        encode = tf.function(lambda **tensors: {"code": self.codes(self.prepared(assemble(**tensors)))})
        decode = tf.function(lambda code: {"reconstruction": self.decoder(code, training=False)}, [code])
        return {"encode": encode.get_concrete_function(**specs), "decode": decode}

    def parts(self) -> dict[str, tuple[bool, Callable[[Any], dict[str, Any]]]]:
        """Networks that can be used alone: name -> whether it takes prepared inputs, else codes; and its function.

        Each is a function of a tensor to tensors by name.
        """

        def encode(prepared: Any) -> dict[str, Any]:
            code = self.encoder(prepared, training=False)
            return {"mean": code[0], "log_variance": code[1]} if isinstance(code, list | tuple) else {"code": code}

        return {
            "encoder": (True, encode),
            "decoder": (False, lambda code: {"reconstruction": self.decoder(code, training=False)}),
        }

    def is_anomaly(self, inputs: Any) -> np.ndarray:
        """Whether the score is over `threshold`, bool (examples,)."""
        return self.score(inputs) > float(self.threshold)


@keras.saving.register_keras_serializable("zoo")
class VariationalAutoencoder(Autoencoder):
    """An autoencoder whose codes are distributions, near a standard normal one, which new examples are drawn from.

    The encoder returns mean and logarithm of the variance of each code; the code of an example is the mean.
    The decoder's answer is the mean of a normal distribution around the input, with one deviation for all values:
    that which is likeliest for the batch.

    The loss is the negative evidence lower bound over the number of values, in nats, of inputs in unit range, the
    divergence times `beta`.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B for the divergence; beta: Higgins
        et al. 2017; the deviation: Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with
        Calibrated Decoders".
    """

    SETTINGS = ("beta",)
    variational = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        preprocess: keras.Model | None = None,
        beta: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, decoder, preprocess, name)
        self.beta = beta
        self.seed_generator = keras.random.SeedGenerator()
        self.divergence = keras.metrics.Mean("divergence")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The reconstruction of the mean code."""
        return self.decoder(self.codes(self.prepared(inputs)), training=False)

    def drawn(self, mean: Any, log_variance: Any) -> Any:
        """A code from the distribution of each example."""
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * ops.cast(noise, mean.dtype)

    def divergences(self, mean: Any, log_variance: Any) -> Any:
        """Kullback-Leibler divergence from a standard normal distribution, in nats, float32 (batch,)."""
        mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
        return -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """As the class says."""
        x = ops.cast(x, "float32")
        # A bound needs drawn codes; `y_pred`, of the mean ones, is not used, and a compiled step does not compute it.
        mean, log_variance = self.encoder(x, training=training)
        y_pred = self.decoder(self.drawn(mean, log_variance), training=training)
        divergence = ops.mean(self.divergences(mean, log_variance))
        self.divergence.update_state(divergence)
        values = float(np.prod(x.shape[1:]))
        variance = ops.mean(self.errors(x, y_pred))
        likelihood = -0.5 * (ops.log(2 * np.pi * ops.maximum(variance, 1e-8)) + 1)
        return self.beta * divergence / values - likelihood + sum(self.losses)

    def codes(self, prepared: Any) -> Any:
        """The mean of each code, a tensor."""
        return self.encoder(prepared, training=False)[0]

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """Decode `count` codes from a standard normal distribution: float32 (count, ...)."""
        return self.decode(np.random.default_rng(seed).standard_normal((count, *self.code_shape), np.float32))
