"""Search spaces: their defaults are the builders' own, whatever is drawn builds, and what can't be used is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

import zoo
from tuning.space_checks import check, space_of
from tuning.spaces import SPACES, fine_tune
from zoo.builders.registry import BUILDERS, builder
from zoo.errors import InputError
from zoo.training.optimizers import OPTIMIZERS

SHAPES = {"cnn": (8, 8, 1), "resnet": (8, 8, 1), "mlp": (5,), "perceptron": (5,)}
SHAPES |= {"unet": (16, 16, 1)}  # others: images that halve twice
SHAPES |= dict.fromkeys(("rnn", "lstm", "gru", "sequence_autoencoder"), (6, 2))
SEARCHED = [name for name, row in BUILDERS.items() if not row.adapts]
GANS = ("conditional_gan", "dcgan", "gan", "wasserstein_gan")


def built(name: str, shape: tuple[int, ...] | None = None, **arguments: Any) -> Any:
    """The builder's network for a small input of three classes."""
    function = builder(name)
    classes = [3] if "num_classes" in inspect.signature(function).parameters else []
    return function(shape or SHAPES.get(name, (28, 28, 1)), *classes, **arguments)


def drawn(space: Callable[..., Any], seed: int, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and values of a random draw, made as Keras Tuner's oracles do: parents first, active ones alone."""
    known = keras_tuner.HyperParameters()
    space(known, **options)
    hp = keras_tuner.HyperParameters()
    for number, parameter in enumerate(known.space):
        hp.merge([parameter])
        if hp.is_active(parameter):
            hp.values[parameter.name] = parameter.random_sample(1000 * seed + number)
    values = dict(hp.values)
    settings = space(hp, **options)
    assert hp.values == values  # the space asks for nothing that it does not always tell
    return settings, values


def message(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_builder_that_learns_by_gradients_has_a_space() -> None:
    assert set(SPACES) == {*SEARCHED, "fine_tune"}


def test_a_builder_that_learns_in_one_step_has_nothing_to_search() -> None:
    said = message(space_of, "patchcore", None)
    assert "patchcore" in said and "--set" in said


@pytest.mark.parametrize("name", SEARCHED)
def test_defaults_are_the_builders_and_the_trainings_own(name: str) -> None:
    settings = SPACES[name](keras_tuner.HyperParameters())
    check(settings, builder(name), zoo.train, name=name)
    own = inspect.signature(builder(name)).parameters
    assert settings["model"] == {argument: own[argument].default for argument in settings["model"]}
    assert built(name, **settings["model"]).count_params() == built(name).count_params()
    batch, rate = (64, 5e-4) if name in GANS else (32, OPTIMIZERS["adam"])
    assert settings["training"] == {"batch_size": batch, "optimizer": "adam", "learning_rate": rate}


def test_defaults_of_adversarial_training_are_those_of_the_zoo() -> None:
    from zoo.builders.adversarial_model import Adversarial
    from zoo.tasks import generation

    assert (generation.BATCH, Adversarial.RATE) == (64, 5e-4)


@pytest.mark.parametrize("name", SEARCHED)
def test_what_is_drawn_builds(name: str) -> None:
    settings, _ = drawn(SPACES[name], 0)
    built(name, **settings["model"])


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHED)
def test_twenty_draws_build(name: str) -> None:
    for seed in range(100, 120):
        settings, _ = drawn(SPACES[name], seed)
        built(name, **settings["model"])


@pytest.mark.parametrize("name", SEARCHED)
def test_draws_differ_and_can_be_trained_with(name: str) -> None:
    draws = [drawn(SPACES[name], seed)[0] for seed in range(20)]
    assert len({str(draw) for draw in draws}) == 20
    for draw in draws:
        check(draw, builder(name), zoo.train, name=name)
        assert draw["training"]["learning_rate"] > 0 and draw["training"]["optimizer"] in OPTIMIZERS


def test_spaces_of_texts_and_of_rows() -> None:
    for name in ("rnn", "gru"):
        defaults = SPACES[name](keras_tuner.HyperParameters(), tokens=True)["model"]
        own = inspect.signature(builder(name)).parameters
        assert defaults == {argument: own[argument].default for argument in defaults}
        settings, values = drawn(SPACES[name], 1, tokens=True)
        assert {"embedding", "token_dropout", "ngrams"} <= values.keys()
        built(name, (6,), vocabulary_size=30, **settings["model"])
    settings, values = drawn(SPACES["variational_autoencoder"], 1, rows=True)
    assert "filters" not in values
    built("variational_autoencoder", (5,), **settings["model"])


def test_only_what_has_an_effect_is_drawn() -> None:
    draws = [drawn(SPACES["mlp"], seed) for seed in range(30)]
    for settings, values in draws:
        units = settings["model"]["units"]
        assert ("halving" in values) == (len(units) > 1)
        assert len(units) == values["layers"] and units[0] == values["units"]
        ratio = 2 if values.get("halving") else 1
        assert all(first == second * ratio for first, second in zip(units, units[1:], strict=False))
        momentum = values["optimizer"] == "momentum"
        assert ("momentum_rate" in values, "learning_rate" in values) == (momentum, not momentum)
        rate = values["momentum_rate" if momentum else "learning_rate"]
        assert settings["training"]["learning_rate"] == rate
    assert {values["layers"] for _, values in draws} == {1, 2, 3, 4}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")
@pytest.mark.parametrize("name", SPACES)
def test_a_grid_goes_on_from_trial_to_trial(name: str, tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    SPACES[name](hp)
    oracle = keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("score", "max"), 15, hyperparameters=hp)
    oracle._set_project_dir(tmp_path, "grid")
    seen = set()
    for _ in range(15):
        trial = oracle.create_trial("tuner0")
        SPACES[name](trial.hyperparameters)
        seen.add(str(sorted(trial.hyperparameters.values.items())))
        oracle.update_trial(trial.trial_id, {"score": 1.0})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert len(seen) == 15


def test_fine_tuning_has_all_keys_by_default() -> None:
    hp = keras_tuner.HyperParameters()
    assert fine_tune(hp) == {
        "model": {"backbone": "efficientnet_lite0", "units": 0, "strength": 1e-2, "dropout": 0.0, "unfreeze": 0},
        "training": {"learning_rate": 1e-3, "unfreeze_rate": 1e-4, "augment": ()},
    }
    assert hp.values == {"units": 0, "strength": 1e-2}  # a choice of one is none


def test_fine_tuning_draws_what_is_active() -> None:
    choices = {"backbones": ("efficientnet_lite0", "efficientnet_lite1"), "blocks": (0, 1, 2)}
    keys = {"backbone", "units", "strength", "dropout", "unfreeze"}, {"learning_rate", "unfreeze_rate", "augment"}
    seen = set()
    for seed in range(60):
        settings, values = drawn(fine_tune, seed, **choices)
        model, training = settings["model"], settings["training"]
        assert (model.keys(), training.keys()) == keys
        assert ("dropout" in values) == ("learning_rate" in values) == (model["units"] > 0)
        assert ("unfreeze_rate" in values) == ("augment" in values) == (model["unfreeze"] > 0)
        assert model["units"] or (model["dropout"], training["learning_rate"]) == (0.0, 1e-3)
        assert model["unfreeze"] or (training["augment"], training["unfreeze_rate"]) == ((), 1e-4)
        assert 1e-4 <= model["strength"] <= 1 and 1e-5 <= training["unfreeze_rate"] <= 1e-3
        seen.add((model["backbone"], model["unfreeze"], training["augment"]))
    assert {backbone for backbone, _, _ in seen} == set(choices["backbones"])
    assert {augment for _, _, augment in seen} == {(), ("flip",), ("flip", "crop")}


def test_fine_tuning_of_a_fixed_number_of_blocks() -> None:
    settings, values = drawn(fine_tune, 0, blocks=(2,))
    assert settings["model"]["unfreeze"] == 2
    assert "unfreeze" not in values and {"unfreeze_rate", "augment"} <= values.keys()


def test_check_passes_what_fits() -> None:
    check({"model": {}, "training": {}}, builder("mlp"), zoo.train, name="mine")
    check({"model": {"anything": 1}, "training": {"momentum": 0.8}}, None, zoo.train, name="mine")

    def own(input_shape: Any, num_classes: int, width: int = 3) -> None: ...

    def any_of(input_shape: Any, **options: Any) -> None: ...

    check({"model": {"width": 1}, "training": {}}, own, zoo.train, name="mine")
    check({"model": {"anything": 1}, "training": {}}, any_of, zoo.train, name="mine")
    settings = {"model": {"input_shape": 1}, "training": {}}
    assert "'input_shape'" in message(check, settings, own, zoo.train, name="mine")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, ["None"]),
        ([1], ["[1]"]),
        ({"model": {}}, ["None", "'training'", "give {}"]),
        ({"model": 3, "training": {}}, ["3", "'model'"]),
        ({"modle": {}, "training": {}}, ["'modle'", "did you mean model?"]),
        ({"model": {}, "training": {}, "epochs": 3}, ["'epochs'"]),
        ({"model": {"unit": 3}, "training": {}}, ["mlp", "'unit'", "did you mean units?", "'model'"]),
        ({"model": {}, "training": {"learning_rte": 3}}, ["train", "did you mean learning_rate?", "'training'"]),
        ({"model": {}, "training": {3: 3}}, ["received 3"]),
    ],
)
def test_check_names_what_is_wrong(settings: Any, words: list[str]) -> None:
    said = message(check, settings, builder("mlp"), zoo.train, name="mine.py:space")
    assert said.startswith("mine.py:space: expected")
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    "argument", ["data", "builder", "model", "seed", "run", "epochs", "callbacks", "validation", "tensorboard"]
)
def test_check_leaves_to_the_search_what_it_sets(argument: str) -> None:
    said = message(check, {"model": {}, "training": {argument: 1}}, None, zoo.train, name="mine")
    assert said.startswith("mine: ") and repr(argument) in said and "leave it out" in said


