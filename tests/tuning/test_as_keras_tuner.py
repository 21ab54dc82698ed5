"""Searches beside plain Keras Tuner: the same configurations in the same order, and its names."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

import tuning
import zoo
from support import hypermodels as models
from tuning.builder_trials import BuilderTrials
from tuning.keras_tuner_names import INSTEAD
from tuning.objectives import objective_name, objective_of
from tuning.outcome import Outcome
from zoo import InputError
from zoo.tasks.registry import TASKS

TUNERS = {"random": keras_tuner.RandomSearch, "grid": keras_tuner.GridSearch}
PEOPLE = {
    "dense": (models.dense, models.cancer),
    "scoped": (models.scoped, models.digits),
    "tuned": (models.Tuned(), models.digits),
    "noisy": (models.Noisy(), models.digits),
    "refusing": (models.refusing, models.cancer),
    "preprocessing": (models.preprocessing, models.fashion),
}


def theirs(model: Any, data: zoo.data.Data, method: str, trials: int, seed: int, place: Path) -> list[dict[str, Any]]:
    """Values of the trials of plain Keras Tuner; nothing is trained, as random and grid search ask no score."""
    problem = BuilderTrials("mlp" if data.kind.name == "table" else "cnn", data, epochs=1)
    (x, y), _, _ = problem.inner_splits[0]
    build = model
    if "input_shape" in inspect.signature(getattr(model, "build", model)).parameters:

        def build(hp: keras_tuner.HyperParameters) -> keras.Model:
            return model(hp, x.shape[1:], len(data.classes))

    options = {"objective": "val_loss", "max_trials": trials, "seed": seed, "max_consecutive_failed_trials": trials}
    tuner = TUNERS[method](build, directory=str(place), **options)
    tuner.search(x.astype("float32"), np.eye(len(data.classes))[y], validation_data=(x, y), verbose=0)
    return [tuner.oracle.trials[name].hyperparameters.values for name in tuner.oracle.start_order]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("dense", "random"),
        *(pytest.param(name, "random", marks=pytest.mark.slow) for name in PEOPLE if name != "dense"),
        # of ranges without steps there is no grid
        *(pytest.param(name, "grid", marks=pytest.mark.slow) for name in ("scoped", "tuned", "noisy", "refusing")),
    ],
)
@pytest.mark.filterwarnings("ignore::zoo.errors.Notice")
def test_configurations_come_in_the_order_of_keras_tuner(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = PEOPLE[name][0], PEOPLE[name][1]()

    def trained(network: Any, *_: Any, **__: Any) -> keras.callbacks.History:
        history = keras.callbacks.History()
        history.history = {"val_loss": [0.0], "loss": [0.0]}
        return history

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", trained)
        expected = theirs(model, data, method, 5, 7, tmp_path / "theirs")
    monkeypatch.setattr(BuilderTrials, "run", lambda trials, settings, **_: Outcome(0.5, None, 1, [{"loss": 0.0}]))
    monkeypatch.setattr("tuning.winner.export_winner", lambda study, oracle, *_: oracle)
    oracle = tuning.search(data, model, method=method, trials=5, seed=7, out=tmp_path / "out", run=tmp_path / "run")
    assert [oracle.trials[each].hyperparameters.values for each in oracle.start_order] == expected


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, None),
        ("accuracy", "accuracy"),
        ("val_accuracy", "accuracy"),
        ("val_loss", "loss"),
        ("val_mean_absolute_error", "mae"),
        (keras_tuner.Objective("val_auc", direction="max"), "roc_auc"),
        (keras_tuner.Objective("val_loss", direction="min"), "loss"),
        (keras.metrics.AUC(name="mine"), "roc_auc"),
        (keras.metrics.SparseCategoricalAccuracy(), "accuracy"),
        (keras.metrics.RootMeanSquaredError(), "rmse"),
        (keras.metrics.R2Score(), "r2"),
        (keras.metrics.F1Score(), "f1_macro"),
        (keras.metrics.MeanIoU(num_classes=2), "iou"),
    ],
)
def test_objectives_as_keras_has_them_are_understood(given: Any, name: str | None) -> None:
    assert objective_name(given) == name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("val_precision", "received 'val_precision'; the nearest is f1_macro"),
        ("val_acuracy", "did you mean accuracy"),
        (keras.metrics.AUC(curve="PR"), "expected the area under the curve ROC"),
        (keras_tuner.Objective("val_auc", direction="min"), "val_auc is better where it is larger; expected direction"),
        (["val_loss", "val_accuracy"], "expected one objective by name"),
    ],
)
def test_other_objectives_are_answered_in_one_line(given: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as error:
        objective_name(given)
    assert "\n" not in str(error.value)


def test_the_loss_is_that_of_the_task() -> None:
    for task, measure in {
        "classification": "log_loss",
        "regression": "mse",
        "reconstruction": "reconstruction_mse",
    }.items():
        assert objective_of("loss", TASKS[task].measures, task).name == measure


@pytest.mark.parametrize("name", INSTEAD)
def test_arguments_of_keras_tuner_are_answered_with_what_does_the_same_here(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}=.* is of Keras Tuner: .{{15}}"):
        tuning.search("nowhere.csv", **{name: 7})


@pytest.mark.parametrize("usual", [{"executions_per_trial": 1}, {"factor": 3}, {"max_retries_per_trial": 0}])
def test_values_that_are_so_here_anyway_pass(usual: dict[str, int]) -> None:
    with pytest.raises(InputError, match="nowhere"):  # the file is looked for, so the argument was taken
        tuning.search("nowhere.csv", "mlp", trials=1, **usual)


def test_wrong_and_doubled_names() -> None:
    with pytest.raises(InputError, match="no argument 'trails'; did you mean trials"):
        tuning.search("nowhere.csv", trails=3)
    with pytest.raises(InputError, match="expected trials by one name"):
        tuning.search("nowhere.csv", trials=3, max_trials=3)


def test_a_call_of_keras_tuner_does_the_same_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.training.run.Trained.export", lambda trained, out, run: Path(out))
    call = {"max_trials": 2, "max_epochs": 2, "directory": str(tmp_path), "project_name": "mine"}
    call |= {"objective": keras_tuner.Objective("val_auc", "max"), "executions_per_trial": 1}
    data = models.cancer()
    found = tuning.search(data, models.dense, method=keras_tuner.RandomSearch, out=tmp_path / "out", **call)
    assert found.objective == "roc_auc" and len(found.trials) == 3 and found.method == "random"
    assert (tmp_path / "mine" / "search.json").is_file()
    (tmp_path / "mine" / "default.json").write_text("damaged")
    with pytest.raises(InputError, match="damaged"):
        tuning.search(data, models.dense, out=tmp_path / "out", **call)
    anew = tuning.search(data, models.dense, out=tmp_path / "out", overwrite=True, **call)
    assert anew.best.score == found.best.score
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="is not empty, and of no search"):
        tuning.search(data, models.dense, out=tmp_path / "out", overwrite=True, **call | {"project_name": "other"})
    assert (tmp_path / "other" / "mine.txt").read_text() == "kept"
