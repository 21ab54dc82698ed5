"""A generator and a critic that train each other, registered so that saved ones load in safe mode."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.arrays import apply
from zoo.builders.models import BATCH, Composite


@keras.saving.register_keras_serializable("zoo")
class Adversarial(Composite):
    """A generator of images, and a critic that learns to distinguish them from real ones; they train each other.

    Input and output of the model: those of the generator. Training needs TensorFlow beneath Keras.

    Args:
        generator: codes float32 (batch, latent_dim), with `num_classes` also classes int32 (batch,), to pixels 0-255.
        critic: images, pixels 0-255, with `num_classes` also classes, to a score, high for real, float32 (batch, 1);
            with `num_classes` the logits of the classes beside it, float32 (batch, 1 + num_classes).
        loss: "logistic": the critic is a classifier, the generator maximises the log odds of being taken for real
            (Goodfellow et al. 2014, section 3); "wasserstein": the critic's mean difference (Arjovsky et al. 2017).
        num_classes: of a conditional model; 0 for none.
        critic_steps: of the critic for one of the generator, each on examples of its own.
        label_smoothing: what the critic's target for real images is below 1 (Salimans et al. 2016, section 3.4).
        gradient_penalty: weight of the squared distance of the critic's slope from 1 between real and generated
            images (Gulrajani et al. 2017).
        critic_rate: the critic's learning rate over the generator's (Heusel et al. 2017).
        class_weight: with `num_classes`, weight of the cross-entropy of the classes that the critic sees, in real
            images for its own loss, in generated ones for the generator's (Odena, Olah and Shlens 2017).
    """

    NETWORKS = ("generator", "critic")
    TASK = "generation"
    SETTINGS = (
        "loss_name",
        "num_classes",
        "critic_steps",
        "label_smoothing",
        "gradient_penalty",
        "critic_rate",
        "class_weight",
    )
    RATE = 5e-4  # default rate of Adam; the papers' 1e-4 and 2e-4 are for far longer training
    AVERAGING = 0.999  # decay of the running mean of the generator's weights; Karras et al. 2018, appendix, section 5

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
        class_weight: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.generator, self.critic, self.class_weight = generator, critic, class_weight
        self.loss_name, self.num_classes, self.critic_steps = loss_name, num_classes, critic_steps
        self.label_smoothing, self.gradient_penalty, self.critic_rate = label_smoothing, gradient_penalty, critic_rate
        # This network makes the images; its weights are the running mean of the generator's.
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
        """``loss`` of the critic, ``generator_loss``; accuracy on real and fake images, or the critic's distance."""
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

    def get_compile_config(self) -> dict[str, Any] | None:
        """Both optimizers, for a model that is saved; None where it was not compiled."""
        if not self.compiled:
            return None
        return {"optimizers": [keras.optimizers.serialize(each) for each in (self.optimizer, self.critic_optimizer)]}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Set the optimizers of `get_compile_config`."""
        self.compile(tuple(keras.optimizers.deserialize(each) for each in config["optimizers"]))

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

    def _judged(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Score of each image, and the weighted loss of the classes seen in all of them."""
        answer = self.critic(images if labels is None else [images, labels], training=True)
        if not self.class_weight:
            return answer[:, 0], 0.0
        losses = keras.losses.sparse_categorical_crossentropy(labels, answer[:, 1:], from_logits=True)
        return answer[:, 0], self.class_weight * ops.mean(losses)

    def _critic_step(self, images: Any, labels: Any) -> None:
        import tensorflow as tf

        made = tf.stop_gradient(self._made(images, labels))
        with tf.GradientTape() as tape:
            (real, classes), (fake, _) = self._judged(images, labels), self._judged(made, labels)
            if self.loss_name == "logistic":
                # Cross-entropy of logits; for real ones the target is 1 - label_smoothing.
                loss = tf.reduce_mean(tf.nn.softplus(-real) + self.label_smoothing * real + tf.nn.softplus(fake))
            else:
                loss = tf.reduce_mean(fake - real)
            if self.gradient_penalty:
                loss += self.gradient_penalty * self._penalty(images, made, labels)
            loss += classes
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
            score, _ = self._judged(between, labels)
        slope = tape.gradient(score, between) * 127.5  # of pixels from -1 to 1, which the critic's first layer makes
        length = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=(1, 2, 3)) + 1e-12)
        return tf.reduce_mean(tf.square(length - 1))

    def _generator_step(self, like: Any, labels: Any) -> None:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            score, classes = self._judged(self._made(like, labels), labels)
            loss = tf.reduce_mean(tf.nn.softplus(-score) if self.loss_name == "logistic" else -score) + classes
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, [each.value for each in variables]), variables)
        self.trackers[1].update_state(loss)
        done = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.AVERAGING, done / (done + 10))  # early on, what was first is soon forgotten
        for mean, now in zip(self.average.weights, self.generator.weights, strict=True):
            if mean.dtype == now.dtype == "float32":
                mean.assign(now + decay * (mean - now))


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
    return apply(lambda batch: generator([batch["codes"], batch["labels"]], training=False), both, BATCH)
