"""Trials of a builder: build, train, and score on the inner validation examples."""

from __future__ import annotations

import inspect
import json
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuning.folds import check_folds, folds_of
from tuning.initial_weights import InitialWeights
from tuning.objectives import objective_of
from tuning.outcome import OnEpoch, Outcome, combine, epoch_callback
from zoo.builders.registry import builder as builder_of
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.tasks.terms import Measure, Outputs
from zoo.training import own_code
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import SessionCache, unoptimized
from zoo.training.inputs import prepared_inputs
from zoo.training.learning import InnerSplit, inner_split, learn
from zoo.training.loop import History
from zoo.training.optimizers import OPTIMIZERS
from zoo.training.preparing import Job, build, is_users_own, prepare
from zoo.training.run import Trained, baselines_of, evaluate_trained, exam_of, train
from zoo.training.settings import Settings as TrainingSettings

if TYPE_CHECKING:
    import keras

BATCH = 512  # examples of a forward pass
Settings = dict[str, dict[str, Any]]
SMALL = 5000  # training examples; of fewer, the inner validation part is a fifth, of more, a tenth


class BuilderTrials:
    """Trials of one builder on one data set, which is prepared once.

    Args:
        builder: a name in `zoo.builders.BUILDERS`, or a function of input shape and number of outputs.
        data: as `zoo.train` takes it.
        objective: a name in `tuning.OBJECTIVES`; that of the task if None.
        folds: of cross-validation; 0 or None for one inner split.
        epochs: of a trial, at most; the default of `zoo.train` if None.
        input_size: as `zoo.train` takes it.
        seed: of everything random.

    Raises:
        InputError: wrong data or arguments.
    """

    defaults: Settings = {"model": {}, "training": {}}

    def __init__(
        self,
        builder: str | Callable[..., keras.Model],
        data: Data | str | Path,
        *,
        objective: str | None = None,
        folds: int | None = None,
        epochs: int | None = None,
        input_size: int | None = None,
        seed: int = 0,
    ) -> None:
        import keras

        self.seed, self.folds = seed, folds or 0
        self.build: Callable[..., keras.Model] = builder_of(builder) if isinstance(builder, str) else builder
        self.trains = train
        self.job: Job = prepare(self.build, data, {}, input_size=input_size, seed=seed)
        self.name, self.data, self.task = self.job.name, self.job.data, self.job.task
        self.plan = self.task.plan(self.job.network)
        self.objective: Measure = objective_of(objective, self.task.objectives(self.job.network), self.task.name)
        self.splits = self._splits()
        self.jobs = [self.job.on(chosen) for chosen, _ in self.splits]
        self.inner_splits = [InnerSplit.of(job, *split) for job, split in zip(self.jobs, self.splits, strict=True)]
        self.epochs = epochs  # `completed` reads it, and replaces None by the default
        self.epochs = self.completed({}).epochs
        images = self.job.inputs.ndim == 4
        self.graphs = nullcontext if images or keras.backend.backend() != "tensorflow" else unoptimized
        self.baselines: dict[str, np.ndarray] | None = None  # outputs of simple models, computed by `finish`
        self.reuse, self.initial_weights = SessionCache(capacity=4 * len(self.splits)), InitialWeights()

    def is_default(self, settings: Settings) -> bool:
        """Whether these settings are the defaults of the builder and of `zoo.train`."""
        if settings == self.defaults:
            return True
        parameters = inspect.signature(self.build).parameters

        def resolved(training: dict[str, Any]) -> TrainingSettings:
            how = self.completed(training)
            return replace(how, learning_rate=how.learning_rate or OPTIMIZERS[how.optimizer])

        def plain(value: Any) -> Any:
            return list(value) if isinstance(value, tuple) else value

        model = settings["model"].items()
        return (
            self.plan.optimizers is None  # otherwise the network has learning rates of its own
            and all(name in parameters and plain(parameters[name].default) == plain(value) for name, value in model)
            and resolved(settings["training"]) == resolved({})
        )

    def _splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        count = len(self.data.train)
        if not self.folds:
            if not self.plan.outside:  # such a network learns from all examples, and some of them score it
                return [(np.arange(count), np.random.default_rng(self.seed).permutation(count)[:2000])]
            split = inner_split(self.job, 0.2 if count < SMALL else 0.1, self.seed)
            if not len(split[1]):
                raise InputError(
                    f"{self.data.source}: {count} training examples are too few to choose a configuration by; expected "
                    "20 or more, or folds, as folds=3"
                )
            return [split]
        if not self.plan.outside:
            raise InputError("folds are for models that learn a target; leave them out for adversarial networks")
        check_folds(self.folds, count)
        if self.data.task.inner_strata(self.data.train.targets) is not None:
            return folds_of(self.data, self.folds, self.seed)
        from sklearn.model_selection import TimeSeriesSplit  # examples to score on come after those to learn from

        gap = self.task.reach - (1 if self.task.supervised else 0)
        return list(TimeSeriesSplit(self.folds, gap=gap).split(np.arange(count)))

    def run(
        self,
        settings: Settings,
        *,
        states: Path,
        last: int | None = None,
        deadline: float | None = None,
        on_epoch: OnEpoch = lambda *_: None,
    ) -> Outcome:
        """Run one trial.

        Args:
            settings: as a search space returns them.
            states: folder for checkpoints; a trial continues from those in it.
            last: the last epoch to train, if that is before the end of the schedule.
            deadline: of `time.monotonic`.
            on_epoch: called after each epoch with its number, the number of epochs and the loss.
        """
        results = []
        for fold in range(len(self.splits)):
            network, history = self._train(settings, fold, states, last, deadline, on_epoch)
            results.append((self.score(network, fold), history.epochs))
        epochs = settings["training"].get("epochs", self.epochs)  # a model of one's own may draw them
        planned = min(last or epochs, epochs)
        return combine(results, planned, deadline is not None and time.monotonic() > deadline)

    def score(self, network: keras.Model, fold: int = 0) -> float:
        """The objective of a trained network on the examples of a fold that score it."""
        score_on = self.splits[fold][1]
        job = self.jobs[fold]._replace(network=network)
        answers = self._answers(job, job.inputs[score_on], score_on)
        return self.objective.score(self.task, self.data.train.targets[score_on], answers)

    def _train(
        self,
        settings: Settings,
        fold: int,
        states: Path,
        last: int | None,
        deadline: float | None,
        on_epoch: OnEpoch,
    ) -> tuple[keras.Model, Any]:
        # Keras draws its seeds from `random`; setting TensorFlow's seed would discard every compiled kernel.
        random.seed(self.seed)
        training = self._settings(settings["training"])
        arguments = dict(settings["model"])
        states.mkdir(parents=True, exist_ok=True)
        split = self.inner_splits[fold] if self.plan.outside else self.inner_splits[fold]._replace(validation=None)
        if settings["training"].get("fit"):
            network, history = self.build.fitted(
                arguments["values"],
                split,
                epochs=min(last or self.epochs, self.epochs),
                checkpoint=Checkpoint(states / f"state_{fold}_{last or self.epochs}.npz"),
                on_epoch=on_epoch,
                deadline=deadline,
            )
            own_code.check(network)
            return network, history
        network = self.initial_weights.network(
            json.dumps([arguments, training.precision], sort_keys=True, default=str),
            lambda: self.built(arguments, training.precision),
        )
        job = self.jobs[fold]._replace(network=network)
        history = learn(
            job,
            network,
            split,
            training.completed(job, len(self.splits[fold][0])),
            self.seed,
            stop_at=last,
            checkpoint=Checkpoint(states / f"state_{fold}.npz"),
            callbacks=[epoch_callback(on_epoch, last or self.epochs)],
            deadline=deadline,
            reuse=self.reuse,
            metrics=[],
        )
        return network, history

    def built(self, arguments: dict[str, Any], precision: str = "float32") -> keras.Model:
        """A new network; arguments of the builder that the data decide are added to `arguments`."""
        network, _ = build(self.build, self.data, self.job.inputs.shape[1:], arguments, precision)
        if is_users_own(self.build):
            own_code.check(getattr(network, "generator", network))
        return network

    def _settings(self, training: dict[str, Any]) -> TrainingSettings:
        """Training settings from arguments of `zoo.train`; the number of epochs is by default that of the search."""
        values = {field.name: training[field.name] for field in fields(TrainingSettings) if field.name in training}
        return TrainingSettings(**{"epochs": self.epochs} | values)

    def completed(self, training: dict[str, Any], network: keras.Model | None = None) -> TrainingSettings:
        """Training settings with the defaults for the first split, and for `network`; None for that of defaults."""
        job = self.job if network is None else self.job._replace(network=network)
        return self._settings(training).completed(job, len(self.splits[0][0]))

    def _answers(self, job: Job, inputs: np.ndarray, positions: np.ndarray | None = None) -> Outputs:
        """Outputs of the network of `job` for prepared `inputs`, as the objective takes them.

        Those of training examples are at `positions`, int64.
        """
        network = job.network
        from zoo.arrays import together

        on_train = job._replace(data=replace(self.data, validation=self.data.train, test=None))
        outputs = self.task.search_outputs(exam_of(on_train, network, inputs, self.seed), self.objective)
        if outputs is not None:
            return outputs
        batch = together(inputs[:1].size, BATCH)
        parts = [
            np.asarray(network(inputs[start : start + batch].astype(np.float32), training=False))
            for start in range(0, len(inputs), batch)
        ]
        answers = np.concatenate(parts).astype(np.float32)
        answers = answers if job.scale is None else job.scale.restored(answers, inputs)
        if job.units is not None and positions is not None:
            answers = job.units.chosen(positions).restored(answers).astype(np.float32)
        return self.task.named(answers)

    def finish(self, settings: Settings, epochs: int, states: Path) -> tuple[Trained, Outputs]:
        """The trained model of a trial, scored on the held-out part, and its outputs there.

        The weights are those in `states`. If they were removed, the trial is trained again to the same weights. With
        several folds, the model is that of the first.

        Args:
            settings: of the trial.
            epochs: trained by the trial.
            states: folder of its checkpoints.
        """
        return self.scored(*self._train(settings, 0, states, epochs or None, None, lambda *_: None), settings)

    def scored(self, network: keras.Model, history: History, settings: Settings) -> tuple[Trained, Outputs]:
        """The result for a trained network of these settings, as `finish` returns it."""
        choosing, training = self.splits[0][1], self.completed(settings["training"])
        card = {"builder": self.name, "kind": self.task.family, "model": dict(settings["model"]), "seed": self.seed}
        how = {"fit": "its own"} if settings["training"].get("fit") else training.to_dict()
        card |= {"training": how | {"validation": len(choosing) / len(self.data.train)}}
        card |= self.task.options()
        held_out = prepared_inputs(self.data, self.data.held_out)
        if self.baselines is None:
            self.baselines = baselines_of(self.job, held_out, self.seed)
        job = self.jobs[0]._replace(network=network)
        trained = evaluate_trained(job, network, history, training, card, choosing, self.baselines)
        if self.task.supervised:
            return trained, self.task.named(trained.outputs)
        return trained, self._answers(job, held_out)
