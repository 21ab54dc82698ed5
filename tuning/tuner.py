"""A tuner of Keras Tuner that runs this project's trials. Importing this imports Keras."""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from tuning import state_files
from tuning.keras_tuner_internals import Trial, TunerInternals
from tuning.oracles import REASON
from tuning.outcome import OnEpoch, Outcome, OutOfTime
from tuning.space_checks import OwnSettings, check
from zoo import progress
from zoo.errors import InputError, JobError
from zoo.tasks.terms import Measure

COLLECT = 8  # trials between two collections of what Keras' models leave in circles
HEARTBEAT = 10.0  # seconds between two heartbeats of a worker
WAIT = 0.2  # seconds before a worker that got no trial requests one again

Settings = dict[str, dict[str, Any]]


class Problem(Protocol):
    """A model and its data, which trials are run on."""

    name: str
    objective: Measure
    epochs: int
    seed: int
    build: Callable[..., Any] | None
    trains: Callable[..., Any]
    graphs: Callable[[], AbstractContextManager[None]]

    def run(
        self, settings: Settings, *, states: Path, last: int | None, deadline: float | None, on_epoch: OnEpoch
    ) -> Outcome:
        """Run one trial."""


class Watch(Protocol):
    """A display of trials."""

    def began(self, number: int, values: Mapping[str, Any]) -> None:
        """A trial began."""

    def epoch(self, number: int, epoch: int, epochs: int, loss: float) -> None:
        """An epoch of it ended."""


class Tuner(TunerInternals, BaseTuner):
    """Gets trials from the oracle and runs them; in a worker the oracle is that of the chief.

    Args:
        problem: runs a trial.
        space: a function from `hp` to settings.
        oracle: one of `tuning.oracles`.
        run: folder of the search.
        watch: shows trials; None for no display.
        declares: a function of `hp` that draws the values of the space, if it is not `space`.

    Attributes:
        tried: outcomes by settings, so that different hyperparameters with the same settings are tried once.
    """

    def __init__(
        self,
        problem: Problem,
        space: Callable[[Any], Settings],
        oracle: keras_tuner.Oracle,
        run: Path,
        watch: Watch | None = None,
        declares: Callable[[Any], Any] | None = None,
    ) -> None:
        self.problem, self.space, self.watch = problem, space, watch
        self.deadline = oracle.deadline
        self._idle, self._done = False, 0
        self.tried: dict[str, Outcome] = {}
        with contextlib.redirect_stdout(None):  # Keras Tuner prints the folder that it continues from
            super().__init__(oracle, hypermodel=declares or self._settings, directory=str(run), project_name="search")
        if self.is_worker:
            from tuning.chief import RetryingStub

            self.oracle.stub = RetryingStub(self.oracle.stub)

    def _settings(self, hp: keras_tuner.HyperParameters) -> Settings:
        settings = self.space(hp)
        check(settings, self.problem.build, self.problem.trains, name=getattr(self.space, "__name__", "the space"))
        return settings

    def search(self) -> None:
        """Run trials until the oracle has none left, or the time is up."""
        muted = contextlib.redirect_stdout(None) if self.is_worker else contextlib.nullcontext()
        with contextlib.suppress(OutOfTime), muted:  # Keras Tuner prints the values that it sends to the chief
            super().search()

    def pre_create_trial(self) -> None:
        """Wait a little if the last request brought no trial."""
        if self._idle:
            time.sleep(WAIT)
        self._idle = True

    def on_trial_begin(self, trial: Trial) -> None:
        """Record that the last request brought a trial."""
        self._idle = False

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Build, train and score a model with the values of the trial.

        Raises:
            FailedTrialError: the trial failed; the reason is among its values.
        """
        values = trial.hyperparameters.values
        folder = Path(self.get_trial_dir(trial.trial_id))
        number = int(trial.trial_id) + 1
        shown = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        if self.watch:
            self.watch.began(number, shown)

        def on_epoch(epoch: int, epochs: int, loss: float) -> None:
            if self.watch:
                self.watch.epoch(number, epoch, epochs, loss)

        started = time.monotonic()
        try:
            with self._alive(), progress.quiet(), self.problem.graphs():
                outcome = self._outcome(trial, folder, on_epoch)
        except Exception as error:  # any failure ends the trial alone; out of time is no Exception, and leaves it open
            values[REASON] = reason_of(error)
            raise keras_tuner.errors.FailedTrialError(values[REASON]) from error
        finally:
            self._done += 1
            if self._done % COLLECT == 0:
                gc.collect()
        curve = {"curve": outcome.curve, "note": outcome.note}
        state_files.write(folder / "curve.json", curve)
        metrics = {self.problem.objective.name: outcome.score, "tuner/epochs": outcome.epochs}
        metrics["tuner/seconds"] = time.monotonic() - started
        return metrics | ({} if outcome.spread is None else {"tuner/spread": outcome.spread})

    def _outcome(self, trial: Trial, folder: Path, on_epoch: OnEpoch) -> Outcome:
        hp = trial.hyperparameters
        settings, last = self._settings(hp), hp.values.get("tuner/epochs")
        key = settings_key(settings, last)
        if key in self.tried:  # different hyperparameters may have the same settings, as a dropout that is not used
            return self.tried[key]
        parent = hp.values.get("tuner/trial_id")
        if parent:
            for state in Path(self.get_trial_dir(parent)).glob("state_*.npz"):
                if not (folder / state.name).exists():
                    shutil.copy(state, folder / state.name)
        outcome = self.problem.run(settings, states=folder, last=last, deadline=self.deadline, on_epoch=on_epoch)
        if not outcome.note:
            self.tried[key] = outcome._replace(curve=[])
        return outcome

    @contextlib.contextmanager
    def _alive(self) -> Any:
        """Send heartbeats to the chief: a request for a trial while one runs returns the same one."""
        if not self.is_worker:
            yield
            return
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT):
                with contextlib.suppress(Exception):  # the end of the trial reports a chief that is away
                    self.oracle.create_trial(self.tuner_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def save(self) -> None:
        """Write the oracle's state."""
        if not self.is_worker:
            self.oracle.save()

    def reload(self) -> None:
        """Continue from the oracle's state."""
        if not self.is_worker:
            self.oracle.reload()


def settings_key(settings: Settings, last: int | None) -> str:
    """A text that is equal for equal settings and last epochs; of a model of one's own its values say all."""
    said = settings["model"] if isinstance(settings, OwnSettings) else settings
    return json.dumps([said, last], sort_keys=True, default=str)


def reason_of(error: BaseException) -> str:
    """Why a trial failed, in one line of at most 300 characters."""
    kind = "" if isinstance(error, InputError | JobError) else f"{type(error).__name__}: "
    if type(error).__name__ == "ResourceExhaustedError" or isinstance(error, MemoryError):
        kind = "out of memory: "
    return f"{kind}{' '.join(str(error).split())}"[:300]
