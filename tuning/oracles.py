"""Keras Tuner's oracles, made to survive a kill, to keep to a budget and to a disk. Importing this imports Keras."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.trial import Trial, TrialStatus

from tuning import kept
from zoo.errors import InputError
from zoo.files import remove_leftovers

FAILURES = 3  # in a row, for the same reason, after which a search ends
LOST = 60.0  # seconds without a sign of a worker after which its trial goes to another
REASON = "tuner/failure"  # among a trial's values, as the service between workers carries no message
ENDLESS = 10**6


class Steady:
    """What is added to each of Keras Tuner's oracles; to be inherited from before one of them.

    Every file is written whole or not at all. What was tried is drawn once. Trials end when the time is up, and when
    several in a row fail for the same reason. Of the states that trials leave, the best ones stay, and those that
    may yet be gone on with.

    Attributes:
        deadline: of `time.monotonic`, after which no trial begins; None for no end.
        ended: why the search ended; empty while it goes on.
        seconds: that earlier sessions of this search took.
        keep: how many of the best states stay.
        disk: bytes that states may take; None for no limit.
        taken: values that are tried already, besides the trials.
        watch: called with a trial that ended.
    """

    deadline: float | None = None
    ended = ""
    seconds = 0.0
    keep = 1
    disk: int | None = None
    taken: tuple[dict[str, Any], ...] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(max_consecutive_failed_trials=ENDLESS, **options)
        self.verbose = 0
        self.began = time.monotonic()
        self.last_sign: dict[str, float] = {}
        self.watch: Callable[[Trial], None] = lambda trial: None

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial for this worker; the same one again until it ends."""
        self.last_sign[tuner_id] = time.monotonic()
        self._take_back()
        if tuner_id not in self.ongoing_trials:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.ended = self.ended or "the budget is used up"
            if self.ended:
                return self._stop(tuner_id)
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and not self.ended:
            asked = self.max_trials and len(self.trials) >= self.max_trials
            self.ended = "all trials that were asked for are done" if asked else "nothing is left to try in the space"
        return trial

    def _stop(self, tuner_id: str) -> Trial:
        self.tuner_ids.discard(tuner_id)
        return Trial(self.hyperparameters.copy(), trial_id="none", status=TrialStatus.STOPPED)

    def _take_back(self) -> None:
        """Trials of workers that are no more are given to others."""
        now = time.monotonic()
        for tuner_id in [each for each in self.ongoing_trials if now - self.last_sign.get(each, now) > LOST]:
            self.lose(tuner_id)

    @keras_tuner.synchronized
    def lose(self, tuner_id: str) -> None:
        """The worker of that name is gone: its trial is run again."""
        self.tuner_ids.discard(tuner_id)
        self.last_sign.pop(tuner_id, None)
        if tuner_id in self.ongoing_trials:
            self._again(self.ongoing_trials[tuner_id].trial_id)

    @property
    def untold(self) -> bool:
        """Whether a worker that gave a sign of late does not know yet that the search ended."""
        now = time.monotonic()
        return any(now - self.last_sign.get(each, 0.0) < LOST for each in self.tuner_ids)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values for a trial, such as were not tried."""
        if hasattr(self, "_random_state"):  # Bayesian: what it draws depends on the trial alone, not on the session
            self._random_state = np.random.RandomState([self.seed, len(self.trials)])
        with contextlib.redirect_stdout(None):
            found = super().populate_space(trial_id)
        if isinstance(self, keras_tuner.oracles.BayesianOptimizationOracle) and found["status"] == TrialStatus.RUNNING:
            if self._duplicate(found["values"]):
                found["values"] = self._random_values()
            if found["values"] is None:
                found["status"] = TrialStatus.STOPPED
        return found

    def _duplicate(self, values: dict[str, Any]) -> bool:
        return super()._duplicate(values) or values in self.taken

    def _again(self, trial_id: str) -> None:
        for tuner_id in [name for name, each in self.ongoing_trials.items() if each.trial_id == trial_id]:
            self.ongoing_trials.pop(tuner_id)
        _renew(self.trials[trial_id])
        self._retry_queue.append(trial_id)
        self.save()

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Note the result of a trial."""
        known = self.trials[trial.trial_id]
        if trial.trial_id in self.end_order:
            return  # a worker that got no answer says it again
        if trial.trial_id in self._retry_queue:  # the chief was away while it ran
            self._retry_queue.remove(trial.trial_id)
        if trial.status == TrialStatus.COMPLETED and not known.metrics.exists(self.objective.name):
            self._again(trial.trial_id)  # its score went to a chief that was killed
            return
        reason = trial.hyperparameters.values.pop(REASON, None)
        # The service rounds numbers to single precision: the values that were drawn stand.
        trial.hyperparameters.values = trial.hyperparameters.values | known.hyperparameters.values
        if trial.status != TrialStatus.COMPLETED:
            trial.status, trial.message = TrialStatus.FAILED, reason or _last_line(trial.message)
        super().end_trial(trial)
        if known.status == TrialStatus.FAILED and not known.message:
            known.message = "the score is no number"
        ends = [self.trials[each] for each in self.end_order[-FAILURES:]]
        reasons = {each.message if each.status == TrialStatus.FAILED else None for each in ends}
        if len(ends) == FAILURES and len(reasons) == 1 and None not in reasons:
            self.ended = f"{FAILURES} trials in a row failed: {known.message}"
        self._save_trial(known)
        self.save()
        self.prune()
        self.watch(known)

    def prune(self) -> None:
        """Remove the states that nobody needs; what is gone can be trained again, to the same."""
        done = [each for each in self.trials.values() if each.status == TrialStatus.COMPLETED]
        sign = -1 if self.objective.direction == "max" else 1
        best = [each.trial_id for each in sorted(done, key=lambda each: sign * each.score)]
        wanted = best[: self.keep] + [each.trial_id for each in self.ongoing_trials.values()]
        wanted += [name for name in best if name in self._promising()]
        room = float("inf") if self.disk is None else self.disk
        for name in [*wanted, *(each for each in self.trials if each not in wanted)]:
            files = list(Path(self._get_trial_dir(name)).glob("state_*.npz"))
            size = sum(file.stat().st_size for file in files)
            if name in wanted and size <= room:
                room -= size
            elif name not in (each.trial_id for each in self.ongoing_trials.values()):
                for file in files:
                    file.unlink(missing_ok=True)

    def _promising(self) -> set[str]:
        """Trials that Hyperband may yet go on with."""
        found: set[str] = set()
        for bracket in getattr(self, "_brackets", []):
            for number, (now, later) in enumerate(zip(bracket["rounds"], bracket["rounds"][1:], strict=False), 1):
                if len(later) < self._get_size(bracket["bracket_num"], number):
                    found |= {each["id"] for each in now} - {each["past_id"] for each in later}
        return found

    def elapsed(self) -> float:
        """Seconds that the search took, over all its sessions."""
        return self.seconds + time.monotonic() - self.began

    def get_state(self) -> dict[str, Any]:
        """What is written."""
        state = super().get_state() | {"seconds": self.elapsed()}
        if isinstance(self, keras_tuner.oracles.GridSearchOracle):
            state["ordered"] = _in_order(self._ordered_ids)
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what was written."""
        super().set_state(state)
        self.seconds = state["seconds"]
        if isinstance(self, keras_tuner.oracles.GridSearchOracle):
            for name in state["ordered"]:
                self._ordered_ids.insert(name)
            self._populate_next = list(self.end_order)  # those whose successor was tried are passed over

    def save(self) -> None:
        """Write the state."""
        kept.write(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        kept.write(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Read what an earlier session wrote; a trial that had begun is run again."""
        remove_leftovers(Path(self._project_dir))
        for path in sorted(Path(self._project_dir).glob("trial_*/trial.json")):
            kept.read(path)
        state = Path(self._get_oracle_fname())
        kept.read(state)
        try:
            super().reload()
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise kept.damaged(state, error) from error
        self.trials = {name: self.trials[name] for name in self.start_order}
        # Keras Tuner writes that a trial ended before it takes it off those that run.
        self._retry_queue = [name for name in self._retry_queue if name not in self.end_order]
        for name in self._retry_queue:
            _renew(self.trials[name])


