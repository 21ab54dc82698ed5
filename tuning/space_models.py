"""Search spaces as models of Keras Tuner, which its own tuners search. Importing this imports Keras."""

from __future__ import annotations

import inspect
import json
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import keras
import keras_tuner
import numpy as np

from applications.dense_heads import DenseHead
from tuning.backbone_trials import BACKBONE, BATCH, BackboneTrials, training
from tuning.builder_trials import BuilderTrials
from tuning.space_checks import check, space_of
from tuning.study import FINE_TUNE
from zoo.artifacts import artifact
from zoo.builders.registry import builder as builder_of
from zoo.data.dataset import Data
from zoo.errors import InputError
from zoo.files import locked, remove_run, run_folder
from zoo.kinds.recognising import open as open_data
from zoo.settings import integer
from zoo.training.batches import Arrays
from zoo.training.learning import InnerSplit, batches_of, rule_of
from zoo.training.loop import History
from zoo.training.run import train
from zoo.training.settings import Settings as TrainingSettings

Settings = dict[str, dict[str, Any]]
Space = Callable[[keras_tuner.HyperParameters], Settings]


def hypermodel(
    model: str | Callable[..., keras.Model],
    data: Any,
    *,
    space: Space | str | None = None,
    epochs: int | None = None,
    input_size: int | None = None,
    seed: int = 0,
) -> SpaceModel:
    """A search space as a `keras_tuner.HyperModel`, for RandomSearch, Hyperband, BayesianOptimization and GridSearch.

    ::

        model = tuning.hypermodel("cnn", data, epochs=10)
        tuner = keras_tuner.RandomSearch(model, objective=model.objective, max_trials=20)
        tuner.search(*model.train, validation_data=model.validation, epochs=10)
        artifact = model.export(tuner.get_best_models()[0], "saved_models/cnn")

    A trial trains by Keras' own ``fit``: the optimizer with its schedule, the loss, the batches, class weights,
    augmentation, and an early end where the space sets a patience, are as in `tuning.search`. Training begins from
    `seed`, so trials of equal values are equal, and so are the executions of one trial.

    Adversarial networks have no loss to choose by: they learn from the whole training part in whole batches, their
    `validation` is None, and a trial is scored at its end by ``frechet``, the distance of generated images from those
    of the training part, which is their `objective`.

    For ``fine_tune``, `train` and `validation` are embeddings of the default backbone of the space, computed once; a
    space that draws another backbone, or trains its blocks, is for `tuning.search`.

    Args:
        model: a name in `zoo.builders.BUILDERS`, ``fine_tune``, or a function of input shape and number of outputs,
            which needs a `space`.
        data: a path, the `Data` of a reader, or what is in memory, as `zoo.data.open` takes it.
        space: a function from `hp` to ``{"model": {...}, "training": {...}}``, or ``FILE.py:function``; that of
            `tuning.spaces` if None.
        epochs: of the schedule of the learning rate, 1 or more: those of the search, for Hyperband its ``max_epochs``.
            The default of `zoo.train` if None, of ``fine_tune`` 20.
        input_size: side of the images in pixels, if they are read from files.
        seed: of the inner split, the weights and the order, 0 or more.

    Raises:
        InputError: wrong data or arguments, or a space whose default values can't be used.
    """
    seed, epochs = integer("seed", seed), None if epochs is None else integer("epochs", epochs, 1)
    function = space_of(model if isinstance(model, str) else getattr(model, "__name__", repr(model)), space)
    builder = None if model == FINE_TUNE else builder_of(model) if isinstance(model, str) else model
    _check(function, function(keras_tuner.HyperParameters()), builder, training if builder is None else train)
    if not isinstance(data, Data | str | PathLike):
        data = open_data(data, seed=seed)
    given: dict[str, Any] = {"epochs": epochs, "input_size": input_size, "seed": seed}
    if builder is None:
        return HeadModel(BackboneTrials(data, folds=0, **given), function)
    return BuilderModel(BuilderTrials(builder, data, **given), function)


