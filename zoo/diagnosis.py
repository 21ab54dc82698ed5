"""What a learner needs to hear about a training run: symptom, evidence, remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.composition import prepared, scaled
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.findings import Finding
from zoo.loop import History
from zoo.preparing import loss_of
from zoo.training import Trained

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

EXAMPLES = 256
VANISHED = 1e-3  # gradient of the first layer with weights over that of the last one
EXPLODED = 100.0  # gradient of a layer over its weights
DEAD = 0.2  # share of a layer's units
OVERFIT = 1.5  # validation loss at the end over its least
RISES = 0.3  # share of epochs in which the training loss went up
WILD = 3.0  # times the loss of a guess
SLOPE = 0.05  # share of the loss that one step would still gain
SLOW = 0.9  # training loss at the end over that of a guess


def diagnose(
    model: Trained | keras.Model, data: Data | None = None, *, history: History | None = None
) -> tuple[Finding, ...]:
    """Look for what keeps a network from learning, or from learning what it should.

    Gradients and units are looked at on up to 256 training examples, with the weights that the network has now; the
    rest is read from the losses of the epochs, and from the scores of what `zoo.train` trained. Of autoencoders and
    adversarial networks the scores alone are read.

    Args:
        model: what `zoo.train` gave; or a network on prepared inputs, trained or not.
        data: what the network learns; not needed beside what `zoo.train` gave.
        history: of the training; not needed beside what `zoo.train` gave, else None for an untrained network.

    Returns:
        what was found, empty where nothing was.

    Raises:
        InputError: a network without data, or not TensorFlow beneath Keras.

    Source: for the gradients, Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
        neural networks", section 4.2.
    """
    import keras

    found: list[Finding] = []
    if isinstance(model, Trained):
        if model.card["kind"] != "supervised":
            return model.findings
        found += model.findings
        model, data, history = model.network, model.data, model.history
    if data is None:
        raise InputError("expected the data that the network learns, as the second argument")
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"diagnosing needs TensorFlow beneath Keras, which runs on {keras.backend.backend()}")
    chosen = np.random.default_rng(0).permutation(len(data.train))[:EXAMPLES]
    inputs = prepared(data, data.train)
    targets, _ = scaled(data, inputs)
    inputs = inputs[chosen].astype(np.float32)
    before = model.get_weights()
    found += [*_gradients(model, inputs, targets[chosen], data.task), *_units(model, inputs)]
    model.set_weights(before)  # looking as training does moves the means of batch normalization
    if history is not None and history.epochs:
        penalty = float(sum(map(float, model.losses)))
        slope = _slope(model, inputs, targets[chosen], data.task)
        found += _losses(history, _guess(data, targets), penalty, slope, forecast=data.task == "forecasting")
    return tuple(found)


def _gradients(network: keras.Model, inputs: np.ndarray, targets: np.ndarray, task: str) -> list[Finding]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(loss_of(task)(targets, network(inputs, training=True)))
    kernels = [weight for weight in network.trainable_weights if len(weight.shape) > 1]
    gradients = tape.gradient(loss, [weight.value for weight in kernels])
    sizes = [0.0 if gradient is None else _size(gradient) for gradient in gradients]
    relative = max(size / max(_size(kernel), 1e-12) for size, kernel in zip(sizes, kernels, strict=True))
    if not np.isfinite(sizes).all() or relative > EXPLODED:
        return [
            Finding(
                "exploding gradients",
                f"up to {relative:.1e} times the size of the layer's weights",
                "initialise by He or Glorot, add batch normalization, clip the gradients (clip_norm=1)",
            )
        ]
    if len(sizes) > 1 and sizes[0] < VANISHED * sizes[-1]:
        return [
            Finding(
                "vanishing gradients",
                f"mean size {sizes[0]:.1e} in the first layer with weights, {sizes[-1]:.1e} in the last",
                "take relu with He initialization instead of sigmoid or tanh, add batch normalization, use fewer "
                "layers or residual connections",
            )
        ]
    return []


def _slope(network: keras.Model, inputs: np.ndarray, targets: np.ndarray, task: str) -> float:
    """Share by which one step down the gradient lowers the loss: what training left undone.

    The step changes weights by up to a tenth of their size, whatever the gradient's.
    """
    import tensorflow as tf

    weights = network.trainable_weights

    def loss() -> tf.Tensor:
        return tf.reduce_mean(loss_of(task)(targets, network(inputs, training=False)))

    with tf.GradientTape() as tape:
        now = loss()
    gradients = [
        tf.zeros_like(weight.value) if gradient is None else tf.convert_to_tensor(gradient)
        for weight, gradient in zip(weights, tape.gradient(now, [weight.value for weight in weights]), strict=True)
    ]
    steepness = float(tf.linalg.global_norm(gradients))
    size = float(tf.linalg.global_norm([weight.value for weight in weights]))
    before, after = [weight.numpy() for weight in weights], []
    for step in (0.01, 0.03, 0.1):
        for weight, value, gradient in zip(weights, before, gradients, strict=True):
            weight.assign(value - step * size / max(steepness, 1e-12) * gradient)
        after.append(float(loss()))
    for weight, value in zip(weights, before, strict=True):
        weight.assign(value)
    return 1 - min(after) / max(float(now), 1e-12)


def _size(values: tf.Tensor) -> float:
    """Root of the mean square; of a sparse gradient too."""
    import tensorflow as tf

    return float(tf.sqrt(tf.reduce_mean(tf.square(tf.convert_to_tensor(values)))))


def _units(network: keras.Model, inputs: np.ndarray) -> list[Finding]:
    """Units of relu layers that answer 0 to every example."""
    import keras

    def rectifies(layer: keras.layers.Layer) -> bool:
        function = getattr(layer, "activation", None)
        return isinstance(layer, keras.layers.ReLU) or getattr(function, "__name__", "") == "relu"

    layers = [layer for layer in network.layers if rectifies(layer)]
    if not layers:
        return []
    outputs = [layer.output for layer in layers]
    answers = keras.tree.flatten(keras.Model(network.input, outputs)(inputs, training=True))
    shares = [float((np.asarray(a).reshape(-1, a.shape[-1]).max(axis=0) <= 0).mean()) for a in answers]
    worst = int(np.argmax(shares))
    if shares[worst] <= DEAD:
        return []
    return [
        Finding(
            "dead units",
            f"{shares[worst]:.0%} of the units of {layers[worst].name} answer 0 to all of {len(inputs)} examples",
            "lower the learning rate, take leaky_relu or elu, initialise by He, add batch normalization",
        )
    ]


def _losses(history: History, guess: float, penalty: float, slope: float, *, forecast: bool) -> list[Finding]:
    """What the losses say, beside that of a `guess`, the penalty in the last one, and what a step would still gain."""
    loss = np.array([row["loss"] for row in history.epochs])
    chosen = np.array([row.get("val_loss", np.nan) for row in history.epochs])
    rates = [row["learning_rate"] for row in history.epochs if "learning_rate" in row]
    rate = f"{max(rates):.1e}" if rates else "as it is"
    steps = np.diff(loss)
    rose = float((steps > 0.01 * loss[:-1]).mean()) if len(steps) else 0.0
    begin, end = loss[0] - penalty, loss[-1] - penalty
    too_high = Finding(
        "learning rate too high",
        f"the training loss was {begin:.3g} in the first epoch and is {end:.3g} at the end, where a guess has "
        f"{guess:.3g}; it rose in {rose:.0%} of the epochs (rate {rate})",
        "lower the learning rate tenfold; zoo lr-find shows where it is stable",
    )
    threw_off = not penalty and begin > WILD * guess and end < begin / 2  # a penalty falls on its own
    if threw_off or (len(steps) >= 4 and rose > RISES):
        return [too_high]
    found = []
    if end > SLOW * guess:
        evidence = f"the training loss is {end:.3g} after {len(loss)} epochs, where a guess has {guess:.3g}"
        if slope > SLOPE:
            remedy = "raise the learning rate tenfold; zoo lr-find shows how far, or train for more epochs"
            evidence = f"{evidence}, and one step down the gradient would take {slope:.0%} off it (rate {rate})"
            return [Finding("learning rate too low", evidence, remedy)]
        if end > WILD * guess:
            return [too_high]
        remedy = "make the network wider or deeper, regularise less, look whether the features tell the target"
        if not forecast:  # what a linear autoregression leaves may be noise
            found.append(Finding("underfitting", evidence, remedy))
    if np.isfinite(chosen).any():
        least = float(np.nanmin(chosen))
        if chosen[-1] > OVERFIT * least and loss[-1] < least:
            found.append(
                Finding(
                    "overfitting",
                    f"the validation loss was {least:.3g} in epoch {int(np.nanargmin(chosen)) + 1} and is "
                    f"{chosen[-1]:.3g} at the end, the training loss {loss[-1]:.3g}",
                    "add dropout, L2 or augmentation, stop earlier, make the network smaller, get more data",
                )
            )
    return found


def _guess(data: Data, targets: np.ndarray) -> float:
    """Loss of the best answer that does not look at the input, in nats or squared units of the scaled target."""
    if data.task in ("regression", "forecasting"):
        return float(np.mean(targets.var(axis=0)))
    if data.task == "multi_label":
        shares = np.clip(targets.mean(axis=0), 1e-7, 1 - 1e-7)
        return float(-np.mean(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)))
    shares = np.bincount(targets) / len(targets)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
