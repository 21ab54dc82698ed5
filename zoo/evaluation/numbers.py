"""Scores of numbers, and findings on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from zoo.evaluation import measures
from zoo.evaluation.findings import Finding
from zoo.evaluation.tables import Line, Shown, Table, number

ROWS = 10  # of a table, where there are more values


class Residual(NamedTuple):
    """One scored example of a model that answers with numbers: what was true, and what it said."""

    name: str
    target: list[float]
    predicted: list[float]
    names: tuple[str, ...] = ()
    right: None = None  # a number is not right or wrong

    @property
    def error(self) -> float:
        """The largest absolute difference."""
        return max(abs(a - b) for a, b in zip(self.target, self.predicted, strict=True))

    def cells(self) -> dict[str, Any]:
        """A row of a table, by column."""
        predictions = {f"predicted {name}": value for name, value in zip(self.names, self.predicted, strict=True)}
        return {
            "name": self.name,
            **dict(zip(self.names, self.target, strict=True)),
            **predictions,
            "error": self.error,
        }


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
        values: mse, rmse, mae and r2 of each value; of a forecast, of each step.
        baselines: the same four of simple models fitted on the same training part, by name.
        series: of several series the scores of each, by name, with its examples and its baselines.
    """

    part: str
    examples: int
    mse: float
    rmse: float
    mae: float
    r2: float | None
    values: dict[str, dict[str, float | None]]
    baselines: dict[str, dict[str, float | None]] = field(default_factory=dict)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return {name: value for name, value in asdict(self).items() if name != "series" or value}

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `zoo.tasks.terms.Scored.beside`."""
        return "R²", self.r2, {name: row["r2"] for name, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines to show."""

        def row(name: str, scores: Mapping[str, float | None]) -> list[str]:
            return [name, f"{scores['rmse']:.4g}", f"{scores['mae']:.4g}", number(scores["r2"])]

        names = list(self.values)
        names = names if len(names) <= ROWS else [*names[:3], *names[-3:]]
        own = row("all" if len(self.values) > 1 else "this model", self.to_dict())
        last = [own, *(row(name, scores) for name, scores in self.baselines.items())]
        rows = [row(name, self.values[name]) for name in names]
        yield Table(f"{self.part}: {self.examples} examples", ("", "RMSE", "MAE", "R²"), rows, last)
        if self.series:
            yield from self._of_series()

    def _of_series(self) -> Shown:
        simple = list(next(iter(self.series.values()))["baselines"])
        rows = []
        for name, scores in list(self.series.items())[:ROWS]:
            others = (f"{scores['baselines'][model]['rmse']:.4g}" for model in simple)
            rows.append([name, f"{scores['rmse']:.4g}", f"{scores['mae']:.4g}", number(scores["r2"]), *others])
        beside = ", and the RMSE of simple models" if simple else ""
        yield Table(f"each series{beside}", ("", "RMSE", "MAE", "R²", *simple), rows)
        if len(self.series) > ROWS:
            yield Line("", f"and {len(self.series) - ROWS} more series: --json has them all")


def errors(targets: np.ndarray, values: np.ndarray) -> dict[str, float | None]:
    """Mean squared error, its root, mean absolute error and R²."""
    mse, mae = (float(each(targets, values).mean()) for each in (measures.squares, measures.distances))
    r2 = measures.determination(targets, values) if len(targets) > 1 else None
    return {"mse": mse, "rmse": mse**0.5, "mae": mae, "r2": r2}


def below_mean(evaluation: RegressionEvaluation) -> list[Finding]:
    """A finding on values that are predicted no better than by their mean."""
    below = {name: row["r2"] for name, row in evaluation.values.items() if row["r2"] is not None and row["r2"] <= 0}
    if not below:
        return []
    worst = min(below, key=below.__getitem__)
    others = f", and below 0 for {len(below)} of {len(evaluation.values)} values" if len(below) > 1 else ""
    evidence = f"R² of {worst!r} is {below[worst]:.3g}, where always the mean of these examples has 0{others}"
    remedy = "look whether the inputs tell it and are like those learnt; try another learning rate or more epochs"
    return [Finding("no better than the mean", evidence, remedy)]
