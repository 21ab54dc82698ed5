"""Make the artifacts that are kept here, with version 0.1.0 installed: ``python make.py FOLDER``.

One of each task over the kinds of data, each as small as its builder allows, and a fine-tune on a tiny backbone. What
each answers is kept beside it, as that version gave it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import zoo
from applications import fine_tune
from applications.backbone_table import BACKBONES

ROOT = Path(sys.argv[1]).resolve()


def tiny(weights, include_top, pooling, input_tensor, input_shape):
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="block1_out")(input_tensor)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="block2_out")(x)
    return keras.Model(input_tensor, keras.layers.GlobalAveragePooling2D(name="pool")(x))


def photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    suffixes = ("png", "jpg", "bmp", "gif")
    for name, colour in (("blue", (40, 40, 200)), ("red", (200, 40, 40))):
        (folder / name).mkdir(parents=True)
        for index in range(12):
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, (36, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02d}.{suffixes[index % 4]}")


def table(path: Path) -> None:
    rng = np.random.default_rng(1)
    size, kind = rng.normal(0, 1, 120), rng.choice(["a", "b", "ü"], 120)
    label = np.where(size + (kind == "b") > 0.3, "yes", "no")
    large, rare = (size > 0).astype(int), (kind == "ü").astype(int)
    rows = [f"{row[0]:.4f},{','.join(map(str, row[1:]))}" for row in zip(size, kind, label, large, rare, strict=True)]
    rows[3] = "," + rows[3].split(",", 1)[1]
    path.write_text("size,kind of thing,label,large,rare\n" + "\n".join(rows) + "\n", encoding="utf-8")


def texts(path: Path) -> None:
    rng = np.random.default_rng(2)
    words = ["good", "bad", "film", "plot", "long", "short", "actor", "scene"]
    rows = []
    for _ in range(80):
        chosen = rng.choice(words, 6)
        rows.append(f"{' '.join(chosen)},{'praise' if 'good' in chosen else 'none'}")
    path.write_text("text,praise\n" + "\n".join(rows) + "\n", encoding="utf-8")


def series(path: Path) -> None:
    days = np.arange(160)
    values = 10 + 5 * np.sin(days * 2 * np.pi / 7) + np.random.default_rng(3).normal(0, 0.3, 160)
    dates = np.datetime64("2024-01-01") + days
    path.write_text("date,value\n" + "\n".join(f"{d},{v:.3f}" for d, v in zip(dates, values, strict=True)) + "\n")


def main() -> None:
    work = ROOT / "work"
    work.mkdir(parents=True)
    os.chdir(work)
    table(work / "things.csv")
    texts(work / "films.csv")
    series(work / "days.csv")
    photos(work / "photos")
    rng = np.random.default_rng(4)
    out = ROOT / "artifacts"

    data = zoo.data.text("films.csv", column="text", target="praise", vocabulary_size=16)
    zoo.train("lstm", data, model={"units": (4,)}, epochs=4).export(out / "classification", run=work / "r1")
    data = zoo.data.tables("things.csv", target=["large", "rare"], task="multi_label")
    zoo.train("mlp", data, model={"units": (8,)}, epochs=10, learning_rate=0.02).export(
        out / "multi_label", run=work / "r2"
    )
    lengths = rng.normal(0, 1, (80, 5, 2)).astype(np.float32)
    data = zoo.data.arrays(lengths, lengths.sum((1, 2)))
    zoo.train("rnn", data, model={"units": (4,)}, epochs=4).export(out / "regression", run=work / "r3")
    data = zoo.data.open("days.csv", target="value", horizon=2, window=7)
    zoo.train("gru", data, model={"units": (4,)}, epochs=4).export(out / "forecasting", run=work / "r4")
    data = zoo.data.open("things.csv", target="label")
    zoo.train(
        "dense_autoencoder", data, model={"latent_dim": 2, "units": (8,)}, epochs=20, normal=["no"], false_alarms=0.05
    ).export(out / "reconstruction", run=work / "r5")
    pixels = rng.integers(0, 255, (64, 8, 8, 1), dtype=np.uint8)
    data = zoo.data.arrays(pixels, np.arange(64) % 2, classes=["even", "odd"])
    zoo.train("gan", data, model={"latent_dim": 4, "units": (8,)}, epochs=2, batch_size=16).export(
        out / "generation", run=work / "r6"
    )
    row = BACKBONES["mobilenet"]
    BACKBONES["tiny"] = row._replace(
        name="tiny",
        constructor="__main__:tiny",
        embedding_width=8,
        blocks=r"block\d_out",
        least_input_size=8,
        parameters=808,
        crop=0.75,
    )
    fine_tune("photos", "tiny", weights=None, input_size=16, out=out / "fine_tuned")
    np.save("lengths.npy", lengths[:6])
    keep(out, work)


def keep(out: Path, work: Path) -> None:
    """What version 0.1.0 answers, and one archive of each artifact."""
    asked = {
        "classification": "films.csv",
        "multi_label": "things.csv",
        "regression": np.load(work / "lengths.npy"),
        "forecasting": "days.csv",
        "fine_tuned": [str(path) for path in sorted((work / "photos").rglob("*.*"))[::4]],
    }
    answers = {name: [each.__dict__ for each in zoo.load(out / name).predict(given)] for name, given in asked.items()}
    answers["reconstruction"] = [each._asdict() for each in zoo.load(out / "reconstruction").anomalies("things.csv")]
    drawn = zoo.load(out / "generation").generate(3, seed=5)
    answers["generation"] = np.asarray(drawn).tolist()
    (ROOT / "answers.json").write_text(json.dumps(answers, ensure_ascii=False, indent=1), encoding="utf-8")
    for folder in sorted(out.iterdir()):
        shutil.make_archive(str(ROOT / folder.name), "zip", folder)
    inputs = ROOT / "inputs"
    inputs.mkdir()
    for name in ("things.csv", "films.csv", "days.csv", "lengths.npy", "photos"):
        shutil.move(work / name, inputs / name)
    shutil.make_archive(str(ROOT / "inputs"), "zip", inputs)


if __name__ == "__main__":
    main()
