"""Results of searches that are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tuning.results import Comparison, SearchResult, TrialResult

GAIN = Comparison("test", 2000, 0.893, 0.887, 0.006, (0.001, 0.011))


def trial(number: int, score: float | None, values: dict[str, Any] | None = None, **given: Any) -> TrialResult:
    curve = [{"loss": 1 / epoch, "val_loss": 1.2 / epoch, "learning_rate": 0.001} for epoch in range(1, 6)]
    told = {"spread": None, "seconds": 12.5, "epochs": 5, "curve": curve} | given
    status = "failed" if score is None else "completed"
    return TrialResult(number, status, values or {}, score, **told)


def search(*trials: TrialResult, **given: Any) -> SearchResult:
    result = SearchResult(
        model="mlp",
        data="folder/wine.csv",
        method="random",
        objective="accuracy",
        direction="max",
        seed=7,
        seconds=723.0,
        trials=trials,
        best=trials[0],
        held_out=GAIN,
        settings={"model": {"units": (64, 32), "dropout": 0.1}, "training": {"optimizer": {"name": "adam"}}},
        ended="the budget of 10 min is used up",
    )
    result = replace(result, **given)
    return replace(result, best=next(iter(result.completed), trials[0])) if "best" not in given else result


def made(count: int, seed: int = 0, noise: float = 0.01, matters: bool = True, **given: Any) -> SearchResult:
    """A search whose scores hang on the learning rate and, a little, on whether momentum is set; on nothing else."""
    rng = np.random.default_rng(seed)
    trials = [
        trial(0, 0.8 + 0.001 * matters, {"learning_rate": 1e-3, "units": 64, "activation": "relu", "norm": False})
    ]
    for number in range(1, count + 1):
        values = {
            "learning_rate": float(10 ** rng.uniform(-5, -1)),
            "units": int(rng.choice([16, 64, 256, 1024])),
            "activation": str(rng.choice(["relu", "tanh", "gelu"])),
            "norm": bool(rng.integers(2)),
        }
        if values["norm"]:
            values["momentum"] = float(rng.uniform(0.8, 0.999))
        shape = (0.9 - 0.05 * (np.log10(values["learning_rate"]) + 3) ** 2 + 0.03 * values["norm"]) if matters else 0.8
        failed = number % 17 == 5
        score = None if failed else float(shape + rng.normal(0, noise))
        trials.append(trial(number, score, values, note="the loss is not finite\nepoch 2" if failed else ""))
    return search(*trials, **given)


EXTREMES = {
    "one trial": search(trial(0, 0.9, {"units": 64})),
    "nothing varies": search(*(trial(number, 0.9 + number / 1000, {"units": 64}) for number in range(12))),
    "no hyperparameters": search(*(trial(number, 0.5) for number in range(3))),
    "all but the default failed": search(
        trial(0, 0.9, {"units": 1}), *(trial(n, None, {"units": n}, curve=[], note="no memory") for n in range(1, 4))
    ),
    "all failed": search(*(trial(n, None, {"units": n}, curve=[], epochs=0) for n in range(3))),
    "no epochs": search(*(trial(n, n / 10, {"depth": n}, curve=[], epochs=0) for n in range(3)), direction="min"),
    "losses that are no numbers": search(
        trial(0, 0.5, {"rate": 1.0}, curve=[{"loss": float("nan")}, {"loss": 2.0}]),
        trial(1, float("nan"), {"rate": 2.0}, curve=[{"loss": float("inf")}]),
        trial(2, 0.4, {"rate": None}, curve=[{"loss": 1.0}]),
    ),
    "500 trials": made(500),
}
