"""One search, as it is kept in its folder: what is searched, its trials, and going on with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tuning import kept
from tuning.outcome import Outcome, OutOfTime
from tuning.results import TrialResult
from zoo import files
from zoo.data.dataset import Data
from zoo.errors import InputError

FINE_TUNE = "fine_tune"


class Search:
    """What is searched, without what was found; arguments as those of `search`.

    Args:
        data, model, space, method, trials: as there.
        options: objective, folds, epochs, input_size and seed.
    """

    def __init__(
        self,
        data: Data | str | Path,
        model: str | Callable[..., Any],
        space: Any,
        method: str,
        trials: int | None,
        options: dict[str, Any],
    ) -> None:
        import keras_tuner

        from tuning.space_checks import check, space_of
        from tuning.tuner import reason_of

        self.space = space_of(model if isinstance(model, str) else model.__name__, space)
        self.method, self.trials, self.seed = method, trials, options["seed"]
        if model == FINE_TUNE:
            from tuning.backbone_trials import Heads

            self.problem: Any = Heads(data, **options)
        else:
            from tuning.builder_trials import Networks

            self.problem = Networks(model, data, **options)
        hp = keras_tuner.HyperParameters()
        name = getattr(self.space, "__name__", "the space")
        try:
            settings = self.space(hp)
        except Exception as error:
            raise InputError(f"the space {name} fails for its default values: {reason_of(error)}") from error
        check(settings, self.problem.build, self.problem.trains, name=name)
        self.values = dict(hp.values) if self.problem.is_default(settings) else {}
        if not hp.space:
            raise InputError(f"the space {name} draws nothing: expected it to ask hp for a value")
        self.identity = {
            "model": self.problem.name,
            "data": self.problem.data.fingerprint,
            "method": method,
            "objective": self.problem.objective.name,
            "folds": self.problem.folds,
            "epochs": self.problem.epochs,
            "input_size": options["input_size"],
            "seed": self.seed,
            "space": [[type(each).__name__, each.get_config()] for each in hp.space],
        }

    def oracle(self, folder: Path, keep: int = 1, disk: int | None = None) -> Any:
        """A new oracle; the tuner reads into it what an earlier session wrote."""
        import keras_tuner

        from tuning.oracles import oracle_of

        objective = self.problem.objective
        wanted = keras_tuner.Objective(objective.name, objective.direction)
        found = oracle_of(self.method, wanted, seed=self.seed, trials=self.trials, epochs=self.problem.epochs)
        found.keep, found.disk = keep, disk
        found.taken = (self.values,) if self.values else ()
        state = folder / "search" / "oracle.json"
        if state.is_file():
            found.seconds = kept.read(state)["seconds"]
        return found

    def default(self, folder: Path, budget: float | None) -> TrialResult:
        """The result of the default configuration: what `zoo.train` does if nothing is said."""
        file = folder / "default.json"
        if file.is_file():
            known = kept.read(file)
            try:
                return TrialResult(**known)
            except TypeError as error:
                raise kept.damaged(file, error) from error
        from zoo import progress

        started = time.monotonic()
        told: list[int] = []

        def tell(epoch: int, epochs: int, loss: float) -> None:
            told[:] = [epoch, epochs]

        deadline = None if budget is None else started + budget
        short = InputError(f"the budget of {budget or 0:.0f} s is shorter than one trial; give more, or fewer epochs")
        try:
            with progress.quiet(), self.problem.graphs():
                outcome = self.problem.run(
                    self.problem.defaults, states=folder / "default", last=None, deadline=deadline, tell=tell
                )
        except OutOfTime:
            raise short from None
        if outcome.note:
            raise InputError(f"{short}: {told[0]} of {told[1]} epochs of the default configuration took all of it")
        found = result_of(0, outcome, self.values, time.monotonic() - started)
        kept.write(file, found.to_dict())
        return found

    def run(
        self,
        oracle: Any,
        folder: Path,
        budget: float | None,
        default: TrialResult,
        watch: Any,
        address: tuple[str, int] | None,
        crew: Any,
    ) -> None:
        """Run trials until there are enough, or the time is up: here, or as chief of workers at `address`."""
        if budget is not None:
            oracle.deadline = time.monotonic() + budget - oracle.seconds - default.seconds
        if watch is not None:
            oracle.watch = lambda trial: watch.ended(trial_result(trial, folder))
        tuner = self._tuner(oracle, folder, watch if address is None else None)
        done = Outcome(default.score, default.spread, default.epochs, default.curve)
        if self.values:  # the space's default values are the default configuration: it was tried
            tuner.tried[json.dumps([self.space_defaults(), None], sort_keys=True, default=str)] = done
        if address is None:
            tuner.search()
            return
        from tuning.chief import serve

        seen: set[str] = set()

        def tick() -> None:
            for trial in list(oracle.ongoing_trials.values()):
                if watch is not None and trial.trial_id not in seen:
                    seen.add(trial.trial_id)
                    watch.began(int(trial.trial_id) + 1, shown_values(trial))

        if crew is not None and oracle.deadline is not None:
            crew.until = time.time() + oracle.deadline - time.monotonic()
        serve(oracle, *address, crew, tick)

    def space_defaults(self) -> dict[str, Any]:
        """Settings of the space's default values."""
        import keras_tuner

        return self.space(keras_tuner.HyperParameters())

    def work(self, folder: Path, deadline: float | None) -> None:
        """Run trials for a chief."""
        oracle = self.oracle(folder)
        oracle.deadline = deadline
        self._tuner(oracle, folder, None).search()

    def _tuner(self, oracle: Any, folder: Path, watch: Any) -> Any:
        from tuning.tuner import Tuner

        return Tuner(self.problem, self.space, oracle, folder, watch)


