"""Training speed of `lstm` and `gru` beside Keras' plain layers in the ordinary model, sequences a second.

    python benchmarks/recurrent.py [--rounds 9] [--epochs 2]

Same sizes, same data, compiled and fit the ordinary way, in turns within one process; medians of the rounds. The
shapes are those of JapaneseVowels (29 steps, 12 features) and of a window of 48 steps with 5 features; 64 units,
batches of 32. "masked" is Keras' layer behind `keras.layers.Masking`, on sequences of which a third is padding, as
ours has them; "plain" has no mask, so it is not the same job. The paired ratio is the median over the rounds of ours
to theirs in the same round, which a busy machine disturbs less than the rates.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from zoo.builders import builder

SEQUENCES, UNITS, BATCH, CLASSES = 640, 64, 32, 9


def rival(layer: Any, shape: tuple[int, int], masked: bool) -> keras.Model:
    """Keras' layer between an input and a softmax."""
    inputs = keras.Input(shape)
    x = keras.layers.Masking(0.0)(inputs) if masked else inputs
    return keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax")(layer(UNITS)(x)))


def race(name: str, shape: tuple[int, int], rounds: int, epochs: int) -> None:
    """Print one table."""
    rng = np.random.default_rng(0)
    padded = rng.normal(size=(SEQUENCES, *shape)).astype(np.float32)
    for sequence, length in zip(padded, rng.integers(shape[0] // 3, shape[0] + 1, SEQUENCES), strict=True):
        sequence[length:] = np.nan
    labels = rng.integers(0, CLASSES, SEQUENCES)
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[name]
    runs = {
        f"{name} (zoo)": (builder(name)(shape, CLASSES, units=(UNITS,)), padded),
        f"Keras {layer.__name__}, masked": (rival(layer, shape, True), np.nan_to_num(padded)),
        f"Keras {layer.__name__}, plain": (rival(layer, shape, False), np.nan_to_num(padded)),
    }
    for model, inputs in runs.values():
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(inputs, labels, batch_size=BATCH, verbose=0)  # traces
    rates: dict[str, list[float]] = {run: [] for run in runs}
    for turn in range(rounds):
        order = list(runs.items())
        for run, (model, inputs) in order[turn % len(order) :] + order[: turn % len(order)]:
            started = time.perf_counter()
            model.fit(inputs, labels, batch_size=BATCH, epochs=epochs, verbose=0)
            rates[run].append(epochs * SEQUENCES / (time.perf_counter() - started))
    (ours, *_) = rates.values()
    print(f"{shape[0]} steps, {shape[1]} features")
    for run, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(ours, values, strict=True))
        print(f"  {run:22} {statistics.median(values):6.0f} a second (best {max(values):.0f}), ours / this {ratio:.2f}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    for shape in ((29, 12), (48, 5)):
        for name in ("lstm", "gru"):
            race(name, shape, options.rounds, options.epochs)


if __name__ == "__main__":
    main()
