"""The next values of a series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from zoo.evaluation import baselines
from zoo.evaluation.baselines import Examples
from zoo.evaluation.numbers import RegressionEvaluation, errors
from zoo.tasks.regression import Regression, Scale
from zoo.tasks.terms import Exam, Measure


@dataclass(frozen=True)
class Forecasting(Regression):
    """The next values of a series. Targets: float32 (windows, steps).

    The network learns what a linear autoregression leaves, so that one that knows nothing is as good as that.

    Attributes:
        series: how many there are in the training part, whose windows follow each other by turns.

    Source: Zhang 2003, "Time series forecasting using a hybrid ARIMA and neural network model".
    """

    series: int = 1

    name: ClassVar[str] = "forecasting"
    from_columns: ClassVar[bool] = False
    remainder: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = tuple(
        sorted(Regression.measures, key=lambda measure: measure.name != "rmse")
    )

    def strata(self, targets: np.ndarray) -> None:
        """None: time splits."""
        return None

    def inner_strata(self, targets: np.ndarray) -> None:
        """None: time splits."""
        return None

    @property
    def reach(self) -> int:
        """Steps of a target, of each series."""
        return len(self.names) * self.series

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, Scale | None]:
        """See `Task.learnt`."""
        wide = targets.astype(np.float64)
        mean, deviation = wide[chosen].mean(axis=0), wide[chosen].std(axis=0)
        self._check_unit(source, wide[chosen], mean, deviation)
        wide = (wide - mean) / deviation
        rows = baselines.flat(inputs)
        some = chosen[baselines.few(rows[chosen])]
        kernel, bias = baselines.ridge(rows[some], wide[some])
        wide -= rows @ kernel + bias
        middle, spread = wide[chosen].mean(axis=0), wide[chosen].std(axis=0)
        spread = np.where(spread > 0, spread, 1)
        parts = (middle * deviation, spread * deviation, kernel * deviation, bias * deviation + mean)
        return ((wide - middle) / spread).astype(np.float32), Scale(*(part.astype(np.float32) for part in parts))

    def evaluate(self, exam: Exam) -> RegressionEvaluation:
        """See `Task.evaluate`; with the scores of each series, where there are several."""
        evaluation = super().evaluate(exam)
        return evaluation if exam.series is None else replace(evaluation, series=by_series(exam))

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """The last value, the season before, and a linear autoregression."""
        return baselines.forecasts(examples)


def by_series(exam: Exam) -> dict[str, dict[str, Any]]:
    """Scores of the model and of simple models for each series, by its name."""
    names, scores = np.asarray(exam.series), {}
    for name in dict.fromkeys(exam.series or ()):
        here = names == name
        targets = exam.targets[here]
        scores[name] = {"examples": len(targets), **errors(targets, exam.outputs["prediction"][here])}
        simple = {model: errors(targets, said["prediction"][here]) for model, said in exam.simple.items()}
        scores[name]["baselines"] = simple
    return scores
