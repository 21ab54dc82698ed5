"""Scores of classes and labels, and findings on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from zoo.evaluation.findings import Finding
from zoo.evaluation.tables import Line, Shown, Table, number

RARE = 0.1  # share of the times that a class is right, below which it is hardly ever predicted
TELLING = 0.7  # area under the ROC curve from which on another threshold finds a class
MOST = 100  # classes that are shown whatever their examples; a confusion matrix of more is read by nobody
FEWEST = 5  # examples of rare classes below which none may be predicted by chance


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one part.

    Attributes:
        part: which part was scored.
        examples: number of examples.
        accuracy: share that is right; for several labels, share with every label right.
        interval: 95 % Wilson interval of `accuracy`.
        baseline: accuracy of always predicting the most frequent training target.
        log_loss: mean negative log likelihood, in nats; for several labels the mean over labels.
        roc_auc: area under the ROC curve, one against the rest, mean over classes; None where a class is missing.
        f1_macro: mean F1 over the classes of some example or prediction; of several labels over all of them.
        classes: per class precision, recall, f1, support, how often it is predicted, and roc_auc.
        confusion: counts, row = true class, column = predicted; None for several labels.
        baselines: accuracy of simple models fitted on the same training part, by name.
        calibration_error: expected calibration error, in [0, 1]; see `zoo.evaluation.calibration`.
        unknown: share of the examples that the model calls unknown; None for a model that does not say.
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
    calibration_error: float | None = None
    unknown: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    @property
    def correct(self) -> int:
        """Number of right examples."""
        return round(self.accuracy * self.examples)

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `zoo.tasks.terms.Scored.beside`."""
        return "accuracy", self.accuracy, {"always the most frequent class": self.baseline} | self.baselines

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines to show; with `details` the confusion matrix too.

        Of more than 100 classes, those that no example has and that are never predicted are counted, not shown, and
        there is no confusion matrix.
        """
        few = len(self.classes) <= MOST
        rows = [
            [name, *(number(row[key]) for key in ("precision", "recall", "f1", "roc_auc")), str(row["support"])]
            for name, row in self.classes.items()
            if few or row["support"] or row["predicted"]
        ]
        header = ("class", "precision", "recall", "F1", "ROC-AUC", "examples")
        yield Table(f"{self.part}: {self.examples} examples", header, rows)
        if len(rows) < len(self.classes):
            yield Line("", f"{len(self.classes) - len(rows)} further classes have no example and are never predicted")
        low, high = self.interval
        simple = {"always the most frequent class": self.baseline} | self.baselines
        yield Line(
            f"accuracy {self.accuracy:.4f}",
            f" ({self.correct} of {self.examples} right; 95 % interval {low:.3f} to {high:.3f}); "
            + "; ".join(f"{name}: {value:.4f}" for name, value in simple.items()),
        )
        area = number(self.roc_auc)
        calibration = number(self.calibration_error)
        scores = f"log loss {self.log_loss:.4f}, ROC-AUC {area}, mean F1 {self.f1_macro:.4f}"
        yield Line("", f"{scores}, calibration error {calibration}")
        if self.unknown is not None:
            yield Line("", f"called unknown: {self.unknown:.1%} of them")
        if details and self.confusion and few:
            rows = [[name, *map(str, row)] for name, row in zip(self.classes, self.confusion, strict=True)]
            yield Table("confusion", ("true \\ predicted", *self.classes), rows, diagonal=True)


class Row(NamedTuple):
    """One scored example; `right` where label and prediction agree."""

    name: str
    label: str
    predicted: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the prediction is the label."""
        return self.label == self.predicted

    def cells(self) -> dict[str, Any]:
        """A row of a table, by column."""
        cells = {"path": self.name, "label": self.label, "prediction": self.predicted}
        return cells | {"probability": self.probability, "right": int(self.right)}


def never_predicted(evaluation: Evaluation, weighted: bool | None) -> list[Finding]:
    """A finding on a class that is hardly ever predicted; `weighted`: whether rare classes had more weight."""
    rare = {name: row for name, row in evaluation.classes.items() if row["predicted"] < RARE * row["support"]}
    if sum(row["support"] for row in rare.values()) < FEWEST:  # with few examples this may be chance
        return []
    name, row = max(rare.items(), key=lambda each: each[1]["support"])
    often = f"predicted {row['predicted']} times" if row["predicted"] else "never predicted"
    evidence = f"{name!r} is {often}, and {row['support']} of {evaluation.examples:,} examples have it"
    if len(rare) > 1:
        evidence += f"; {len(rare)} of the {len(evaluation.classes)} possible answers are that rare"
    symptom = f"{'label' if evaluation.confusion is None else 'class'} hardly ever predicted"
    return [Finding(symptom, evidence, _for_rare(evaluation, row, weighted))]


def below_majority(evaluation: Evaluation, weighted: bool | None) -> list[Finding]:
    """A finding on a model that is no better than the most frequent class.

    That baseline has an accuracy of 1 if all examples are of one class, as those that a user gives may be.
    """
    if not evaluation.accuracy <= evaluation.baseline < 1:
        return []
    if weighted and (evaluation.roc_auc or 0) > TELLING:  # it was to find what is rare, whatever that costs
        return []
    present = {name: row for name, row in evaluation.classes.items() if row["support"]}
    name, row = min(present.items(), key=lambda each: each[1]["recall"])
    evidence = f"accuracy is {evaluation.accuracy:.4f}, where always the most frequent class has "
    evidence += f"{evaluation.baseline:.4f}; the recall of {name!r} is {row['recall']:.3g}"
    return [Finding("no better than the most frequent class", evidence, _for_rare(evaluation, row, weighted))]


def _for_rare(evaluation: Evaluation, row: Mapping[str, Any], weighted: bool | None) -> str:
    """Remedies for a class or label that is missed."""
    remedies = ["more examples of it"]
    if weighted is False and evaluation.confusion is not None:
        remedies.insert(0, "--class-weights")
    if (row["roc_auc"] or 0) > TELLING:
        remedies.append(f"another threshold for its probability, which does tell it (ROC-AUC {row['roc_auc']:.2f})")
    return f"try {' or '.join(remedies)}; look at its recall, not at the accuracy"
