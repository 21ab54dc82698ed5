"""One search and its folder: its problem, its trials, and how it continues."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tuning import state_files
from tuning.outcome import Outcome, OutOfTime
from tuning.results import TrialResult
from zoo import files
from zoo.data.dataset import Data
from zoo.errors import InputError

FINE_TUNE = "fine_tune"


class Search:
    """A search: data, model, space and method, without its results.

    Args:
        data, model, space, method, trials: as `tuning.search` takes them.
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

        from tuning.hypermodels import HyperModelBuilder, is_hypermodel, of_file
        from tuning.space_checks import OwnSettings, check, space_of
        from tuning.tuner import reason_of

        model = of_file(model) if isinstance(model, str) and ":" in model else model
        if is_hypermodel(model):
            if space is not None:
                raise InputError("a model that takes hp has its own space; leave space out")
            model = HyperModelBuilder(model, options["seed"])
            space = model.space
        self.space = space_of(model if isinstance(model, str) else model.__name__, space)
        self.method, self.trials, self.seed = method, trials, options["seed"]
        if model == FINE_TUNE:
            from tuning.backbone_trials import BackboneTrials

            self.problem: Any = BackboneTrials(data, **options)
        else:
            from tuning.builder_trials import BuilderTrials

            self.problem = BuilderTrials(model, data, **options)
        self.declares = None  # what tells Keras Tuner the space, if it is not the space itself
        if isinstance(model, HyperModelBuilder):
            self.declares, model.examples = model.declare, self.problem.inner_splits[0].train
            model.positions = self.problem.task.positions
        hp = keras_tuner.HyperParameters()
        name = getattr(self.space, "__name__", "the space")
        try:
            settings = self.space(hp)
        except Exception as error:
            raise InputError(f"the space {name} fails for its default values: {reason_of(error)}") from error
        check(settings, self.problem.build, self.problem.trains, name=name)
        if isinstance(settings, OwnSettings):  # its default values are the default configuration
            self.problem.defaults = settings
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
        """A new oracle; the tuner loads the state of an earlier session into it."""
        import keras_tuner

        from tuning.oracles import oracle_of

        measure = self.problem.objective
        objective = keras_tuner.Objective(measure.name, measure.direction)
        oracle = oracle_of(self.method, objective, seed=self.seed, trials=self.trials, epochs=self.problem.epochs)
        oracle.keep, oracle.disk = keep, disk
        if self.declares is None:  # a model of Keras Tuner is tried in the order that it has there
            oracle.already_tried = (self.values,) if self.values else ()
        state = folder / "search" / "oracle.json"
        if state.is_file():
            oracle.seconds = state_files.read(state)["seconds"]
        return oracle

    def default(self, folder: Path, budget: float | None) -> TrialResult:
        """The result of the default configuration, that of `zoo.train` without settings."""
        file = folder / "default.json"
        if file.is_file():
            values = state_files.read(file)
            try:
                return TrialResult(**values)
            except TypeError as error:
                raise state_files.damaged(file, error) from error
        from zoo import progress

        started = time.monotonic()
        reached: list[int] = []

        def on_epoch(epoch: int, epochs: int, loss: float) -> None:
            reached[:] = [epoch, epochs]

        deadline = None if budget is None else started + budget
        short = InputError(f"the budget of {budget or 0:.0f} s is shorter than one trial; give more, or fewer epochs")
        try:
            with progress.quiet(), self.problem.graphs():
                outcome = self.problem.run(
                    self.problem.defaults, states=folder / "default", last=None, deadline=deadline, on_epoch=on_epoch
                )
        except OutOfTime:
            raise short from None
        if outcome.note:
            raise InputError(
                f"{short}: {reached[0]} of {reached[1]} epochs of the default configuration took all of it"
            )
        result = result_of(0, outcome, self.values, time.monotonic() - started)
        state_files.write(file, result.to_dict())
        return result

    def run(
        self,
        oracle: Any,
        folder: Path,
        budget: float | None,
        default: TrialResult,
        watch: Any,
        address: tuple[str, int] | None,
        pool: Any,
    ) -> None:
        """Run trials until there are enough, or the time is up: here, or as the chief of workers at `address`."""
        if budget is not None:
            oracle.deadline = time.monotonic() + budget - oracle.seconds - default.seconds
        if watch is not None:
            oracle.on_trial_end = lambda trial: watch.ended(trial_result(trial, folder))
        from tuning.tuner import settings_key

        tuner = self._tuner(oracle, folder, watch if address is None else None)
        if self.values:  # the default values of the space are the default configuration, which was tried
            tuner.tried[settings_key(self.space_defaults(), None)] = Outcome(
                default.score, default.spread, default.epochs, default.curve
            )
        if address is None:
            tuner.search()
            return
        from tuning.chief import serve

        announced: set[str] = set()

        def tick() -> None:
            for trial in list(oracle.ongoing_trials.values()):
                if watch is not None and trial.trial_id not in announced:
                    announced.add(trial.trial_id)
                    watch.began(int(trial.trial_id) + 1, shown_values(trial))

        if pool is not None and oracle.deadline is not None:
            pool.until = time.time() + oracle.deadline - time.monotonic()
        serve(oracle, *address, pool, tick)

    def space_defaults(self) -> dict[str, Any]:
        """Settings for the default values of the space."""
        import keras_tuner

        return self.space(keras_tuner.HyperParameters())

    def work(self, folder: Path, deadline: float | None) -> None:
        """Run trials for a chief."""
        oracle = self.oracle(folder)
        oracle.deadline = deadline
        self._tuner(oracle, folder, None).search()

    def _tuner(self, oracle: Any, folder: Path, watch: Any) -> Any:
        from tuning.tuner import Tuner

        return Tuner(self.problem, self.space, oracle, folder, watch, self.declares)


