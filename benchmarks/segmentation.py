"""Segmentation of microscope images by `zoo finetune`, beside Otsu's threshold: several seeds in one run.

    python benchmarks/segmentation.py FOLDER [--seeds 3] [--command "train unet"] [OPTIONS OF THE COMMAND]

FOLDER has train/ and test/, each with images/ and masks/ of two classes, as the nuclei of the Data Science Bowl 2018.
The scores are those of the second class, means over the photos of test/ at their own size; photos with colours are
scored apart too. Seconds are those of the whole command, training to proven artifact.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

COLOUR = 5  # mean difference of the channels, in grey levels, over which a photo has colours
OPTIONS = "--input-size 192 --augment flip,vflip,zoom,hue"


def has_colours(file: Path) -> bool:
    """Whether a photo is more than grey."""
    pixels = np.asarray(Image.open(file).convert("RGB")).astype(np.int64)
    return bool(np.ptp(pixels, axis=-1).mean() > COLOUR)


def trained(folder: Path, place: str, words: list[str], options: list[str]) -> tuple[Path, float, float]:
    """The artifact that the command makes, its seconds, and seconds of processor time."""
    command = [sys.executable, "-c", "from zoo.cli import main; main()", *words, str(folder), *options]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([*command, "--out", "nuclei"], cwd=place, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Path(place, "nuclei"), time.perf_counter() - started, used


def otsu(folder: Path, coloured: set[str]) -> dict[str, float]:
    """Scores of Otsu's threshold on test/, by the same function."""
    import zoo
    from zoo.evaluation.baselines import Examples

    data = zoo.data.open(folder)
    part, kind = data.held_out, data.kind
    simple = data.task.simple(
        Examples(None, data.train.targets, part.inputs, (data.train.inputs, part.inputs), kind, 0)
    )
    name = next(name for name in simple if name.startswith("Otsu"))
    counts = data.task.counted(part.targets, {"probabilities": simple[name]})
    iou, dice = counts.iou()[:, 1], counts.dice()[:, 1]
    chosen = [Path(each).name in coloured for each in part.names]
    return {"iou": float(np.nanmean(iou)), "dice": float(np.nanmean(dice)), "colour": float(np.nanmean(iou[chosen]))}


def main() -> None:
    """Print scores of each seed and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--command", default="finetune")
    arguments, options = parser.parse_known_args()
    import zoo

    coloured = {file.name for file in (arguments.folder / "test" / "images").iterdir() if has_colours(file)}
    print(f"Otsu's threshold: {otsu(arguments.folder, coloured)}", flush=True)
    rows = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as place:
            given = [*(options or OPTIONS.split()), "--seed", str(seed)]
            made, seconds, used = trained(arguments.folder.resolve(), place, arguments.command.split(), given)
            report = zoo.load(made).evaluate(arguments.folder)
        name = list(report.evaluation.classes)[1]
        scores = {Path(photo.name).name: photo.iou[name] for photo in report.rows}
        row = {measure: report.evaluation.classes[name][measure] for measure in ("iou", "dice")}
        row["colour"] = statistics.mean(scores[name] for name in coloured & set(scores))
        rows.append(row)
        print(
            f"seed {seed}: {row} of {len(scores)} photos, {seconds:.0f} s, {used:.0f} s of processor time", flush=True
        )
    means = {measure: round(statistics.mean(row[measure] for row in rows), 4) for measure in rows[0]}
    print(f"mean of {len(rows)} seeds: {means}, {len(coloured)} photos have colours")


if __name__ == "__main__":
    main()
