"""Trials on a pretrained backbone: a head is fitted on embeddings that are computed once."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from applications import linear_heads
from applications.choosing import middle_of
from applications.features import Extractor, embed
from applications.fine_tuning import evaluate
from applications.reading import Job, embed_data, embeddings_of, extractor_of, input_kind
from tuning.folds import check_folds, folds_of
from tuning.initial_weights import InitialWeights
from tuning.objectives import objective_of
from tuning.outcome import OnEpoch, Outcome, combine, epoch_callback
from zoo.artifacts import artifact
from zoo.artifacts.gate import Gate
from zoo.artifacts.predictor import outputs as outputs_of
from zoo.data.dataset import Data
from zoo.data.parts import Part
from zoo.data.splits import stratified
from zoo.errors import InputError
from zoo.evaluation.findings import Finding
from zoo.kinds.class_folders import Example
from zoo.progress import Stopwatch
from zoo.tasks.terms import Outputs, Scored
from zoo.training.batches import Arrays
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import SessionCache, unoptimized
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer

if TYPE_CHECKING:
    import keras

    from applications.dense_heads import DenseHead

BACKBONE = "efficientnet_lite0"
EPOCHS = 20
BATCH = 32
FOLDS, FEW = 5, 1000
Settings = dict[str, dict[str, Any]]


class Standardized(NamedTuple):
    """Embeddings and targets of a split; the embeddings have mean 0 and deviation 1 on the examples to fit on."""

    fit_on: tuple[np.ndarray, np.ndarray]
    score_on: tuple[np.ndarray, np.ndarray]
    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class TrainedClassifier:
    """A fitted model of images, with its scores.

    Attributes:
        model: pixels to probabilities or numbers.
        data: the splits.
        card: how it was made.
        outputs: of the held-out part, float32 (examples, outputs).
        evaluation: its scores.
        seed: of everything random.
        findings: problems that the scores show.
    """

    model: keras.Model
    data: Data
    card: dict[str, Any]
    outputs: np.ndarray
    evaluation: Scored
    seed: int
    findings: tuple[Finding, ...]

    def export(self, out: Path, run: Path) -> Path:
        """Export the model, prove the export equal to it, and make it the next version of `out`."""
        self.data.save(run)
        task = self.data.fitted_task
        what = (self.model, self.data, task, self.card, task.named(self.outputs), self.evaluation)
        with Gate() as gate:
            return artifact.publish(*what, out=out, run=run, gate=gate, seed=self.seed)[0]


class BackboneTrials:
    """Trials of heads on one folder of images, and of the last blocks if the space asks for them.

    Args:
        data: as `applications.fine_tune` takes it.
        objective: a name in `tuning.OBJECTIVES`; that of the task if None.
        folds: of cross-validation; 0 for one inner split. If None, 5 for fewer than 1,000 images and 0 for more.
        epochs: of a head with a hidden layer, at most; 20 if None.
        input_size: side of the backbone's input in pixels; that of the backbone if None.
        seed: of everything random.

    Raises:
        InputError: wrong data or arguments.
    """

    name = "fine_tune"
    build = None
    defaults: Settings = {"model": {}, "training": {}}

    def __init__(
        self,
        data: Data | str | Path,
        *,
        objective: str | None = None,
        folds: int | None = None,
        epochs: int | None = None,
        input_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.seed, self.epochs, self.input_size = seed, epochs or EPOCHS, input_size
        self.trains = training
        job = Job(Stopwatch(), seed, [])
        extractor = extractor_of(BACKBONE, "imagenet", input_size, None, seed)
        self.data, extractor, vectors = embed_data(data, extractor, job)
        self.uncropped = extractor.crop == 1.0
        self.task = self.data.fitted_task
        self.objective = objective_of(objective, self.task.objectives(None), self.task.name)
        # Backbone -> extractor, and the embeddings of the training part and of the held-out part.
        self.features: dict[str, tuple[Extractor, np.ndarray, np.ndarray]] = {}
        embeddings = embeddings_of(self.data.train, vectors), embeddings_of(self.data.held_out, vectors)
        self.features[BACKBONE] = extractor, *embeddings
        every = np.arange(len(self.data.train))
        self.targets, self.scale = self.task.learnt(self.data.source, self.data.train.targets, embeddings[0], every)
        if folds is None:  # with few images one of them is a per cent of the score, and a head is fitted at once
            folds = FOLDS if len(self.targets) < FEW and self._smallest_class() >= FOLDS else 0
        self.folds = folds
        self.splits = self._splits(folds)
        self.standardized: dict[tuple[str, int], Standardized] = {}
        self.graphs = unoptimized
        self.reuse, self.initial_weights = SessionCache(capacity=4 * len(self.splits)), InitialWeights()

    def is_default(self, settings: Settings) -> bool:
        """False: the default chooses its strength by cross-validation, which no settings of a space do."""
        return False

    def _smallest_class(self) -> int:
        """Number of training images of the smallest class, of all where there are none."""
        return min(self.task.counts(self.data.train.targets).values(), default=len(self.data.train))

    def _splits(self, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if folds:
            check_folds(folds, len(self.targets))
            return folds_of(self.data, folds, self.seed)
        strata = self.task.inner_strata(self.data.train.targets)
        held = stratified(strata, self.data.train.together, 0.25, self.seed)
        if not held.any() or (strata[~held].sum(axis=0) == 0).any():
            raise InputError(f"{self.data.source}: too few training images of a class to choose by; add some")
        return [(np.flatnonzero(~held), np.flatnonzero(held))]

    def run(
        self,
        settings: Settings,
        *,
        states: Path,
        last: int | None = None,
        deadline: float | None = None,
        on_epoch: OnEpoch = lambda *_: None,
    ) -> Outcome:
        """Run one trial; arguments as those of `tuning.builder_trials.BuilderTrials.run`."""
        results = []
        for fold, (_, score_on) in enumerate(self.splits):
            outputs, rows = self._outputs(settings, fold, states, last, deadline, on_epoch)
            score = self.objective.score(self.task, self.data.train.targets[score_on], self.task.named(outputs))
            results.append((score, rows))
        planned = min(last or self.epochs, self.epochs)
        late = deadline is not None and time.monotonic() > deadline
        return combine(results, planned, late and settings["model"].get("units", 0) > 0)

    def _outputs(
        self, settings: Settings, fold: int, states: Path, last: int | None, deadline: float | None, on_epoch: OnEpoch
    ) -> tuple[np.ndarray, list[dict[str, float]]]:
        """Outputs for the examples to score on, in the unit of the targets, and the training curve."""
        model = settings["model"]
        fit_on, score_on = self.splits[fold]
        extractor, embeddings, _ = self._features(model.get("backbone", BACKBONE))
        if model.get("units", 0) and not model.get("unfreeze", 0):
            dense, rows = self._dense_head(settings, fold, states, last, deadline, on_epoch)
            return self._in_unit(dense.outputs(embeddings[score_on])), rows
        head = self._linear_head(embeddings, fit_on, model.get("strength"))
        if not model.get("unfreeze", 0):
            return self._in_unit(head.outputs(embeddings[score_on])), []
        unfrozen = self._unfrozen(extractor, head, settings, last)
        states.mkdir(parents=True, exist_ok=True)
        checkpoint = Checkpoint(states / f"state_blocks_{fold}_{unfrozen.recipe.epochs}.npz")
        choice = unfrozen.choose(head, fit_on, score_on, checkpoint)
        return self._in_unit(choice.outputs), choice.history.epochs

    def _in_unit(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs of a head in the unit of the targets."""
        return outputs if self.scale is None else self.scale.restored(outputs, outputs)

    def _linear_head(
        self, embeddings: np.ndarray, fit_on: np.ndarray, strength: float | None = None
    ) -> linear_heads.Head:
        """A linear head fitted on the training examples at the positions `fit_on`."""
        what = embeddings[fit_on], self.targets[fit_on], self.seed, strength
        return linear_heads.head_of(self.task, *what, units=self.data.train.together[fit_on])

    def _features(self, backbone: str) -> tuple[Extractor, np.ndarray, np.ndarray]:
        """Extractor and embeddings of the training and the held-out part, computed once for each backbone."""
        if backbone not in self.features:
            extractor = extractor_of(backbone, "imagenet", self.input_size, None, self.seed)
            extractor = replace(extractor, bits=self.data.kind.bits)
            if self.uncropped:  # small pictures are not cropped, for any backbone
                extractor = replace(extractor, crop=1.0)

            def examples(part: Part) -> list[Example]:
                files = zip(part.inputs, part.names, part.digests, strict=True)
                return [Example(path, name, (), digest=digest) for path, name, digest in files]

            parts = self.data.train, self.data.held_out
            vectors, failures = embed([each for part in parts for each in examples(part)], extractor)
            if failures:
                raise InputError(f"{next(iter(failures))} can no longer be decoded; read the folder again")
            self.features[backbone] = extractor, *(embeddings_of(part, vectors) for part in parts)
        return self.features[backbone]

    def standardized_on(self, backbone: str = BACKBONE, fold: int = 0) -> Standardized:
        """Standardised embeddings of one fold, computed once."""
        if (backbone, fold) not in self.standardized:
            embeddings, split = self._features(backbone)[1], self.splits[fold]
            mean, deviation = middle_of(embeddings[split[0]])
            standardized = ((embeddings - mean) / deviation).astype(np.float32)
            fit_on, score_on = ((standardized[rows], self.targets[rows]) for rows in split)
            self.standardized[backbone, fold] = Standardized(fit_on, score_on, mean, deviation)
        return self.standardized[backbone, fold]

    def _dense_head(
        self, settings: Settings, fold: int, states: Path, last: int | None, deadline: float | None, on_epoch: OnEpoch
    ) -> tuple[DenseHead, list[dict[str, float]]]:
        """A trained head with a hidden layer, and its training curve."""
        from applications import dense_heads

        random.seed(self.seed)
        model = settings["model"]
        backbone = model.get("backbone", BACKBONE)
        fit_on, score_on, mean, deviation = self.standardized_on(backbone, fold)
        name = f"{backbone} {model['units']}"
        sizes = self._sizes(model, fold)
        network = self.initial_weights.network(name, lambda: dense_heads.build(**sizes))
        dense_heads.regularize(network, **self._penalties(model, fold))
        batches = Arrays(*fit_on, batch_size=BATCH, seed=self.seed)
        states.mkdir(parents=True, exist_ok=True)
        history = fit(
            network,
            batches,
            epochs=self.epochs,
            optimizer=self.optimizer(settings["training"], len(batches)),
            loss=self.task.plan(network).loss,
            validation=Arrays(*score_on, batch_size=1024),
            patience=max(5, self.epochs // 3),
            stop_at=last,
            checkpoint=Checkpoint(states / f"state_{fold}.npz"),
            callbacks=[epoch_callback(on_epoch, last or self.epochs)],
            deadline=deadline,
            reuse=self.reuse,
        )
        return dense_heads.DenseHead(network, mean, deviation), history.epochs

    def _sizes(self, arguments: dict[str, Any], fold: int = 0) -> dict[str, Any]:
        """Arguments of a head on standardised embeddings."""
        width = len(self.standardized_on(arguments.get("backbone", BACKBONE), fold).mean)
        sizes = {"width": width, "units": arguments.get("units", 0), "outputs": len(self.data.classes)}
        return sizes | {"activation": linear_heads.activation_of(self.task)}

    def _penalties(self, arguments: dict[str, Any], fold: int = 0) -> dict[str, float]:
        """Dropout, and the penalty of logistic regression, a mean example."""
        penalty = 1 / (2 * arguments.get("strength", 1e-2) * len(self.splits[fold][0]))
        return {"dropout": arguments.get("dropout", 0.0), "penalty": penalty}

    def head(self, arguments: dict[str, Any]) -> keras.Model:
        """A new head on the standardised embeddings of the first split, of Keras' own layers."""
        from applications import dense_heads

        return dense_heads.plain(**self._sizes(arguments), **self._penalties(arguments))

    def optimizer(self, training: dict[str, Any], steps: int) -> keras.optimizers.Optimizer:
        """The optimizer of a head that trains `steps` batches an epoch."""
        return optimizer("adam", training.get("learning_rate", 1e-3), steps=steps * self.epochs)

    def _unfrozen(self, extractor: Extractor, head: linear_heads.Head, settings: Settings, last: int | None) -> Any:
        from applications.unfreezing import Recipe, Unfrozen

        training = settings["training"]
        recipe = Recipe(
            settings["model"]["unfreeze"],
            last or self.epochs,
            training.get("unfreeze_rate", 1e-4),
            tuple(training.get("augment", ())),
            self.seed,
        )
        targets = linear_heads.dense(self.task, self.targets)
        return Unfrozen(extractor, head, self.data.train.inputs, targets, recipe)

    def finish(self, settings: Settings, epochs: int, states: Path) -> tuple[TrainedClassifier, Outputs]:
        """The classifier of a trial, scored on the held-out part, and its outputs there.

        A linear head is fitted on the whole training part. A head with a hidden layer is that of the trial's first
        split. The last blocks are trained as in the trial.
        """
        arguments = settings["model"]
        unfreeze, recipe = arguments.get("unfreeze", 0), None
        if arguments.get("units", 0) and not unfreeze:
            return self.scored(self._dense_head(settings, 0, states, epochs, None, lambda *_: None)[0], settings)
        from applications.assembling import classifier, in_unit

        extractor, embeddings, held_out = self._features(arguments.get("backbone", BACKBONE))
        head = self._linear_head(embeddings, np.arange(len(embeddings)), arguments.get("strength"))
        head_card = {"units": arguments.get("units", 0), "strength": head.strength}
        head_card |= {"folds": head.folds, "weighted": head.weighted}
        if unfreeze:
            unfrozen = self._unfrozen(extractor, head, settings, None)
            recipe = asdict(unfrozen.recipe)
            inner_head = self._linear_head(embeddings, self.splits[0][0])
            states.mkdir(parents=True, exist_ok=True)
            count = unfrozen.recipe.epochs
            choice = unfrozen.choose(inner_head, *self.splits[0], Checkpoint(states / f"state_blocks_0_{count}.npz"))
            trained = unfrozen.train(
                head, choice.share, choice.temperature, Checkpoint(states / f"state_blocks_all_{count}.npz")
            )
            model = in_unit(self.task, trained, self.scale)
            outputs = outputs_of(model, self.data.held_out.inputs, input_kind(extractor))
        else:
            model = in_unit(self.task, classifier(extractor, head), self.scale)
            outputs = self._in_unit(head.outputs(held_out))
        return self._evaluated(model, outputs, extractor, {"head": head_card, "unfrozen": recipe})

    def scored(self, dense: DenseHead, settings: Settings) -> tuple[TrainedClassifier, Outputs]:
        """The classifier of a trained head, as `finish` returns it."""
        from applications import dense_heads
        from applications.assembling import in_unit

        extractor, _, held_out = self._features(settings["model"].get("backbone", BACKBONE))
        model = in_unit(self.task, dense_heads.classifier(extractor, dense), self.scale)
        head = {name: value for name, value in settings["model"].items() if name in ("strength", "dropout")}
        card = {"head": {"units": settings["model"].get("units", 0)} | head, "unfrozen": None}
        return self._evaluated(model, self._in_unit(dense.outputs(held_out)), extractor, card)

    def _evaluated(
        self, model: keras.Model, outputs: np.ndarray, extractor: Extractor, facts: dict[str, Any]
    ) -> tuple[TrainedClassifier, Outputs]:
        """The classifier with its scores beside simple models."""
        _, embeddings, held_out = self._features(extractor.backbone)
        card = {
            "backbone": extractor.backbone,
            "weights": "imagenet",
            "input": input_kind(extractor, self.data).to_card(),
        }
        card |= {"seed": self.seed, "effort": "search"} | facts
        baselines = linear_heads.baselines(self.task, embeddings, self.data.train.targets, held_out)
        weighted = facts["head"].get("weighted", False)
        evaluation, findings = evaluate(self.data, self.task, outputs, baselines, weighted, self.seed)
        card["findings"] = [str(finding) for finding in findings]
        trained = TrainedClassifier(model, self.data, card, outputs, evaluation, self.seed, findings)
        return trained, self.task.named(outputs)


def training(*, learning_rate: float = 1e-3, unfreeze_rate: float = 1e-4, augment: tuple[str, ...] = ()) -> None:
    """Training settings that a space may set: learning rates of a dense head and of the last blocks, and augmentations.

    It does nothing: its signature says which settings there are.
    """
