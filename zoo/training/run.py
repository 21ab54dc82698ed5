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
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.evaluation import baselines
from zoo.evaluation.findings import Finding, of_reconstructions, of_rivals, of_samples, of_scores
from zoo.evaluation.scores import AnyEvaluation, score
from zoo.files import claimed, run_folder, whole_file
from zoo.settings import whole
from zoo.tasks import generation, reconstruction, thresholds
from zoo.training.checkpoints import Checkpoint
from zoo.training.composition import composed, prepared
from zoo.training.curves import learning_curves
from zoo.training.learning import Sides, inner_split, learn
from zoo.training.loop import History
from zoo.training.preparing import Prepared, prepare
from zoo.training.settings import Settings

if TYPE_CHECKING:
    import keras

AnyScores = AnyEvaluation | reconstruction.ReconstructionEvaluation | generation.GenerationEvaluation


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
        evaluation: scores on the held-out part.
        outputs: what `model` says of the held-out part, float32 (examples, classes or values); of an autoencoder the
            score of each example, of a generator examples of its images.
        card: how it was made, as JSON holds it.
        findings: what the scores tell that is wrong; `zoo.diagnose` looks for more.
    """

    model: keras.Model
    network: keras.Model
    data: Data
    history: History
    evaluation: AnyScores
    outputs: np.ndarray
    card: dict[str, Any]
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
        with claimed(run):
            self.data.save(run)
            write_history(self.history, run / "history.csv")
            learning_curves(self.history, run / "history.png")
            with Gate() as gate:
                where: dict[str, Any] = {"out": out, "run": run, "gate": gate, "seed": self.card["seed"]}
                scores = self.evaluation.baselines
                if self.card["kind"] != "supervised":
                    job = reconstruction if self.card["kind"] == "autoencoder" else generation
                    return job.publish(self.model, self.data, self.card, self.evaluation, **where)
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
    weight_decay: float | None = None,
    clip_norm: float | None = 1.0,
    patience: int | None = None,
    class_weights: bool = False,
    augment: Sequence[str] = (),
    precision: str = "float32",
    validation: float = 0.1,
    input_size: int | None = None,
    normal: Sequence[str] = (),
    false_alarms: float = 0.01,
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
        normal: for an autoencoder that is to find anomalies, the classes that are none; it learns from these alone,
            and is scored by how well it tells held-out examples of the others. All classes where empty.
        false_alarms: share of normal examples that an autoencoder's threshold may take for anomalies, in (0, 1).
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
    settings = Settings(
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
    seed, arguments = whole("seed", seed), dict(model or {})
    task = prepare(builder, data, arguments, precision=precision, input_size=input_size, normal=normal, seed=seed)
    thresholds.check_rate(false_alarms)
    chosen, choosing = inner_split(task, validation, seed)
    task = task.on(chosen)
    settings = settings.completed(task, len(chosen))
    card = {"builder": task.name, "kind": task.kind, "model": arguments, "seed": seed}
    card |= {"training": settings.to_dict() | {"validation": validation}}
    if task.kind == "autoencoder":
        card |= {"normal": list(normal), "false_alarms": false_alarms}
    with nullcontext() if run is None else claimed(Path(run)):
        checkpoint = None if run is None else _checkpoint(Path(run), card, task.data.fingerprint)
        watchers = [*callbacks, *([_tensorboard(tensorboard)] if tensorboard else [])]
        if task.kind == "adversarial" and run:
            watchers += [generation.sheets(Path(run) / "samples", settings.epochs)]
        sides = Sides.of(task, chosen, choosing)
        history = learn(task, task.network, sides, settings, seed, checkpoint=checkpoint, callbacks=watchers)
        if checkpoint is not None:
            write_history(history, Path(run) / "history.csv")
        trained = finished(task, task.network, history, settings, card, choosing)
        if checkpoint is not None:
            checkpoint.path.unlink(missing_ok=True)
        return trained


def finished(
    task: Prepared,
    network: keras.Model,
    history: History,
    settings: Settings,
    card: dict[str, Any],
    choosing: np.ndarray,
    simple: Mapping[str, np.ndarray] | None = None,
) -> Trained:
    """What training gives, scored on the held-out part.

    Args:
        task: what was learnt.
        network: trained.
        history: of its training.
        settings: of its training, completed.
        card: what is known of it; what is found here is added.
        choosing: positions in the training part that chose the epoch.
        simple: what simple models say of the held-out part, as `zoo.evaluation.baselines.outputs` gives it; they are
            fitted where None.
    """
    data, inputs, seed = task.data, task.inputs, card["seed"]
    card |= {"input": data.input, "parameters": network.count_params(), "best_epoch": history.best_epoch}
    if task.kind == "adversarial":
        whole, outputs, evaluation = generation.finish(network, data, inputs, seed)
        findings = of_samples(evaluation, history)
    elif task.kind == "autoencoder":
        normal, false_alarms = card["normal"], card["false_alarms"]
        usual = thresholds.usual(task, network, settings, history.best_epoch, choosing, false_alarms, seed)
        limit = thresholds.threshold(usual.scores, false_alarms)
        promised = thresholds.promised(len(usual.scores), false_alarms)
        between = thresholds.between(len(usual.scores), false_alarms)
        card |= {"threshold_from": usual.source, "false_alarms_promised": promised, "false_alarms_between": between}
        whole, outputs, evaluation = reconstruction.finish(network, data, inputs, limit, normal, seed)
        findings = of_reconstructions(evaluation, false_alarms, network.code_shape[-1], len(usual.scores))
    else:
        whole, asked = composed(data, network, task.scale), prepared(data, data.held_out)
        outputs = artifact.outputs(whole, asked if data.preprocess is None else data.held_out.inputs, data.input)
        if simple is None:
            simple = baselines.outputs(data, inputs, asked, seed)
        evaluation = score(data, outputs, simple)
        findings = of_scores(evaluation, data.held_out.digests, weighted=settings.class_weights)
        findings += of_rivals(data.held_out.targets, outputs, simple, seed)
    card["findings"] = [str(finding) for finding in findings]
    return Trained(whole, network, data, history, evaluation, outputs, card, findings)


def write_history(history: History, path: Path) -> None:
    """One row an epoch, as CSV."""
    names = list(dict.fromkeys(name for row in history.epochs for name in row))
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", *names])
        writer.writeheader()
        writer.writerows({"epoch": number, **row} for number, row in enumerate(history.epochs, 1))


def _tensorboard(folder: str | Path) -> keras.callbacks.Callback:
    import keras

    return keras.callbacks.TensorBoard(str(folder))


def _checkpoint(run: Path, card: dict[str, Any], fingerprint: str) -> Checkpoint:
    """The state of the same training, kept in `run`."""
    identity = sha256(json.dumps(plain([card, fingerprint]), sort_keys=True).encode()).hexdigest()[:10]
    return Checkpoint(run / f".state-{identity}.npz")
