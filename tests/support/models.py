"""A model of every builder, as an artifact that can be exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from zoo.builders.registry import builder
from zoo.data import Data, sequences, tables, text
from zoo.files import digest
from zoo.tasks.registry import TASKS

FLOAT = ("litert", "onnx", "openvino")
PICTURES = {"kind": "images", "size": [16, 16], "crop": 1.0, "channels": 1, "pixels": "grey, 0-255"}


def passengers() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"age": rng.uniform(1, 80, 60), "fare": 900 * rng.random(60), "deck": list("ABC") * 20})
    frame["port"], frame["target"] = rng.choice(["north", "south"], 60), rng.choice(["no", "yes"], 60)
    frame.loc[::7, "age"] = np.nan
    return tables(frame)


def numbers_only() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(5, 2, (60, 3)), columns=list("abc"))
    return tables(frame.assign(price=1000 + 30 * frame["a"]), target="price")


def trends() -> Data:
    rng = np.random.default_rng(0)
    steps = [(n, step, rng.normal(), "up" if n % 2 else "down") for n in range(40) for step in range(3 + n % 6)]
    frame = pandas.DataFrame(steps, columns=["id", "step", "value", "target"])
    return sequences(frame, series="id", target="target")


def waves() -> Data:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"value": 20 + 5 * np.sin(np.arange(120) / 4) + rng.normal(0, 0.1, 120)})
    return sequences(frame, target="value", window=8, horizon=3)


def films() -> Data:
    words = ["lovely", "dull", "moving", "awful", "größe", "film", "!"]
    rng = np.random.default_rng(0)
    rows = [{"text": " ".join(rng.choice(words, 6)), "label": label} for label in ("good", "bad") * 20]
    return text(pandas.DataFrame(rows), length=7)


def written(place: Path, model: Any, card: dict[str, Any]) -> Path:
    """An artifact with what an export reads of it."""
    folder = place / "made" / "1"
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    majority = {"classification": 0, "multi_label": [0] * len(card["classes"])}.get(card["task"])
    (folder / "card.json").write_text(json.dumps(card | {"majority": majority}))
    return folder


def network(name: str, data: Data, *shape: int | None, **arguments: Any) -> Any:
    """A builder's model with its reader's before it."""
    from zoo.tasks.composing import composed
    from zoo.tasks.regression import Regression, Scale

    count = len(data.classes)
    scale = None
    if isinstance(data.task, Regression):
        scale = Scale(np.full(count, 7.0, np.float32), np.full(count, 3.0, np.float32))
    if data.task.remainder:
        rng = np.random.default_rng(1)
        width = data.input["window"] * len(data.input["features"])
        scale = scale._replace(kernel=rng.normal(size=(width, count)).astype(np.float32), bias=scale.mean)
    made = builder(name)(shape, count, **data.task.arguments(), **arguments)
    return composed(made, data.preprocess, scale)


def supervised(name: str, read: Callable[[], Data], **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        data = read()
        shape = data.preprocess.output_shape[1:]
        if data.input["kind"] == "text":
            arguments["vocabulary_size"] = len(data.vocabulary)
        model = network(name, data, *shape, **arguments)
        shaken(model)
        return model, {"builder": name, "task": data.task.name, "classes": list(data.classes), "input": data.input}

    return made


def shaken(model: Any) -> None:
    """Weights that are 0 at first, as of normalisation and of words, get values."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in str(weight.dtype) and weight.shape and not np.asarray(weight).any():
            weight.assign(rng.normal(0, 0.1, weight.shape))


