"""Any number of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import baselines, measures
from zoo.evaluation.baselines import Examples
from zoo.evaluation.calibration import calibration_error
from zoo.evaluation.tables import Line, Shown
from zoo.tasks.classification import Classification, Evaluation
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

LIMIT = 0.5  # probability from which on a label is given


@dataclass(frozen=True)
class MultiLabel(Classification):
    """Any number of labels. Targets: int64 (examples, labels) of 0 and 1.

    Attributes:
        majority: the row of labels that is most frequent in the training part; None where it is not known.
    """

    name: ClassVar[str] = "multi_label"
    positions: ClassVar[bool] = False
    several: ClassVar[bool] = True
    all_labels: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = tuple(
        sorted(
            (each for each in Classification.measures if each.name != "balanced_accuracy"),
            key=lambda measure: measure.name != "f1_macro",
        )
    )

    @classmethod
    def of(cls, raw: Written) -> MultiLabel:
        """A label a column."""
        return cls(raw.columns)

    def encode(self, raw: Written) -> np.ndarray:
        """Columns of 0 and 1."""
        values = raw.numbers()
        bad = ~np.isin(values, (0, 1))
        if bad.any():
            row, column = (int(each) for each in np.argwhere(bad)[0])
            raise InputError(
                f"{raw.where}: {raw.names[row]}: expected 0 or 1 as target {raw.columns[column]!r} of {self.name}, "
                f"received {raw.strings()[row, column]!r}"
            )
        return values.astype(np.int64)

    def text(self, target: np.ndarray) -> str:
        """Labels with ``;`` between them."""
        return ";".join(name for name, here in zip(self.names, target, strict=True) if here)

    def hot(self, targets: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return targets

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """One column a label."""
        return targets

    def shown(self, parts: Mapping[str, np.ndarray]) -> Shown:
        """A line that an example may have several labels."""
        yield Line("", "several labels an image: each class is answered for itself")

    def check(self, source: Any, parts: Mapping[str, Any], *, every: bool = False) -> None:
        """See `Task.check`. A label without training example is no error; its scores show it."""
        has = {name: part.targets.any(axis=0) for name, part in parts.items()}
        unseen = np.any(list(has.values()), axis=0) & ~has["train"]
        if every and unseen.any():
            name = self.names[int(unseen.argmax())]
            raise InputError(f"{source}: no training example has the class {name!r}, which the held-out part has")

    def arguments(self) -> dict[str, Any]:
        """Sigmoid."""
        return {"output": "sigmoid"}

    def plan(self, network: Any) -> Plan:
        """Cross-entropy of each label."""
        import keras

        return Plan(keras.losses.BinaryCrossentropy())

    def fits(self, answers: np.ndarray) -> str | None:
        """They need not sum to 1."""
        return None

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Mean cross-entropy of the labels, in nats, clipped as Keras does."""
        shares = np.clip(outputs["probabilities"], 1e-7, 1 - 1e-7)
        return -np.where(targets == 1, np.log(shares), np.log(1 - shares)).mean(axis=1)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Shares of the labels."""
        return targets.mean(axis=0, dtype=np.float64)

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """See `Task.weights`."""
        raise InputError("class_weights are for one class an example; leave them out here")

    def calibration_error(self, targets: np.ndarray, outputs: Outputs) -> float:
        """Of the answers for each label, that it is there and that it is not."""
        shares = outputs["probabilities"]
        right = (shares >= LIMIT) == (targets == 1)
        return calibration_error(right.ravel(), np.maximum(shares, 1 - shares).ravel())

    def values(self) -> dict[str, Value]:
        """Labels, the largest probability, and all of them."""
        return {
            "label": Value("names", "labels of at least 0.5"),
            "probability": Value("share", "the largest one"),
            "probabilities": Value("shares", "one a label, in the order of the labels"),
        } | self.known_values()

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """Labels whose probability is at least 0.5."""
        shares = outputs["probabilities"]
        values = {"label": shares >= LIMIT, "probability": xp.max(shares, axis=-1), "probabilities": shares}
        return self.with_known(Answer(values, {"label": xp.abs(shares - LIMIT)}), outputs, xp)

    def decided(self, outputs: Outputs) -> np.ndarray:
        """Int64 (examples, labels) of 0 and 1: the predicted labels of each example."""
        return (outputs["probabilities"] >= LIMIT).astype(np.int64)

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """A classifier of scikit-learn for each label."""
        return baselines.classifiers(examples, len(self.names), several=True)

    def _confusion(self, exam: Exam) -> None:
        return None

    def likelihoods(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Mean over the labels of their negative log likelihood, float64 (examples,), in nats."""
        return measures.binary_cross_entropy(targets, outputs["probabilities"])

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The most frequent row is one."""
        if not card["classes"]:
            return ("classes", "a list of names that differ")
        majority, count = card.get("majority"), len(card["classes"])
        if isinstance(majority, list) and len(majority) == count and all(each in (0, 1) for each in majority):
            return None
        return ("majority", "a 0 or 1 for each class")


def evaluate(
    targets: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], majority: np.ndarray | int, part: str
) -> Evaluation:
    """Score probabilities against targets in memory.

    Args:
        targets: int64 (examples,), positions in `classes`; several labels: int64 (examples, classes) of 0 and 1.
        probabilities: float32 (examples, classes).
        classes: names.
        majority: the most frequent target of the training part: a position, or a row of 0 and 1.
        part: name of what is scored, as "validation".

    Raises:
        ValueError: the arrays' lengths differ, or there is no example.
    """
    task = Classification if np.ndim(targets) == 1 else MultiLabel
    most = tuple(np.asarray(majority).tolist()) if np.ndim(majority) else int(majority)
    return task(tuple(classes), most).evaluate(Exam(part, targets, {"probabilities": probabilities}))
