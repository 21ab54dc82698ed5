"""Tables of a search in a terminal: its result, and its trials while it runs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rich.console import Group
from rich.table import Table

from tuning.report.importance import columns, scored
from tuning.report.wording import (
    comparison,
    duration,
    ending,
    failures,
    number,
    settings_text,
    summary,
    validation_scores,
)
from tuning.results import TrialResult
from zoo.progress import CONSOLE, Screen, literal

if TYPE_CHECKING:
    from tuning.results import SearchResult

BEST = 10
LIVE_BEST = 5
LIVE_RUNNING = 8


class _Running(NamedTuple):
    """A trial that has begun."""

    values: Mapping[str, Any]
    began: float
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None


def show_result(result: SearchResult) -> None:
    """Print a table of the best trials, then the result in words."""
    best = [trial for trial in result.completed if scored([trial])][:BEST]
    if best:
        varying = {column.name for column in columns(result.trials) if column.varies}
        table = _table(f"best {len(best)} of {len(result.trials)} trials", result.objective)
        for trial in best:
            _add(table, trial, varying, bold=trial.number == result.best.number)
        if result.default.score is not None and result.default not in best:
            table.add_section()
            _add(table, result.default, varying)
        CONSOLE.print(table)
    better = result.best.number != result.default.number and result.held_out.better(result.direction)
    CONSOLE.print(literal(summary(result)))
    CONSOLE.print(literal(validation_scores(result)))
    CONSOLE.print(f"[bold]{literal(comparison(result))}[/]" if better else literal(comparison(result)))
    for line in result.beside:
        CONSOLE.print(literal(line))
    failed = any(trial.status == "failed" for trial in result.trials)
    CONSOLE.print(f"[yellow]{literal(failures(result))}[/]" if failed else failures(result))
    CONSOLE.print(literal(ending(result)))


class Live:
    """A table of a running search, redrawn on standard error if that is a terminal; else nothing is shown.

    Trials may begin and end in any order, several at a time, and from several threads.

    Args:
        objective: name of the objective.
        direction: ``max`` or ``min``.
        deadline: of `time.monotonic`, when the search ends; None for no end.
        trials: number of trials beside the default configuration; None if time alone ends the search.
    """

    def __init__(
        self, objective: str, direction: Literal["max", "min"], deadline: float | None, trials: int | None
    ) -> None:
        self.objective, self.direction, self.deadline, self.trials = objective, direction, deadline, trials
        self._running: dict[int, _Running] = {}
        self._done: dict[int, TrialResult] = {}
        self._lock = threading.Lock()  # another thread draws the table
        self._started = time.monotonic()
        self._display = None

    def __enter__(self) -> Live:
        self._started = time.monotonic()
        if sys.stderr.isatty():
            from rich.live import Live as Display

            self._display = Display(
                console=Screen(stderr=True),
                get_renderable=self.table,
                refresh_per_second=2,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),  # text for a pipe must reach the pipe
            )
            self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def began(self, number: int, values: Mapping[str, Any]) -> None:
        """Add a trial that began with these hyperparameters."""
        with self._lock:
            self._running[number] = _Running(dict(values), time.monotonic())

    def epoch(self, number: int, epoch: int, epochs: int, loss: float | None) -> None:
        """Update a running trial, which finished `epoch` of `epochs`, counted from 1."""
        with self._lock:
            if number in self._running:
                self._running[number] = self._running[number]._replace(epoch=epoch, epochs=epochs, loss=loss)

    def ended(self, trial: TrialResult) -> None:
        """Move a trial that ended, completed or failed, from the running trials to the results."""
        with self._lock:
            self._running.pop(trial.number, None)
            self._done[trial.number] = trial

    def table(self) -> Group:
        """The drawing: counts and times, the running trials, the best trials so far."""
        with self._lock:
            running, done = dict(self._running), list(self._done.values())
        now = time.monotonic()
        sign = -1 if self.direction == "max" else 1
        best = sorted(scored(done), key=lambda trial: (sign * trial.score, trial.number))
        failed = sum(trial.status == "failed" for trial in done)
        total = "" if self.trials is None else f" of {self.trials}"
        line = [f"{sum(trial.number > 0 for trial in done)}{total} trials done", f"{failed} failed"]
        if best:
            line.append(f"best {self.objective} {number(best[0].score)}")
        line.append(f"{duration(round(now - self._started))} gone")
        if self.deadline is not None:
            line.append(f"{duration(round(max(self.deadline - now, 0)))} left")
        tables = []
        if running:
            shown = sorted(running.items())[-LIVE_RUNNING:]  # the latest trials
            tables.append(_small("running", "epoch", "loss", "time"))
            for at, trial in shown:
                tables[-1].add_row(
                    literal(_short_name(at)),
                    _progress(trial.epoch, trial.epochs),
                    number(trial.loss),
                    duration(round(now - trial.began)),
                    literal(settings_text(trial.values)),
                )
        if best:
            tables.append(_small("best so far", self.objective, "epochs", "time"))
            for trial in best[:LIVE_BEST]:
                tables[-1].add_row(
                    literal(_short_name(trial.number)),
                    number(trial.score),
                    str(trial.epochs),
                    duration(trial.seconds),
                    literal(settings_text(trial.values)),
                )
        return Group(*tables, literal(", ".join(line)))


def _table(title: str, objective: str) -> Table:
    table = Table(title=literal(title), title_justify="left")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column(literal(objective), no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("hyperparameters", overflow="fold")
    return table


def _add(table: Table, trial: TrialResult, names: set[str], bold: bool = False) -> None:
    spread = "" if trial.spread is None else f" ± {trial.spread:.2g}"
    cells = (
        _short_name(trial.number),
        f"{number(trial.score)}{spread}",
        f"{trial.seconds:.1f}",
        settings_text(trial.values, names),
    )
    table.add_row(*map(literal, cells), style="bold" if bold else None)


def _small(*heads: str) -> Table:
    """A table with one line a trial, so that it does not jump when it is redrawn."""
    table = Table(box=None, pad_edge=False, expand=True)
    for head in heads:
        table.add_column(literal(head), no_wrap=True)
    table.add_column("hyperparameters", no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _short_name(at: int) -> str:
    return str(at) if at else "default"


def _progress(epoch: int, epochs: int) -> str:
    if not epochs:
        return "-"
    filled = round(10 * min(epoch / epochs, 1))
    return f"{'█' * filled}{'░' * (10 - filled)} {epoch}/{epochs}"
