"""Autoencoders and adversarial networks on real data, three seeds each, beside simple models on the same examples.

python benchmarks/generative_table.py                 all rows, one after the other; what is done already is kept
python benchmarks/generative_table.py vae-fashion     one row
python benchmarks/generative_table.py --table         the rows that are done, as docs/builders.md has them
python benchmarks/generative_table.py --sheets docs/pictures   draw the pictures again, from the first models

Results go to .runs/generative_table/, seed by seed, so that an interrupted row goes on where it was. Fashion-MNIST is
read from --data; digits come with scikit-learn, the blood pressure (KDD 2021 time series anomaly contest, series 135)
with aeon.

Non-local means, the rival of the denoising autoencoder, needs scikit-image: pip install '.[benchmarks]'.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # convolutions train half as fast again on two cores

import numpy as np

import zoo
from zoo.data import Data, arrays, idx
from zoo.errors import InputError
from zoo.evaluation.reconstructions import with_noise
from zoo.pictures import sheets

RESULTS = Path(".runs/generative_table")
SEEDS = 3
BAG = "8"  # the class of Fashion-MNIST that is not learnt
WINDOW = 64  # of the blood pressure, in samples; a beat is some 180


class Row(NamedTuple):
    """One line of the table."""

    builder: str
    what: str
    data: Callable[[Path], Data]
    model: dict[str, Any]
    training: dict[str, Any]
    show: tuple[str, ...]


def fashion(folder: Path) -> Data:
    """60,000 to learn from, 10,000 held out."""
    return idx(folder / "fashion-mnist")


def digits(_: Path) -> Data:
    """Scikit-learn's 1,797 as images; a fifth is held out."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = np.round(found.images * (255 / 16)).astype(np.uint8)
    return arrays(pixels, found.target.astype(np.int64))


def pressure(_: Path) -> Data:
    """Arterial blood pressure: windows of the quiet beginning to learn from, of the rest to find the bleeding in."""
    package = find_spec("aeon").submodule_search_locations[0]
    name = "135_UCR_Anomaly_InternalBleeding16_{}.csv"
    files = [Path(package, "datasets", "data", "KDD-TSAD_135", name.format(part)) for part in ("TRAIN", "TEST")]
    learnt, series = (np.genfromtxt(file, delimiter=",", names=True) for file in files)

    def windows(start: int, stop: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        starts = range(start, stop - WINDOW + 1, stride)
        values = np.stack([series["value"][at : at + WINDOW] for at in starts])[..., None]
        odd = np.array([int(series["is_anomaly"][at : at + WINDOW].any()) for at in starts])
        return values.astype(np.float32), odd

    quiet, rest = windows(0, len(learnt), 1), windows(len(learnt), len(series), 4)
    return arrays(*quiet, classes=["quiet", "bleeding"], held_out=rest)


RECONSTRUCTION = ("mse", "psnr")
ANOMALIES = ("roc_auc", "average_precision", "detected", "false_alarms")
SAMPLES = ("frechet", "precision", "recall", "coverage", "entropy")
ROWS = {
    "dense-digits": Row(
        "dense_autoencoder", "digits, code of 8", digits, {"latent_dim": 8}, {"epochs": 100}, RECONSTRUCTION
    ),
    "conv-fashion": Row(
        "conv_autoencoder",
        "Fashion-MNIST, code of 32",
        fashion,
        {},
        {"epochs": 4, "learning_rate": 2e-3},
        RECONSTRUCTION,
    ),
    "vae-fashion": Row(
        "variational_autoencoder",
        "Fashion-MNIST, code of 32, beta 5",
        fashion,
        {"beta": 5.0},  # of 1, 5 and 12, by the look of the samples
        {"epochs": 3, "learning_rate": 2e-3},
        (*RECONSTRUCTION, "bits", "active"),
    ),
    "denoising-fashion": Row(
        "denoising_autoencoder",
        "Fashion-MNIST, noise 0.4",
        fashion,
        {},
        {"epochs": 2, "learning_rate": 2e-3},
        ("psnr", "noisy"),
    ),
    "conv-bags": Row(
        "conv_autoencoder",
        "Fashion-MNIST, bags not learnt",
        fashion,
        {"latent_dim": 16},
        {"epochs": 2, "learning_rate": 2e-3, "normal": [str(label) for label in range(10) if str(label) != BAG]},
        ANOMALIES,
    ),
    "sequence-pressure": Row(
        "sequence_autoencoder",
        "blood pressure, windows with a bleeding",
        pressure,
        {"latent_dim": 8, "units": 48},
        {"epochs": 60, "learning_rate": 1e-2, "normal": ["quiet"]},
        ANOMALIES,
    ),
    "gan-digits": Row("gan", "digits", digits, {}, {"epochs": 300, "learning_rate": 2e-3}, SAMPLES),
    "dcgan-digits": Row("dcgan", "digits", digits, {}, {"epochs": 200, "learning_rate": 5e-4}, SAMPLES),
    "conditional-digits": Row(
        "conditional_gan", "digits", digits, {}, {"epochs": 200, "learning_rate": 5e-4}, (*SAMPLES, "agreement")
    ),
    "wasserstein-digits": Row(
        "wasserstein_gan", "digits", digits, {"critic_steps": 2}, {"epochs": 200, "learning_rate": 1e-3}, SAMPLES
    ),
    "dcgan-fashion": Row("dcgan", "Fashion-MNIST", fashion, {}, {"epochs": 3, "learning_rate": 5e-4}, SAMPLES),
    "conditional-fashion": Row(
        "conditional_gan",
        "Fashion-MNIST",
        fashion,
        {},
        {"epochs": 3, "learning_rate": 5e-4},
        (*SAMPLES, "agreement"),
    ),
    "wasserstein-fashion": Row(
        "wasserstein_gan", "Fashion-MNIST", fashion, {"critic_steps": 2}, {"epochs": 3, "learning_rate": 1e-3}, SAMPLES
    ),
}


def run(name: str, folder: Path) -> None:
    """Train and score the seeds of a row that are missing."""
    row, path = ROWS[name], RESULTS / f"{name}.json"
    done = json.loads(path.read_text()) if path.is_file() else []
    for seed in range(len(done), SEEDS):
        data = row.data(folder)
        started = time.perf_counter()
        trained = zoo.train(row.builder, data, model=row.model, seed=seed, **row.training)
        found = trained.evaluation.to_dict() | {"seconds": time.perf_counter() - started}
        if row.builder == "denoising_autoencoder":
            found["baselines"] |= non_local_means(data, row.model.get("noise", 0.4), seed)
        done.append(found)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(done))
        trained.network.save(path.with_name(f"{name}-{seed}.keras"))
        shown = {key: found[key] for key in (*row.show, "seconds")}
        print(f"{name} seed {seed}: {shown} {found['baselines']}", flush=True)


