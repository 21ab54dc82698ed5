"""Does fine-tuning the last blocks gain over a linear head on the frozen backbone? The same splits for both.

    python benchmarks/unfreezing.py PHOTOS [--effort max] [--augment crop] [--input-size 96] [--splits 5]
    python benchmarks/unfreezing.py shared/data/fashion-mnist --images 2000 --input-size 96

PHOTOS holds images in folders named after their classes, at any depth: a fifth of them is held out, another one in each
split. Or it is a folder of IDX files, as Fashion-MNIST comes: so many training images are drawn, and as many test
images. Each split is one `applications.fine_tune` without its export. The held-out images are scored once, by the head
and by what is shipped; an inner split of the training part decides what that is.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

SUFFIXES = (".jpg", ".jpeg", ".png")
HEAD = "a linear head on the frozen backbone"


def photos(folder: Path, number: int, place: Path) -> Any:
    """The images in `folder`, split anew."""
    from zoo.data import images

    manifest = place / f"{folder.name}.csv"
    files = sorted(path.resolve() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((path, path.parent.name) for path in files)])
    return images(manifest, seed=number, verify=lambda examples: {})


def idx(folder: Path, count: int, number: int) -> Any:
    """Images drawn from the training part, and from the test part."""
    from zoo.data import open as open_data

    rng = np.random.default_rng(number)
    parts = []
    for name in ("train", "t10k"):
        raw = [gzip.decompress(next(folder.glob(f"{name}-{what}*")).read_bytes()) for what in ("images", "labels")]
        labels = np.frombuffer(raw[1], np.uint8, offset=8).astype(np.int64)
        chosen = rng.choice(len(labels), count, replace=False)
        pixels = np.frombuffer(raw[0], np.uint8, offset=16).reshape(len(labels), 28, 28)
        parts.append((pixels[chosen], labels[chosen]))
    return open_data(tuple(parts), seed=number)


def _scores(task: Any, targets: np.ndarray, answer: dict[str, np.ndarray]) -> tuple[float, float]:
    """Log loss and accuracy."""
    return task.losses(targets, answer).mean(), task.quality.score(task, targets, answer)


def main() -> None:
    """Parse, run and print one row a split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--effort", default="balanced", choices=["balanced", "max"])
    parser.add_argument("--augment", default="flip,crop")
    parser.add_argument("--input-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=2000, help="number of images of a folder of IDX files")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="number of the first split")
    options = parser.parse_args()
    from applications import fine_tuning
    from zoo.artifacts import artifact

    def publish(*what: Any, out: Path, **_: Any) -> Any:
        return out, what[-1]

    def evaluate(data: Any, task: Any, outputs: Any, baselines: dict[str, np.ndarray], *rest: Any) -> Any:
        """As `fine_tuning.evaluate`, and keep log loss and accuracy of the head and of what is shipped."""
        targets = data.held_out.targets
        before = {task.outputs[0]: baselines[HEAD]} if HEAD in baselines else outputs
        answers = [task.named(each) for each in (before, outputs)]
        rows.append([float(score) for each in answers for score in _scores(task, targets, each)])
        return scored(data, task, outputs, baselines, *rest)

    rows, scored = [], fine_tuning.evaluate
    patches = {"Gate": nullcontext, "evaluate": evaluate}
    with (
        tempfile.TemporaryDirectory() as place,
        mock.patch.object(artifact, "publish", publish),
        mock.patch.multiple(fine_tuning, **patches),
    ):
        for number in range(options.first, options.first + options.splits):
            if any(options.photos.glob("*ubyte*")):
                data = idx(options.photos, options.images, number)
            else:
                data = photos(options.photos, number, Path(place))
            how = {"input_size": options.input_size, "seed": number, "out": Path(place, "model")}
            how["augment"] = [name for name in options.augment.split(",") if name != "none"]
            began = time.monotonic()
            done = fine_tuning.fine_tune(data, effort=options.effort, **how)
            (said,) = [note for note in done.notes if note.startswith("fine-tuning the last")]
            loss, accuracy, loss_after, accuracy_after = rows[-1]
            print(
                f"split {number}: log loss {loss:.4f} -> {loss_after:.4f}, accuracy {accuracy:.4f} -> "
                f"{accuracy_after:.4f}, {time.monotonic() - began:.0f} s; {said}",
                flush=True,
            )
    loss, accuracy, loss_after, accuracy_after = np.mean(rows, axis=0)
    print(
        f"mean of {len(rows)} splits: log loss {loss:.4f} -> {loss_after:.4f}, "
        f"accuracy {accuracy:.4f} -> {accuracy_after:.4f}"
    )


if __name__ == "__main__":
    main()
