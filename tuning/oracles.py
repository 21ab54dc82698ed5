"""Keras Tuner's oracles, made to survive a kill and to keep to a budget. Importing this imports Keras."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import keras_tuner

from tuning import state_files
from tuning.keras_tuner_internals import MetricsTracker, OracleInternals, Trial, TrialStatus
from zoo.errors import InputError
from zoo.files import remove_leftovers

FAILURES = 3  # in a row, for the same reason, after which a search ends
LOST = 60.0  # seconds without a heartbeat of a worker after which its trial goes to another
REASON = "tuner/failure"  # among a trial's values, as the service between workers carries no message
ENDLESS = 10**6


class ResumableOracle(OracleInternals):
    """A mixin for Keras Tuner's oracles, to be inherited before one of them.

    Files are written atomically. No values are drawn twice. The search ends when the time is up, or when several
    trials in a row fail for the same reason. The checkpoints of the best trials stay on disk, and those of trials
    that may continue.

    Attributes:
        deadline: of `time.monotonic`, after which no trial begins; None for no end.
        ended: why the search ended; empty while it runs.
        seconds: that earlier sessions of this search took.
        keep: number of the best trials whose checkpoints stay.
        disk: bytes that checkpoints may take; None for no limit.
        already_tried: values that were tried outside of the trials.
        on_trial_end: called with each trial that ended.
    """

    deadline: float | None = None
    ended = ""
    seconds = 0.0
    keep = 1
    disk: int | None = None
    already_tried: tuple[dict[str, Any], ...] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(max_consecutive_failed_trials=ENDLESS, **options)
        self.verbose = 0
        self.started = time.monotonic()
        self.heartbeats: dict[str, float] = {}  # worker -> time of its last call
        self.on_trial_end: Callable[[Trial], None] = lambda trial: None

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial for this worker; the same trial until it ends."""
        self.heartbeats[tuner_id] = time.monotonic()
        self._release_lost_workers()
        if tuner_id not in self.ongoing_trials:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.ended = self.ended or "the budget is used up"
            if self.ended:
                return self._stop(tuner_id)
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and not self.ended:
            complete = self.max_trials and len(self.trials) >= self.max_trials
            self.ended = "all requested trials are done" if complete else "nothing is left to try in the space"
        return trial

    def _stop(self, tuner_id: str) -> Trial:
        self.tuner_ids.discard(tuner_id)
        return Trial(self.hyperparameters.copy(), trial_id="none", status=TrialStatus.STOPPED)

    def _release_lost_workers(self) -> None:
        """Hand the trials of dead workers to others."""
        now = time.monotonic()
        for tuner_id in [each for each in self.ongoing_trials if now - self.heartbeats.get(each, now) > LOST]:
            self.release(tuner_id)

    @keras_tuner.synchronized
    def release(self, tuner_id: str) -> None:
        """Forget the worker of that name, which died, and run its trial again."""
        self.tuner_ids.discard(tuner_id)
        self.heartbeats.pop(tuner_id, None)
        if tuner_id in self.ongoing_trials:
            self._run_again(self.ongoing_trials[tuner_id].trial_id)

    @property
    def has_waiting_workers(self) -> bool:
        """Whether a live worker does not know yet that the search ended."""
        now = time.monotonic()
        return any(now - self.heartbeats.get(each, 0.0) < LOST for each in self.tuner_ids)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values for a trial that were not tried before."""
        self.seed_draws(self.seed, len(self.trials))  # a draw depends on the trial alone, not on the session
        with contextlib.redirect_stdout(None):
            response = super().populate_space(trial_id)
        if (
            isinstance(self, keras_tuner.oracles.BayesianOptimizationOracle)
            and response["status"] == TrialStatus.RUNNING
        ):
            if self.is_tried(response["values"]):
                response["values"] = self.random_values()
            if response["values"] is None:
                response["status"] = TrialStatus.STOPPED
        return response

    def is_tried(self, values: dict[str, Any]) -> bool:
        """Whether these values are not to be drawn again."""
        return super().is_tried(values) or values in self.already_tried

    def _run_again(self, trial_id: str) -> None:
        for tuner_id in [name for name, each in self.ongoing_trials.items() if each.trial_id == trial_id]:
            self.ongoing_trials.pop(tuner_id)
        _reset(self.trials[trial_id])
        self.retries.append(trial_id)
        self.save()

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Record the result of a trial."""
        own = self.trials[trial.trial_id]
        if trial.trial_id in self.end_order:
            return  # a worker that got no answer sends its result again
        if trial.trial_id in self.retries:  # the chief was away while the trial ran
            self.retries.remove(trial.trial_id)
        if trial.status == TrialStatus.COMPLETED and not own.metrics.exists(self.objective.name):
            self._run_again(trial.trial_id)  # its score went to a chief that was killed
            return
        reason = trial.hyperparameters.values.pop(REASON, None)
        # The service rounds numbers to single precision; the drawn values are exact.
        trial.hyperparameters.values = trial.hyperparameters.values | own.hyperparameters.values
        if trial.status != TrialStatus.COMPLETED:
            trial.status, trial.message = TrialStatus.FAILED, reason or _last_line(trial.message)
        super().end_trial(trial)
        if own.status == TrialStatus.FAILED and not own.message:
            own.message = "the score is no number"
        ends = [self.trials[each] for each in self.end_order[-FAILURES:]]
        reasons = {each.message if each.status == TrialStatus.FAILED else None for each in ends}
        if len(ends) == FAILURES and len(reasons) == 1 and None not in reasons:
            self.ended = f"{FAILURES} trials in a row failed: {own.message}"
        self.save_trial(own)
        self.save()
        self.prune()
        self.on_trial_end(own)

    def prune(self) -> None:
        """Remove checkpoints that are not needed. A removed one can be trained again to the same weights."""
        completed = [each for each in self.trials.values() if each.status == TrialStatus.COMPLETED]
        sign = -1 if self.objective.direction == "max" else 1
        best = [each.trial_id for each in sorted(completed, key=lambda each: sign * each.score)]
        needed = best[: self.keep] + [each.trial_id for each in self.ongoing_trials.values()]
        needed += [name for name in best if name in self.promising()]
        room = float("inf") if self.disk is None else self.disk
        for name in [*needed, *(each for each in self.trials if each not in needed)]:
            files = list(self.trial_folder(name).glob("state_*.npz"))
            size = sum(file.stat().st_size for file in files)
            if name in needed and size <= room:
                room -= size
            elif name not in (each.trial_id for each in self.ongoing_trials.values()):
                for file in files:
                    file.unlink(missing_ok=True)

    def elapsed(self) -> float:
        """Seconds of the search, over all its sessions."""
        return self.seconds + time.monotonic() - self.started

    def get_state(self) -> dict[str, Any]:
        """The state to write, as JSON holds it."""
        state = super().get_state() | {"seconds": self.elapsed()}
        if isinstance(self, keras_tuner.oracles.GridSearchOracle):
            state["ordered"] = self.grid_order
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a written state."""
        super().set_state(state)
        self.seconds = state["seconds"]
        if isinstance(self, keras_tuner.oracles.GridSearchOracle):
            self.grid_order = state["ordered"]

    def save(self) -> None:
        """Write the state."""
        state_files.write(self.state_file, self.get_state())

    def save_trial(self, trial: Trial) -> None:
        """Write the state of a trial."""
        state_files.write(self.trial_folder(trial.trial_id) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Read the state of an earlier session; a trial that had begun is run again."""
        remove_leftovers(self.folder)
        for path in sorted(self.folder.glob("trial_*/trial.json")):
            state_files.read(path)
        state = self.state_file
        state_files.read(state)
        try:
            super().reload()
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise state_files.damaged(state, error) from error
        self.trials = {name: self.trials[name] for name in self.start_order}
        # Keras Tuner writes the end of a trial before it removes the trial from the running ones.
        self.retries = [name for name in self.retries if name not in self.end_order]
        for name in self.retries:
            _reset(self.trials[name])