def non_local_means(data: Data, noise: float, seed: int, few: int = 1000) -> dict[str, dict[str, float]]:
    """PSNR on the first held-out images, its strength chosen on training images.

    Source: Buades, Coll and Morel 2005, "A Non-Local Algorithm for Image Denoising".
    """
    from skimage.restoration import denoise_nl_means

    def ratio(images: np.ndarray, **options: float) -> float:
        noisy = with_noise(images, noise, seed)[..., 0] / 255
        clean = images[..., 0] / 255
        made = [denoise_nl_means(each, **options) for each in noisy]
        return float(np.mean(-10 * np.log10(np.mean((np.stack(made) - clean) ** 2, axis=(1, 2)))))

    grid = [
        {"h": h * noise, "sigma": sigma * noise, "patch_size": size, "patch_distance": reach}
        for h in (0.3, 0.4, 0.5, 0.6, 0.8)
        for sigma in (0.0, 0.5, 1.0)  # clipping makes the noise smaller than it was
        for size in (3, 5, 7)
        for reach in (5, 11)
    ]
    best = max(grid, key=lambda options: ratio(data.train.inputs[:50], **options))
    return {f"non-local means ({few:,} images)": {"psnr": ratio(data.held_out.inputs[:few], **best)}}


def table() -> None:
    """The rows that are done, in Markdown."""
    print("| builder | data | scores | simple models, same examples | minutes |\n|---|---|---|---|---|")
    for name, row in ROWS.items():
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            continue
        done = json.loads(path.read_text())
        own = "; ".join(f"{key} {spread([each[key] for each in done])}" for key in row.show)
        beside = {f"samples: {key}": value for key, value in samples(done).items()}
        beside |= {key: [each["baselines"][key] for each in done] for key in done[0]["baselines"]}
        simple = "; ".join(
            f"{key}: "
            + ", ".join(f"{k} {spread([each[k] for each in rows])}" for k in rows[0] if rows[0][k] is not None)
            for key, rows in beside.items()
        )
        print(f"| `{row.builder}` | {row.what} | {own} | {simple} | {mean(d['seconds'] for d in done) / 60:.1f} |")


def samples(done: list[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """What a variational autoencoder's samples scored, and those of the Gaussian."""
    if not isinstance(done[0].get("samples"), dict):  # of a generator it is how many
        return {}
    own = [{key: each["samples"][key] for key in SAMPLES} for each in done]
    name = next(iter(done[0]["samples"]["baselines"]))
    return {"its own": own, name: [each["samples"]["baselines"][name] for each in done]}


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{mean(values):.4g}" + (f" ± {stdev(values):.2g}" if len(values) > 1 else "")


def draw(place: Path, folder: Path) -> None:
    """Sheets of samples and reconstructions of the first seed's models."""
    from zoo.builders.loading import loaded

    place.mkdir(exist_ok=True)
    for name, row in ROWS.items():
        path = RESULTS / f"{name}-0.keras"
        if not path.is_file() or name == "sequence-pressure":
            continue
        model, picture = loaded(path), place / f"{name}.png"
        if hasattr(model, "generate"):
            sheets.sheet(model.generate(100), picture, columns=10, scale=1 if "fashion" in name else 3)
        if hasattr(model, "reconstruct"):
            images = row.data(folder).held_out.inputs[:12]
            asked = with_noise(images, 0.4, 0) if row.builder == "denoising_autoencoder" else images
            sheets.rows(asked, model.reconstruct(asked), path=picture.with_stem(f"{name}-reconstructed"))


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)}; all without")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with fashion-mnist/")
    parser.add_argument("--table", action="store_true", help="print what is done, in Markdown")
    parser.add_argument("--sheets", type=Path, help="folder to draw samples and reconstructions into")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no row {unknown[0]}; there are {', '.join(ROWS)}")
    if options.sheets:
        draw(options.sheets, options.data)
        return
    if not options.table:
        for name in options.rows or ROWS:
            run(name, options.data)
    table()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from error