def pictures(name: str, task: str = "classification", **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        model = builder(name)((16, 16, 1), 3, **TASKS[task]().arguments(), **arguments)
        shaken(model)
        card = TASKS[task](("zero", "one", "two")).to_card()
        return model, {"builder": name, "task": task, "classes": ["zero", "one", "two"], "input": PICTURES} | card

    return made


def autoencoder(
    name: str, read: Callable[[], Data] | None, **arguments: Any
) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        data = read() if read else None
        shape = data.preprocess.output_shape[1:] if data else (16, 16, 1)
        if None in shape:
            shape = (9, *shape[1:])
        model = builder(name)(shape, **arguments).behind(data.preprocess if data else None)
        model.threshold.assign(0.2)
        card = {"builder": name, "task": "reconstruction", "classes": [], "threshold": float(model.threshold)}
        return model, card | {"input": data.input if data else PICTURES}

    return made


def detector(name: str, **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        model = builder(name)((16, 16, 1), weights=None, input_size=32, **arguments)
        model.adapt(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), np.uint8))
        model.threshold.assign(0.2)
        card = {"builder": name, "task": "anomaly_detection", "classes": [], "threshold": float(model.threshold)}
        return model, card | {"input": PICTURES}

    return made


def generator(name: str, **arguments: Any) -> Callable[[], tuple[Any, dict[str, Any]]]:
    def made() -> tuple[Any, dict[str, Any]]:
        classes = ["nought", "one"] if name == "conditional_gan" else []
        model = builder(name)((8, 8, 1), *([2] if classes else []), latent_dim=4, **arguments).average
        shaken(model)
        return model, {"builder": name, "task": "generation", "classes": classes, "input": PICTURES | {"size": [8, 8]}}

    return made


MODELS = {
    "unet": pictures("unet", "segmentation", filters=2, depth=2),
    "perceptron-table": supervised("perceptron", numbers_only),
    "mlp-table": supervised("mlp", passengers, units=(4,)),
    "mlp-images": pictures("mlp", units=(4,), activation="gelu", batch_normalization=True),
    "cnn-images": pictures("cnn", filters=(4,), units=4, activation="elu"),
    "cnn-several-labels": pictures("cnn", task="multi_label", filters=(4,), units=4, activation="leaky_relu"),
    "resnet-images": pictures("resnet", depth=8, width=4),
    "rnn-sequence": supervised("rnn", trends, units=(4,), pooling="mean"),
    "lstm-sequence": supervised("lstm", trends, units=(4, 3)),
    "lstm-text": supervised("lstm", films, units=(4,), embedding=3, bidirectional=True, ngrams=2),
    "lstm-forecast": supervised("lstm", waves, units=(4,)),
    "gru-sequence": supervised("gru", trends, units=(4,), bidirectional=True, pooling="mean_max"),
    "gru-text": supervised("gru", films, units=(4,), embedding=3, token_dropout=0.1),
    "gru-forecast": supervised("gru", waves, units=(4,), bidirectional=True),
    "dense_autoencoder-table": autoencoder("dense_autoencoder", passengers, latent_dim=2, units=(4,)),
    "dense_autoencoder-images": autoencoder("dense_autoencoder", None, latent_dim=2, units=(4,)),
    "conv_autoencoder-images": autoencoder("conv_autoencoder", None, latent_dim=2, filters=(4, 4)),
    "denoising_autoencoder-images": autoencoder("denoising_autoencoder", None, filters=(4, 4)),
    "sequence_autoencoder-sequence": autoencoder("sequence_autoencoder", trends, latent_dim=2, units=4, cell="lstm"),
    "sequence_autoencoder-windows": autoencoder("sequence_autoencoder", waves, latent_dim=2, units=4),
    "variational_autoencoder-images": autoencoder("variational_autoencoder", None, latent_dim=2, filters=(4,)),
    "variational_autoencoder-table": autoencoder("variational_autoencoder", numbers_only, latent_dim=2, units=(4,)),
    "patchcore-images": detector("patchcore", patches=12),
    "gan": generator("gan", units=(4,)),
    "dcgan": generator("dcgan", filters=(4,)),
    "conditional_gan": generator("conditional_gan", filters=(4,)),
    "wasserstein_gan": generator("wasserstein_gan", filters=(4,)),
}


def content(folder: Path) -> dict[str, str]:
    """What a version holds beside its formats."""
    files = (file for file in folder.rglob("*") if file.is_file() and "formats" not in file.relative_to(folder).parts)
    return {str(file): digest(file) for file in files}