class RandomOracle(Steady, keras_tuner.oracles.RandomSearchOracle):
    """Bergstra and Bengio 2012."""


class GridOracle(Steady, keras_tuner.oracles.GridSearchOracle):
    """Every combination."""


class BayesianOracle(Steady, keras_tuner.oracles.BayesianOptimizationOracle):
    """Gaussian process (Snoek, Larochelle and Adams 2012)."""


class HyperbandOracle(Steady, keras_tuner.oracles.HyperbandOracle):
    """Li et al. 2018."""


def oracle_of(
    method: str, objective: keras_tuner.Objective, *, seed: int, trials: int | None, epochs: int
) -> keras_tuner.Oracle:
    """The oracle of a method.

    Args:
        method: random, grid, bayesian or hyperband.
        objective: what is optimised.
        seed: of what it draws.
        trials: at most; None for as many as the budget allows, of Hyperband too.
        epochs: of a trial, at most.

    Raises:
        InputError: too few epochs for Hyperband.
    """
    kinds: dict[str, Any] = {"random": RandomOracle, "grid": GridOracle, "bayesian": BayesianOracle}
    kinds["hyperband"] = HyperbandOracle
    options: dict[str, Any] = {"objective": objective, "seed": seed + 1}  # Keras Tuner takes 0 for no seed
    if method == "hyperband":
        if epochs < 3:
            raise InputError(f"hyperband ends bad trials early: expected epochs of at least 3, received {epochs}")
        found = kinds[method](max_epochs=epochs, hyperband_iterations=ENDLESS, **options)
        found.max_trials = trials or ENDLESS
        return found
    return kinds[method](max_trials=trials or ENDLESS, **options)


def _renew(trial: Trial) -> None:
    trial.metrics, trial.score, trial.message = MetricsTracker(), None, None
    trial.status = TrialStatus.RUNNING


def _in_order(names: Any) -> list[str]:
    found, index = [], names._next_index[None]
    while index is not None:
        found.append(names._memory[index])
        index = names._next_index[index]
    return found


def _last_line(message: str | None) -> str:
    lines = (message or "").strip().splitlines()
    return lines[-1] if lines else "unknown"