def test_spaces_by_name_by_function_and_by_file(tmp_path: Path) -> None:
    assert space_of("cnn") is SPACES["cnn"]
    assert space_of("fine_tune", None) is fine_tune
    assert space_of("none of these", fine_tune) is fine_tune
    file = tmp_path / "my spaces.py"
    file.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Range:\n    most: int = 64\n"
        "def small(hp):\n"
        "    return {'model': {'units': (hp.Int('units', 1, Range().most),)}, 'training': {}}\n"
    )
    space = space_of("mlp", f"{file}:small")
    assert space(keras_tuner.HyperParameters()) == {"model": {"units": (1,)}, "training": {}}


def test_space_of_an_unknown_model() -> None:
    said = message(space_of, "mpl", None)
    assert "did you mean mlp?" in said and "wasserstein_gan" in said and "FILE.py:function" in said


@pytest.mark.parametrize(
    ("source", "function", "words"),
    [
        (None, "space", ["no file"]),
        ("def space(hp:", "space", ["SyntaxError"]),
        ("import nothing_of_this_name", "space", ["ModuleNotFoundError", "nothing_of_this_name"]),
        ("raise SystemExit('a\\nb')", "space", ["SystemExit: a b"]),
        ("def other(hp): ...", "space", ["function space", "none"]),
        ("space = 3", "space", ["to be a function", "3"]),
        ("", "", ["FILE.py:function"]),
    ],
)
def test_space_of_a_file_that_has_none(tmp_path: Path, source: str | None, function: str, words: list[str]) -> None:
    file = tmp_path / "own.py"
    if source is not None:
        file.write_text(source)
    said = message(space_of, "mlp", f"{file}:{function}")
    assert "own.py" in said and all(word in said for word in words), said


@pytest.mark.parametrize("space", ["mlp", "own.py", ":space", 3])
def test_space_of_what_is_no_space(space: Any) -> None:
    assert "FILE.py:function" in message(space_of, "mlp", space)


def test_a_file_with_a_space_is_called_by_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("def space(hp): ...")
    assert ".py" in message(space_of, "mlp", f"{tmp_path / 'own.txt'}:space")
