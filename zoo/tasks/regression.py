"""Numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import baselines, measures
from zoo.evaluation import findings as finding
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.evaluation.numbers import RegressionEvaluation, Residual, below_mean, errors
from zoo.tasks.known import FIELD, TellsKnown
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

SMALLEST, LARGEST = 1e-34, 1e36  # deviation and size of targets, with room for what is learnt of them in float32
NEAREST = 1e-6  # deviation of targets in units of their mean; float32 has seven digits
ROUNDED = 0.05  # of a value; times the tolerance of a gate eight times what float32 rounds it by at most
BINS = 10  # quantiles of a number by which a split is stratified


class Scale(NamedTuple):
    """What brings a network's answers into the unit of the target; the network learns mean 0 and deviation 1.

    Attributes:
        mean, deviation: of what is learnt, float32 (values,).
        kernel, bias: of a forecast, the linear autoregression that is added to the network's answer, float32
            (window * features, values) and (values,), on prepared inputs; else None.
    """

    mean: np.ndarray
    deviation: np.ndarray
    kernel: np.ndarray | None = None
    bias: np.ndarray | None = None

    def restored(self, answers: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """A network's answers to prepared inputs, in the unit of the targets; float32 (examples, values)."""
        values = answers * self.deviation + self.mean
        return values if self.kernel is None else values + baselines.flat(inputs) @ self.kernel + self.bias


R2 = Measure("r2", "max", lambda _, t, o: measures.determination_parts(t, o["prediction"]))


