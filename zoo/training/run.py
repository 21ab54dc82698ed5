"""Training a model of the zoo, or one's own, on a data set."""

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
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.files import atomic_file, locked, run_folder
from zoo.settings import integer
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Outputs, Scored
from zoo.training import judges
from zoo.training.calibration import unlearnt
from zoo.training.callbacks import sheets
from zoo.training.checkpoints import Checkpoint
from zoo.training.curves import learning_curves
from zoo.training.inputs import prepared
from zoo.training.learning import Sides, inner_split, learn
from zoo.training.loop import History
from zoo.training.preparing import Job, check_builder, prepare
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras

EXAMPLES = 16  # images of a generator that are kept


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        model: raw inputs to probabilities or values, with the weights of the best epoch; of an autoencoder, to
            reconstructions; of adversarial networks the generator.
        network: the builder's model in it, on prepared inputs. A file that it is saved in is opened by
            `keras.models.load_model` with its optimizer where `zoo.training.schedules` and the builder's module are
            imported.
        data: the splits, and what was left out of them.
        history: losses and metrics, epoch by epoch.
        evaluation: scores on the held-out part, as `zoo.tasks.classification.Evaluation`.
        outputs: what `model` says of the held-out part, float32 (examples, classes or values); of an autoencoder the
            score of each example, of a generator examples of its images.
        card: how it was made, as JSON holds it.
        task: what it is for, with what was found in training.
        findings: what the scores tell that is wrong; `zoo.diagnose` looks for more.
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
            run: folder of the run, which becomes the artifact's; made where None.

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
            learning_curves(self.history, run / "history.png")
            judges.keep(self.data, self.evaluation, run, train)
            said = {self.task.outputs[0]: self.outputs} if self.task.supervised else {}
            with Gate() as gate:
                what = (self.model, self.data, self.task, self.card, said, self.evaluation)
                return artifact.publish(*what, out=out, run=run, gate=gate, seed=self.card["seed"])[0]


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

    Loss and metrics follow from the task, or from the model, where that is an autoencoder or a pair of adversarial
    networks. The epoch is chosen on a part of the training examples that no step sees; the held-out part has no say
    in it. Adversarial networks have no loss to choose by: they learn from all examples, and keep the running mean of
    their generator's weights.

    Args:
        builder: a name out of `zoo.builders.BUILDERS`; a function of input shape and number of outputs, and of the
            activation `output` where it has that argument, as softmax, sigmoid or linear; or an uncompiled model from
            prepared inputs to probabilities or values, which is trained in place.
        data: a path as `zoo.data.open` takes it, or what a reader gave.
        model: keyword arguments of the builder.
        epochs: at most; where None as many as make 1,500 steps, between 20 and 200; of adversarial networks 6,000,
            between 5 and 400.
        batch_size: examples a step; where None 32, from 10,000 examples on 128, of adversarial networks 64.
        optimizer: sgd, momentum, rmsprop, adam or adamw; for their arguments see `zoo.training.optimizers.optimizer`.
        learning_rate: at its peak; where None the optimizer's default, of adversarial networks 5e-4.
        schedule: constant, cosine, exponential or step.
        warm_up: share of the steps in which the rate rises, in [0, 1).
        momentum: for the optimizer momentum.
        weight_decay: decoupled, 0 for none; where None 0.004 for adamw, as with Keras, and 0 for the others.
        clip_norm: largest norm of the gradients; None for no clipping.
        patience: epochs without improvement after which training ends; a third of `epochs`, at least 5, where None. 0
            is as 1, as with Keras: the first epoch without improvement is the last.
        class_weights: weight the classes by the inverse of their frequency.
        augment: of images, any of flip, crop, color, randaugment.
        precision: float32, mixed_float16 or mixed_bfloat16.
        validation: share of the training examples that chooses the epoch, in [0, 0.5]; with 0 the last one is taken.
        input_size: of an image folder, the side of the network's input in pixels; the images' own size, at most 96,
            where None.
        task: options of the task that a builder brings; of an autoencoder `zoo.tasks.Reconstruction` with the classes
            that are `normal`, which it learns from alone, being scored by how well it tells held-out examples of the
            others, and with the share of `false_alarms` that its threshold may give.
        normal: short for `task` with these normal classes.
        false_alarms: short for `task` with this share, in (0, 1); 0.01 where None.
        seed: of the weights, the order, the inner split and everything random.
        run: folder to keep history and state in. Training that was killed goes on there, to the same result.
        tensorboard: folder for TensorBoard's logs.
        callbacks: Keras callbacks. They work as with Keras, on the events of training, epochs, validation and
            batches; an epoch takes longer where one waits for batches. What is done here anyway is refused, as
            BackupAndRestore; so is one that sets the learning rate, which follows the schedule. Their own state is not
            kept where a run goes on after a kill.

    Raises:
        InputError: wrong data or arguments, as labels that don't fit the model's output.
        JobError: the loss is no longer finite.
    """
    settings = Settings(  # which checks them
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        optimizer=optimizer,
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
    seed, arguments = integer("seed", seed), dict(model or {})
    task = _with_options(task, normal, false_alarms)
    if not isinstance(data, Data):
        _check_size(input_size)
        check_builder(builder, arguments, task)
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
            watchers += [sheets(Path(run) / "samples", settings.epochs)]
        sides = Sides.of(job, chosen, choosing)
        history = learn(job, job.network, sides, settings, seed, checkpoint=checkpoint, callbacks=watchers)
        if checkpoint is not None:
            write_history(history, Path(run) / "history.csv")
        trained = finished(job, job.network, history, settings, card, choosing)
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
    """Whether arguments of `train` are of use at all, before anything is read.

    Args:
        builder: a name out of `zoo.builders.BUILDERS`.
        model: as `train` takes it.
        normal: as there.
        false_alarms: as there.
        input_size: as there.
        settings: further ones of `Settings`.

    Raises:
        InputError: one is not.
    """
    Settings(**settings)
    _check_size(input_size)
    check_builder(builder, model, _with_options(None, normal, false_alarms))


def _check_size(input_size: int | None) -> None:
    if input_size is not None:
        integer("input_size", input_size, 1)


def _with_options(task: Task | None, normal: Sequence[str], false_alarms: float | None) -> Task | None:
    """`task`, or one of the two arguments that stand for it; None where nothing is asked for.

    Raises:
        InputError: both are given.
    """
    if not normal and false_alarms is None:
        return task
    if task is not None:
        raise InputError("expected normal and false_alarms in the task alone: task=Reconstruction(normal=...)")
    return Reconstruction(normal=tuple(normal), false_alarms=0.01 if false_alarms is None else false_alarms)


def finished(
    job: Job,
    network: keras.Model,
    history: History,
    settings: Settings,
    card: dict[str, Any],
    choosing: np.ndarray,
    simple: Mapping[str, np.ndarray] | None = None,
) -> Trained:
    """What training gives, scored on the held-out part.

    Args:
        job: what was learnt.
        network: trained.
        history: of its training.
        settings: of its training, completed.
        card: what is known of it; what is found here is added.
        choosing: positions in the training part that chose the epoch.
        simple: what simple models say of the held-out part, as `simple_of` gives it; they are fitted where None.
    """
    data, seed = job.data, card["seed"]
    card |= {"input": data.input, "parameters": network.count_params(), "best_epoch": history.best_epoch}
    asking = unlearnt(job, network, settings, history.best_epoch, choosing, seed)
    task, known = job.task.calibrated(network, asking)
    task = task.fitted(data.train.targets)
    whole, asked = task.whole(network, data.preprocess, job.scale), prepared(data, data.held_out)
    exam = exam_of(job, network, asked, seed, weighted=settings.class_weights, epochs=history.epochs)
    said: Outputs | None = task.exam_outputs(exam)
    if said is None:
        raw = asked if data.preprocess is None else data.held_out.inputs
        said = task.named(outputs_of(whole, raw, data.kind))
    simple = simple_of(job, asked, seed) if simple is None else simple
    exam = exam._replace(outputs=said, simple={name: task.named(values) for name, values in simple.items()})
    evaluation: Scored = task.evaluate(exam)
    findings = task.findings(exam, evaluation)
    card |= known | {"findings": [str(finding) for finding in findings]}
    outputs = next(iter(said.values()))
    outputs = outputs[:EXAMPLES] if task.drawn else outputs
    return Trained(whole, network, data, history, evaluation, outputs, card, task, findings)


def exam_of(job: Job, network: keras.Model, asked: np.ndarray, seed: int, **more: Any) -> Exam:
    """What the scores of a trained network may look at, without its outputs.

    Args:
        job: what was learnt.
        network: trained.
        asked: prepared inputs of the held-out part.
        seed: of what is drawn.
        more: further fields of `Exam`.
    """
    data = job.data
    part = "test" if data.test is not None else "validation"
    judge = None
    if not job.task.supervised and (job.task.drawn or judges.has_judge(data)):
        judge = judges.scorer(data, job.inputs, asked, seed, train)
    what = {"network": network, "inputs": job.inputs, "asked": asked, "seed": seed, "judge": judge}
    return Exam(part, data.held_out.targets, {}, data.held_out.digests, **what, **more)


def simple_of(job: Job, asked: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What simple models say of the held-out part, whose prepared inputs are `asked`: name -> output."""
    train, held_out = job.data.train, job.data.held_out
    return job.task.simple(
        Examples(job.inputs, train.targets, asked, (train.inputs, held_out.inputs), job.data.kind, seed)
    )


def write_history(history: History, path: Path) -> None:
    """One row an epoch, as CSV."""
    names = list(dict.fromkeys(name for row in history.epochs for name in row))
    with atomic_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        writer.writerows({"epoch": number, **row} for number, row in enumerate(history.epochs, 1))


def _tensorboard(folder: str | Path) -> keras.callbacks.Callback:
    import keras

    return keras.callbacks.TensorBoard(str(folder))


def _checkpoint(run: Path, card: dict[str, Any], job: Job) -> Checkpoint:
    """The state of the same training, kept in `run`."""
    known = dict(card["model"])
    if "output" in known and "output" in job.task.arguments():  # as versions before said it, whose runs go on here
        known["task"] = job.task.name
        del known["output"]
    text = json.dumps(plain([card | {"model": known}, job.data.fingerprint]), sort_keys=True)
    return Checkpoint(run / f".state-{sha256(text.encode()).hexdigest()[:10]}.npz")
