"""Training of a model of the zoo, or of the user, on a data set."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import artifact
from zoo.artifacts.card import plain
from zoo.artifacts.gate import Gate
from zoo.artifacts.predictor import outputs as outputs_of
from zoo.builders import registry
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.files import atomic_file, locked, run_folder
from zoo.pictures import sheets
from zoo.settings import integer
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.registry import task_class
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Outputs, Scored
from zoo.training import judges
from zoo.training.calibration import calibration_scores
from zoo.training.callbacks import sheets as samples
from zoo.training.checkpoints import Checkpoint
from zoo.training.curves import learning_curves
from zoo.training.inputs import prepared_inputs, units_of
from zoo.training.learning import InnerSplit, inner_split, learn
from zoo.training.loop import History
from zoo.training.preparing import Job, check_builder, prepare, takes
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras

EXAMPLES = 16  # images of a generator in `Trained.outputs`


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        model: raw inputs to probabilities or values, with the weights of the best epoch; an autoencoder returns
            reconstructions; of adversarial networks it is the generator.
        network: the builder's model in it, on prepared inputs. If it is saved, `keras.models.load_model` loads it with
            its optimizer once `zoo.training.schedules` and the builder's module are imported.
        data: the splits, and the notes on examples that were left out.
        history: losses and metrics, epoch by epoch.
        evaluation: scores on the held-out part, as `zoo.tasks.classification.Evaluation`.
        outputs: of `model` for the held-out part, float32 (examples, classes or values); of an autoencoder the score
            of each example, of a generator some images.
        card: how the model was made, as JSON holds it.
        task: of the model, fitted in training.
        findings: problems that the scores show; `zoo.diagnose` looks for more.
    """

    model: keras.Model
    network: keras.Model
    data: Data
    history: History
    evaluation: Any
    outputs: np.ndarray
    card: dict[str, Any]
    task: Task
    findings: tuple[Finding, ...] = ()

    def export(self, out: str | Path, run: str | Path | None = None) -> Path:
        """Export the model, prove the export equal to it, and make it the next version of the artifact `out`.

        Args:
            out: folder of the artifact, as ``saved_models/flowers``.
            run: folder of the run, which is copied into the artifact; made if None.

        Returns:
            the version folder; `zoo.load` opens it.

        Raises:
            JobError: the export differs from the model; nothing is published.
        """
        out = Path(out)
        run = Path(run) if run else run_folder(out, self.data.fingerprint[:10])
        with locked(run):
            self.data.save(run)
            write_history(self.history, run / "history.csv")
            if self.history.epochs:
                learning_curves(self.history, run / "history.png")
            judges.keep(self.data, self.evaluation, run, train)
            if pictures := self._pictures():
                sheets.rows(*pictures.values(), path=run / "worst.png", labels=tuple(pictures))
            said = {self.task.outputs[0]: self.outputs} if self.task.supervised else {}
            with Gate() as gate:
                what = (self.model, self.data, self.task, self.card, said, self.evaluation)
                return artifact.publish(*what, out=out, run=run, gate=gate, seed=self.card["seed"])[0]

    def _pictures(self) -> Mapping[str, np.ndarray]:
        """Of the held-out examples that are most wrong."""
        if not self.task.supervised:
            return {}
        part = self.data.held_out
        exam = Exam(self.evaluation.part, part.targets, {self.task.outputs[0]: self.outputs})
        return self.task.pictures(part, exam, self.data.kind)


