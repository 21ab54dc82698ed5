"""The search: from data to a report and an artifact."""

from __future__ import annotations

import gc
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuning.objectives import OBJECTIVES, objective_of
from tuning.outcome import Outcome, OutOfTime
from tuning.results import SearchResult, TrialResult
from zoo import artifact
from zoo.data.dataset import Data
from zoo.data.dataset import open as open_data
from zoo.errors import InputError
from zoo.files import whole_file

if TYPE_CHECKING:
    import keras

BUDGET = "10m"  # where neither a budget nor a number of trials is asked for
FINE_TUNE = "fine_tune"
METHODS = ("random", "grid", "bayesian", "hyperband")
Role = Literal["chief", "worker"]


def search(
    data: Data | str | Path,
    model: str | Callable[..., keras.Model] | None = None,
    *,
    space: Callable[[Any], dict[str, dict[str, Any]]] | str | None = None,
    method: Literal["random", "grid", "bayesian", "hyperband"] = "random",
    budget: str | float | None = None,
    trials: int | None = None,
    objective: str | None = None,
    folds: int | None = None,
    epochs: int | None = None,
    input_size: int | None = None,
    seed: int = 0,
    workers: int = 1,
    out: str | Path | None = None,
    run: str | Path | None = None,
    keep: int = 1,
    disk: int | None = None,
    tensorboard: str | Path | None = None,
    oracle: str | None = None,
    role: Role = "chief",
    live: bool = False,
) -> SearchResult | None:
    """Search hyperparameters, and export the best model found.

    Trials choose on an inner split of the training part, or on folds of it; no trial sees what is held out. The
    default configuration is tried first, and stands beside the winner on the held-out part. Killed and started again
    with the same arguments, a search goes on where it was.

    Args:
        data: a path as `zoo.data.open` takes it, or what a reader gave.
        model: a name out of `zoo.builders.BUILDERS`, a function of input shape and number of outputs, or
            ``fine_tune``: the head of a pretrained backbone, on embeddings that are computed once; what suits the
            data where None.
        space: a function from Keras Tuner's `hp` to ``{"model": {...}, "training": {...}}``, or ``FILE.py:function``;
            that of `tuning.spaces` where None.
        method: random, grid, bayesian or hyperband.
        budget: time for the trials, as "90s", "10m", "1h30m" or seconds; ten minutes where neither this nor `trials`
            is given.
        trials: at most, besides the default configuration.
        objective: a name out of `tuning.OBJECTIVES`; that of the task where None.
        folds: of cross-validation; 0 for one inner split, as it is where None, but for heads on fewer than 1,000
            images, which have 5.
        epochs: of a trial, at most; as many as `zoo.train` takes where None.
        input_size: side of the images in pixels, where they are read from files.
        seed: of the splits, the weights and what is drawn.
        workers: processes of this machine.
        out: folder of the artifact; ``saved_models/`` and the name of the data by default.
        run: folder of the search; one in ``.runs/`` by default, which is removed once its results are in the artifact.
        keep: states of so many of the best trials stay on disk.
        disk: bytes that states may take.
        tensorboard: folder for TensorBoard's HParams.
        oracle: HOST:PORT of the chief, where workers run on other machines.
        role: in that case, what this process is.
        live: show a table of trials as they end, on a terminal.

    Returns:
        what was found; None in a worker.

    Raises:
        InputError: wrong data or arguments, a budget shorter than one trial, or a `run` of another search.
        JobError: the export differs from the model, or workers can't run.
    """
    if budget is None and trials is None:
        budget = BUDGET
    counts = {"trials": trials, "folds": folds, "epochs": epochs, "seed": seed, "workers": workers, "keep": keep}
    check_arguments(method, budget, objective, oracle, role, run, **counts)
    seconds = None if budget is None else seconds_of(budget)
    from tuning import workers as crew

    address = None if oracle is None else address_of(oracle)
    if model is None:
        data = data if isinstance(data, Data) else open_data(data, seed=seed)
        model = model_for(data)
    options = {"objective": objective, "folds": folds, "epochs": epochs, "input_size": input_size, "seed": seed}
    found = Search(data, model, space, method, trials, options)
    out = artifact.folder_for(found.problem.data.source, out)
    folder = _run_folder(found, out, run)
    if address is not None and role == "worker":
        crew.join(*address)
        found.work(folder, None if seconds is None else time.monotonic() + seconds)
        return None
    _claim(folder, found.identity)
    try:
        default = found.default(folder, seconds)
    except InputError:
        if run is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    judge = found.oracle(folder, keep, disk)
    shown: Any = nullcontext()
    if live:
        from tuning.rendering import Live

        left = None if seconds is None else time.monotonic() + seconds - judge.seconds - default.seconds
        shown = Live(found.problem.objective.name, found.problem.objective.direction, left, trials)
    gc.collect()
    gc.freeze()  # what is loaded stays: collections between trials need not look at it
    try:
        with shown as watch:
            where, hands = address, None
            if workers > 1:
                where = address or ("127.0.0.1", crew.free_port())
                job = {"data": data, "model": model, "space": _portable(space), "method": method, "trials": trials}
                hands = crew.Crew(job | {"options": options, "folder": folder}, workers, folder)
            found.run(judge, folder, seconds, default, watch, where, hands)
    finally:
        gc.unfreeze()
    from tuning.handing_over import hand_over

    result = hand_over(found, judge, folder, default, out)
    if tensorboard:
        from tuning.hparams import write

        write(result, Path(tensorboard))
    if run is None:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def check_arguments(
    method: str,
    budget: str | float | None,
    objective: str | None,
    oracle: str | None,
    role: Role,
    run: str | Path | None,
    **counts: int | None,
) -> None:
    """Whether arguments of `search` are of use at all, before anything is read.

    Args:
        method: as there.
        budget: as there.
        objective: as there.
        oracle: as there.
        role: as there.
        run: as there.
        counts: trials, folds, epochs, seed, workers and keep.

    Raises:
        InputError: one is not.
    """
    least = {"trials": 1, "folds": 0, "epochs": 1, "seed": 0, "workers": 1, "keep": 1}
    for name, value in counts.items():
        if value is not None and value < least[name]:
            raise InputError(f"expected {name} of at least {least[name]}, received {value}")
    if method not in METHODS:
        raise InputError(f"expected a method out of {', '.join(METHODS)}, received {method!r}")
    if budget is not None:
        seconds_of(budget)
    if objective is not None and objective not in OBJECTIVES:
        objective_of(objective, "classification")
    if oracle is None and role == "worker":
        raise InputError("a worker needs the address of its chief; give it with --oracle HOST:PORT")
    if oracle is not None:
        address_of(oracle)
    if run is not None and Path(run).exists() and not Path(run).is_dir():
        raise InputError(f"{run} is a file; name a folder for the search")


