"""What a trial on a builder of the zoo does: build, train, score on the examples that choose."""

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
from tuning.initial_weights import Fresh
from tuning.objectives import objective_of
from tuning.outcome import Outcome, Tell, combined, teller
from zoo.builders.registry import builder as builder_of
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.tasks.terms import Measure, Outputs
from zoo.training import own_code
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import Reuse, unoptimized
from zoo.training.inputs import prepared
from zoo.training.learning import Sides, inner_split, learn
from zoo.training.optimizers import OPTIMIZERS
from zoo.training.preparing import Job, built, is_own, prepare
from zoo.training.run import Trained, exam_of, finished, simple_of, train
from zoo.training.settings import Settings as TrainingSettings

if TYPE_CHECKING:
    import keras

BATCH = 512  # examples that are asked at once
Settings = dict[str, dict[str, Any]]
SMALL = 5000  # training examples below which a fifth of them chooses, else a tenth


class Networks:
    """Trials of one builder on one data set, which is prepared once.

    Args:
        builder: a name out of `zoo.builders.BUILDERS`, or a function of input shape and number of outputs.
        data: as `zoo.train` takes it.
        objective: a name out of `tuning.OBJECTIVES`; that of the task where None.
        folds: of cross-validation; 0 or None for one inner split.
        epochs: of a trial, at most; as many as `zoo.train` would where None.
        input_size: as there.
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
        self.sides = [Sides.of(job, *split) for job, split in zip(self.jobs, self.splits, strict=True)]
        self.epochs = epochs  # which the next line completes
        self.epochs = self._completed({}).epochs
        images = self.job.inputs.ndim == 4
        self.graphs = nullcontext if images or keras.backend.backend() != "tensorflow" else unoptimized
        self.simple: dict[str, np.ndarray] | None = None  # what simple models say, once they were asked
        self.reuse, self.fresh = Reuse(kept=4 * len(self.splits)), Fresh()

    def is_default(self, settings: Settings) -> bool:
        """Whether these say what the builder and `zoo.train` do if nothing is said."""
        known = inspect.signature(self.build).parameters

        def resolved(training: dict[str, Any]) -> TrainingSettings:
            how = self._completed(training)
            return replace(how, learning_rate=how.learning_rate or OPTIMIZERS[how.optimizer])

        def plain(value: Any) -> Any:
            return list(value) if isinstance(value, tuple) else value

        model = settings["model"].items()
        return (
            self.plan.optimizers is None  # else the rate is the network's own
            and all(name in known and plain(known[name].default) == plain(value) for name, value in model)
            and resolved(settings["training"]) == resolved({})
        )

    def _splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        count = len(self.data.train)
        if not self.folds:
            if not self.plan.outside:  # all are learnt from, and some of them judged by
                return [(np.arange(count), np.random.default_rng(self.seed).permutation(count)[:2000])]
            return [inner_split(self.job, 0.2 if count < SMALL else 0.1, self.seed)]
        if not self.plan.outside:
            raise InputError("folds are for models that learn a target; leave them out for adversarial networks")
        check_folds(self.folds, count)
        if self.data.task.inner_strata(self.data.train.targets) is not None:
            return folds_of(self.data, self.folds, self.seed)
        from sklearn.model_selection import TimeSeriesSplit  # those that are scored follow those learnt

        gap = self.task.reach - (1 if self.task.supervised else 0)
        return list(TimeSeriesSplit(self.folds, gap=gap).split(np.arange(count)))

    def run(
        self,
        settings: Settings,
        *,
        states: Path,
        last: int | None = None,
        deadline: float | None = None,
        tell: Tell = lambda *_: None,
    ) -> Outcome:
        """One trial.

        Args:
            settings: as a search space gives them.
            states: folder for what it can be continued from; what is there is gone on with.
            last: epoch to end with, where that is before the last of the schedule.
            deadline: of `time.monotonic`.
            tell: called after each epoch with its number, the number of epochs and the loss.
        """
        found = []
        for fold in range(len(self.splits)):
            network, history, answers = self._train(settings, fold, states, last, deadline, tell)
            asked = self.splits[fold][1]
            score = self.objective.score(self.task, self.data.train.targets[asked], answers)
            found.append((score, history.epochs))
        planned = min(last or self.epochs, self.epochs)
        return combined(found, planned, deadline is not None and time.monotonic() > deadline)

    def _train(
        self,
        settings: Settings,
        fold: int,
        states: Path,
        last: int | None,
        deadline: float | None,
        tell: Tell,
    ) -> tuple[keras.Model, Any, Outputs]:
        # Keras draws its seeds from this; TensorFlow's own seed would make it forget every compiled kernel.
        random.seed(self.seed)
        training = self._settings(settings["training"])
        arguments, shape = dict(settings["model"]), self.job.inputs.shape[1:]
        network = self.fresh.network(
            json.dumps([arguments, training.precision], sort_keys=True, default=str),
            lambda: self._built(shape, arguments, training.precision),
        )
        job = self.jobs[fold]._replace(network=network)
        chosen, asked = self.splits[fold]
        states.mkdir(parents=True, exist_ok=True)
        history = learn(
            job,
            network,
            self.sides[fold] if self.plan.outside else self.sides[fold]._replace(choosing=None),
            training.completed(job, len(chosen)),
            self.seed,
            stop_at=last,
            checkpoint=Checkpoint(states / f"state_{fold}.npz"),
            callbacks=[teller(tell, last or self.epochs)],
            deadline=deadline,
            reuse=self.reuse,
            metrics=[],
        )
        return network, history, self._answers(job, job.inputs[asked])

    def _built(self, shape: tuple[int, ...], arguments: dict[str, Any], precision: str) -> keras.Model:
        network, _ = built(self.build, self.data, shape, arguments, precision)
        if is_own(self.build):
            own_code.check(getattr(network, "generator", network))
        return network

    def _settings(self, given: dict[str, Any]) -> TrainingSettings:
        """How to train, of the arguments of `zoo.train` in `given`; the epochs are those of the search."""
        named = {field.name: given[field.name] for field in fields(TrainingSettings) if field.name in given}
        return TrainingSettings(**named | {"epochs": self.epochs})

    def _completed(self, given: dict[str, Any]) -> TrainingSettings:
        """The same for the first split."""
        return self._settings(given).completed(self.job, len(self.splits[0][0]))

    def _answers(self, job: Job, inputs: np.ndarray) -> Outputs:
        """What the objective looks at: of the network of `job`, asked for prepared `inputs`."""
        network = job.network
        chosen_by = job._replace(data=replace(self.data, validation=self.data.train, test=None))
        from zoo.arrays import together

        said = self.task.search_outputs(exam_of(chosen_by, network, inputs, self.seed), self.objective)
        if said is not None:
            return said
        batch = together(inputs[:1].size, BATCH)
        parts = [
            np.asarray(network(inputs[start : start + batch].astype(np.float32), training=False))
            for start in range(0, len(inputs), batch)
        ]
        answers = np.concatenate(parts).astype(np.float32)
        return self.task.named(answers if job.scale is None else job.scale.restored(answers, inputs))

    def finish(self, settings: Settings, epochs: int, states: Path) -> tuple[Trained, Outputs]:
        """The trained model of a trial, scored on the held-out part, and its answers there.

        The weights are those the trial left in `states`; where they are gone, it is done again to the same ones. Of
        folds the first is taken.

        Args:
            settings: of the trial.
            epochs: that it trained.
            states: folder of its state.
        """
        network, history, _ = self._train(settings, 0, states, epochs or None, None, lambda *_: None)
        choosing, training = self.splits[0][1], self._completed(settings["training"])
        card = {"builder": self.name, "kind": self.task.family, "model": dict(settings["model"]), "seed": self.seed}
        card |= {"training": training.to_dict() | {"validation": len(choosing) / len(self.data.train)}}
        card |= self.task.options()
        asked = prepared(self.data, self.data.held_out)
        if self.simple is None:
            self.simple = simple_of(self.job, asked, self.seed)
        job = self.jobs[0]._replace(network=network)
        trained = finished(job, network, history, training, card, choosing, self.simple)
        if self.task.supervised:
            return trained, self.task.named(trained.outputs)
        return trained, self._answers(job, asked)
