"""Arguments by the names that Keras Tuner has, and what does the same here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.settings import suggestion

SAME = {"max_trials": "trials", "max_epochs": "epochs"}
METHODS = {
    "BayesianOptimization": "bayesian",
    "GridSearch": "grid",
    "Hyperband": "hyperband",
    "RandomSearch": "random",
}
USUAL = {
    "executions_per_trial": 1,
    "factor": 3,
    "max_retries_per_trial": 0,
    "overwrite": False,
}  # and what they do here
INSTEAD = {
    "allow_new_entries": "all that the function draws is searched; use hp.Fixed in it for what is not to vary",
    "batch_size": "draw it in the space, or in HyperModel.fit",
    "callbacks": "give them in HyperModel.fit; the epoch of least validation loss is taken by itself",
    "distribution_strategy": "give workers=2 for trials at once, or oracle='HOST:PORT' for several machines",
    "executions_per_trial": "give folds=3 to train each configuration on three splits",
    "factor": "Hyperband's factor is 3 here",
    "hyperband_iterations": "give trials or budget; brackets go on until then",
    "hyperparameters": "use hp.Fixed in the function for what is not to vary",
    "hypermodel": "give it as the second argument, model",
    "logger": "give tensorboard=FOLDER for TensorBoard's HParams",
    "loss": "compile the model with it",
    "max_consecutive_failed_trials": "a search ends when three trials in a row fail for the same reason",
    "max_model_size": "raise keras_tuner.errors.FailedTrialError in the function where a model is too large",
    "max_retries_per_trial": "each trial has its own seed, so that it would fail again; one whose process dies is run "
    "again by itself",
    "metrics": "all measures of the task are in the evaluation; objective= names the one to optimise",
    "optimizer": "compile the model with it",
    "tune_new_entries": "all that the function draws is searched; use hp.Fixed in it for what is not to vary",
    "tuner": "give method= out of random, grid, bayesian, hyperband",
    "tuner_id": "give workers= or role=",
    "validation_data": "give data with a part of their own, as zoo.data.arrays(x, y, held_out=(x_val, y_val)); "
    "it tells how good the best is, and trials are compared on a part of the training examples",
    "validation_split": "the parts are made by the reader of the data",
    "verbose": "give live=True for a table of the trials",
    "x": "give the data as the first argument, as zoo.data.arrays(x, y)",
    "y": "give the data as the first argument, as zoo.data.arrays(x, y)",
}
"""Argument of Keras Tuner -> what is done here, in words."""


def renamed(given: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Arguments of `tuning.search` from those that have the names of Keras Tuner.

    Args:
        given: by the names of Keras Tuner.
        own: names and values of arguments that stand for some of them.

    Returns:
        arguments by our names, and whether an earlier search in the same folder is to be removed.

    Raises:
        InputError: an unknown name, one with a value that is not possible here, or one that is given by both names.
    """
    changed: dict[str, Any] = {}
    for name, value in given.items():
        if name in SAME:
            changed[SAME[name]] = value
        elif name in ("directory", "project_name"):
            changed["run"] = Path(given.get("directory") or ".", given.get("project_name") or "untitled_project")
        elif name in USUAL and (value == USUAL[name] or name == "overwrite"):
            continue
        elif name in INSTEAD:
            shown = repr(value) if isinstance(value, str | int | float) else type(value).__name__
            raise InputError(f"{name}={shown} is of Keras Tuner: {INSTEAD[name]}")
        else:
            names = [*own, *SAME, *USUAL, *INSTEAD, "directory", "project_name"]
            raise InputError(
                f"search has no argument {name!r}{suggestion(name, names)}; help(tuning.search) lists them"
            )
    for name in changed:
        if own.get(name) is not None:
            raise InputError(f"expected {name} by one name, received it by that of Keras Tuner too")
    return changed, bool(given.get("overwrite", False))


def method_name(method: Any) -> Any:
    """The name of a method from a tuner of Keras Tuner, the class or its name; others as they are."""
    name = getattr(method, "__name__", method)
    return METHODS.get(name, method) if isinstance(name, str) else method
