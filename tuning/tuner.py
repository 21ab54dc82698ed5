"""A tuner of Keras Tuner that runs this project's trials. Importing this imports Keras."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.src import config
from keras_tuner.src.engine.trial import Trial

from tuning import kept
from tuning.oracles import REASON
from tuning.outcome import Outcome, OutOfTime, Tell
from tuning.space_checks import check
from zoo import progress
from zoo.errors import InputError, JobError
from zoo.tasks.terms import Measure

config.DEBUG = False  # it prints a traceback for each trial that fails; the reason is in the results
COLLECT = 8  # trials between two collections of what Keras' models leave in circles
HEARTBEAT = 10.0  # seconds between two signs of a worker to the chief
WAIT = 0.2  # seconds before a worker that got no trial asks again

Settings = dict[str, dict[str, Any]]


class Problem(Protocol):
    """What trials are about."""

    name: str
    objective: Measure
    epochs: int
    seed: int
    build: Callable[..., Any] | None
    trains: Callable[..., Any]
    graphs: Callable[[], AbstractContextManager[None]]

    def run(self, settings: Settings, *, states: Path, last: int | None, deadline: float | None, tell: Tell) -> Outcome:
        """One trial."""


class Watch(Protocol):
    """What is told of trials, to show them."""

    def began(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial began."""

    def epoch(self, number: int, epoch: int, epochs: int, loss: float) -> None:
        """An epoch of it ended."""


class Tuner(BaseTuner):
    """Asks the oracle for trials, and runs them; in a worker the oracle is the chief's.

    Args:
        problem: what a trial does.
        space: from `hp` to settings.
        oracle: one out of `tuning.oracles`.
        run: folder of the search.
        watch: told of trials; None for nobody.

    Attributes:
        tried: outcomes by settings, so that hyperparameters that say the same are not tried twice.
    """

    def __init__(
        self,
        problem: Problem,
        space: Callable[[Any], Settings],
        oracle: keras_tuner.Oracle,
        run: Path,
        watch: Watch | None = None,
    ) -> None:
        self.problem, self.space, self.watch = problem, space, watch
        self.deadline = oracle.deadline
        self._idle, self._done = False, 0
        self.tried: dict[str, Outcome] = {}
        with contextlib.redirect_stdout(None):  # it prints where it goes on from
            super().__init__(oracle, hypermodel=self._settings, directory=str(run), project_name="search")
        if self._is_worker():
            from tuning.chief import Patient

            self.oracle.stub = Patient(self.oracle.stub)

    def _settings(self, hp: keras_tuner.HyperParameters) -> Settings:
        found = self.space(hp)
        check(found, self.problem.build, self.problem.trains, name=getattr(self.space, "__name__", "the space"))
        return found

    def search(self) -> None:
        """Run trials until the oracle has none left, or the time is up."""
        printed = contextlib.redirect_stdout(None) if self._is_worker() else contextlib.nullcontext()
        with contextlib.suppress(OutOfTime), printed:  # as it sends values to the chief, Keras Tuner prints them
            super().search()

    def pre_create_trial(self) -> None:
        """Wait a little where the last question brought no trial."""
        if self._idle:
            time.sleep(WAIT)
        self._idle = True

    def on_trial_begin(self, trial: Trial) -> None:
        """Note that there is one."""
        self._idle = False

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Build, train and score what the trial's values say.

        Raises:
            FailedTrialError: it failed; the reason is among its values.
        """
        values = trial.hyperparameters.values
        folder = Path(self.get_trial_dir(trial.trial_id))
        number = int(trial.trial_id) + 1
        shown = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        if self.watch:
            self.watch.began(number, shown)

        def tell(epoch: int, epochs: int, loss: float) -> None:
            if self.watch:
                self.watch.epoch(number, epoch, epochs, loss)

        started = time.monotonic()
        try:
            with self._alive(), progress.quiet(), self.problem.graphs():
                outcome = self._outcome(trial, folder, tell)
        except (
            Exception
        ) as error:  # a trial may fail in any way, and the search goes on; if the time is up, it stays open
            values[REASON] = reason_of(error)
            raise keras_tuner.errors.FailedTrialError(values[REASON]) from error
        finally:
            self._done += 1
            if self._done % COLLECT == 0:
                gc.collect()
        drawn = {"curve": outcome.curve, "note": outcome.note}
        kept.write(folder / "curve.json", drawn)
        found = {self.problem.objective.name: outcome.score, "tuner/epochs": outcome.epochs}
        found["tuner/seconds"] = time.monotonic() - started
        return found | ({} if outcome.spread is None else {"tuner/spread": outcome.spread})

    def _outcome(self, trial: Trial, folder: Path, tell: Tell) -> Outcome:
        hp = trial.hyperparameters
        settings, last = self._settings(hp), hp.values.get("tuner/epochs")
        same = json.dumps([settings, last], sort_keys=True, default=str)
        if same in self.tried:  # hyperparameters that differ may say the same, as a rate of dropout nowhere
            return self.tried[same]
        before = hp.values.get("tuner/trial_id")
        if before:
            for state in Path(self.get_trial_dir(before)).glob("state_*.npz"):
                if not (folder / state.name).exists():
                    shutil.copy(state, folder / state.name)
        outcome = self.problem.run(settings, states=folder, last=last, deadline=self.deadline, tell=tell)
        if not outcome.note:
            self.tried[same] = outcome._replace(curve=[])
        return outcome

    @contextlib.contextmanager
    def _alive(self) -> Any:
        """Give the chief a sign now and then: to ask for a trial while one runs gives the same one."""
        if not self._is_worker():
            yield
            return
        done = threading.Event()

        def signs() -> None:
            while not done.wait(HEARTBEAT):
                with contextlib.suppress(Exception):  # a chief that is away is told by the trial's end
                    self.oracle.create_trial(self.tuner_id)

        thread = threading.Thread(target=signs, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _get_tuner_fname(self) -> str:
        return os.path.join(self.project_dir, "oracle.json")  # the oracle's state is all that there is

    def save(self) -> None:
        """Write the oracle's state."""
        if not self._is_worker():
            self.oracle.save()

    def reload(self) -> None:
        """Go on from the oracle's state."""
        if not self._is_worker():
            self.oracle.reload()


def reason_of(error: BaseException) -> str:
    """Why a trial failed, in one line of at most 300 characters."""
    kind = "" if isinstance(error, InputError | JobError) else f"{type(error).__name__}: "
    if type(error).__name__ == "ResourceExhaustedError" or isinstance(error, MemoryError):
        kind = "out of memory: "
    return f"{kind}{' '.join(str(error).split())}"[:300]
