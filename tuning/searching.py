"""The search: from data to a report and an artifact."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuning.objectives import check_objective
from tuning.results import SearchResult
from tuning.study import FINE_TUNE, Search, claim, portable, run_folder
from zoo.artifacts import artifact
from zoo.data.dataset import Data
from zoo.data.parts import in_files
from zoo.errors import InputError
from zoo.files import locked, remove_run
from zoo.kinds.recognising import open as open_data
from zoo.settings import integer, suggestion

if TYPE_CHECKING:
    import keras

BUDGET = "10m"  # where neither a budget nor a number of trials is asked for
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
) -> SearchResult | Any:  # a worker gives None, which only those look at who ask for one
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
    seed = integer("seed", seed)
    counts = {"trials": trials, "folds": folds, "epochs": epochs, "seed": seed, "workers": workers, "keep": keep}
    check_arguments(method, budget, objective, oracle, role, run, **counts)
    seconds = None if budget is None else seconds_of(budget)
    from tuning import chief
    from tuning import workers as crew

    address = None if oracle is None else address_of(oracle)
    if model is None:
        data = data if isinstance(data, Data) else open_data(data, seed=seed)
        model = model_for(data)
    options = {"objective": objective, "folds": folds, "epochs": epochs, "input_size": input_size, "seed": seed}
    found = Search(data, model, space, method, trials, options)
    out = artifact.folder_for(found.problem.data.source, out)
    folder = run_folder(found, out, run)
    if address is not None and role == "worker":
        chief.join(*address)
        found.work(folder, None if seconds is None else time.monotonic() + seconds)
        return None
    with locked(folder):
        claim(folder, found.identity)
        try:
            default = found.default(folder, seconds)
        except InputError:
            if run is None:
                remove_run(folder)
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
                    where = address or ("127.0.0.1", chief.free_port())
                    job = {"data": data, "model": model, "space": portable(space), "method": method, "trials": trials}
                    hands = crew.Crew(job | {"options": options, "folder": folder}, workers, folder)
                found.run(judge, folder, seconds, default, watch, where, hands)
        finally:
            gc.unfreeze()
        from tuning.concluding import hand_over

        result = hand_over(found, judge, folder, default, out)
        if tensorboard:
            from tuning.hparams import write

            write(result, Path(tensorboard))
        if run is None:
            remove_run(folder)
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
    if counts.get("folds") == 1:
        raise InputError("expected folds of 0, for one inner split, or of at least 2, received 1")
    if method not in METHODS:
        raise InputError(
            f"expected a method out of {', '.join(METHODS)}, received {method!r}{suggestion(method, METHODS)}"
        )
    if budget is not None:
        seconds_of(budget)
    if objective is not None:
        check_objective(objective)
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
    return FINE_TUNE if in_files(data.train.inputs) else data.kind.usual


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
