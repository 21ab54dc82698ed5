"""The search: from data to a report and an artifact."""

from __future__ import annotations

import gc
import re
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuning.keras_tuner_names import method_name, renamed
from tuning.objectives import objective_name
from tuning.results import SearchResult
from tuning.study import FINE_TUNE, Search, open_folder, portable, run_folder
from zoo.artifacts import artifact
from zoo.data.dataset import Data
from zoo.data.parts import in_files
from zoo.errors import InputError
from zoo.files import locked, remove_run
from zoo.kinds.recognising import open as open_data
from zoo.settings import integer, suggestion

if TYPE_CHECKING:
    import keras
    import keras_tuner

BUDGET = "10m"  # if neither a budget nor a number of trials is given
METHODS = ("random", "grid", "bayesian", "hyperband")
Role = Literal["chief", "worker"]


def search(
    data: Any,
    model: str | Callable[..., keras.Model] | keras_tuner.HyperModel | None = None,
    *,
    space: Callable[[Any], dict[str, dict[str, Any]]] | str | None = None,
    method: Literal["random", "grid", "bayesian", "hyperband"] = "random",
    budget: str | float | None = None,
    trials: int | None = None,
    objective: str | keras_tuner.Objective | keras.metrics.Metric | None = None,
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
    **keras_tuner_names: Any,
) -> SearchResult | Any:  # a worker returns None; other callers need no check for it
    """Search hyperparameters, and export the best model.

    Trials are scored on an inner split of the training part, or on folds of it; no trial sees held-out examples. The
    default configuration is tried first, and compared with the best one on the held-out part. A search that was
    killed continues when it is called with the same arguments.

    Args:
        data: a path, the `Data` of a reader, or what is in memory, as `zoo.data.open` takes it.
        model: a name in `zoo.builders.BUILDERS`, a function of input shape and number of outputs, or ``fine_tune``:
            the head of a pretrained backbone, on embeddings that are computed once; chosen by the data if None. Or,
            as Keras Tuner takes it, a function from `hp` to a model, or a `keras_tuner.HyperModel`, itself or as
            ``FILE.py:NAME``: it is trained with the optimizer and the loss that it is compiled with.
        space: a function from Keras Tuner's `hp` to ``{"model": {...}, "training": {...}}``, or ``FILE.py:function``;
            that of `tuning.spaces` if None.
        method: random, grid, bayesian or hyperband; or a tuner of Keras Tuner, as `keras_tuner.RandomSearch`.
        budget: time for the trials, as "90s", "10m", "1h30m" or seconds; ten minutes if neither this nor `trials` is
            given.
        trials: number of trials besides the default configuration, at most.
        objective: a name in `tuning.OBJECTIVES`, or as Keras has it, ``val_accuracy``, ``val_loss``, a metric or a
            `keras_tuner.Objective`; that of the task if None.
        folds: of cross-validation; 0 for one inner split. If None, 5 for heads on fewer than 1,000 images, else 0.
        epochs: of a trial, at most; the default of `zoo.train` if None.
        input_size: side of the images in pixels, if they are read from files.
        seed: of the splits, the weights and the draws.
        workers: number of processes on this machine.
        out: folder of the artifact; ``saved_models/`` and the name of the data by default.
        run: folder of the search; one in ``.runs/`` by default, removed when its results are in the artifact.
        keep: number of the best trials whose checkpoints stay on disk.
        disk: bytes that checkpoints may take.
        tensorboard: folder for TensorBoard's HParams.
        oracle: HOST:PORT of the chief, if workers run on other machines.
        role: of this process in such a search.
        live: whether to show a table of the trials on a terminal.
        keras_tuner_names: arguments by their names in Keras Tuner: ``max_trials``, ``max_epochs``, ``directory`` and
            ``project_name`` for the run, ``overwrite``; for others the error says what does the same here.

    Returns:
        the result; None in a worker.

    Raises:
        InputError: wrong data or arguments, a budget shorter than one trial, or a `run` of another search.
        JobError: the export differs from the model, or workers can't run.
    """
    changed, overwrite = renamed(keras_tuner_names, {"trials": trials, "epochs": epochs, "run": run})
    trials, epochs, run = (
        changed.get(name, own) for name, own in (("trials", trials), ("epochs", epochs), ("run", run))
    )
    method, objective = method_name(method), objective_name(objective)
    if budget is None and trials is None:
        budget = BUDGET
    seed = integer("seed", seed)
    counts = {"trials": trials, "folds": folds, "epochs": epochs, "seed": seed, "workers": workers, "keep": keep}
    check_arguments(method, budget, objective, oracle, role, run, **counts)
    seconds = None if budget is None else seconds_of(budget)
    from tuning import chief, worker_pool

    address = None if oracle is None else address_of(oracle)
    if not isinstance(data, Data) and (model is None or not isinstance(data, str | PathLike)):
        data = open_data(data, seed=seed)
    model = model_for(data) if model is None else model
    options = {"objective": objective, "folds": folds, "epochs": epochs, "input_size": input_size, "seed": seed}
    study = Search(data, model, space, method, trials, options)
    out = artifact.folder_for(study.problem.data.source, out)
    folder = run_folder(study, out, run)
    if address is not None and role == "worker":
        chief.join(*address)
        study.work(folder, None if seconds is None else time.monotonic() + seconds)
        return None
    with locked(folder):
        if overwrite and (folder / "search.json").is_file():
            for child in [each for each in folder.iterdir() if each.name != ".lock"]:
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        open_folder(folder, study.identity)
        try:
            default = study.default(folder, seconds)
        except InputError:
            if run is None:
                remove_run(folder)
            raise
        local_oracle = study.oracle(folder, keep, disk)
        display: Any = nullcontext()
        if live:
            from tuning.rendering import Live

            left = None if seconds is None else time.monotonic() + seconds - local_oracle.seconds - default.seconds
            display = Live(study.problem.objective.name, study.problem.objective.direction, left, trials)
        gc.collect()
        gc.freeze()  # collections between trials need not look at loaded modules
        try:
            with display as watch:
                chief_address, pool = address, None
                if workers > 1:
                    chief_address = address or ("127.0.0.1", chief.free_port())
                    job = {"data": data, "model": portable(model), "space": portable(space)}
                    job |= {"method": method, "trials": trials}
                    pool = worker_pool.WorkerPool(job | {"options": options, "folder": folder}, workers, folder)
                study.run(local_oracle, folder, seconds, default, watch, chief_address, pool)
        finally:
            gc.unfreeze()
        from tuning.winner import export_winner

        result = export_winner(study, local_oracle, folder, default, out)
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
    """Check arguments of `search` before anything is read.

    Args:
        method: as `search` takes it.
        budget: as `search` takes it.
        objective: as `search` takes it.
        oracle: as `search` takes it.
        role: as `search` takes it.
        run: as `search` takes it.
        counts: trials, folds, epochs, seed, workers and keep.

    Raises:
        InputError: a value that no data make right.
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
    objective_name(objective)
    if oracle is None and role == "worker":
        raise InputError("a worker needs the address of its chief; give it with --oracle HOST:PORT")
    if oracle is not None:
        address_of(oracle)
    if run is not None and Path(run).exists() and not Path(run).is_dir():
        raise InputError(f"{run} is a file; name a folder for the search")


def address_of(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``.

    Raises:
        InputError: the text is not of that form.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"expected the chief's address as HOST:PORT, as 192.168.0.10:8600; received {text!r}")
    return host, int(port)


def model_for(data: Data) -> str:
    """The default model for the data: the task's builder, a pretrained backbone for images in files, or the kind's."""
    return data.task.builder or (FINE_TUNE if in_files(data.train.inputs) else data.kind.default_builder)


def seconds_of(budget: str | float) -> float:
    """Seconds of "90s", "10m", "1h30m" or a number.

    Raises:
        InputError: the budget is no time over 0.
    """
    text = str(budget).strip().lower()
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text)
    hours, minutes, seconds = (float(each or 0) for each in parts.groups()) if parts else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total > 0:
        raise InputError(f"expected a budget as 90s, 10m or 1h30m, over 0; received {budget!r}")
    return total