def result_of(number: int, outcome: Outcome, values: dict[str, Any], seconds: float) -> TrialResult:
    """An outcome as a result."""
    score, spread, epochs, curve, note = outcome
    return TrialResult(number, "completed", values, score, spread, seconds, epochs, curve, note)


def shown_values(trial: Any) -> dict[str, Any]:
    """Hyperparameters of a trial of Keras Tuner, without those of its own."""
    return {name: value for name, value in trial.hyperparameters.values.items() if not name.startswith("tuner/")}


def trial_result(trial: Any, folder: Path) -> TrialResult:
    """A trial of Keras Tuner as a result.

    Args:
        trial: that ended.
        folder: of the search.
    """
    number, values = int(trial.trial_id) + 1, shown_values(trial)
    if trial.status != "COMPLETED":
        return TrialResult(number, "failed", values, None, None, 0.0, 0, [], trial.message or "unknown")

    def metric(name: str) -> float | None:
        return trial.metrics.get_last_value(name) if trial.metrics.exists(name) else None

    file = folder / "search" / f"trial_{trial.trial_id}" / "curve.json"
    drawn = kept.read(file) if file.is_file() else {"curve": [], "note": ""}
    spread, seconds, epochs = metric("tuner/spread"), metric("tuner/seconds"), metric("tuner/epochs")
    known = (trial.score, spread, seconds or 0.0, int(epochs or 0), drawn["curve"], drawn["note"])
    return TrialResult(number, "completed", values, *known)


def portable(space: Any) -> Any:
    """A space that another process can load: a function of the user's as FILE.py:function.

    Raises:
        InputError: it is none that a file names.
    """
    if not callable(space) or getattr(space, "__module__", "") not in ("__main__", "__mp_main__"):
        return space
    code = getattr(space, "__code__", None)
    if code is None or not Path(code.co_filename).is_file() or space.__name__ == "<lambda>":
        raise InputError("workers load the space themselves: expected a named function in a file, as FILE.py:function")
    return f"{code.co_filename}:{space.__name__}"


def run_folder(found: Search, out: Path, run: str | Path | None) -> Path:
    """`run`, or a folder in ``.runs/`` of a name that the same search has again."""
    if run is not None:
        return Path(run)
    text = json.dumps(found.identity, sort_keys=True, default=str)
    return files.run_folder(out, f"tune-{sha256(text.encode()).hexdigest()[:10]}")


def claim(folder: Path, identity: dict[str, Any]) -> None:
    """Make `folder` that of this search, or go on with it.

    Raises:
        InputError: it is that of another.
    """
    file = folder / "search.json"
    if file.is_file():
        known = kept.read(file)
        wanted = json.loads(json.dumps(identity, default=str))
        for name in wanted:
            if known.get(name) != wanted[name]:
                told = "" if name in ("space", "data") else f": {known.get(name)} there, {wanted[name]} now"
                raise InputError(f"{folder} is of a search with another {name}{told}; name another folder for this one")
    elif folder.is_dir() and any(child.name != ".lock" for child in folder.iterdir()):
        raise InputError(f"{folder} is not empty, and of no search; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    kept.write(file, json.loads(json.dumps(identity, default=str)))
