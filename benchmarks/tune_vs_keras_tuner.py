"""Trials per minute of a search, against plain Keras Tuner: same space, seed, epochs, data and split, in one run.

python benchmarks/tune_vs_keras_tuner.py [--photos FOLDER] [--trials N] [--repeats N] [--only WORDS]

Five searches: every trial has another architecture (perceptrons on digits); trials differ in how they train alone; the
same two as functions `build_model(hp)` that both take; heads of a pretrained backbone on embeddings of FOLDER, cached
for both. Keras Tuner runs as its guide has it:
`kt.RandomSearch`, a function that builds and compiles, `search(x, y, epochs, validation_data)`. Neither's time has
reading or export in it. The medians of the repeats are compared, the order of the two alternates.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
EPOCHS = 3
Settings = dict[str, dict[str, Any]]


def architectures(hp: Any) -> Settings:
    """Widths of up to three layers, so many that none is drawn twice."""
    layers = hp.Int("layers", 1, 3)
    units = []
    for number in range(1, 4):
        with hp.conditional_scope("layers", list(range(number, 4))):
            width = hp.Int(f"units_{number}", 16, 256)
            units += [width] if number <= layers else []
    return {
        "model": {"units": tuple(units), "dropout": hp.Choice("dropout", [0.0, 0.1, 0.2])},
        "training": {"learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)},
    }


def rates(hp: Any) -> Settings:
    """One network, another learning rate in each trial."""
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    return {"model": {"units": (64, 64), "dropout": 0.1}, "training": {"learning_rate": rate}}


def layered(hp: Any) -> Any:
    """As Keras Tuner's guide has it: a loop of layers, a rate."""
    import keras

    model = keras.Sequential()
    for number in range(hp.Int("num_layers", 1, 3)):
        activation = hp.Choice("activation", ["relu", "tanh"])
        model.add(keras.layers.Dense(hp.Int(f"units_{number}", 32, 512, step=32), activation))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(10, "softmax"))
    rate = hp.Float("lr", 1e-4, 1e-2, sampling="log", default=1e-3)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def rated(hp: Any) -> Any:
    """One network, another rate in each trial."""
    import keras

    model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu")])
    model.add(keras.layers.Dense(10, "softmax"))
    rate = hp.Float("lr", 1e-4, 1e-2, sampling="log", default=1e-3)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Run both on all three, and print trials per minute, their ratio, and the best scores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", default="../shared/data/ants_bees", help="train/ and val/ of one folder a class")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="words in the names of the searches to run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = {"digits": _digits(), "photos": arguments.photos}
        cases = [("every trial another architecture", "mlp", architectures, rows["digits"])]
        cases.append(("trials that differ in training", "mlp", rates, rows["digits"]))
        cases.append(("build_model(hp), another architecture in each trial", layered, None, rows["digits"]))
        cases.append(("build_model(hp), another rate in each trial", rated, None, rows["digits"]))
        if Path(arguments.photos).is_dir():
            from tuning.spaces import fine_tune

            cases.append(("heads of a backbone", "fine_tune", fine_tune, rows["photos"]))
        else:
            print(f"{arguments.photos} is not there: no heads are measured")
        found = {name: _case(name, *case, arguments, Path(folder)) for name, *case in cases if arguments.only in name}
    print(json.dumps(found))


def _digits() -> Any:
    from sklearn.datasets import load_digits

    import zoo

    inputs, targets = load_digits(return_X_y=True)
    return zoo.data.arrays(inputs.astype("float32"), targets)


def _case(
    name: str, model: Any, space: Callable[[Any], Settings] | None, data: Any, arguments: Any, folder: Path
) -> Any:
    from tuning.study import Search

    options = {"objective": "accuracy", "folds": 0, "epochs": EPOCHS, "input_size": None, "seed": 0}
    search = Search(data, model, space, "random", arguments.trials, options)
    seconds: dict[str, list[float]] = {"ours": [], "Keras Tuner": []}
    best: dict[str, float] = {}
    for repeat in range(arguments.repeats):
        runs = [("ours", _ours), ("Keras Tuner", _rival)]
        for who, run in runs if repeat % 2 == 0 else runs[::-1]:
            place = folder / f"{getattr(model, '__name__', model)}-{getattr(space, '__name__', '')}-{who}-{repeat}"
            started = time.perf_counter()
            best[who] = run(search, arguments.trials, place, model)
            seconds[who].append(time.perf_counter() - started)
    each = {who: median(times) / arguments.trials for who, times in seconds.items()}
    ratio = each["Keras Tuner"] / each["ours"]
    print(f"{name}: {arguments.trials} trials of {EPOCHS} epochs, medians of {arguments.repeats} runs")
    for who, one in each.items():
        print(f"  {who:<12} {one:.3f} s a trial, {60 / one:.0f} a minute; best accuracy {best[who]:.4f}")
    print(f"  ratio        {ratio:.1f}")
    return {"seconds a trial": each, "ratio": ratio, "best": best}


def _ours(search: Any, trials: int, place: Path, model: Any) -> float:
    from tuning.tuner import Tuner

    search.problem.reuse = type(search.problem.reuse)()  # nothing compiled is carried over
    oracle = search.oracle(place)
    Tuner(search.problem, search.space, oracle, place, None, search.declares).search()
    return max(trial.score for trial in oracle.trials.values())


def _rival(search: Any, trials: int, place: Path, model: Any) -> float:
    import keras
    import keras_tuner as kt

    problem = search.problem
    heads = problem.name == "fine_tune"
    if heads:
        fit_on, score_on = problem.splits[0]
        rows = next(iter(problem.features.values()))[1]
        mean, deviation = rows[fit_on].mean(axis=0), rows[fit_on].std(axis=0)
        ready = (rows - mean) / deviation
        train = (ready[fit_on], problem.targets[fit_on])
        held = (ready[score_on], problem.targets[score_on])
    else:
        train, held, _ = problem.inner_splits[0]

    def build(hp: Any) -> keras.Model:
        settings = search.space(hp)
        model, training = settings["model"], settings["training"]
        if heads:
            penalty = keras.regularizers.L2(1 / (2 * model["strength"] * len(train[0])))
            layers = [keras.Input(train[0].shape[1:])]
            if model["units"]:
                layers += [keras.layers.Dense(model["units"], "relu", kernel_regularizer=penalty)]
                layers += [keras.layers.Dropout(model["dropout"])]
            layers += [keras.layers.Dense(len(problem.data.classes), "softmax", kernel_regularizer=penalty)]
            network = keras.Sequential(layers)
        else:
            network = problem.build(train[0].shape[1:], len(problem.data.classes), **model)
        optimizer = keras.optimizers.Adam(training["learning_rate"])
        network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return network

    objective = kt.Objective("val_accuracy", "max")
    how = {"objective": objective, "max_trials": trials, "seed": 1, "directory": str(place), "overwrite": True}
    tuner = kt.RandomSearch(model if callable(model) else build, **how)
    tuner.search(*train, epochs=EPOCHS, batch_size=32, validation_data=held, verbose=0)
    return max(trial.score for trial in tuner.oracle.trials.values() if trial.score is not None)


if __name__ == "__main__":
    main()
