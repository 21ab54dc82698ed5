"""What a trial on a pretrained backbone does: fit a head on embeddings that are computed once."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from applications import linear_heads
from applications.features import Extractor, embed
from applications.fine_tuning import Job, embedded, extractor_of, judged, kind_of, rows_of
from tuning.folds import check_folds, folds_of
from tuning.initial_weights import Fresh
from tuning.objectives import objective_of
from tuning.outcome import Outcome, Tell, combined, teller
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
from zoo.tasks.classification import Evaluation
from zoo.tasks.terms import Outputs
from zoo.training.batches import Arrays
from zoo.training.checkpoints import Checkpoint
from zoo.training.compiling import Reuse, unoptimized
from zoo.training.loop import fit
from zoo.training.optimizers import optimizer

if TYPE_CHECKING:
    import keras

BACKBONE = "efficientnet_lite0"
EPOCHS = 20
BATCH = 32
FOLDS, FEW = 5, 1000
Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier of images, scored.

    Attributes:
        model: pixels to probabilities.
        data: the splits.
        card: how it was made.
        outputs: probabilities of the held-out part, float32 (examples, classes).
        evaluation: scores of them.
        seed: of everything random.
        findings: what the scores tell that is wrong.
    """

    model: keras.Model
    data: Data
    card: dict[str, Any]
    outputs: np.ndarray
    evaluation: Evaluation
    seed: int
    findings: tuple[Finding, ...]

    def export(self, out: Path, run: Path) -> Path:
        """Export the model, prove the export equal to it, and make it the next version of `out`."""
        self.data.save(run)
        task = self.data.fitted_task
        what = (self.model, self.data, task, self.card, task.named(self.outputs), self.evaluation)
        with Gate() as gate:
            return artifact.publish(*what, out=out, run=run, gate=gate, seed=self.seed)[0]


