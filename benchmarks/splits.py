"""Is the linear head as good as Keras' recipe? The same 20 stratified splits for both.

    python benchmarks/splits.py PHOTOS [--rival OUT.json]

The embeddings are computed once; each split fits a new head, its strength chosen on the training side. The rival
(`recipes.frozen_then_all`, 25 epochs) takes some seven minutes a split on two cores, so its accuracies are read
from a file where there is one, and computed by `--rival` wherever Keras runs; any backend will do. Without such a
file only the older recipe on the same embeddings is compared.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import recipes

SPLITS, SEED = 20, 0


def parts(targets: np.ndarray, held_out: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of the training and the held-out examples of every split."""
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(SPLITS, test_size=held_out, random_state=SEED)
    return list(splitter.split(targets, targets))


def interval(differences: np.ndarray, train: int, test: int) -> tuple[float, float]:
    """95 % interval of the mean difference, corrected for overlapping training sides.

    Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3.
    """
    from scipy import stats

    error = np.sqrt((1 / len(differences) + test / train) * differences.var(ddof=1))
    half = stats.t.ppf(0.975, len(differences) - 1) * error
    return differences.mean() - half, differences.mean() + half


def rival(files: list[Path], targets: np.ndarray, held_out: int, path: Path) -> None:
    """Run Keras' recipe on every split; finished splits are kept, so that it can be stopped and started again."""
    import keras

    done = json.loads(path.read_text()) if path.exists() else []
    images = recipes.pixels(files)
    for number, (train, test) in enumerate(parts(targets, held_out)):
        if number < len(done):
            continue
        keras.utils.set_random_seed(number)
        sides = [(images[side].astype(np.float32), targets[side]) for side in (train, test)]
        done.append(recipes.frozen_then_all(*sides, int(targets.max()) + 1))
        path.write_text(json.dumps(done))
        print(f"split {number}: last {done[-1][-1]:.4f}, best {max(done[-1]):.4f}", flush=True)


def report(name: str, ours: np.ndarray, theirs: np.ndarray, train: int, test: int) -> None:
    """One row of the comparison."""
    low, high = interval(ours - theirs, train, test)
    print(
        f"{name:<52} {theirs.mean():.4f} ± {theirs.std(ddof=1):.4f}   ours minus it {(ours - theirs).mean():+.4f}",
        end="",
    )
    print(f" [{low:+.4f}, {high:+.4f}]")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rival", type=Path, default=Path("benchmarks/keras_recipe_splits.json"))
    parser.add_argument("--run-rival", action="store_true", help="compute the rival's accuracies instead")
    options = parser.parse_args()
    from zoo.data import images

    data = images(options.photos, verify=lambda examples: {})
    both = [data.train, data.validation]
    files = [path for part in both for path in part.inputs]
    targets, held_out = np.concatenate([part.targets for part in both]), len(data.validation)
    if options.run_rival:
        rival(files, targets, held_out, options.rival)
        return

    import keras

    from applications import linear_heads
    from applications.features import Extractor, embed
    from zoo.kinds.images.folders import labelled

    vectors, _ = embed(labelled(options.photos)[0], Extractor("efficientnet_lite0", "imagenet", 224, 0.875))
    rows = np.stack([vectors[digest] for part in both for digest in part.digests])
    ours, older = [], []
    for number, (train, test) in enumerate(parts(targets, held_out)):
        head = linear_heads.fit(rows[train], targets[train], SEED, len(data.classes))
        ours.append(float((head.outputs(rows[test]).argmax(axis=1) == targets[test]).mean()))
        keras.utils.set_random_seed(number)
        sides = [(rows[side], targets[side]) for side in (train, test)]
        older.append(recipes.features_once(*sides, len(data.classes))[-1])
    ours = np.array(ours)
    print(f"{SPLITS} stratified splits, {held_out} of {len(targets)} held out; accuracy, mean and spread")
    print(f"{'majority':<52} {np.bincount(targets).max() / len(targets):.4f}")
    print(f"{'ours: one embedding, logistic regression':<52} {ours.mean():.4f} ± {ours.std(ddof=1):.4f}")
    sizes = len(targets) - held_out, held_out
    report("Keras, features once and a dense head", ours, np.array(older), *sizes)
    if options.rival.exists():
        found = np.array(json.loads(options.rival.read_text()))
        report("Keras, head then everything, last epoch", ours[: len(found)], found[:, -1], *sizes)
        report("Keras, its best epoch chosen on the held-out part", ours[: len(found)], found.max(axis=1), *sizes)


if __name__ == "__main__":
    main()
