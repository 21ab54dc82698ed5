"""Searches that are cut off or run by a process of their own, and what they leave."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.places import ROOT
from tuning.results import SearchResult

PROGRAM = """
import sys
import numpy as np
import tuning
from zoo.data import arrays

def space(hp):
    return {"model": {"units": (hp.Choice("units", [4, 8, 16, 32]),)},
            "training": {"learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")}}

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 3
    data = arrays((rng.normal(size=(300, 6)) + np.eye(6)[targets]).astype("float32"), targets)
    given = {"method": sys.argv[1], "trials": int(sys.argv[2]), "workers": int(sys.argv[3])}
    found = tuning.search(data, "mlp", space=space, epochs=15, run=sys.argv[4], out=sys.argv[5], **given)
    print("DONE", len(found.trials))
"""


class Cut(BaseException):
    """Stands for a kill between two of the search's steps."""


@contextmanager
def cut(trials: type, at: int = 3) -> Iterator[None]:
    """A search in this block ends with its trial number `at`, the default configuration counted, before it runs."""
    real, calls = trials.run, [0]

    def run(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == at:
            raise Cut
        return real(*given, **named)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Cut):
        patch.setattr(trials, "run", run)
        yield


def trial_rows(result: SearchResult) -> list[tuple[Any, ...]]:
    """What is to be the same of two searches."""
    return [(t.number, t.status, t.values, t.score, t.spread, t.epochs, t.note) for t in result.trials]


def program(*arguments: object) -> subprocess.Popen:
    """Start `PROGRAM` in the current folder: method, trials, workers, run folder, artifact."""
    Path("program.py").write_text(PROGRAM, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "program.py", *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trials_table(artifact: str) -> list[dict[str, str]]:
    """The rows of `trials.csv`, but for the seconds."""
    with Path(artifact, "1", "run", "trials.csv").open(encoding="utf-8") as file:
        return [{name: text for name, text in row.items() if name != "seconds"} for row in csv.DictReader(file)]
