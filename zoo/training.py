"""Training a model of the zoo, or one's own, on a data set."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo import artifact, baselines
from zoo.augmentation import augmentation
from zoo.checkpoints import Checkpoint
from zoo.composition import Scale, composed, image_input, prepared, scaled
from zoo.data.dataset import Data, chosen_inputs
from zoo.data.dataset import open as open_data
from zoo.data.splits import stratified
from zoo.errors import InputError, JobError
from zoo.evaluation import AnyEvaluation, score
from zoo.exporting import Gate
from zoo.files import whole_file
from zoo.loop import Arrays, History, fit
from zoo.optimizers import optimizer as optimizer_of
from zoo.plots import learning_curves

if TYPE_CHECKING:
    import keras

STEPS = 1500  # after which most small networks have learnt what they can
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        model: raw inputs to probabilities or values, with the weights of the best epoch.
        network: the builder's model in it, on prepared inputs.
        data: the splits, and what was left out of them.
        history: losses and metrics, epoch by epoch.
        evaluation: scores on the held-out part.
        outputs: what `model` says of the held-out part, float32 (examples, classes or values).
        card: how it was made, as JSON holds it.
    """

    model: keras.Model
    network: keras.Model
    data: Data
    history: History
    evaluation: AnyEvaluation
    outputs: np.ndarray
    card: dict[str, Any]

    def export(self, out: str | Path, run: str | Path | None = None) -> Path:
        """Export the model, prove the export equal to it, and make it the next version of the artifact `out`.

        Args:
            out: folder of the artifact, as ``saved_models/flowers``.
            run: folder of the run, which becomes the artifact's; made where None.

        Returns:
            the version folder; `zoo.load` opens it.

        Raises:
            JobError: the export differs from the model; nothing is published.
        """
        out = Path(out)
        run = Path(run) if run else Path(".runs") / f"{out.name}-{self.data.fingerprint[:10]}"
        run.mkdir(parents=True, exist_ok=True)
        self.data.save(run)
        write_history(self.history, run / "history.csv")
        learning_curves(self.history, run / "history.png")
        with Gate() as gate:
            where: dict[str, Any] = {"out": out, "run": run, "gate": gate, "seed": self.card["seed"]}
            scores = self.evaluation.baselines
            return artifact.publish(self.model, self.data, self.card, self.outputs, **where, baselines=scores)[0]


