"""Are heads on features of all depths better than a head on the last layer? Repeated stratified splits of any images.

    python benchmarks/heads.py PHOTOS [--images 2000] [--splits 20] [--input-size 96] [--backbones all]

Each split fits, on the same training side: logistic regression on raw pixels; the head of version 0.1.0 (last layer,
scikit-learn, five strengths in five folds, one standard error); the head of this version; and with --backbones all
the one that `--backbone auto` takes. Embeddings are computed once. Accuracy, log loss in nats, and the expected
calibration error are means over the splits; differences have a 95 % interval that is corrected for overlapping
training sides.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import numpy as np
from splits import interval

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
SIDE = 32  # of raw pixels, at most


def scores(targets: np.ndarray, probabilities: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, log loss and calibration error."""
    from zoo.evaluation.calibration import calibration_error
    from zoo.evaluation.measures import cross_entropy

    right = probabilities.argmax(axis=1) == targets
    loss = cross_entropy(targets, probabilities).mean()
    return float(right.mean()), float(loss), calibration_error(right, probabilities.max(axis=1))


def raw_pixels(train: tuple[np.ndarray, np.ndarray], queries: np.ndarray) -> np.ndarray:
    """Probabilities of logistic regression on standardised pixels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, tol=1e-3))
    return model.fit(*train).predict_proba(queries)


def older(rows: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Probabilities of the head of version 0.1.0."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fit(some: np.ndarray, strength: float, tolerance: float) -> object:
        regression = LogisticRegression(C=strength, max_iter=5000, tol=tolerance)
        return make_pipeline(StandardScaler(), regression).fit(rows[some], targets[some])

    losses = np.zeros((len(STRENGTHS), 5))
    for fold, (inner, outer) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(rows, targets)):
        for at, strength in enumerate(STRENGTHS):
            losses[at, fold] = scores(targets[outer], fit(inner, strength, 1e-3).predict_proba(rows[outer]))[1]
    means = losses.mean(axis=1)
    best = int(means.argmin())
    allowed = means[best] + losses[best].std(ddof=1) / np.sqrt(5)
    strength = STRENGTHS[int(np.flatnonzero(means <= allowed)[0])]
    return fit(np.arange(len(rows)), strength, 1e-6).predict_proba(queries)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, help="training images of a split; by default as many as the data have")
    parser.add_argument("--held-out", type=int, help="held-out images of a split; by default as many as the data have")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--backbones", default="efficientnet_lite0", help="names with commas between them, or all")
    options = parser.parse_args()

    from sklearn.model_selection import StratifiedShuffleSplit
    from threadpoolctl import threadpool_limits

    from applications import linear_heads
    from applications.backbones import BACKBONES
    from applications.candidates import installed
    from applications.features import Extractor, embed
    from applications.pixels import encoded
    from applications.reading import examples_of, side_of
    from zoo.data import open as open_data
    from zoo.kinds.images import decoding

    data = encoded(open_data(options.photos, seed=0))
    parts = [data.train, data.held_out]
    files = [path for part in parts for path in part.inputs]
    digests = [digest for part in parts for digest in part.digests]
    targets = np.concatenate([part.targets for part in parts])
    train, test = (given or len(part) for given, part in zip((options.images, options.held_out), parts, strict=True))
    names = installed() if options.backbones == "all" else options.backbones.split(",")
    examples, features = examples_of(data), {}
    for name in names:
        size = options.input_size or BACKBONES[name].input_size
        crop = 1.0 if side_of(examples) < size else BACKBONES[name].crop
        extractor = Extractor(name, "imagenet", size, crop, every_depth=True)
        vectors, _ = embed(examples, extractor)
        features[name] = extractor.depths, np.stack([vectors[digest] for digest in digests])
    pixels = np.stack([decoding.decode(file, (SIDE, SIDE)).ravel() for file in files]).astype(np.float32)

    rows: dict[str, list[tuple[float, float, float]]] = {}
    groups: list[str] = []
    seconds: list[tuple[float, float]] = []
    splitter = StratifiedShuffleSplit(options.splits, train_size=train, test_size=test, random_state=0)
    with threadpool_limits(1):
        for some, others in splitter.split(targets, targets):
            depths, embeddings = features[names[0]]
            last = embeddings[:, : depths.embedding]
            said = {"raw pixels": raw_pixels((pixels[some], targets[some]), pixels[others])}
            begun = time.perf_counter()
            said["0.1.0: the last layer"] = older(last[some], targets[some], last[others])
            middle = time.perf_counter()
            fitted = {
                name: linear_heads.fit(rows[some], targets[some], 0, len(data.classes), depths=depths)
                for name, (depths, rows) in features.items()
            }
            seconds.append((middle - begun, (time.perf_counter() - middle) / len(features)))
            said["all depths where better"] = fitted[names[0]].outputs(embeddings[others])
            if len(names) > 1:
                best = min(fitted, key=lambda name: fitted[name].loss)
                said["the best backbone, too"] = fitted[best].outputs(features[best][1][others])
                groups.append(best)
            groups.append(fitted[names[0]].group)
            for name, each in said.items():
                rows.setdefault(name, []).append(scores(targets[others], each))
    print(
        f"{platform.processor() or platform.machine()}; {options.splits} splits, {train} to learn from, {test} held out"
    )
    print(", ".join(f"{name} {groups.count(name)} times" for name in dict.fromkeys(groups)))
    times = np.median(seconds, axis=0)
    print(f"a fit in one thread: 0.1.0 {times[0]:.1f} s, now {times[1]:.1f} s (medians)")
    base = np.array(rows["0.1.0: the last layer"])
    for name, values in rows.items():
        values = np.array(values)
        means = values.mean(axis=0)
        line = f"{name:<26} accuracy {means[0]:.4f}  log loss {means[1]:.4f}  calibration error {means[2]:.4f}"
        for column, what in ((0, "accuracy"), (1, "log loss")):
            low, high = interval(values[:, column] - base[:, column], train, test)
            line += f"  {what} {means[column] - base[:, column].mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        print(line)


if __name__ == "__main__":
    main()
