"""This fine-tune against both of Keras' recipes: whole processes, empty caches, one run.

    python benchmarks/finetune_vs_keras.py PHOTOS [--repeats 3] [--skip-first]

PHOTOS has train/ and val/, one sub-folder a class. Ours is timed up to the printed table and up to the artifact whose
export has passed the parity gate; medians of the repeats. The rivals get the backbone's weights from the same file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import recipes


def ours(photos: Path) -> tuple[float, float, str]:
    """Seconds to the table, seconds to the artifact, the line of the table with the accuracy."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-c", "from zoo.cli import main; main()", "finetune", str(photos.resolve())]
        environment = os.environ | {"ZOO_CACHE": place, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        started = time.perf_counter()
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        process = subprocess.Popen(command, cwd=place, env=environment, **pipes)
        table, line = 0.0, ""
        for text in process.stdout:
            if text.startswith("accuracy"):
                table, line = time.perf_counter() - started, text.strip()
        if process.wait():
            sys.exit("the fine-tune failed; run it by hand: zoo finetune " + str(photos))
        return table, time.perf_counter() - started, line


def recipe(name: str, photos: Path) -> None:
    """Run one of the rivals in this process and print its accuracies and when each was reached."""
    started = float(os.environ["STARTED"])
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    train, validation = (recipes.folder(photos, part, part == "train") for part in ("train", "val"))
    classes = len(train.class_names)
    if name == "first":
        stamps: list[float] = []
        stamp = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stamps.append(time.time() - started))
        fit = keras.Model.fit
        keras.Model.fit = lambda self, *a, **k: fit(self, *a, callbacks=[stamp], **k)
        accuracies = recipes.frozen_then_all(train.prefetch(2), validation.prefetch(2), classes)
        best = int(np.argmax(accuracies))
        print(f"{accuracies[-1]} {accuracies[best]} {stamps[best]}")
    else:
        base = recipes.backbone()
        sides = []
        for part in (train, validation):
            pairs = [(base.predict(x, verbose=0), np.asarray(y)) for x, y in part]
            sides.append(tuple(np.concatenate(column) for column in zip(*pairs, strict=True)))
        accuracies = recipes.features_once(*sides, classes)
        print(f"{accuracies[-1]} {max(accuracies)} 0")


def rival(name: str, photos: Path) -> tuple[float, float, float, float]:
    """Seconds of the whole process, last accuracy, best accuracy, seconds to the best."""
    command = [sys.executable, __file__, str(photos), "--recipe", name]
    environment = os.environ | {"STARTED": str(time.time()), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    started = time.perf_counter()
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    last, best, reached = map(float, output.split()[-3:])
    return time.perf_counter() - started, last, best, reached


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-first", action="store_true", help="leave out the first recipe, which takes minutes")
    parser.add_argument("--recipe", choices=["first", "older"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.recipe:
        recipe(options.recipe, options.photos)
        return
    runs = [ours(options.photos) for _ in range(options.repeats)]
    table, whole = (statistics.median(run[column] for run in runs) for column in (0, 1))
    print(f"ours: table after {table:.1f} s, artifact proven equal after {whole:.1f} s (medians of {len(runs)})")
    print(f"      {runs[0][2]}")
    older = [rival("older", options.photos) for _ in range(options.repeats)]
    seconds = statistics.median(run[0] for run in older)
    print(f"Keras, features once and a dense head: {seconds:.1f} s, accuracy {older[0][1]:.4f} at the end;", end=" ")
    print(f"our table is {seconds / table:.1f} times faster")
    if options.skip_first:
        return
    seconds, last, best, reached = rival("first", options.photos)
    print(f"Keras, head 20 epochs then everything 5: {seconds:.0f} s, accuracy {last:.4f} at the end,", end=" ")
    print(f"best {best:.4f} first reached after {reached:.0f} s")
    print(f"our table: 1/{seconds / table:.0f} of it (1/{reached / table:.0f} of the time to its best epoch);", end=" ")
    print(f"with export and parity: 1/{seconds / whole:.0f}")


if __name__ == "__main__":
    main()
