"""Models with a training step of their own, registered so that saved ones load in safe mode.

Their networks are constructor arguments: each saves, loads and exports on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.data.preprocessing import apply

BATCH = 256  # examples at once, where an array is asked for


class _Composite(keras.Model):
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

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> _Composite:
        """The model of `get_config`; its networks may be models already."""
        made = dict(config)
        for name in cls.NETWORKS:
            if isinstance(made.get(name), dict):
                made[name] = keras.saving.deserialize_keras_object(made[name])
        return cls(**made)


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(_Composite):
    """An encoder and a decoder, trained to give back their input.

    Input: what the encoder takes, or, with `preprocess`, what that takes. Output: the reconstruction, float32 in the
    shape of the encoder's input; of images pixels 0-255.

    Args:
        encoder: inputs to codes.
        decoder: codes to reconstructions.
        preprocess: raw inputs to what the encoder takes and the reconstruction is compared with; None for nothing.
    """

    NETWORKS = ("encoder", "decoder", "preprocess")

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
        there = ops.logical_not(ops.isnan(inputs))
        difference = (ops.where(there, inputs, 0.0) - reconstructions) / self.unit
        square = ops.square(ops.where(there, difference, 0.0))
        axes = tuple(range(1, len(square.shape)))
        count = ops.sum(ops.cast(there, "float32"), axis=axes)
        return ops.sum(ops.cast(square, "float32"), axis=axes) / ops.maximum(count, 1.0)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean of `errors`, and penalties on weights; `y` has no say."""
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

    def is_anomaly(self, inputs: Any) -> np.ndarray:
        """Whether the score is over `threshold`, bool (examples,)."""
        return self.score(inputs) > float(self.threshold)


@keras.saving.register_keras_serializable("zoo")
class VariationalAutoencoder(Autoencoder):
    """An autoencoder whose codes are distributions, near a standard normal one, which new examples are drawn from.

    The encoder gives mean and logarithm of the variance of each code; asked for a code, the model gives the mean.
    The decoder's answer is the mean of a normal distribution around the input, with one deviation for all values:
    that which is likeliest for the batch.

    The loss is the negative evidence lower bound over the number of values, in nats, of inputs in unit range, the
    divergence times `beta`.

    Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix B for the divergence; beta: Higgins
        et al. 2017; the deviation: Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with
        Calibrated Decoders".
    """

    SETTINGS = ("beta",)

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


