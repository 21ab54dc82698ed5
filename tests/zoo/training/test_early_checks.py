"""Arguments that no data make right are refused before the data are read: here there are none to read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import applications
import tuning
import zoo
from support.builders import keywords, wrong
from support.programs import command
from zoo.builders.registry import BUILDERS
from zoo.data import arrays
from zoo.errors import InputError
from zoo.training.learning_rates import find_learning_rate
from zoo.training.preparing import check_builder

COMMANDS = [
    (("train", "mpl"), "mlp"),
    (("train", "mlp", "--optimizer", "adm"), "adam"),
    (("train", "mlp", "--schedule", "cosin"), "cosine"),
    (("train", "mlp", "--precision", "half"), "float32"),
    (("train", "cnn", "--augment", "flip,turn"), "'turn'"),
    (("train", "mlp", "--epochs", 0), "epochs"),
    (("train", "mlp", "--batch-size", 0), "batch_size"),
    (("train", "mlp", "--patience", -1), "patience"),
    (("train", "mlp", "--learning-rate", 0), "learning_rate"),
    (("train", "mlp", "--weight-decay", -1), "weight_decay"),
    (("train", "mlp", "--clip-norm", 0), "clip_norm"),
    (("train", "cnn", "--input-size", 0), "input_size"),
    (("train", "mlp", "--set", "units"), "NAME=VALUE"),
    (("train", "mlp", "--set", "unit=3"), "did you mean units"),
    (("train", "mlp", "--set", "dropout=3"), "dropout"),
    (("train", "cnn", "--set", "filters=8,-8"), "filters"),
    (("train", "dcgan", "--set", "critic_rate=0"), "critic_rate"),
    (("train", "resnet", "--set", "depth=9"), "depth"),
    (("train", "mlp", "--normal", "good"), "brings the task"),
    (("train", "conv_autoencoder", "--false-alarms", 2), "false_alarms"),
    (("train", "patchcore", "--epochs", 3), "leave out epochs"),
    (("train", "patchcore", "--augment", "flip"), "leave out augment"),
    (("train", "patchcore", "--input-size", 50), "multiple of 16"),
    (("train", "patchcore", "--set", "backbone=resnet5"), "resnet50"),
    (("train", "patchcore", "--false-alarms", 2), "false_alarms"),
    (("lr-find", "patchcore"), "one step"),
    (("tune", "--model", "patchcore"), "no search"),
    (("lr-find", "mlp", "--optimizer", "adm"), "adam"),
    (("lr-find", "mlp", "--batch-size", 0), "batch_size"),
    (("lr-find", "mlp", "--set", "dropout=3"), "dropout"),
    (("tune", "--method", "randm"), "random"),
    (("tune", "--objective", "acuracy"), "accuracy"),
    (("tune", "--budget", "soon"), "90s"),
    (("tune", "--trials", 0), "trials"),
    (("tune", "--folds", 1), "folds"),
    (("tune", "--model", "mpl"), "mlp"),
    (("tune", "--space", "mine.py:space"), "mine.py"),
    (("finetune", "--backbone", "resnet5"), "resnet50"),
    (("finetune", "--augment", "flp"), "flip"),
    (("finetune", "--epochs", 0), "epoch"),
    (("finetune", "--weights", "imagnet"), "imagenet"),
    (("finetune", "--input-size", 3), "input size"),
    (("finetune", "--from", "nothing"), "nothing"),
]


@pytest.mark.parametrize(("arguments", "message"), COMMANDS)
def test_commands_refuse_arguments_before_they_read(
    workplace: Path, arguments: tuple[object, ...], message: str
) -> None:
    verb, *rest = arguments
    own = [rest.pop(0)] if rest and not str(rest[0]).startswith("-") else []  # the builder comes before the path
    done = command(verb, *own, "nowhere", *rest)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "does not exist" not in done.stderr, "the path was looked at first"


def test_a_path_that_is_not_there_is_told_where_arguments_are_right(workplace: Path) -> None:
    assert "nowhere does not exist" in command("train", "mlp", "nowhere", "--set", "dropout=0.5").stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zoo.train("mpl", "nowhere"), "mlp"),
        (lambda: zoo.train("mlp", "nowhere", model={"unit": 3}), "did you mean units"),
        (lambda: zoo.train("mlp", "nowhere", model={"dropout": 3}), "dropout"),
        (lambda: zoo.train(zoo.builders.mlp, "nowhere", model={"dropout": 3}), "dropout"),
        (lambda: zoo.train("cnn", "nowhere", input_size=0), "input_size"),
        (lambda: zoo.train("mlp", "nowhere", normal=["good"]), "brings the task"),
        (lambda: find_learning_rate("mlp", "nowhere", optimizer="adm"), "did you mean adam"),
        (lambda: find_learning_rate("mlp", "nowhere", model={"dropout": 3}), "dropout"),
        (lambda: tuning.search("nowhere", method="randm"), "did you mean random"),
        (lambda: tuning.search("nowhere", folds=1), "folds"),
        (lambda: tuning.search("nowhere", "mpl"), "did you mean mlp"),
        (lambda: applications.fine_tune("nowhere", weights="mine.h5"), "mine.h5"),
        (lambda: zoo.data.open("nowhere.csv", task="regresion"), "does not exist"),
    ],
)
def test_calls_refuse_arguments_before_they_read(workplace: Path, call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_task_that_is_none_is_refused_before_the_rows_are_read(workplace: Path) -> None:
    rows = "1,2\n" * 5000 + "3,4,5\n"  # the last is of another length, which reading refuses
    Path("x.csv").write_text(f"a,target\n{rows}")
    with pytest.raises(InputError, match="did you mean regression"):
        zoo.data.open("x.csv", task="regresion")


@pytest.mark.parametrize("name", BUILDERS)
def test_no_builder_is_left_with_a_wrong_value_until_data_are_read(name: str) -> None:
    for argument, default in keywords(name).items():
        if argument == "task":
            continue
        for value in wrong(argument, default):
            with pytest.raises(InputError):
                check_builder(name, {argument: value})
    check_builder(name, {key: value for key, value in keywords(name).items() if value is not None})


def test_what_suits_other_sizes_than_the_usual_is_left_to_the_data() -> None:
    check_builder("conv_autoencoder", {"filters": (8,) * 8})  # for images of 256 pixels
    check_builder("lstm", {"vocabulary_size": 100, "ngrams": 2})  # for texts


def test_layers_are_named_as_if_nothing_had_been_checked() -> None:
    data = arrays(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2)
    names = []
    for checked in (False, True):
        import keras

        keras.backend.clear_session()
        if checked:
            check_builder("mlp", {"units": (4, 4)})
        network = zoo.train("mlp", data, model={"units": (4, 4)}, epochs=1).network
        names.append([layer.name for layer in network.layers])
    assert names[0] == names[1]


def test_an_argument_of_the_last_version_warns_once() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_builder("mlp", {"task": "regression"})