def train(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Data | str | Path,
    *,
    model: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str = "adam",
    learning_rate: float | None = None,
    schedule: str = "cosine",
    warm_up: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    clip_norm: float | None = 1.0,
    patience: int | None = None,
    class_weights: bool = False,
    augment: Sequence[str] = (),
    precision: str = "float32",
    validation: float = 0.1,
    input_size: int | None = None,
    seed: int = 0,
    run: str | Path | None = None,
    tensorboard: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trained:
    """Train a model on `data`, and score it on the part that is held out.

    Loss and metrics follow from the task. The epoch is chosen on a part of the training examples that no step
    sees; the held-out part has no say in it.

    Args:
        builder: a name out of `zoo.builders.BUILDERS`; a function of input shape and number of outputs; or an
            uncompiled model from prepared inputs to probabilities or values, which is trained in place.
        data: a path as `zoo.data.open` takes it, or what a reader gave.
        model: keyword arguments of the builder.
        epochs: at most; as many as make 1,500 steps, between 20 and 200, where None.
        batch_size: examples a step; 32, and 128 from 10,000 examples on, where None.
        optimizer: sgd, momentum, rmsprop, adam or adamw; for their arguments see `zoo.optimizers.optimizer`.
        learning_rate: at its peak; the optimizer's default where None.
        schedule: constant, cosine, exponential or step.
        warm_up: share of the steps in which the rate rises, in [0, 1).
        momentum: for the optimizer momentum.
        weight_decay: decoupled; 0 for none.
        clip_norm: largest norm of the gradients; None for no clipping.
        patience: epochs without improvement after which training ends; a third of `epochs`, at least 5, where None.
        class_weights: weight the classes by the inverse of their frequency.
        augment: of images, any of flip, crop, color, randaugment.
        precision: float32, mixed_float16 or mixed_bfloat16.
        validation: share of the training examples that chooses the epoch, in [0, 0.5]; with 0 the last one is taken.
        input_size: of an image folder, the side of the network's input in pixels; the images' own size, at most 96,
            where None.
        seed: of the weights, the order, the inner split and everything random.
        run: folder to keep history and state in. Training that was killed goes on there, to the same result.
        tensorboard: folder for TensorBoard's logs.
        callbacks: Keras callbacks; their events of training and epochs are called.

    Raises:
        InputError: wrong data or arguments, as labels that don't fit the model's output.
        JobError: the loss is no longer finite.
    """
    if (epochs is not None and epochs < 1) or not 0 <= validation <= 0.5 or (batch_size is not None and batch_size < 1):
        raise InputError(
            "expected epochs and batch_size of at least 1 and validation in [0, 0.5], received "
            f"epochs={epochs}, batch_size={batch_size}, validation={validation}"
        )
    arguments = dict(model or {})
    task = prepare(builder, data, arguments, precision=precision, input_size=input_size, seed=seed)
    data, network, inputs, targets = task.data, task.network, task.inputs, task.targets
    chosen, choosing = _inner_split(data, validation, seed)
    batch_size = batch_size or (128 if len(chosen) >= 10_000 else 32)
    epochs = epochs or int(np.clip(STEPS * batch_size // len(chosen), 20, 200))
    patience = max(5, epochs // 3) if patience is None else patience
    rule = {
        "learning_rate": learning_rate,
        "schedule": schedule,
        "warm_up": warm_up,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
    }
    settings = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "optimizer": optimizer, **rule}
    settings |= {"class_weights": class_weights, "augment": list(augment), "precision": precision}
    card = {"builder": task.name, "model": arguments, "training": settings | {"validation": validation}, "seed": seed}
    batches = Arrays(
        chosen_inputs(inputs, chosen),
        targets[chosen],
        _balanced(targets[chosen]) if class_weights else None,
        batch_size=batch_size,
        seed=seed,
        augment=augmentation(augment, seed) if augment else None,
    )
    checkpoint = None if run is None else _checkpoint(Path(run), card, data.fingerprint)
    try:
        history = fit(
            network,
            batches,
            epochs=epochs,
            optimizer=optimizer_of(optimizer, steps=len(batches) * epochs, **rule),
            loss=loss_of(data.task),
            metrics=["accuracy"] if data.task == "classification" else [],
            validation=Arrays(inputs[choosing], targets[choosing], batch_size=256) if len(choosing) else None,
            patience=patience,
            checkpoint=checkpoint,
            callbacks=[*callbacks, *([_tensorboard(tensorboard)] if tensorboard else [])],
        )
    except FloatingPointError as error:
        raise JobError(str(error)) from error
    if checkpoint is not None:
        write_history(history, Path(run) / "history.csv")
        checkpoint.path.unlink(missing_ok=True)
    whole, asked = composed(data, network, task.scale), prepared(data, data.held_out)
    outputs = artifact.outputs(whole, asked if data.preprocess is None else data.held_out.inputs, data.input)
    evaluation = score(data, outputs, baselines.outputs(data, inputs, asked, seed))
    card |= {"input": data.input, "parameters": network.count_params(), "best_epoch": history.best_epoch}
    return Trained(whole, network, data, history, evaluation, outputs, card)


class Prepared(NamedTuple):
    """A network and what it is to learn.

    Attributes:
        data: as read; of an image folder with the size to decode to.
        network: built, not trained.
        name: of its builder.
        inputs: of the training part, as the network takes them.
        targets: of the training part, as the network learns them.
        scale: what brings the network's answers back into the unit of the targets; None for classes.
    """

    data: Data
    network: keras.Model
    name: str
    inputs: np.ndarray
    targets: np.ndarray
    scale: Scale | None


def prepare(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Data | str | Path,
    arguments: dict[str, Any],
    *,
    precision: str = "float32",
    input_size: int | None = None,
    seed: int = 0,
) -> Prepared:
    """Read `data`, build the network, and check that they fit; arguments as those of `train`.

    What the data decides is added to `arguments`: the task, the size of the vocabulary.

    Raises:
        InputError: wrong data or arguments.
    """
    import keras

    if precision not in PRECISIONS:
        raise InputError(f"expected a precision out of {', '.join(PRECISIONS)}, received {precision!r}")
    if not isinstance(data, Data):
        data = open_data(data, seed=seed)
    if not data.input:
        data = replace(data, input=image_input(data.train, input_size))
    keras.utils.set_random_seed(seed)
    inputs = prepared(data, data.train)
    targets, scale = scaled(data, inputs)
    network, name = _network(builder, data, inputs.shape[1:], arguments, precision)
    check_fit(network, data, inputs)
    return Prepared(data, network, name, inputs, targets, scale)


def check_fit(network: keras.Model, data: Data, inputs: np.ndarray) -> None:
    """Whether `network` can learn `data`, before the first step.

    Args:
        network: takes prepared inputs.
        data: brings targets and task.
        inputs: of the training part, as `zoo.composition.prepared` gives them.

    Raises:
        InputError: inputs, outputs or targets don't fit; says what was expected and what came.
    """
    wanted, outputs = tuple(network.input_shape[1:]), network.output_shape[-1]
    if len(wanted) != inputs.ndim - 1 or any(w not in (None, i) for w, i in zip(wanted, inputs.shape[1:], strict=True)):
        raise InputError(f"{network.name} takes inputs of shape {wanted}, and {data.source} gives {inputs.shape[1:]}")
    if outputs != len(data.classes):
        raise InputError(
            f"{network.name} has {outputs} outputs, and {data.source} asks for {len(data.classes)}: "
            + ", ".join(data.classes[:10])
        )
    targets = data.train.targets
    if not np.isfinite(targets).all():
        row = data.train.names[int(np.flatnonzero(~np.isfinite(targets.reshape(len(targets), -1)).all(axis=1))[0])]
        raise InputError(f"{data.source}: the target of {row} is not finite")
    if data.task == "classification":
        wrong = np.flatnonzero((targets < 0) | (targets >= outputs))
        if len(wrong):
            raise InputError(
                f"{data.source}: expected labels from 0 to {outputs - 1}, {data.train.names[wrong[0]]} has "
                f"{targets[wrong[0]]}"
            )
        answer = network.predict_on_batch(inputs[:2].astype(np.float32))
        if np.isfinite(answer).all() and not np.allclose(answer.sum(axis=-1), 1, atol=1e-3):
            raise InputError(f"{network.name} gives no probabilities: expected a softmax at its end")


def write_history(history: History, path: Path) -> None:
    """One row an epoch, as CSV."""
    names = list(dict.fromkeys(name for row in history.epochs for name in row))
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        writer.writerows({"epoch": number, **row} for number, row in enumerate(history.epochs, 1))


def _network(
    builder: Any, data: Data, shape: tuple[int, ...], arguments: dict[str, Any], precision: str
) -> tuple[keras.Model, str]:
    """The model to train, and its name in the card."""
    import keras

    from zoo.builders import registry

    if isinstance(builder, keras.Model):
        if arguments or precision != "float32":
            raise InputError(f"{builder.name} is built already; expected no arguments and precision for it")
        return builder, builder.name
    build = registry.builder(builder) if isinstance(builder, str) else builder
    if data.vocabulary:
        arguments.setdefault("vocabulary_size", len(data.vocabulary))
    if data.input["kind"] == "sequence" and data.input.get("length", 0) is None:
        shape = (None, *shape[1:])
    if data.task != "classification":
        arguments.setdefault("task", data.task)
    if data.task == "forecasting" and "masking" in inspect.signature(build).parameters:
        arguments.setdefault("masking", False)  # a window has no padding
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        network = build(shape, len(data.classes), **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{getattr(build, '__name__', builder)} for inputs of shape {shape}: {error}") from error
    finally:
        keras.config.set_dtype_policy(before)
    return network, getattr(build, "__name__", network.name)


def _inner_split(data: Data, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training part to learn from, and those that choose the epoch."""
    count = len(data.train)
    if share == 0 or count < 20:
        return np.arange(count), np.arange(0)
    if data.task == "forecasting":  # no target that is learnt reaches over the cut
        cut = round(count * (1 - share))
        return np.arange(cut - data.train.targets.shape[1] + 1), np.arange(cut, count)
    targets = data.train.targets
    if data.task == "regression":
        targets = np.argsort(np.argsort(targets[:, 0])) * 10 // count  # tenths, from the least to the largest
    hot = targets if targets.ndim == 2 else np.eye(targets.max() + 1, dtype=np.int64)[targets]
    held = stratified(hot, data.train.digests, share, seed)
    return np.flatnonzero(~held), np.flatnonzero(held)


def _balanced(targets: np.ndarray) -> np.ndarray:
    """Float32 (examples,): each class has the same sum, and the mean is 1."""
    if targets.ndim == 2:
        raise InputError("class_weights are for one class an example; leave them out here")
    counts = np.bincount(targets)
    return (len(targets) / ((counts > 0).sum() * counts[targets])).astype(np.float32)


def loss_of(task: str) -> keras.losses.Loss:
    """The loss that fits a task: cross-entropy, one a label, or squared error."""
    import keras

    if task == "classification":
        return keras.losses.SparseCategoricalCrossentropy()
    return keras.losses.BinaryCrossentropy() if task == "multi_label" else keras.losses.MeanSquaredError()


def _tensorboard(folder: str | Path) -> keras.callbacks.Callback:
    import keras

    if find_spec("tensorboard") is None:
        raise InputError('TensorBoard is not installed; get it with: pip install "keras-model-zoo[tuning]"')
    return keras.callbacks.TensorBoard(str(folder))


def _checkpoint(run: Path, card: dict[str, Any], fingerprint: str) -> Checkpoint:
    """The state of the same training, kept in `run`."""
    run.mkdir(parents=True, exist_ok=True)
    identity = sha256(json.dumps([card, fingerprint], sort_keys=True, default=str).encode()).hexdigest()[:10]
    return Checkpoint(run / f".state-{identity}.npz")
