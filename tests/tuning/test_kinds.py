"""Every kind of model is searched by every method, cut off or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tuning
import zoo
from support.searches import cut, trial_rows
from tuning.backbone_trials import BackboneTrials
from tuning.builder_trials import BuilderTrials
from zoo.data import Data, arrays
from zoo.evaluation.judge import trained_judge

# Every kind; test_searching has every method, by an mlp.
PAIRS = [
    ("cnn", "random"),
    ("lstm", "bayesian"),
    ("conv_autoencoder", "random"),
    ("fine_tune", "hyperband"),
]
OBJECTIVES = {"cnn": "log_loss", "lstm": "accuracy", "fine_tune": "log_loss"}


def data_for(kind: str, pixels: np.ndarray, labels: np.ndarray, folder: Path) -> Data | Path:
    rng = np.random.default_rng(0)
    if kind == "fine_tune":
        return folder
    if kind == "lstm":
        targets = np.arange(80) % 2
        return arrays(rng.normal(size=(80, 7, 2)).astype(np.float32) + targets[:, None, None], targets)
    if kind == "cnn":
        return arrays(pixels[:120], labels[:120])
    large = np.zeros((120, 28, 28), np.uint8)
    large[:, 6:22, 6:22] = pixels[:120].repeat(2, axis=1).repeat(2, axis=2)
    return arrays(large, labels[:120])


def rates(model: dict[str, Any]) -> Any:
    """A space of networks that differ in a number alone, so that they are compiled once."""
    return lambda hp: {"model": model, "training": {"learning_rate": hp.Float("rate", 1e-4, 1e-1, sampling="log")}}


SPACES = {"lstm": rates({"units": (8,)}), "conv_autoencoder": rates({"latent_dim": 4, "filters": (4, 8)})}


def search(kind: str, method: str, data: Any, out: str, trials: int | None = None) -> Any:
    trials = trials or {"hyperband": 6}.get(method, 3)
    size = {"input_size": 64, "folds": 0} if kind == "fine_tune" else {}
    given = {"trials": trials, "epochs": 3, "out": out, "objective": OBJECTIVES.get(kind), "run": f"{out}-run"}
    return tuning.search(data, kind, method=method, space=SPACES.get(kind), **given, **size)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), PAIRS)
def test_every_kind_goes_on_after_a_cut_to_what_it_finds_without(
    kind: str,
    method: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    folder: Path,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoo.training.run.Trained.export", lambda trained, out, run: Path(out))
    monkeypatch.setattr("tuning.backbone_trials.TrainedClassifier.export", lambda fitted, out, run: Path(out))
    data = data_for(kind, pixels, labels, folder)
    whole = search(kind, method, data, "whole")
    assert [trial.status for trial in whole.trials] == ["completed"] * len(whole.trials)
    assert len(whole.trials) == {"hyperband": 7}.get(method, 4)
    with cut(BackboneTrials if kind == "fine_tune" else BuilderTrials):
        search(kind, method, data, "cut")
    again = search(kind, method, data, "cut")
    assert trial_rows(again) == trial_rows(whole)
    assert again.held_out == whole.held_out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "variational_autoencoder", "gan"])
def test_the_winner_of_every_kind_is_an_artifact(
    kind: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    folder: Path,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(data: Data, train: Any) -> Any:
        return trained_judge(data, lambda *given, **how: train(*given, **how | {"epochs": 2}))

    monkeypatch.setenv("ZOO_CACHE", str(workplace / "cache"))  # such a judge is for no other test
    monkeypatch.setattr("zoo.training.judges.trained_judge", hasty)
    result = search(kind, "random", data_for(kind, pixels, labels, folder), "made", trials=1)
    made = zoo.load(result.artifact)
    assert made.card["search"]["best"]["number"] == result.best.number and made.card["parity"]["passed"]


@pytest.mark.slow
def test_a_hidden_head_is_exported_as_plain_layers_that_answer_as_it_does(folder: Path, workplace: Path) -> None:
    def hidden(hp: Any) -> dict[str, dict[str, Any]]:
        model = {"units": hp.Choice("units", [16, 32]), "strength": 0.1, "dropout": 0.2}
        return {"model": model, "training": {"learning_rate": hp.Choice("learning_rate", [1e-3, 1e-2])}}

    given = {"space": hidden, "trials": 2, "epochs": 4, "input_size": 64, "folds": 0, "objective": "log_loss"}
    result = tuning.search(folder, "fine_tune", run="mine", **given)
    made = zoo.load(result.artifact)
    assert made.card["parity"]["largest_difference"] < 1e-4
    assert made.predict([next(folder.rglob("*.png"))])[0].label in {"blue sky", "grün", "red"}
    problem = BackboneTrials(folder, epochs=4, input_size=64, folds=0)
    settings = {"model": {"units": 16, "strength": 0.1, "dropout": 0.2}, "training": {"learning_rate": 1e-2}}
    fitted, answers = problem.finish(settings, 4, Path("mine/again"))
    from applications.reading import input_kind
    from zoo.artifacts.predictor import outputs

    extractor = problem.features["efficientnet_lite0"][0]
    pixels = outputs(fitted.model, fitted.data.held_out.inputs, input_kind(extractor))
    np.testing.assert_allclose(pixels, answers["probabilities"], atol=1e-3)
    assert not [layer for layer in fitted.model.layers if "tuning" in type(layer).__module__]


@pytest.mark.slow
def test_last_blocks_are_searched_where_the_space_asks_for_them(folder: Path, workplace: Path) -> None:
    def blocks(hp: Any) -> dict[str, dict[str, Any]]:
        model = {"unfreeze": hp.Choice("unfreeze", [2, 1])}
        return {"model": model, "training": {"unfreeze_rate": 1e-4, "augment": ("flip",)}}

    given = {"space": blocks, "trials": 1, "epochs": 2, "input_size": 64, "folds": 0, "objective": "log_loss"}
    result = tuning.search(folder, "fine_tune", run="mine", **given)
    assert [trial.status for trial in result.trials] == ["completed"] * 2
    assert "unfreeze" in result.trials[1].values
    problem = BackboneTrials(folder, epochs=2, input_size=64, folds=0)
    settings = {"model": {"unfreeze": 2}, "training": {"unfreeze_rate": 1e-4, "augment": ("flip",)}}
    fitted, answers = problem.finish(settings, 2, Path("mine/again"))
    assert fitted.card["unfrozen"]["blocks"] == 2 and answers["probabilities"].shape == (len(fitted.data.held_out), 3)