class SpaceModel(keras_tuner.HyperModel):
    """A search space as Keras Tuner takes it; `hypermodel` makes one.

    Attributes:
        trials: prepared data and their inner split.
        space: from `hp` to settings.
        train: inputs and targets to learn from, prepared as the networks take them: pixels as they are, numbers and
            embeddings standardised; classes int64 (examples,), numbers float32 (examples, values) in deviations from
            their mean. No held-out example is in them.
        validation: the same of the examples that choose; None where nothing outside of training can.
        objective: what a tuner optimises: ``val_loss``, or the score of a network without validation.
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray] | None

    def __init__(self, trials: Any, space: Space) -> None:
        super().__init__(name=trials.name)
        self.trials, self.space = trials, space
        self.objective = keras_tuner.Objective("val_loss", "min")
        self._made: WeakKeyDictionary[keras.Model, tuple[Settings, int]] = WeakKeyDictionary()
        self._curves: dict[str, tuple[list[dict[str, float]], int]] = {}  # settings -> rows, steps an epoch

    def settings(self, hp: keras_tuner.HyperParameters) -> Settings:
        """What the space says for these values.

        Raises:
            InputError: the space returns what can't be used.
        """
        settings = self.space(hp)
        _check(self.space, settings, self.trials.build, self.trials.trains)
        return settings

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A new network of these values, compiled; equal values have equal initial weights."""
        settings = self.settings(hp)
        keras.utils.set_random_seed(self.trials.seed)
        network, steps = self.compiled(settings)
        if not network.optimizer.built:  # a tuner keeps its state, and so the place in the schedule, with the weights
            network.optimizer.build(network.trainable_variables)
        self._made[network] = settings, steps
        return network

    @abstractmethod
    def compiled(self, settings: Settings) -> tuple[keras.Model, int]:
        """A new network, compiled, and its steps an epoch."""

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train `model` with what the space says of training; what the caller of ``search`` gives comes first.

        Args:
            hp: as `build` took it.
            model: as `build` returned it.
            args: as ``keras.Model.fit`` takes them.
            kwargs: as ``keras.Model.fit`` takes them. Arrays get batches as the space says; a dataset has its own.

        Returns:
            the history of Keras; of a network without validation a dict of its last epoch with its score.
        """
        settings = self.settings(hp)
        given = dict(inspect.signature(model.fit).bind(*args, **kwargs).arguments)
        first, before = given.get("initial_epoch", 0), int(model.optimizer.iterations)
        history = model.fit(**given | self.batches(settings, model, given))
        names = [name for name, values in history.history.items() if len(values) == len(history.epoch)]
        rows = [{name: history.history[name][row] for name in names} for row in range(len(history.epoch))]
        earlier, _ = self._curves.get(_key(settings), ([], 0))
        steps = (int(model.optimizer.iterations) - before) // max(1, len(rows))
        self._curves[_key(settings)] = [*earlier[:first], *rows], steps
        if self.validation is not None:
            return history
        return rows[-1] | {self.objective.name: self.trials.score(model)}

    @abstractmethod
    def batches(self, settings: Settings, model: keras.Model, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments of ``keras.Model.fit`` that these settings add to those that are given, or replace."""

    def export(self, model: keras.Model, out: str | Path) -> Path:
        """Score a trained model on the held-out part beside simple models, prove its export, and publish it.

        Args:
            model: one that `build` made, as ``tuner.get_best_models()[0]``.
            out: folder of the artifact, as ``saved_models/cnn``.

        Returns:
            the version folder; `zoo.load` opens it.

        Raises:
            InputError: another model, or a folder that can't be written.
            JobError: the export differs from the model; nothing is published.
        """
        if model not in self._made:
            raise InputError(
                f"expected a model that this one built, as tuner.get_best_models()[0]; received {model!r}: build it by "
                "model.build(tuner.get_best_hyperparameters()[0]), and load its weights"
            )
        settings, steps = self._made[model]
        rows, steps = self._curves.get(_key(settings), ([], steps))  # none where another process trained it
        history = History(round(int(model.optimizer.iterations) / max(1, steps)), rows)
        out = artifact.folder_for(self.trials.data.source, out)
        with locked(run_folder(out, self.trials.data.fingerprint[:10])) as run:
            version = self.scored(model, settings, history).export(out, run)
            remove_run(run)
            return version

    @abstractmethod
    def scored(self, model: keras.Model, settings: Settings, history: History) -> Any:
        """The result of a trained model, which can be exported."""


