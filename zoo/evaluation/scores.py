"""Scores on held-out examples, by scikit-learn, beside those of simple models on the same examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.evaluation import measures
from zoo.evaluation.intervals import wilson
from zoo.evaluation.measures import correct

if TYPE_CHECKING:
    from zoo.data.dataset import Data


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one part.

    Attributes:
        part: which part was scored.
        examples: how many.
        accuracy: share that is right; for several labels, share with every label right.
        interval: 95 % Wilson interval of `accuracy`.
        baseline: accuracy of always giving the most frequent training answer.
        log_loss: mean negative log likelihood, in nats; for several labels the mean over labels.
        roc_auc: area under the ROC curve, one against the rest, mean over classes; None where a class is missing.
        f1_macro: mean F1 over the classes that some example has or is told to have; of several labels over all of them.
        classes: per class precision, recall, f1, support, how often it is predicted, and roc_auc.
        confusion: counts, row = true class, column = predicted; None for several labels.
        baselines: accuracy of simple models fitted on the same training part, by name.
    """

    part: str
    examples: int
    accuracy: float
    interval: tuple[float, float]
    baseline: float
    log_loss: float
    roc_auc: float | None
    f1_macro: float
    classes: dict[str, dict[str, float | int | None]]
    confusion: list[list[int]] | None
    baselines: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    @property
    def correct(self) -> int:
        """How many examples are right."""
        return round(self.accuracy * self.examples)


@dataclass(frozen=True)
class RegressionEvaluation:
    """Scores of one model that answers with numbers, on one part.

    Attributes:
        part: which part was scored.
        examples: how many.
        mse: mean squared error, over examples and values, in the squared unit of the target.
        rmse: its root; with several values, of their mean squared error.
        mae: mean absolute error.
        r2: coefficient of determination, mean over values; None for a single example.
        values: per value asked for mse, rmse, mae and r2; of a forecast, per step.
        baselines: the same four of simple models fitted on the same training part, by name.
    """

    part: str
    examples: int
    mse: float
    rmse: float
    mae: float
    r2: float | None
    values: dict[str, dict[str, float | None]]
    baselines: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)


def score(data: Data, outputs: np.ndarray, simple: Mapping[str, np.ndarray] | None = None) -> AnyEvaluation:
    """Score `outputs` on the held-out part of `data`.

    Args:
        data: brings targets, classes and the majority of its training part.
        outputs: float32 (examples of `data.held_out`, classes): probabilities, or the values asked for.
        simple: name of a simple model -> its outputs on the same examples, as `zoo.evaluation.baselines.outputs` gives
            them.
    """
    part, targets = "test" if data.test is not None else "validation", data.held_out.targets
    if data.task in ("regression", "forecasting"):
        found = evaluate_values(targets, outputs, data.classes, part)
        return replace(found, baselines={name: _errors(targets, values) for name, values in (simple or {}).items()})
    found = evaluate(targets, outputs, data.classes, most_frequent(data.train.targets), part)
    right = {name: float(correct(targets, values).mean()) for name, values in (simple or {}).items()}
    return replace(found, baselines=right)


def goodness(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Of each example a number, float64 (examples,), whose mean is the accuracy; of numbers, R²."""
    if targets.dtype.kind != "f":
        return correct(targets, outputs).astype(np.float64)
    return measures.determination_parts(targets, outputs)


def evaluate_values(targets: np.ndarray, values: np.ndarray, names: tuple[str, ...], part: str) -> RegressionEvaluation:
    """Score numbers against targets.

    Args:
        targets: float (examples, values).
        values: float32 (examples, values), the answers.
        names: of the values.
        part: name of what is scored, as "validation".

    Raises:
        ValueError: the arrays' shapes differ, or there is no example.
    """
    if targets.shape != values.shape or not len(targets):
        raise ValueError(f"expected as many answers as targets, received {values.shape} for {targets.shape}")
    rows = {name: _errors(targets[:, [i]], values[:, [i]]) for i, name in enumerate(names)}
    return RegressionEvaluation(part, len(targets), **_errors(targets, values), values=rows)


def _errors(targets: np.ndarray, values: np.ndarray) -> dict[str, float | None]:
    mse, mae = (float(each(targets, values).mean()) for each in (measures.squares, measures.distances))
    r2 = measures.determination(targets, values) if len(targets) > 1 else None
    return {"mse": mse, "rmse": mse**0.5, "mae": mae, "r2": r2}


def evaluate(
    targets: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...], majority: np.ndarray | int, part: str
) -> Evaluation:
    """Score probabilities against targets.

    Args:
        targets: int64 (examples,), positions in `classes`; several labels: int64 (examples, classes) of 0 and 1.
        probabilities: float32 (examples, classes).
        classes: names.
        majority: the target that `most_frequent` gives for the training part.
        part: name of what is scored, as "validation".

    Raises:
        ValueError: the arrays' lengths differ, or there is no example.
    """
    from sklearn import metrics

    if len(targets) != len(probabilities) or not len(targets):
        raise ValueError(f"expected as many targets as probabilities, received {len(targets)}, {len(probabilities)}")
    several = targets.ndim == 2
    predicted, right = measures.predicted(targets, probabilities), correct(targets, probabilities)
    always = (targets == majority).all(axis=1) if several else targets == majority
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        targets, predicted, labels=np.arange(len(classes)), zero_division=0.0
    )
    areas = measures.areas(targets, probabilities)
    often = predicted.sum(axis=0) if several else np.bincount(predicted, minlength=len(classes))
    rows = {
        name: {
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": int(s),
            "predicted": n,
            "roc_auc": a,
        }
        for name, p, r, f, s, n, a in zip(classes, precision, recall, f1, support, often.tolist(), areas, strict=True)
    }
    confusion = None
    if not several:
        confusion = metrics.confusion_matrix(targets, predicted, labels=np.arange(len(classes))).tolist()
    return Evaluation(
        part=part,
        examples=len(targets),
        accuracy=float(right.mean()),
        interval=wilson(int(right.sum()), len(right)),
        baseline=float(always.mean()),
        log_loss=float(measures.likelihoods(targets, probabilities).mean()),
        roc_auc=None if None in areas else float(np.mean(areas)),
        f1_macro=measures.f1_macro(targets, probabilities),
        classes=rows,
        confusion=confusion,
    )


def most_frequent(targets: np.ndarray) -> np.ndarray | int:
    """The answer that is most often right in `targets`: a class, or a whole row of labels."""
    values, counts = np.unique(targets, axis=0, return_counts=True)
    return values[counts.argmax()]


AnyEvaluation = Evaluation | RegressionEvaluation
