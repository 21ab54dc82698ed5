"""One class of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import baselines, measures
from zoo.evaluation import findings as finding
from zoo.evaluation.baselines import Examples
from zoo.evaluation.calibration import calibration_error
from zoo.evaluation.classes import Evaluation, Row, below_majority, never_predicted
from zoo.evaluation.findings import Finding
from zoo.evaluation.intervals import wilson
from zoo.tasks.known import FIELD, TellsKnown
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

SUM = 1e-3  # how far probabilities may be from 1 together
NAMED = 30  # classes that a message lists


ACCURACY = Measure("accuracy", "max", lambda task, *both: task.right(*both).astype(np.float64), decided=True)


@dataclass(frozen=True)
class Classification(TellsKnown):
    """One class of several. Targets: int64 (examples,), positions in `names`.

    Attributes:
        majority: position of the most frequent class of the training part; None where it is not known.
    """

    majority: int | tuple[int, ...] | None = None

    name: ClassVar[str] = "classification"
    outputs: ClassVar[tuple[str, ...]] = ("probabilities",)
    categorical: ClassVar[bool] = True
    quality: ClassVar[Measure] = ACCURACY
    positions: ClassVar[bool] = True

    @classmethod
    def of(cls, raw: Written) -> Classification:
        """See `Task.of`. Names are sorted, by size where all are numbers; several columns are one class each."""
        if len(raw.columns) > 1:
            if one_hot(raw) is None:
                raise InputError(
                    f"expected one target column for {cls.name}, received {', '.join(raw.columns)}; several are "
                    "classes where they hold 0 and 1, and one 1 in each row"
                )
            return cls(raw.columns)
        classes = sorted_classes(raw.strings()[:, 0])
        if len(classes) < 2:
            raise InputError(
                f"{raw.where}: expected at least two classes in column {raw.columns[0]!r}, found only {classes[0]!r}"
            )
        return cls(classes)

    def encode(self, raw: Written) -> np.ndarray:
        """See `Task.encode`. A label that is no class may be one but for blanks, or, of numbers, the same number."""
        written = raw.strings()
        if written.shape[1] > 1:
            return self._from_columns(raw)
        labels = written[:, 0]
        place = {name: index for index, name in enumerate(self.names)}
        positions = np.fromiter((place.get(label, -1) for label in labels), np.int64, len(labels))
        if (positions < 0).any():
            bare = _alone(name.strip() for name in self.names)
            for at in np.flatnonzero(positions < 0):
                positions[at] = bare.get(labels[at].strip(), -1)
        if (positions < 0).any() and np.isfinite(values := raw.numbers()[:, 0]).all():
            sizes = _alone(map(_size, self.names))
            for at in np.flatnonzero(positions < 0):
                value = float(values[at])
                plain = place.get(str(int(value) if value.is_integer() else value))
                positions[at] = sizes.get(value, -1) if plain is None else plain
        if (positions < 0).any():
            at = int((positions < 0).argmax())
            known = ", ".join(self.names[:NAMED])
            more = f" and {len(self.names) - NAMED} more" if len(self.names) > NAMED else ""
            raise InputError(
                f"{raw.where}: {raw.names[at]}: the model does not know the label {labels[at]!r}; "
                f"expected one of {known}{more}"
            )
        return positions

    def _from_columns(self, raw: Written) -> np.ndarray:
        """Positions of the columns that hold the 1."""
        missing = [name for name in self.names if name not in raw.columns]
        flags = one_hot(raw)
        if missing or flags is None:
            expected = f"the columns {', '.join(self.names[:NAMED])} of 0 and 1 with one 1 in each row"
            raise InputError(f"{raw.where}: expected {expected}, received {', '.join(raw.columns[:NAMED])}")
        return np.array([self.names.index(name) for name in raw.columns], np.int64)[flags.argmax(axis=1)]

    def text(self, target: np.ndarray) -> str:
        """The class."""
        return self.names[int(target)]

    def fitted(self, targets: np.ndarray) -> Classification:
        """With the most frequent class."""
        return type(self)(self.names, _plain(most_frequent(targets)))

    def hot(self, targets: np.ndarray) -> np.ndarray:
        """Int64 (examples, classes) of 0 and 1: the classes of each example."""
        return np.eye(len(self.names), dtype=np.int64)[targets]

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """One column a class."""
        return np.eye(int(targets.max(initial=0)) + 1, dtype=np.int64)[targets]

    def counts(self, targets: np.ndarray) -> dict[str, int]:
        """See `Task.counts`."""
        return dict(zip(self.names, self.hot(targets).sum(axis=0).tolist(), strict=True))

    def check(self, source: Any, parts: Mapping[str, Any], *, every: bool = False) -> None:
        """See `Task.check`: each class that a part has needs a training example."""
        for part in parts.values():
            wrong = np.flatnonzero((part.targets < 0) | (part.targets >= len(self.names)))
            if len(wrong):
                raise InputError(
                    f"{source}: expected labels from 0 to {len(self.names) - 1}, {part.names[wrong[0]]} has "
                    f"{part.targets[wrong[0]]}"
                )
        has = {name: set(np.flatnonzero(self.hot(part.targets).any(axis=0)).tolist()) for name, part in parts.items()}
        unseen = set().union(*has.values()) - has["train"]
        if unseen:
            raise InputError(
                f"{source}: no training example has the class {self.names[min(unseen)]!r}, which the held-out part has"
                "; only an autoencoder can find what it did not learn"
            )

    def arguments(self) -> dict[str, Any]:
        """Softmax, which is what builders end in by themselves."""
        return {}

    def plan(self, network: Any) -> Plan:
        """Cross-entropy."""
        import keras

        return Plan(keras.losses.SparseCategoricalCrossentropy(), ("accuracy",))

    def fits(self, answers: np.ndarray) -> str | None:
        """Probabilities sum to 1."""
        if np.isfinite(answers).all() and not np.allclose(answers.sum(axis=-1), 1, atol=SUM):
            return "gives no probabilities: expected a softmax at its end"
        return None

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Cross-entropy, in nats, clipped as Keras does."""
        shares = np.clip(outputs["probabilities"], 1e-7, 1 - 1e-7)
        return -np.log(shares[np.arange(len(shares)), targets])

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Shares of the classes."""
        return np.bincount(targets, minlength=len(self.names)) / len(targets)

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """See `Task.weights`."""
        counts = np.bincount(targets)
        return (len(targets) / ((counts > 0).sum() * counts[targets])).astype(np.float32)

    def values(self) -> dict[str, Value]:
        """Label, its probability, and all of them."""
        return {
            "label": Value("name", "the most probable class"),
            "probability": Value("share", "of it"),
            "probabilities": Value("shares", "one a class, in the order of the classes"),
        } | self.known_values()

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """The most probable class; of equal ones the first."""
        shares = outputs["probabilities"]
        values = {"label": xp.argmax(shares, axis=-1), "probability": xp.max(shares, axis=-1), "probabilities": shares}
        answer = Answer(values, {"label": values["probability"][..., None] - shares})
        return self.with_known(answer, outputs, xp)

    def decided(self, outputs: Outputs) -> np.ndarray:
        """Int64 (examples, classes) of 0 and 1: the predicted classes of each example."""
        return self.hot(outputs["probabilities"].argmax(axis=1))

    def right(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Bool (examples,): whether the prediction is right, of labels every one."""
        return (self.decided(outputs) == self.hot(targets)).all(axis=1)

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """Classifiers of scikit-learn."""
        return baselines.classifiers(examples, len(self.names))

    def evaluate(self, exam: Exam) -> Evaluation:
        """See `Task.evaluate`."""
        if len(exam.targets) != len(exam.outputs["probabilities"]) or not len(exam.targets):
            count = len(exam.outputs["probabilities"])
            raise ValueError(f"expected as many targets as probabilities, received {len(exam.targets)}, {count}")
        right = self.right(exam.targets, exam.outputs)
        always = 0.0
        if self.majority is not None:
            always = float((self.hot(exam.targets) == self.hot(np.array(self.majority))).all(axis=1).mean())
        areas = measures.areas(self.hot(exam.targets), exam.outputs["probabilities"])
        return Evaluation(
            part=exam.part,
            examples=len(right),
            accuracy=float(right.mean()),
            interval=wilson(int(right.sum()), len(right)),
            baseline=always,
            log_loss=float(self.likelihoods(exam.targets, exam.outputs).mean()),
            roc_auc=None if None in areas else float(np.mean(areas)),
            f1_macro=float(f1_parts(self, exam.targets, exam.outputs).mean()),
            classes=self._rows(exam, areas),
            confusion=self._confusion(exam),
            baselines={name: float(self.right(exam.targets, said).mean()) for name, said in exam.simple.items()},
            calibration_error=self.calibration_error(exam.targets, exam.outputs),
            unknown=self.unknown_share(exam.outputs),
        )

    def calibration_error(self, targets: np.ndarray, outputs: Outputs) -> float:
        """The expected calibration error of the predictions; see `zoo.evaluation.calibration.calibration_error`."""
        return calibration_error(self.right(targets, outputs), outputs["probabilities"].max(axis=1))

    def _rows(self, exam: Exam, areas: Sequence[float | None]) -> dict[str, dict[str, float | int | None]]:
        has, said = self.hot(exam.targets), self.decided(exam.outputs)
        hits, support, predicted = (each.sum(axis=0) for each in (has * said, has, said))
        shares = (hits / np.maximum(1, predicted), hits / np.maximum(1, support))
        f1 = 2 * hits / np.maximum(1, predicted + support)
        columns = (*(each.tolist() for each in (*shares, f1, support, predicted)), areas)
        keys = ("precision", "recall", "f1", "support", "predicted", "roc_auc")
        rows = zip(self.names, zip(*columns, strict=True), strict=True)
        return {name: dict(zip(keys, row, strict=True)) for name, row in rows}

    def _confusion(self, exam: Exam) -> list[list[int]] | None:
        counts = np.zeros((len(self.names),) * 2, np.int64)
        np.add.at(counts, (exam.targets, exam.outputs["probabilities"].argmax(axis=1)), 1)
        return counts.tolist()

    def likelihoods(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Negative log likelihood of each example, float64 (examples,), in nats."""
        return measures.cross_entropy(targets, outputs["probabilities"])

    all_labels: ClassVar[bool] = False
    """Whether F1 is a mean over all labels, or over the classes that some example has or is said to have."""

    measures: ClassVar[tuple[Measure, ...]] = (
        ACCURACY,
        Measure("balanced_accuracy", "max", lambda task, *both: recall_parts(task, *both), decided=True),
        Measure("f1_macro", "max", lambda task, *both: f1_parts(task, *both), decided=True),
        Measure("roc_auc", "max", lambda task, *both: area_parts(task, *both), decided=True),
        Measure("log_loss", "min", lambda task, *both: task.likelihoods(*both)),
    )

    def graded(self, names: Sequence[str], exam: Exam, said: Sequence[dict[str, Any]]) -> tuple[Row, ...]:
        """See `Task.graded`: those that are most confidently wrong first."""
        rows = [
            Row(name, self.text(target), answer["label"], answer["probability"])
            for name, target, answer in zip(names, exam.targets, said, strict=True)
        ]
        return tuple(sorted(rows, key=lambda row: (row.right, -row.probability, row.name)))

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Classes that are hardly ever predicted, simple models that do better, copies."""
        parts = {name: self.right(exam.targets, said).astype(np.float64) for name, said in exam.simple.items()}
        own = self.right(exam.targets, exam.outputs).astype(np.float64)
        rivals = finding.of_rivals("accuracy", own, parts, exam.seed)
        if evaluation.examples < finding.FEWEST:
            return rivals
        wrong = never_predicted(evaluation, exam.weighted) or below_majority(evaluation, exam.weighted)
        return (*wrong, *finding.of_copies(exam.digests), *rivals)

    def to_card(self) -> dict[str, Any]:
        """With the most frequent class."""
        return super().to_card() | {"majority": _plain(self.majority)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Classification:
        """See `Task.from_card`."""
        return cls(tuple(card["classes"]), _plain(card["majority"]), known_from=card.get(FIELD))

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The most frequent class is one of them."""
        if problem := super().card_problem(card):
            return problem
        majority = card.get("majority")
        if isinstance(majority, int) and not isinstance(majority, bool) and 0 <= majority < len(card["classes"]):
            return None
        return ("majority", "the position of a class")


def one_hot(raw: Written) -> np.ndarray | None:
    """Bool (rows, columns) of targets in columns of 0 and 1 that exclude each other; None for other targets."""
    flags = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}
    written = raw.strings()
    values = np.array([flags.get(text.strip().lower(), 2) for text in written.ravel()]).reshape(written.shape)
    return values == 1 if values.max(initial=0) < 2 and (values.sum(axis=1) == 1).all() else None


def _alone(keys: Iterable[Any]) -> dict[Any, int]:
    """Key -> its position, for keys that occur once."""
    listed = list(keys)
    return {key: at for at, key in enumerate(listed) if listed.count(key) == 1}


def _size(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def sorted_classes(labels: np.ndarray) -> tuple[str, ...]:
    """Different values of an object array of str, by size where all are numbers."""
    names = set(labels)
    try:
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    except ValueError:
        return tuple(sorted(names))


def most_frequent(targets: np.ndarray) -> Any:
    """The most frequent of `targets`: the position of a class, or a row of labels."""
    values, counts = np.unique(targets, axis=0, return_counts=True)
    return values[counts.argmax()]


def f1_parts(task: Classification, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Parts of the mean F1 over the classes."""
    return measures.f1_parts(task.hot(targets), task.decided(outputs), all_columns=task.all_labels)


def recall_parts(task: Classification, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Parts of the mean recall over the classes that some example has."""
    return measures.recall_parts(task.hot(targets), task.decided(outputs))


def area_parts(task: Classification, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Parts of the mean area under the ROC curve over the classes that have one."""
    return measures.area_parts(task.hot(targets), outputs["probabilities"])


def _plain(majority: Any) -> Any:
    """An int, or a tuple of ints for labels; None where it is not known."""
    if majority is None:
        return None
    plain = np.asarray(majority).tolist()
    return tuple(plain) if isinstance(plain, list) else int(plain)
