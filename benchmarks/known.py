"""Does a model know what it was not trained on? Strangers beside held-out images, by `is_known` and by probability.

    python benchmarks/known.py PHOTOS --strangers FOLDER [--splits 5]
    python benchmarks/known.py PHOTOS --without 2,5,9 [--input-size 96]
    python benchmarks/known.py shared/data/fashion-mnist --without 1,7,8 --images 2000

PHOTOS holds images in folders named after their classes, at any depth, or is a folder of IDX files. Strangers are the
files in FOLDER, or the images of the classes that are left out of training. Each split is one `applications.fine_tune`
with its export; the exported model answers, and its held-out images are the known ones.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from unfreezing import SUFFIXES, idx


def photos(folder: Path, without: set[str], place: Path) -> tuple[Path, list[Path]]:
    """A manifest of the images of all classes but some, and the images of these."""
    files = sorted(path.resolve() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    manifest = place / f"{folder.name}.csv"
    rows = [(path, path.parent.name) for path in files if path.parent.name not in without]
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return manifest, [path for path in files if path.parent.name in without]


def pixels(folder: Path, count: int, without: set[str], number: int) -> tuple[Any, list[np.ndarray]]:
    """Images of a folder of IDX files of all classes but some as two parts, and those of the test part of these."""
    data = idx(folder, count, number)
    parts, strange = [], []
    for part in (data.train, data.test):
        labels = np.array(data.task.names)[part.targets]
        odd = np.isin(labels, sorted(without))
        parts.append((part.inputs[~odd], labels[~odd]))
        strange = list(part.inputs[odd])
    return tuple(parts), strange


def main() -> None:
    """Parse, run and print one row a split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--strangers", type=Path, help="folder of images of none of the classes")
    parser.add_argument("--without", default="", help="classes that are left out of training, with commas between")
    parser.add_argument("--effort", default="quick", choices=["quick", "balanced", "max"])
    parser.add_argument("--input-size", type=int, help="side of the input in pixels; that of the backbone by default")
    parser.add_argument("--images", type=int, default=2000, help="number of images of a folder of IDX files")
    parser.add_argument("--splits", type=int, default=5)
    options = parser.parse_args()
    without = {name for name in options.without.split(",") if name}
    if (options.strangers is None) == (not without):
        parser.error("give --strangers or --without")
    import zoo
    from applications import fine_tune

    rows = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(options.splits):
            if any(options.photos.glob("*ubyte*")):
                data, strange = pixels(options.photos, options.images, without, number)
            else:
                data, strange = photos(options.photos, without, Path(place))
            how = {"input_size": options.input_size, "seed": number, "effort": options.effort}
            began = time.monotonic()
            done = fine_tune(data, out=Path(place, f"model{number}"), **how)
            model = zoo.load(done.artifact)
            part = done.data.held_out
            known = model._outputs(part.inputs)[0]
            others = model._outputs(model.kind.raw(options.strangers or strange).inputs)[0]
            scores = model.task.strangers(known, others)
            ((_, simple),) = scores.baselines.items()
            rows.append([scores.roc_auc, scores.found, scores.false_alarms, simple["roc_auc"], simple["found"]])
            print(
                f"split {number}: {scores.strangers} strangers, {scores.known} known images: ROC-AUC "
                f"{scores.roc_auc:.4f}, {scores.found:.1%} found at {scores.false_alarms:.1%} false alarms; by "
                f"maximum probability {simple['roc_auc']:.4f}, {simple['found']:.1%}; "
                f"accuracy {done.evaluation.accuracy:.4f}, "
                f"{'last blocks trained, ' if model.card['unfrozen'] else ''}{time.monotonic() - began:.0f} s",
                flush=True,
            )
    area, found, alarms, area_by_probability, found_by_probability = np.mean(rows, axis=0)
    print(
        f"mean of {len(rows)} splits: ROC-AUC {area:.4f}, {found:.1%} found at {alarms:.1%} false alarms; by maximum "
        f"probability {area_by_probability:.4f}, {found_by_probability:.1%}"
    )


if __name__ == "__main__":
    main()