class Heads:
    """Trials of heads, and of the last blocks where the space asks for them, on one folder of images.

    Args:
        data: as `applications.fine_tune` takes it.
        objective: a name out of `tuning.OBJECTIVES`; that of the task where None.
        folds: of cross-validation; 0 for one inner split; 5 for fewer than 1,000 images and 0 for more where None.
        epochs: of a hidden head, at most; 20 where None.
        input_size: side of the backbone's input in pixels; its own where None.
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
        self.data, extractor, vectors = embedded(data, extractor, job)
        self.whole = extractor.crop == 1.0
        self.task = self.data.fitted_task
        self.objective = objective_of(objective, self.task.objectives(None), self.task.name)
        self.known: dict[str, tuple[Extractor, np.ndarray, np.ndarray]] = {}
        self.known[BACKBONE] = extractor, rows_of(self.data.train, vectors), rows_of(self.data.held_out, vectors)
        self.targets = self.data.train.targets
        if folds is None:  # few images: an image more or less is a per cent, and a head is fitted in no time
            folds = FOLDS if len(self.targets) < FEW and self._least() >= FOLDS else 0
        self.folds = folds
        self.splits = self._splits(folds)
        self.sides: dict[tuple[str, int], tuple[Any, ...]] = {}
        self.graphs = unoptimized
        self.reuse, self.fresh = Reuse(kept=4 * len(self.splits)), Fresh()

    def is_default(self, settings: Settings) -> bool:
        """Whether these are the default, whose strength is chosen by cross-validation: no number says that."""
        return False

    def _least(self) -> int:
        """Training images of the class that has the fewest."""
        return min(self.task.counts(self.targets).values())

    def _splits(self, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if folds:
            check_folds(folds, len(self.targets))
            return folds_of(self.data, folds, self.seed)
        hot = self.task.hot(self.targets)
        held = stratified(hot, self.data.train.together, 0.25, self.seed)
        if not held.any() or (hot[~held].sum(axis=0) == 0).any():
            raise InputError(f"{self.data.source}: too few training images of a class to choose by; add some")
        return [(np.flatnonzero(~held), np.flatnonzero(held))]

    def run(
        self,
        settings: Settings,
        *,
        states: Path,
        last: int | None = None,
        deadline: float | None = None,
        tell: Tell = lambda *_: None,
    ) -> Outcome:
        """One trial; arguments as those of `tuning.builder_trials.Networks.run`."""
        found = []
        for fold, (_, asked) in enumerate(self.splits):
            answers, rows = self._answers(settings, fold, states, last, deadline, tell)
            found.append((self.objective.score(self.task, self.targets[asked], self.task.named(answers)), rows))
        planned = min(last or self.epochs, self.epochs)
        late = deadline is not None and time.monotonic() > deadline
        return combined(found, planned, late and settings["model"].get("units", 0) > 0)

    def _answers(
        self, settings: Settings, fold: int, states: Path, last: int | None, deadline: float | None, tell: Tell
    ) -> tuple[np.ndarray, list[dict[str, float]]]:
        """Probabilities of the examples that choose, and what was seen in training."""
        model = settings["model"]
        chosen, asked = self.splits[fold]
        extractor, rows, _ = self._features(model.get("backbone", BACKBONE))
        if model.get("units", 0) and not model.get("unfreeze", 0):
            head, epochs = self._hidden(settings, fold, states, last, deadline, tell)
            return head(rows[asked]), epochs
        found = self._fitted(rows, chosen, model.get("strength"))
        if not model.get("unfreeze", 0):
            return found.probabilities(rows[asked]), []
        unfrozen = self._unfrozen(extractor, found, settings, last)
        history, answers = unfrozen.choose(found, chosen, asked)
        return answers, history.epochs

    def _fitted(self, rows: np.ndarray, chosen: np.ndarray, strength: float | None = None) -> linear_heads.Head:
        """A linear head on the training examples at `chosen`."""
        units, count = self.data.train.together[chosen], len(self.data.classes)
        return linear_heads.fit(rows[chosen], self.targets[chosen], self.seed, count, strength, units=units)

    def _features(self, backbone: str) -> tuple[Extractor, np.ndarray, np.ndarray]:
        """Extractor and embeddings of the training and the held-out part; computed once for a backbone."""
        if backbone not in self.known:
            extractor = extractor_of(backbone, "imagenet", self.input_size, None, self.seed)
            if self.whole:  # small pictures are taken whole, by every backbone
                extractor = Extractor(backbone, "imagenet", extractor.input_size, 1.0, self.seed)

            def examples(part: Part) -> list[Example]:
                named = zip(part.inputs, part.names, part.digests, strict=True)
                return [Example(path, name, (), digest=digest) for path, name, digest in named]

            parts = self.data.train, self.data.held_out
            vectors, failures = embed([each for part in parts for each in examples(part)], extractor)
            if failures:
                raise InputError(f"{next(iter(failures))} can no longer be decoded; read the folder again")
            self.known[backbone] = extractor, *(rows_of(part, vectors) for part in parts)
        return self.known[backbone]

    def _hidden(
        self, settings: Settings, fold: int, states: Path, last: int | None, deadline: float | None, tell: Tell
    ) -> tuple[Any, list[dict[str, float]]]:
        """A function from embeddings to probabilities by a head with a hidden layer, and its training's rows."""
        from applications.dense_heads import adjust, hidden_head

        random.seed(self.seed)
        model = settings["model"]
        backbone = model.get("backbone", BACKBONE)
        chosen, asked = self.splits[fold]
        if (backbone, fold) not in self.sides:
            rows = self._features(backbone)[1]
            mean, deviation = rows[chosen].mean(axis=0), rows[chosen].std(axis=0)
            deviation = np.maximum(deviation, 0.1 * deviation.mean())  # what hardly varies here may vary elsewhere
            ready = ((rows - mean) / deviation).astype(np.float32)
            sides = [(ready[each], self.targets[each]) for each in (chosen, asked)]
            self.sides[backbone, fold] = *sides, mean, deviation
        learnt, held, mean, deviation = self.sides[backbone, fold]
        several = self.task.several
        penalty = 1 / (2 * model.get("strength", 1e-2) * len(chosen))  # what logistic regression has, a mean example
        sizes = {"width": learnt[0].shape[1], "units": model["units"], "classes": len(self.data.classes)}
        name = f"{backbone} {model['units']}"
        network = self.fresh.network(name, lambda: hidden_head(**sizes, several=several))
        adjust(network, model.get("dropout", 0.0), penalty)
        batches = Arrays(*learnt, batch_size=BATCH, seed=self.seed)
        rate = settings["training"].get("learning_rate", 1e-3)
        states.mkdir(parents=True, exist_ok=True)
        history = fit(
            network,
            batches,
            epochs=self.epochs,
            optimizer=optimizer("adam", rate, steps=len(batches) * self.epochs),
            loss=self.task.plan(network).loss,
            validation=Arrays(*held, batch_size=1024),
            patience=max(5, self.epochs // 3),
            stop_at=last,
            checkpoint=Checkpoint(states / f"state_{fold}.npz"),
            callbacks=[teller(tell, last or self.epochs)],
            deadline=deadline,
            reuse=self.reuse,
        )

        def answer(rows: np.ndarray) -> np.ndarray:
            return np.asarray(network(((rows - mean) / deviation).astype(np.float32), training=False))

        answer.parts = network, mean, deviation
        return answer, history.epochs

    def _unfrozen(self, extractor: Extractor, head: linear_heads.Head, settings: Settings, last: int | None) -> Any:
        from applications.unfreezing import Recipe, Unfrozen

        how = settings["training"]
        recipe = Recipe(
            settings["model"]["unfreeze"],
            last or self.epochs,
            how.get("unfreeze_rate", 1e-4),
            tuple(how.get("augment", ())),
            self.seed,
        )
        return Unfrozen(extractor, head, self.data.train.inputs, self.targets, recipe)

    def finish(self, settings: Settings, epochs: int, states: Path) -> tuple[Fitted, Outputs]:
        """The classifier of a trial, scored on the held-out part, and its answers there.

        A linear head is fitted on the whole training part; one with a hidden layer is that of the trial, of folds the
        first; last blocks are trained as in the trial.
        """
        from applications.unfreezing import joined

        model = settings["model"]
        extractor, rows, asked = self._features(model.get("backbone", BACKBONE))
        head: dict[str, Any] = {"units": model.get("units", 0)}
        if model.get("units", 0) and not model.get("unfreeze", 0):
            from applications.dense_heads import joined_hidden

            answer, _ = self._hidden(settings, 0, states, epochs, None, lambda *_: None)
            whole, outputs = joined_hidden(extractor, *answer.parts), answer(asked)
        else:
            found = self._fitted(rows, np.arange(len(rows)), model.get("strength"))
            head |= {"strength": found.strength, "folds": found.folds, "weighted": found.weighted}
            outputs = found.probabilities(asked)
            if model.get("unfreeze", 0):
                unfrozen = self._unfrozen(extractor, found, settings, None)
                chosen = self.splits[0][0]
                inner = self._fitted(rows, chosen)
                history, _ = unfrozen.choose(inner, *self.splits[0])
                whole = unfrozen.train(found, max(1, history.best_epoch))
                outputs = outputs_of(whole, self.data.held_out.inputs, kind_of(extractor))
            else:
                whole = joined(extractor, found)
        card = {"backbone": extractor.backbone, "weights": "imagenet", "input": kind_of(extractor).to_card()}
        card |= {"seed": self.seed, "effort": "search", "head": head, "unfrozen": None}
        if model.get("unfreeze", 0):
            card["unfrozen"] = asdict(unfrozen.recipe)
        simple = linear_heads.simple(rows, self.task.hot(self.targets), asked)
        evaluation, findings = judged(self.data, outputs, simple, head.get("weighted", False), self.seed)
        card["findings"] = [str(finding) for finding in findings]
        return Fitted(whole, self.data, card, outputs, evaluation, self.seed, findings), self.task.named(outputs)


def training(*, learning_rate: float = 1e-3, unfreeze_rate: float = 1e-4, augment: tuple[str, ...] = ()) -> None:
    """What a space may say of training: rates of a hidden head and of the last blocks, and what augments these."""
