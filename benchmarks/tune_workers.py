"""Trials of two workers with one thread each over those of one worker with one thread, perceptrons on digits.

python benchmarks/tune_workers.py [--seconds N] [--repeats N]

Each runs for N seconds from its first trial on; the start of the processes is left out. The order alternates.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tune_vs_keras_tuner import _digits, architectures


def main() -> None:
    """Run one and two workers in turns, and print trials a minute."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=70)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats):
            for count in (1, 2) if repeat % 2 == 0 else (2, 1):
                rates[count].append(_rate(count, arguments.seconds, Path(folder) / f"{count}-{repeat}"))
    one, two = median(rates[1]), median(rates[2])
    print(f"one worker {one:.1f} trials a minute, two {two:.1f}: {two / one:.2f} times")


def _rate(count: int, seconds: int, run: Path) -> float:
    """Trials a minute."""
    from tuning.chief import free_port, serve
    from tuning.study import Search
    from tuning.tuner import Tuner
    from tuning.worker_pool import WorkerPool

    run.mkdir()
    options = {"objective": "accuracy", "folds": 0, "epochs": 3, "input_size": None, "seed": 0}
    data, space = _digits(), f"{Path(__file__).with_name('tune_vs_keras_tuner.py')}:{architectures.__name__}"
    search = Search(data, "mlp", space, "random", None, options)
    oracle = search.oracle(run)
    Tuner(search.problem, search.space, oracle, run)
    job = {"data": data, "model": "mlp", "space": space, "method": "random", "trials": None}
    pool = WorkerPool(job | {"options": options, "folder": run}, count, run, threads=1)
    ends: list[float] = []
    began: list[float] = []

    def tick() -> None:
        if not began and len(oracle.tuner_ids) == count and oracle.end_order:
            began.append(time.monotonic())
            ends.append(len(oracle.end_order))
            oracle.deadline = time.monotonic() + seconds

    serve(oracle, "127.0.0.1", free_port(), pool, tick)
    return (len(oracle.end_order) - ends[0]) / seconds * 60


if __name__ == "__main__":
    main()
