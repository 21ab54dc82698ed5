"""Logistic regression on raw pixels: what an artifact has to beat, on the artifact's own split.

python benchmarks/raw_pixels.py FOLDER ARTIFACT
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo.kinds.images import decoding


def main(folder: str, artifact: str) -> None:
    """Fit on the training files of `artifact`, score on those it held out."""
    predictor = zoo.load(artifact)
    with (predictor.folder / "run" / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = decoding.probe(Path(folder, rows[0]["path"]))
    size = (min(first.height, 32), min(first.width, 32))
    pixels = np.stack([decoding.decode(Path(folder, row["path"]), size).ravel() for row in rows]).astype(np.float32)
    labels = np.array([row["label"] for row in rows])
    trained = np.array([row["split"] == "train" for row in rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(pixels[trained], labels[trained])
    accuracy = model.score(pixels[~trained], labels[~trained])
    ours = predictor.card["metrics"]["accuracy"]
    print(
        f"on the same {int((~trained).sum())} held-out images: logistic regression on raw pixels {accuracy:.4f},",
        end=" ",
    )
    print(f"this model {ours:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