@keras.saving.register_keras_serializable("zoo")
class Adversarial(_Composite):
    """A generator of images, and a critic that learns to tell them from real ones, each the other's teacher.

    Input and output of the model: those of the generator. Training needs TensorFlow beneath Keras.

    Args:
        generator: codes float32 (batch, latent_dim), with `num_classes` also classes int32 (batch,), to pixels 0-255.
        critic: images, pixels 0-255, with `num_classes` also classes, to a score float32 (batch, 1), high for real.
        loss: "logistic": the critic is a classifier, the generator maximises the log odds of being taken for real
            (Goodfellow et al. 2014, section 3); "wasserstein": the critic's mean difference (Arjovsky et al. 2017).
        num_classes: of a conditional model; 0 for none.
        critic_steps: of the critic for one of the generator, each on examples of its own.
        label_smoothing: what the critic's target for real images is below 1 (Salimans et al. 2016, section 3.4).
        gradient_penalty: weight of the squared distance of the critic's slope from 1 between real and generated
            images (Gulrajani et al. 2017).
        critic_rate: the critic's learning rate over the generator's (Heusel et al. 2017).
    """

    NETWORKS = ("generator", "critic")
    SETTINGS = ("loss_name", "num_classes", "critic_steps", "label_smoothing", "gradient_penalty", "critic_rate")
    RATE = 2e-4  # Adam's, where none is asked for
    AVERAGING = 0.999  # of the generator's weights; Karras et al. 2018, section 5 of the appendix

    def __init__(
        self,
        generator: keras.Model,
        critic: keras.Model,
        loss_name: str = "logistic",
        num_classes: int = 0,
        critic_steps: int = 1,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        critic_rate: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.generator, self.critic = generator, critic
        self.loss_name, self.num_classes, self.critic_steps = loss_name, num_classes, critic_steps
        self.label_smoothing, self.gradient_penalty, self.critic_rate = label_smoothing, gradient_penalty, critic_rate
        # What is asked for images: its weights are the running mean of the generator's.
        self.average = keras.models.clone_model(generator)
        self.average.set_weights(generator.get_weights())
        self.average.trainable = False
        self.seed_generator = keras.random.SeedGenerator()
        logistic = ("real_right", "fake_right")
        names = ("loss", "generator_loss", *(logistic if loss_name == "logistic" else ("distance",)))
        self.trackers = [keras.metrics.Mean(name) for name in names]
        self.built = True

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's: Radford et al. 2016, section 4; for the Wasserstein distance Gulrajani et al. 2017, algorithm 1."""
        return (0.5, 0.999) if self.loss_name == "logistic" else (0.0, 0.9)

    @property
    def latent_dim(self) -> int:
        """Width of the codes."""
        return self.generator.inputs[0].shape[-1]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """``loss`` (the critic's), ``generator_loss``; shares of images rightly told, or the critic's distance."""
        return self.trackers

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Images, float32 (batch, height, width, channels), pixels 0-255, of codes (and classes)."""
        return self.average(inputs, training=False)

    def generate(self, count: int, seed: int = 0, label: int | np.ndarray | None = None) -> np.ndarray:
        """Images, float32 (count, height, width, channels), pixels 0-255.

        Args:
            count: how many.
            seed: of the codes, drawn from a standard normal distribution.
            label: class of all images, or int (count,) of each; conditional models alone. Where None they take turns.

        Raises:
            ValueError: a label for a model without classes, or one it does not have.
        """
        codes = np.random.default_rng(seed).standard_normal((count, self.latent_dim), np.float32)
        return generated(self.average, codes, label, self.num_classes)

    def compile(self, optimizer: Any = "adam", loss: Any = None, **options: Any) -> None:
        """Set the optimizers: a pair for generator and critic; of a single one the critic gets a copy."""
        if not isinstance(optimizer, tuple):
            first = keras.optimizers.get(optimizer)
            optimizer = first, type(first).from_config(first.get_config())
        super().compile(optimizer[0], None, **(options | {"metrics": None}))
        self.critic_optimizer = optimizer[1]
        optimizer[0].build(self.generator.trainable_variables)
        optimizer[1].build(self.critic.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """`critic_steps` of the critic on a share of the images each, then one of the generator."""
        images, labels, *_ = keras.utils.unpack_x_y_sample_weight(data)
        images = ops.cast(images, "float32")
        labels = ops.cast(labels, "int32") if self.num_classes else None
        for step in range(self.critic_steps):
            some = slice(step, None, self.critic_steps)
            self._critic_step(images[some], None if labels is None else labels[some])
        self._generator_step(images[:: self.critic_steps], None if labels is None else labels[:: self.critic_steps])
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        """Nothing to score without a judge."""
        return self.get_metrics_result()

    def _made(self, like: Any, labels: Any) -> Any:
        codes = keras.random.normal((ops.shape(like)[0], self.latent_dim), seed=self.seed_generator)
        return self.generator(codes if labels is None else [codes, labels], training=True)

    def _judged(self, images: Any, labels: Any) -> Any:
        return self.critic(images if labels is None else [images, labels], training=True)[:, 0]

    def _critic_step(self, images: Any, labels: Any) -> None:
        import tensorflow as tf

        made = tf.stop_gradient(self._made(images, labels))
        with tf.GradientTape() as tape:
            real, fake = self._judged(images, labels), self._judged(made, labels)
            if self.loss_name == "logistic":
                # Cross-entropy of logits; for real ones the target is 1 - label_smoothing.
                loss = tf.reduce_mean(tf.nn.softplus(-real) + self.label_smoothing * real + tf.nn.softplus(fake))
            else:
                loss = tf.reduce_mean(fake - real)
            if self.gradient_penalty:
                penalty = self._penalty(images, made, labels)
                loss += self.gradient_penalty * penalty
        variables = self.critic.trainable_variables
        self.critic_optimizer.apply(tape.gradient(loss, [each.value for each in variables]), variables)
        self.trackers[0].update_state(loss)
        if self.loss_name == "logistic":
            self.trackers[2].update_state(tf.reduce_mean(tf.cast(real > 0, tf.float32)))
            self.trackers[3].update_state(tf.reduce_mean(tf.cast(fake < 0, tf.float32)))
        else:
            self.trackers[2].update_state(tf.reduce_mean(real - fake))

    def _penalty(self, images: Any, made: Any, labels: Any) -> Any:
        import tensorflow as tf

        share = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator)
        between = made + share * (images - made)
        with tf.GradientTape() as tape:
            tape.watch(between)
            score = self._judged(between, labels)
        slope = tape.gradient(score, between) * 127.5  # of pixels from -1 to 1, which the critic's first layer makes
        length = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=(1, 2, 3)) + 1e-12)
        return tf.reduce_mean(tf.square(length - 1))

    def _generator_step(self, like: Any, labels: Any) -> None:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            score = self._judged(self._made(like, labels), labels)
            loss = tf.reduce_mean(tf.nn.softplus(-score) if self.loss_name == "logistic" else -score)
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, [each.value for each in variables]), variables)
        self.trackers[1].update_state(loss)
        done = tf.cast(self.optimizer.iterations, tf.float32)
        kept = tf.minimum(self.AVERAGING, done / (done + 10))  # early on, what was first is soon forgotten
        for mean, now in zip(self.average.weights, self.generator.weights, strict=True):
            if mean.dtype == now.dtype == "float32":
                mean.assign(now + kept * (mean - now))


def generated(generator: keras.Model, codes: np.ndarray, label: Any, num_classes: int) -> np.ndarray:
    """Images, float32 (count, height, width, channels), pixels 0-255, of codes and, for a conditional model, classes.

    Args:
        generator: as `Adversarial` takes it.
        codes: float32 (count, latent_dim).
        label: a class, int (count,) of them, or None: classes in turns.
        num_classes: of a conditional model; 0 for none.

    Raises:
        ValueError: a label for a model without classes, or one it does not have.
    """
    if not num_classes:
        if label is not None:
            raise ValueError(f"{generator.name} has no classes to ask for; expected no label, received {label!r}")
        return apply(generator, codes, BATCH)
    labels = np.arange(len(codes)) % num_classes if label is None else np.broadcast_to(label, len(codes))
    if labels.dtype.kind not in "iu" or (len(labels) and not 0 <= labels.min() <= labels.max() < num_classes):
        raise ValueError(f"expected a label from 0 to {num_classes - 1}, received {label!r}")
    both = {"codes": codes, "labels": labels.astype(np.int32)}
    return apply(lambda batch: generator([batch["codes"], batch["labels"]]), both, BATCH)
