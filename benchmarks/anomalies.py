"""Anomalies in Fashion-MNIST without bags: `zoo train patchcore` beside an autoencoder and simple models of pixels.

    python benchmarks/anomalies.py FOLDER [--images 4000] [--seeds 1] [--builders patchcore,conv_autoencoder]

FOLDER has the IDX files of Fashion-MNIST. Learnt from are the first images of the training part that are no bags, and
scored are all 10,000 of the test part, in which bags are the anomalies. Seconds are those of the whole command,
training to proven artifact; those of the processor count all its cores.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ODD = 8  # bags
PARTS = ("train", "t10k")


def written(source: Path, folder: Path, images: int) -> None:
    """IDX files in `folder` whose training part has so many images that are no bags, and the bags among them."""
    for part in PARTS:
        with gzip.open(source / f"{part}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8)
        with gzip.open(source / f"{part}-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        count = int(np.flatnonzero(labels != ODD)[images - 1]) + 1 if part == "train" else len(labels)
        for name, values in (("images-idx3", pixels[:count]), ("labels-idx1", labels[:count])):
            header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4) for size in values.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(header + values.tobytes())


def trained(builder: str, folder: Path, seed: int) -> tuple[dict[str, object], float, float]:
    """What the command says of its model, its seconds, and seconds of processor time."""
    normal = ",".join(str(label) for label in range(10) if label != ODD)
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "train", builder, str(folder), "--json"]
    command += ["--normal", normal, "--seed", str(seed), "--out", str(folder.parent / f"{builder}-{seed}")]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder.parent, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout)["metrics"], time.perf_counter() - started, used


def processor() -> str:
    """The name of the processor, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "processor")
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def main() -> None:
    """Train each builder with each seed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--builders", default="patchcore,conv_autoencoder")
    options = parser.parse_args()
    print(f"{processor()}\nmodel, seed: ROC-AUC, average precision, false alarms, detected; seconds, of processor")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "clothes")
        folder.mkdir()
        written(options.folder, folder, options.images)
        for builder in options.builders.split(","):
            for seed in range(options.seeds):
                said, seconds, used = trained(builder, folder, seed)
                own = f"{said['roc_auc']:.4f}, {said['average_precision']:.4f}"
                over = f"{said['false_alarms']:.1%}, {said['detected']:.1%}"
                print(f"{builder}, {seed}: {own}, {over}; {seconds:.0f} s, {used:.0f} s", flush=True)
                for name, row in said["baselines"].items():
                    if "roc_auc" in row:
                        print(f"    {name}: {row['roc_auc']:.4f}, {row['average_precision']:.4f}")


if __name__ == "__main__":
    main()