def result_of(number: int, outcome: Outcome, values: dict[str, Any], seconds: float) -> TrialResult:
    """The result of a trial from its outcome."""
    score, spread, epochs, curve, note = outcome
    return TrialResult(number, "completed", values, score, spread, seconds, epochs, curve, note)


def shown_values(trial: Any) -> dict[str, Any]:
    """Hyperparameters of a trial of Keras Tuner, without its internal ones."""
    return {name: value for name, value in trial.hyperparameters.values.items() if not name.startswith("tuner/")}


def trial_result(trial: Any, folder: Path) -> TrialResult:
    """The result of a trial of Keras Tuner that ended.

    Args:
        trial: of the oracle.
        folder: of the search.
    """
    number, values = int(trial.trial_id) + 1, shown_values(trial)
    if trial.status != "COMPLETED":
        return TrialResult(number, "failed", values, None, None, 0.0, 0, [], trial.message or "unknown")

    def metric(name: str) -> float | None:
        return trial.metrics.get_last_value(name) if trial.metrics.exists(name) else None

    file = folder / "search" / f"trial_{trial.trial_id}" / "curve.json"
    curve = state_files.read(file) if file.is_file() else {"curve": [], "note": ""}
    spread, seconds, epochs = metric("tuner/spread"), metric("tuner/seconds"), metric("tuner/epochs")
    fields = (trial.score, spread, seconds or 0.0, int(epochs or 0), curve["curve"], curve["note"])
    return TrialResult(number, "completed", values, *fields)


def portable(space: Any) -> Any:
    """A space that another process can load: a function of the main program becomes FILE.py:function.

    Raises:
        InputError: the function has no name in a file.
    """
    if not callable(space) or getattr(space, "__module__", "") not in ("__main__", "__mp_main__"):
        return space
    code = getattr(space, "__code__", None)
    if code is None or not Path(code.co_filename).is_file() or space.__name__ == "<lambda>":
        raise InputError("workers load the space themselves: expected a named function in a file, as FILE.py:function")
    return f"{code.co_filename}:{space.__name__}"


def run_folder(search: Search, out: Path, run: str | Path | None) -> Path:
    """`run`, or a folder in ``.runs/`` whose name is the same for the same search."""
    if run is not None:
        return Path(run)
    text = json.dumps(search.identity, sort_keys=True, default=str)
    return files.run_folder(out, f"tune-{sha256(text.encode()).hexdigest()[:10]}")


def open_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Make `folder` the folder of this search, or continue in it.

    Raises:
        InputError: the folder belongs to another search.
    """
    file = folder / "search.json"
    if file.is_file():
        stored = state_files.read(file)
        expected = json.loads(json.dumps(identity, default=str))
        for name in expected:
            if stored.get(name) != expected[name]:
                values = "" if name in ("space", "data") else f": {stored.get(name)} there, {expected[name]} now"
                raise InputError(
                    f"{folder} is of a search with another {name}{values}; name another folder for this one"
                )
    elif folder.is_dir() and any(child.name != ".lock" for child in folder.iterdir()):
        raise InputError(f"{folder} is not empty, and of no search; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    state_files.write(file, json.loads(json.dumps(identity, default=str)))