def address_of(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``.

    Raises:
        InputError: it is not of that form.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"expected the chief's address as HOST:PORT, as 192.168.0.10:8600; received {text!r}")
    return host, int(port)


def model_for(data: Data) -> str:
    """What is searched where nothing is said: a pretrained backbone for images in files, else a builder."""
    if isinstance(data.train.inputs, tuple):
        return FINE_TUNE
    return {"images": "cnn", "table": "mlp", "text": "gru", "sequence": "lstm"}[data.input["kind"]]


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
        self.given, self.method, self.trials, self.seed = space, method, trials, options["seed"]
        if model == FINE_TUNE:
            from tuning.heads import Heads

            self.problem: Any = Heads(data, **options)
        else:
            from tuning.networks import Networks

            self.problem = Networks(model, data, **options)
        hp = keras_tuner.HyperParameters()
        name = getattr(self.space, "__name__", "the space")
        try:
            settings = self.space(hp)
        except Exception as error:
            raise InputError(f"the space {name} fails for its default values: {reason_of(error)}") from error
        check(settings, self.problem.build, self.problem.trains, name=name)
        self.values = dict(hp.values)
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
        found.keep, found.disk, found.taken = keep, disk, (self.values,)
        state = folder / "search" / "oracle.json"
        if state.is_file():
            found.seconds = json.loads(state.read_text(encoding="utf-8"))["seconds"]
        return found

    def default(self, folder: Path, budget: float | None) -> TrialResult:
        """The result of the default configuration: what `zoo.train` does if nothing is said."""
        file = folder / "default.json"
        if file.is_file():
            return TrialResult(**json.loads(file.read_text(encoding="utf-8")))
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
        values = self.values if self.given is None and self.problem.name != FINE_TUNE else {}
        found = result_of(0, outcome, values, time.monotonic() - started)
        with whole_file(file) as partial:
            partial.write_text(json.dumps(found.to_dict()), encoding="utf-8")
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
        tuner._outcomes[json.dumps([self.space_defaults(), None], sort_keys=True, default=str)] = done
        if address is None:
            tuner.search()
            return
        from tuning.workers import serve

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


