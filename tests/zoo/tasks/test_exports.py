"""A SavedModel of each task that says something else than its model is not published, whichever value it is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import zoo
from support import masks
from support.tasks import CHANGES
from zoo.artifacts.gate import TOLERANCE
from zoo.errors import JobError
from zoo.tasks import forms
from zoo.tasks.forms import FORMS
from zoo.tasks.registry import TASKS
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer
from zoo.training import judges
from zoo.training.run import Trained

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(60, 4)).astype(np.float32)
LABELS = np.stack([ROWS[:, 0] > 0, ROWS[:, 1] > 0, ROWS[:, 2] > 0], axis=1).astype(int)
PIXELS = rng.integers(0, 256, (80, 8, 8), dtype=np.uint8)


def waves() -> zoo.data.Data:
    frame = pd.DataFrame({"value": 20 + 5 * np.sin(np.arange(120) / 4) + rng.normal(0, 0.1, 120)})
    return zoo.data.sequences(frame, target="value", window=8, horizon=2)


def photos() -> zoo.data.Data:
    return zoo.data.masks(masks.write(Path(tempfile.mkdtemp(), "blots")))


MODEL = {"model": {"units": (4,)}}
MADE: dict[str, Callable[[], Trained]] = {
    "classification": lambda: zoo.train("mlp", zoo.data.arrays(ROWS, LABELS.sum(axis=1) % 3), epochs=1, **MODEL),
    "multi_label": lambda: zoo.train("mlp", zoo.data.arrays(ROWS, LABELS, task="multi_label"), epochs=1, **MODEL),
    "regression": lambda: zoo.train("mlp", zoo.data.arrays(ROWS, 7 + ROWS[:, :2]), epochs=1, **MODEL),
    "forecasting": lambda: zoo.train("gru", waves(), epochs=1, **MODEL),
    "reconstruction": lambda: zoo.train(
        "dense_autoencoder", zoo.data.arrays(ROWS, LABELS[:, 0]), epochs=1, model={"latent_dim": 2, "units": (4,)}
    ),
    "anomaly_detection": lambda: zoo.train(
        "patchcore",
        zoo.data.arrays(PIXELS, np.arange(80) % 2),
        normal=["0"],
        model={"weights": None, "input_size": 32, "patches": 8},
    ),
    "generation": lambda: zoo.train(
        "gan",
        zoo.data.arrays(PIXELS, np.arange(80) % 2),
        epochs=1,
        model={"latent_dim": 4, "units": (4,)},
        batch_size=8,
    ),
    "segmentation": lambda: zoo.train("unet", photos(), epochs=1, model={"filters": 2, "depth": 1}, input_size=16),
}
VALUES = [(name, value) for name, task in TASKS.items() for value in task(("a", "b")).values()]
EACH_VALUE = [  # one of them quick
    pytest.param(*each, marks=() if each == VALUES[0] else pytest.mark.slow, id="-".join(each)) for each in VALUES
]
kept: dict[str, Trained] = {}


@pytest.fixture(autouse=True)
def no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "has_judge", lambda data: False)  # training one takes longer than all else


def trained(name: str) -> Trained:
    """A small network of that task, trained once."""
    if name not in kept:
        kept[name] = MADE[name]()
    return kept[name]


def refused(name: str, place: Path) -> dict[str, Any]:
    """What the gate finds of an export that is not published."""
    with pytest.raises(JobError, match="not equal to the trained one, so no version was published"):
        trained(name).export(place / "it", run=place / "run")
    assert not list((place / "it").iterdir()) and (place / "run" / "model.keras").is_file()
    return json.loads((place / "run" / "parity.json").read_text())


def test_there_is_a_network_of_each_task() -> None:
    assert set(MADE) == set(TASKS)


@pytest.mark.parametrize(("name", "value"), EACH_VALUE)
def test_an_export_that_says_another_value_is_not_published(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is as it should be, so that it is this value that the gate refuses."""
    right = forms.in_graph

    def wrong(task: Task, answer: Answer) -> dict[str, Any]:
        form = task.values()[value].form
        changed = FORMS[form].graph(*CHANGES[form](task.names, answer.values[value], keras.ops))
        return right(task, answer) | {value: changed}

    monkeypatch.setattr(forms, "in_graph", wrong)
    found = refused(name, tmp_path)
    if FORMS[trained(name).task.values()[value].form].decision:
        assert found["label_differences"] > 0 and found["largest_difference"] <= TOLERANCE
    else:
        assert found["label_differences"] == 0 and TOLERANCE < found["largest_difference"] < float("inf")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_an_export_that_does_not_say_a_value_is_not_published(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out, right = list(trained(name).task.values())[-1], forms.in_graph
    another = {left_out: "another"}
    monkeypatch.setattr(
        forms, "in_graph", lambda *given: {another.get(each, each): value for each, value in right(*given).items()}
    )
    assert refused(name, tmp_path)["largest_difference"] == float("inf")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_an_export_as_it_should_be_is_published(name: str, tmp_path: Path) -> None:
    version = trained(name).export(tmp_path / "it", run=tmp_path / "run")
    card = json.loads((version / "card.json").read_text())
    assert card["parity"]["passed"] and card["parity"]["label_differences"] == 0
    assert zoo.load(version).task.values() == trained(name).task.values()