@dataclass(frozen=True)
class Regression(TellsKnown):
    """Numbers. Targets: float32 (examples, values).

    Attributes:
        deviations: of the training targets, one a value; None where they are not known.
    """

    deviations: tuple[float, ...] | None = None

    name: ClassVar[str] = "regression"
    outputs: ClassVar[tuple[str, ...]] = ("prediction",)
    quality: ClassVar[Measure] = R2
    measures: ClassVar[tuple[Measure, ...]] = (
        R2,
        Measure("mse", "min", lambda _, t, o: measures.squares(t, o["prediction"])),
        Measure("rmse", "min", lambda _, t, o: measures.root_parts(t, o["prediction"])),
        Measure("mae", "min", lambda _, t, o: measures.distances(t, o["prediction"])),
    )

    @classmethod
    def of(cls, raw: Written) -> Regression:
        """A value a column."""
        return cls(raw.columns)

    def encode(self, raw: Written) -> np.ndarray:
        """Finite numbers."""
        values = raw.numbers()
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(values.astype(np.float32))
        if bad.any():
            row, column = (int(each) for each in np.argwhere(bad)[0])
            raise InputError(
                f"{raw.where}: {raw.names[row]}: expected a finite number as target {raw.columns[column]!r} of "
                f"{self.name}, received {raw.strings()[row, column]!r}"
            )
        return values.astype(np.float32)

    def fitted(self, targets: np.ndarray) -> Regression:
        """With the deviations."""
        return replace(self, deviations=tuple(targets.std(axis=0, dtype=np.float64).tolist()))

    def strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Tenths of the first value; of ten examples or fewer, parts of five, of which one can be held out."""
        bins = BINS if len(targets) > BINS else max(1, len(targets) // 5)
        edges = np.quantile(targets[:, 0], np.linspace(0, 1, bins + 1)[1:-1])
        tenths = np.unique(np.digitize(targets[:, 0], np.unique(edges)), return_inverse=True)[1]
        return np.eye(tenths.max() + 1, dtype=np.int8)[tenths]

    def inner_strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Tenths by rank, so that equal values may be in two of them."""
        tenths = np.argsort(np.argsort(targets[:, 0])) * BINS // len(targets)
        return np.eye(tenths.max() + 1, dtype=np.int64)[tenths]

    def arguments(self) -> dict[str, Any]:
        """No activation."""
        return {"output": "linear"}

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, Scale | None]:
        """See `Task.learnt`."""
        wide = targets.astype(np.float64)  # squares of what is small or large leave float32
        mean, deviation = wide[chosen].mean(axis=0), wide[chosen].std(axis=0)
        self._check_unit(source, wide[chosen], mean, deviation)
        scaled = ((wide - mean) / deviation).astype(np.float32)
        return scaled, Scale(mean.astype(np.float32), deviation.astype(np.float32))

    def _check_unit(self, source: Any, targets: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Whether float32, in which models answer, holds such targets, float64 (examples, values)."""
        large, equal = np.abs(targets).max(axis=0) > LARGEST, (targets == targets[0]).all(axis=0)
        near = ~equal & (deviation < NEAREST * np.abs(mean))
        for wrong, remedy in (
            (equal, "expected different values in the training part: leave it out, or move rows that differ there"),
            (large | (deviation < SMALLEST), "give it another unit: float32 holds values of 1e-34 to 1e36"),
            (near, "subtract its mean: float32 rounds away differences so small beside it"),
        ):
            if wrong.any():
                at = int(wrong.argmax())
                raise InputError(
                    f"{source}: the target {self.names[at]!r} has mean {mean[at]:g} and deviation "
                    f"{0 if equal[at] else deviation[at]:g} in the training part; {remedy}"
                )

    def plan(self, network: Any) -> Plan:
        """Squared error."""
        import keras

        return Plan(keras.losses.MeanSquaredError())

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Squared error, in the squared unit that is learnt."""
        return np.square(outputs["prediction"] - targets).mean(axis=1)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """The mean."""
        return targets.mean(axis=0, dtype=np.float64)

    def values(self) -> dict[str, Value]:
        """The numbers."""
        return {"prediction": Value("numbers", "values, in the order of the labels")} | self.known_values()

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """The numbers as they are."""
        return self.with_known(Answer({"prediction": outputs["prediction"]}), outputs, xp)

    def units(self, outputs: Outputs) -> dict[str, np.ndarray]:
        """Deviations of the training targets, and at least so much that float32's rounding of a value is nothing."""
        if self.deviations is None:
            return super().units(outputs)
        least = ROUNDED * np.abs(outputs["prediction"]).max(axis=0, initial=0.0)
        return super().units(outputs) | {"prediction": np.maximum(self.deviations, least).astype(np.float64)}

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """The mean, and regressors of scikit-learn."""
        return baselines.regressors(examples)

    def evaluate(self, exam: Exam) -> RegressionEvaluation:
        """See `Task.evaluate`."""
        targets, values = exam.targets, exam.outputs["prediction"]
        if targets.shape != values.shape or not len(targets):
            raise ValueError(f"expected as many answers as targets, received {values.shape} for {targets.shape}")
        rows = {name: errors(targets[:, [i]], values[:, [i]]) for i, name in enumerate(self.names)}
        simple = {name: errors(targets, said["prediction"]) for name, said in exam.simple.items()}
        return RegressionEvaluation(exam.part, len(targets), **errors(targets, values), values=rows, baselines=simple)

    def graded(self, names: Sequence[str], exam: Exam, said: Sequence[dict[str, Any]]) -> tuple[Residual, ...]:
        """See `Task.graded`: those with the largest error first."""
        given = zip(names, exam.targets.tolist(), exam.outputs["prediction"].tolist(), strict=True)
        rows = [Residual(name, target, value, self.names) for name, target, value in given]
        return tuple(sorted(rows, key=lambda row: -row.error))

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Values that the mean tells as well, simple models that do better, copies."""
        parts = {n: measures.determination_parts(exam.targets, s["prediction"]) for n, s in exam.simple.items()}
        own = measures.determination_parts(exam.targets, exam.outputs["prediction"])
        rivals = finding.of_rivals("R²", own, parts, exam.seed)
        if evaluation.examples < finding.FEWEST:
            return rivals
        return (*below_mean(evaluation), *finding.of_copies(exam.digests), *rivals)

    def to_card(self) -> dict[str, Any]:
        """With the deviations."""
        return super().to_card() | {"deviations": None if self.deviations is None else list(self.deviations)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Regression:
        """See `Task.from_card`; the first cards have no deviations."""
        known = card.get("deviations")
        return cls(tuple(card["classes"]), None if known is None else tuple(known), known_from=card.get(FIELD))

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """Deviations are numbers over 0."""
        if problem := super().card_problem(card):
            return problem
        known: Sequence[Any] | None = card.get("deviations")
        if "deviations" not in card or (
            isinstance(known, list)
            and len(known) == len(card["classes"])
            and all(
                isinstance(each, int | float) and not isinstance(each, bool) and 0 < each < np.inf for each in known
            )
        ):
            return None
        return ("deviations", "a number over 0 for each class")