def worked(
    data: Any,
    model: Any,
    space: Any,
    method: str,
    trials: int | None,
    options: dict[str, Any],
    folder: Path,
    until: float | None,
) -> None:
    """What a worker process of this machine does, till `until` of `time.time`."""
    found = Search(data, model, space, method, trials, options)
    gc.collect()
    gc.freeze()
    found.work(folder, None if until is None else time.monotonic() + until - time.time())


def seconds_of(budget: str | float) -> float:
    """Seconds of "90s", "10m", "1h30m" or a number.

    Raises:
        InputError: it is no time over 0.
    """
    text = str(budget).strip().lower()
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text)
    hours, minutes, seconds = (float(each or 0) for each in parts.groups()) if parts else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total > 0:
        raise InputError(f"expected a budget as 90s, 10m or 1h30m, over 0; received {budget!r}")
    return total


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
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"curve": [], "note": ""}
    spread, seconds, epochs = metric("tuner/spread"), metric("tuner/seconds"), metric("tuner/epochs")
    known = (trial.score, spread, seconds or 0.0, int(epochs or 0), kept["curve"], kept["note"])
    return TrialResult(number, "completed", values, *known)


def _portable(space: Any) -> Any:
    """A space that another process can load: a function of the user's as FILE.py:function."""
    if not callable(space) or getattr(space, "__module__", "") not in ("__main__", "__mp_main__"):
        return space
    code = getattr(space, "__code__", None)
    if code is None or not Path(code.co_filename).is_file() or space.__name__ == "<lambda>":
        raise InputError("workers load the space themselves: expected a named function in a file, as FILE.py:function")
    return f"{code.co_filename}:{space.__name__}"


def _run_folder(found: Search, out: Path, run: str | Path | None) -> Path:
    if run is not None:
        return Path(run)
    text = json.dumps(found.identity, sort_keys=True, default=str)
    return Path(".runs") / f"{Path(out).name}-tune-{sha256(text.encode()).hexdigest()[:10]}"


def _claim(folder: Path, identity: dict[str, Any]) -> None:
    """Make `folder` that of this search, or go on with it.

    Raises:
        InputError: it is that of another.
    """
    file = folder / "search.json"
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        wanted = json.loads(json.dumps(identity, default=str))
        for name in wanted:
            if known.get(name) != wanted[name]:
                told = "" if name in ("space", "data") else f": {known.get(name)} there, {wanted[name]} now"
                raise InputError(f"{folder} is of a search with another {name}{told}; name another folder for this one")
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty, and of no search; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as partial:
        partial.write_text(json.dumps(identity, default=str), encoding="utf-8")