class RandomOracle(ResumableOracle, keras_tuner.oracles.RandomSearchOracle):
    """Bergstra and Bengio 2012."""


class GridOracle(ResumableOracle, keras_tuner.oracles.GridSearchOracle):
    """Every combination."""


class BayesianOracle(ResumableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """Gaussian process (Snoek, Larochelle and Adams 2012)."""


class HyperbandOracle(ResumableOracle, keras_tuner.oracles.HyperbandOracle):
    """Li et al. 2018."""


def oracle_of(
    method: str, objective: keras_tuner.Objective, *, seed: int, trials: int | None, epochs: int
) -> keras_tuner.Oracle:
    """The oracle of a method.

    Args:
        method: random, grid, bayesian or hyperband.
        objective: to optimise.
        seed: of the draws.
        trials: at most, also for Hyperband; None for as many as the budget allows.
        epochs: of a trial, at most.

    Raises:
        InputError: too few epochs for Hyperband.
    """
    kinds: dict[str, Any] = {"random": RandomOracle, "grid": GridOracle, "bayesian": BayesianOracle}
    kinds["hyperband"] = HyperbandOracle
    options: dict[str, Any] = {"objective": objective, "seed": seed or 1}  # for Keras Tuner 0 means no seed
    if method == "hyperband":
        if epochs < 3:
            raise InputError(f"hyperband ends bad trials early: expected epochs of at least 3, received {epochs}")
        oracle = kinds[method](max_epochs=epochs, hyperband_iterations=ENDLESS, **options)
        oracle.max_trials = trials or ENDLESS
        return oracle
    return kinds[method](max_trials=trials or ENDLESS, **options)


def _reset(trial: Trial) -> None:
    trial.metrics, trial.score, trial.message = MetricsTracker(), None, None
    trial.status = TrialStatus.RUNNING


def _last_line(message: str | None) -> str:
    lines = (message or "").strip().splitlines()
    return lines[-1] if lines else "unknown"