class BuilderModel(SpaceModel):
    """The space of a builder."""

    def __init__(self, trials: BuilderTrials, space: Space) -> None:
        super().__init__(trials, space)
        self.train, self.validation, _ = trials.inner_splits[0]
        if not trials.plan.outside:
            self.validation = None
            self.objective = keras_tuner.Objective(trials.objective.name, trials.objective.direction)

    def settings(self, hp: keras_tuner.HyperParameters) -> Settings:
        """See `SpaceModel.settings`; without a patience training does not end early."""
        settings = super().settings(hp)
        return settings | {"training": {"patience": self.trials.epochs} | settings["training"]}

    def compiled(self, settings: Settings) -> tuple[keras.Model, int]:
        """See `SpaceModel.compiled`."""
        trials, training = self.trials, settings["training"]
        network = trials.built(dict(settings["model"]), training.get("precision", "float32"))
        job, how = trials.jobs[0]._replace(network=network), trials.completed(training, network)
        steps = len(batches_of(job, network, trials.inner_splits[0], how, trials.seed))
        optimizer, loss = rule_of(job, network, how, steps * how.epochs)
        network.compile(optimizer, loss, metrics=_metrics(trials.task, network), jit_compile=False)
        return network, steps

    def batches(self, settings: Settings, model: keras.Model, given: dict[str, Any]) -> dict[str, Any]:
        """See `SpaceModel.batches`."""
        how: TrainingSettings = self.trials.completed(settings["training"], model)
        added: dict[str, Any] = {}
        if self.validation is None:
            added["validation_data"] = None
        elif given.get("validation_data") is not None and how.patience < how.epochs:
            stop = keras.callbacks.EarlyStopping("val_loss", patience=max(1, how.patience))
            added["callbacks"] = [*(given.get("callbacks") or []), stop]
        if not isinstance(given.get("x"), np.ndarray | dict) or given.get("y") is None:
            return added
        weighted = how.class_weights and given.get("class_weight") is None
        how = replace(how, batch_size=given.get("batch_size") or how.batch_size, class_weights=weighted)
        job, split = self.trials.jobs[0], InnerSplit((given["x"], given["y"]), None)
        batches = batches_of(job, model, split, how, self.trials.seed, given.get("sample_weight"))
        if batches.augment is None and self.validation is not None:
            weights = batches.columns[2] if len(batches.columns) > 2 else None
            return added | {"batch_size": batches.batch_size, "sample_weight": weights}
        own = _Batches(batches, given.get("initial_epoch", 0))
        added["validation_batch_size"] = given.get("validation_batch_size") or batches.batch_size
        return added | {"x": own, "y": None, "sample_weight": None, "batch_size": None, "shuffle": False}

    def scored(self, model: keras.Model, settings: Settings, history: History) -> Any:
        """See `SpaceModel.scored`."""
        return self.trials.scored(model, history, settings)[0]


class HeadModel(SpaceModel):
    """The space of the head of a pretrained backbone."""

    def __init__(self, trials: BackboneTrials, space: Space) -> None:
        self.backbone = None
        super().__init__(trials, space)
        self.backbone = self.settings(keras_tuner.HyperParameters())["model"].get("backbone", BACKBONE)
        self.embedded = trials.standardized_on(self.backbone)
        self.train, self.validation = self.embedded.fit_on, self.embedded.score_on

    def settings(self, hp: keras_tuner.HyperParameters) -> Settings:
        """See `SpaceModel.settings`."""
        settings = super().settings(hp)
        backbone, blocks = settings["model"].get("backbone", BACKBONE), settings["model"].get("unfreeze", 0)
        if blocks or backbone != (self.backbone or backbone):
            what = f"{blocks} trained blocks" if blocks else f"the backbone {backbone}"
            raise InputError(
                f"expected a space of heads on the embeddings of {self.backbone or backbone}; received {what}: take "
                "tuning.search, or one hypermodel a backbone"
            )
        return settings

    def compiled(self, settings: Settings) -> tuple[keras.Model, int]:
        """See `SpaceModel.compiled`."""
        trials, steps = self.trials, len(Arrays(*self.train, batch_size=BATCH))
        network = trials.head(settings["model"])
        loss, metrics = trials.task.plan(network).loss, _metrics(trials.task, network)
        network.compile(trials.optimizer(settings["training"], steps), loss, metrics=metrics, jit_compile=False)
        return network, steps

    def batches(self, settings: Settings, model: keras.Model, given: dict[str, Any]) -> dict[str, Any]:
        """See `SpaceModel.batches`."""
        return {} if given.get("y") is None else {"batch_size": given.get("batch_size") or BATCH}

    def scored(self, model: keras.Model, settings: Settings, history: History) -> Any:
        """See `SpaceModel.scored`."""
        return self.trials.scored(DenseHead(model, self.embedded.mean, self.embedded.deviation), settings)[0]


class _Batches(keras.utils.PyDataset):
    """Batches of the project, augmented and whole, for Keras' own ``fit``."""

    def __init__(self, batches: Arrays, first: int) -> None:
        super().__init__()
        self.batches, self.next, self.order = batches, first, batches.order(first)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.batches.batch(self.order, index)

    def on_epoch_begin(self) -> None:
        """Take the order of the next epoch."""
        self.order = self.batches.order(self.next)
        self.next += 1


def _check(space: Space, settings: Any, builder: Callable[..., Any] | None, trains: Callable[..., Any]) -> None:
    check(settings, builder, trains, name=getattr(space, "__name__", "the space"))


def _metrics(task: Any, network: keras.Model) -> list[str]:
    """Names of the metrics beside the loss: those of the plan, or what users of Keras expect."""
    plan = task.plan(network)
    if plan.loss is None:
        return []
    return list(plan.metrics) or (["binary_accuracy"] if task.categorical else ["mae", "mse"])


def _key(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True, default=str)