def train(
    builder: str | Callable[..., keras.Model] | keras.Model,
    data: Any,
    *,
    model: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: str | keras.losses.Loss | None = None,
    learning_rate: float | None = None,
    schedule: str = "cosine",
    warm_up: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    clip_norm: float | None = 1.0,
    patience: int | None = None,
    class_weights: bool = False,
    augment: Sequence[str] = (),
    precision: str = "float32",
    validation: float = 0.1,
    input_size: int | None = None,
    task: Task | None = None,
    normal: Sequence[str] = (),
    false_alarms: float | None = None,
    seed: int = 0,
    run: str | Path | None = None,
    tensorboard: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trained:
    """Train a model on `data`, and score it on the part that is held out.

    Loss and metrics follow from the task, or from the model if it is an autoencoder or a pair of adversarial networks.
    The best epoch is chosen on a part of the training examples that no step sees; the held-out part has no influence.
    Adversarial networks have no loss to choose by: they learn from all examples, and the running mean of their
    generator's weights is taken.

    Args:
        builder: a name in `zoo.builders.BUILDERS`; a function of input shape and number of outputs, and of the
            activation `output` if it has that argument, as softmax, sigmoid or linear; or an uncompiled model from
            prepared inputs to probabilities or values, which is trained in place.
        data: a path, the `Data` of a reader, or what is in memory, as `zoo.data.open` takes it: ``(x, y)``,
            ``((x_train, y_train), (x_test, y_test))``, ``(frame, column)``, a `tf.data.Dataset`.
        model: keyword arguments of the builder.
        epochs: at most. By default as many as make 1,500 steps, between 20 and 200; for adversarial networks 6,000
            steps, between 5 and 400.
        batch_size: examples a step. By default 32, from 10,000 examples on 128, for adversarial networks 64, for images
            beside masks 4.
        optimizer: sgd, momentum, rmsprop, adam or adamw; for their arguments see `zoo.training.optimizers.optimizer`.
            Or a new one of Keras, with a learning rate or schedule, decay and clipping of its own in place of the
            arguments below; it says how to make one, and is not changed.
        loss: of Keras, or its name, in place of that of the task. Of classes it gets one-hot targets float32 (batch,
            classes), unless its name begins with sparse; numbers are in deviations from their mean.
        learning_rate: at its peak. By default that of the optimizer, for adversarial networks 5e-4.
        schedule: constant, cosine, exponential or step.
        warm_up: share of the steps in which the rate rises, in [0, 1).
        momentum: for the optimizer momentum.
        weight_decay: decoupled, 0 for none. By default 0.004 for adamw, as with Keras, and 0 for the others.
        clip_norm: largest norm of the gradients; None for no clipping.
        patience: epochs without improvement after which training ends. By default a third of `epochs`, at least 5. 0
            is as 1, as with Keras: the first epoch without improvement is the last.
        class_weights: weight the classes by the inverse of their frequency.
        augment: of images, any of flip, vflip, crop, zoom, color, hue, randaugment.
        precision: float32, mixed_float16 or mixed_bfloat16.
        validation: share of the training examples that chooses the best epoch, in [0, 0.5]; with 0 the last epoch is
            taken.
        input_size: for an image folder, the side of the network's input in pixels. By default the size of the images,
            at most 96, or beside masks 192.
        task: options of the task that a builder brings. For an autoencoder, `zoo.tasks.Reconstruction` with the classes
            that are `normal`: it learns from these alone, and is scored by how well it detects held-out examples of
            other classes; and with the share of `false_alarms` that sets its threshold.
        normal: short for `task` with these normal classes.
        false_alarms: short for `task` with this share, in (0, 1); 0.01 by default.
        seed: of the weights, the order, the inner split and everything random.
        run: folder for the history and the state. A training that was killed continues there, to the same result.
        tensorboard: folder for TensorBoard's logs.
        callbacks: Keras callbacks. They work as with Keras, on the events of training, epochs, validation and batches;
            an epoch takes longer if one waits for batches. Callbacks that the loop replaces are refused, as
            BackupAndRestore; so are those that set the learning rate, which follows the schedule. Their own state is
            lost when a run continues after a kill.

    Raises:
        InputError: wrong data or arguments, as labels that don't fit the model's output.
        JobError: the loss is no longer finite.
    """
    settings = Settings(  # checks its values
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        optimizer=optimizer,
        loss=loss,
        learning_rate=learning_rate,
        schedule=schedule,
        warm_up=warm_up,
        momentum=momentum,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        precision=precision,
        class_weights=class_weights,
        augment=augment,
    )
    if not 0 <= validation <= 0.5:
        raise InputError(f"expected validation in [0, 0.5], received validation={validation}")
    _check_adapts(builder, settings, callbacks)
    seed, arguments = integer("seed", seed), dict(model or {})
    task = _with_options(builder, task, normal, false_alarms)
    if not isinstance(data, Data):
        _check_size(input_size)
        check_builder(builder, _sized(builder, arguments, input_size), task)
    job = prepare(builder, data, arguments, precision=precision, input_size=input_size, task=task, seed=seed)
    chosen, choosing = inner_split(job, validation, seed)
    job = job.on(chosen)
    settings = settings.completed(job, len(chosen))
    card = {"builder": job.name, "kind": job.task.family, "model": arguments, "seed": seed}
    card |= {"training": settings.to_dict() | {"validation": validation}} | job.task.options()
    with nullcontext() if run is None else locked(Path(run)):
        checkpoint = None if run is None else _checkpoint(Path(run), card, job)
        watchers = [*callbacks, *([_tensorboard(tensorboard)] if tensorboard else [])]
        if job.task.drawn and run:
            watchers += [samples(Path(run) / "samples", settings.epochs)]
        split = InnerSplit.of(job, chosen, choosing)
        history = learn(job, job.network, split, settings, seed, checkpoint=checkpoint, callbacks=watchers)
        if checkpoint is not None:
            write_history(history, Path(run) / "history.csv")
        trained = evaluate_trained(job, job.network, history, settings, card, choosing)
        if checkpoint is not None:
            checkpoint.path.unlink(missing_ok=True)
        return trained


def check_arguments(
    builder: str,
    model: Mapping[str, Any],
    *,
    normal: Sequence[str] = (),
    false_alarms: float | None = None,
    input_size: int | None = None,
    **settings: Any,
) -> None:
    """Check arguments of `train` before anything is read.

    Args:
        builder: a name in `zoo.builders.BUILDERS`.
        model: as `train` takes it.
        normal: as `train` takes it.
        false_alarms: as `train` takes it.
        input_size: as `train` takes it.
        settings: fields of `Settings`.

    Raises:
        InputError: a value that no data make right.
    """
    _check_adapts(builder, Settings(**settings))
    _check_size(input_size)
    check_builder(builder, _sized(builder, model, input_size), _with_options(builder, None, normal, false_alarms))


def _sized(builder: Any, model: Mapping[str, Any], input_size: int | None) -> dict[str, Any]:
    """Arguments of the builder, with the size of its input where it takes that."""
    given = {} if input_size is None or not takes(builder, "input_size") else {"input_size": input_size}
    return given | dict(model)


def _check_size(input_size: int | None) -> None:
    if input_size is not None:
        integer("input_size", input_size, 1)


def _check_adapts(builder: Any, settings: Settings, callbacks: Sequence[Any] = ()) -> None:
    """Raise InputError for settings of a training by gradients where a builder of the zoo has none."""
    row = registry.row_of(builder)
    if row is None or not row.adapts:
        return
    plain, given = Settings(), ["callbacks"] if callbacks else []
    given += [each for each in vars(plain) if getattr(settings, each) not in (getattr(plain, each), 0.0)]
    if given:
        named = builder if isinstance(builder, str) else builder.__name__
        raise InputError(f"{named} learns in one step, without gradients; leave out {', '.join(given)}")


def _with_options(builder: Any, task: Task | None, normal: Sequence[str], false_alarms: float | None) -> Task | None:
    """`task`, or the task that `normal` and `false_alarms` stand for, that of the builder if that finds anomalies.

    Raises:
        InputError: both are given.
    """
    row = registry.row_of(builder)
    own = task_class(row.task) if row is not None and row.task else Reconstruction
    own = own if own.detects else Reconstruction
    if not normal and false_alarms is None:
        return own() if task is None and row is not None and row.task == own.name else task
    if task is not None:
        raise InputError(f"expected normal and false_alarms in the task alone: task={own.__name__}(normal=...)")
    return own(normal=tuple(normal), false_alarms=0.01 if false_alarms is None else false_alarms)


def evaluate_trained(
    job: Job,
    network: keras.Model,
    history: History,
    settings: Settings,
    card: dict[str, Any],
    choosing: np.ndarray,
    simple: Mapping[str, np.ndarray] | None = None,
) -> Trained:
    """Score a trained network on the held-out part, and return the result of the training.

    Args:
        job: data and task.
        network: trained.
        history: of its training.
        settings: of its training, completed.
        card: facts on the model; further ones are added here.
        choosing: positions in the training part that chose the best epoch.
        simple: outputs of simple models for the held-out part, as `baselines_of` returns them; fitted if None.
    """
    data, seed = job.data, card["seed"]
    card |= {"input": data.input, "parameters": network.count_params(), "best_epoch": history.best_epoch}
    scores_of = calibration_scores(job, network, settings, history.best_epoch, choosing, seed)
    task, facts = job.task.calibrated(network, scores_of)
    task = task.fitted(data.train.targets)
    model, inputs = task.inference_model(network, data.preprocess, job.scale), prepared_inputs(data, data.held_out)
    exam = exam_of(job, network, inputs, seed, weighted=settings.class_weights, epochs=history.epochs)
    outputs: Outputs | None = task.exam_outputs(exam)
    if outputs is None:
        raw = inputs if data.preprocess is None else data.held_out.inputs
        outputs = task.named(outputs_of(model, raw, data.kind))
    simple = baselines_of(job, inputs, seed) if simple is None else simple
    exam = exam._replace(outputs=outputs, simple={name: task.named(values) for name, values in simple.items()})
    evaluation: Scored = task.evaluate(exam)
    findings = task.findings(exam, evaluation)
    card |= facts | {"findings": [str(finding) for finding in findings]}
    first = next(iter(outputs.values()))
    first = first[:EXAMPLES] if task.drawn else first
    return Trained(model, network, data, history, evaluation, first, card, task, findings)


def exam_of(job: Job, network: keras.Model, held_out: np.ndarray, seed: int, **more: Any) -> Exam:
    """The exam of a trained network, without its outputs.

    Args:
        job: data and task.
        network: trained.
        held_out: prepared inputs of the held-out part.
        seed: of the draws.
        more: further fields of `Exam`.
    """
    data = job.data
    part = "test" if data.test is not None else "validation"
    judge = None
    if not job.task.supervised and (job.task.drawn or judges.has_judge(data)):
        judge = judges.scorer(data, job.inputs, held_out, seed, train)
    what = {"network": network, "inputs": job.inputs, "held_out": held_out, "seed": seed, "judge": judge}
    series = data.held_out.series
    return Exam(part, data.held_out.targets, {}, data.held_out.digests, series=series, **what, **more)


def baselines_of(job: Job, inputs: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Outputs of simple models for the held-out part, whose prepared inputs are `inputs`: name -> output."""
    train, held_out = job.data.train, job.data.held_out
    raw, units = (train.inputs, held_out.inputs), None
    if job.units is not None and (of_held_out := units_of(job.data, held_out)) is not None:
        units = (job.units, of_held_out)
    return job.task.simple(Examples(job.inputs, train.targets, inputs, raw, job.data.kind, seed, units))


def write_history(history: History, path: Path) -> None:
    """Write the history as CSV, one row an epoch."""
    names = list(dict.fromkeys(name for row in history.epochs for name in row))
    with atomic_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        writer.writerows({"epoch": number, **row} for number, row in enumerate(history.epochs, 1))


def _tensorboard(folder: str | Path) -> keras.callbacks.Callback:
    import keras

    return keras.callbacks.TensorBoard(str(folder))


def _checkpoint(run: Path, card: dict[str, Any], job: Job) -> Checkpoint:
    """The checkpoint in `run` of the same training."""
    model_card = dict(card["model"])
    if "output" in model_card and "output" in job.task.arguments():  # as versions before said it, whose runs go on here
        model_card["task"] = job.task.name
        del model_card["output"]
    text = json.dumps(plain([card | {"model": model_card}, job.data.fingerprint]), sort_keys=True)
    return Checkpoint(run / f".state-{sha256(text.encode()).hexdigest()[:10]}.npz")
