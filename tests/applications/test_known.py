from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from applications import known, last_blocks
from applications.backbones import BACKBONES
from applications.depths import GROUPS, Depths
from applications.features import Extractor
from applications.fine_tuning import fine_tune
from support import backbones
from zoo.errors import InputError

NOTHING = np.zeros((0, 1))  # outputs, where they do not matter


def clouds(count: int, seed: int = 0, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Features around a few directions, of two parts; and of photos in other directions."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(9).normal(size=(8, width))
    near = directions[rng.integers(0, 4, count)] + 0.3 * rng.normal(size=(count, width))
    far = directions[rng.integers(4, 8, count)] + 0.3 * rng.normal(size=(count, width))
    return near.astype(np.float32), far.astype(np.float32)


@pytest.mark.parametrize("count", [60, 3 * known.MOST])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_the_given_share_of_known_photos_is_unknown_and_most_others_are(count: int, share: float) -> None:
    rows, _ = clouds(count)
    memory = known.remember(rows, (16, 8), np.ones((count, 1)), np.arange(count), share, 0)
    assert len(memory.features) == min(count, known.MOST) and memory.positions.max() < count
    near, far = clouds(4000, seed=1)
    called = [(memory.familiarities(each, NOTHING) < memory.rule.limit).mean() for each in (near, far)]
    assert called[0] < share + 0.06 and called[1] > 0.9


def shares(sure: np.ndarray) -> np.ndarray:
    """Probabilities of three classes, with a maximum each."""
    rest = (1 - sure) / 2
    return np.stack([rest, sure, rest], axis=1).astype(np.float32)


def test_strangers_that_are_near_are_found_where_the_model_is_unsure() -> None:
    rng = np.random.default_rng(4)
    rows, _ = clouds(600)
    sure = known.sureness(shares(rng.uniform(0.8, 1, 600)))
    sure[::3] = np.nan  # left out of the cross-validation
    what = ((16, 8), np.ones((600, 1)), np.arange(600), 0.05, 0)
    alone, both = known.remember(rows, *what), known.remember(rows, *what, sure)
    assert alone.rule.weight == 0 < both.rule.weight
    near, far = clouds(2000, seed=1)
    usual, unsure = shares(rng.uniform(0.8, 1, 2000)), shares(rng.uniform(0.4, 0.6, 2000))

    def unknown(memory: known.Memory, features: np.ndarray, outputs: np.ndarray) -> float:
        return (memory.familiarities(features, outputs) < memory.rule.limit).mean()

    assert unknown(alone, near, usual) < 0.11 and unknown(both, near, usual) < 0.11
    assert unknown(both, near, unsure) > 2 * unknown(alone, near, unsure)
    assert unknown(both, far, usual) > 0.9
    few = np.full(600, np.nan)
    few[: known.FEWEST - 1] = 1.0
    assert known.remember(rows, *what, few).rule == alone.rule
    always = known.remember(rows, *what, np.full(600, 4.6))  # doubt is unusual, but counts in bounds
    assert 0 < always.rule.weight < 0.2 and unknown(always, near, unsure) > unknown(alone, near, unsure)


def test_sureness_ends_where_a_probability_is_as_good_as_1() -> None:
    said = known.sureness(shares(np.array([0.5, 0.9, 0.9995, 1.0])))
    np.testing.assert_allclose(said, [np.log(2), np.log(10), np.log(100), np.log(100)], rtol=1e-4)
    near = known.sureness(shares(np.array([0.99, 0.99 - 1e-6])))  # as two runtimes say it
    assert abs(near[0] - near[1]) < 2e-4


def test_copies_and_groups_do_not_make_photos_known() -> None:
    rows, _ = clouds(40)
    copies, units = np.repeat(rows, 8, axis=0), np.repeat(np.arange(40), 8)
    apart = known.remember(copies, (24,), np.ones((320, 1)), np.arange(320), 0.05, 0)
    together = known.remember(copies, (24,), np.ones((320, 1)), units, 0.05, 0)
    assert apart.rule.limit > 0.999 > together.rule.limit
    assert known.remember(rows[:19], (24,), np.ones((19, 1)), np.arange(19), 0.05, 0) is None
    assert known.remember(np.tile(rows[:1], (50, 1)), (24,), np.ones((50, 1)), np.zeros(50, int), 0.05, 0) is None


@pytest.mark.parametrize("weighs", [False, True])
@pytest.mark.parametrize("group", GROUPS)
def test_plain_layers_of_keras_give_the_familiarity(group: str, weighs: bool, tmp_path: Path) -> None:
    import keras

    depths = Depths(10, (4, 3))
    widths = depths.parts(group)
    rows, _ = clouds(40, width=24)
    sure = np.linspace(0, 3, 40) if weighs else None
    memory = known.remember(rows[:, : sum(widths)], widths, np.ones((40, 1)), np.arange(40), 0.05, 0, sure)
    assert (memory.rule.weight > 0) == weighs
    inputs, outputs = [keras.Input((width,)) for width in widths], keras.Input((3,))
    model = keras.Model([*inputs, outputs], known.familiarity(inputs, memory, outputs))
    model.save(tmp_path / "model.keras")
    queries, _ = clouds(7, seed=3)
    probabilities = shares(np.array([0.4, 0.5, 0.7, 0.9, 0.99, 0.9999, 1.0]))
    ends = np.cumsum(widths)
    parts = np.split(queries[:, : ends[-1]], ends[:-1], axis=1)
    said = keras.models.load_model(tmp_path / "model.keras")([*parts, probabilities])
    np.testing.assert_allclose(said, memory.familiarities(queries, probabilities), atol=1e-6)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(BACKBONES, backbones.NAME, backbones.ROW)
    return backbones.NAME


def test_features_of_a_keras_backbone_are_the_pooled_outputs_of_its_blocks(tiny: str) -> None:
    import keras

    extractor = Extractor(tiny, None, 32, 1.0, every_depth=True)
    assert extractor.depths == Depths(32, (8, 16, 32)) and extractor.key != Extractor(tiny, None, 32, 1.0).key
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    rows = np.stack(list(extractor.runtime(3)(pixels)))
    block = keras.Model(extractor.keras_model.input, extractor.keras_model.get_layer("block1").output)
    maps = block.predict_on_batch(pixels.astype(np.float32))
    ends = np.cumsum(extractor.depths.parts("all"))
    np.testing.assert_allclose(rows[:, ends[0] : ends[1]], maps.mean(axis=(1, 2)), atol=1e-4)
    np.testing.assert_allclose(rows[:, ends[3] : ends[4]], maps.max(axis=(1, 2)), atol=1e-4)


def colours(count: int, hue: int, seed: int) -> np.ndarray:
    """Noisy images of one colour."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (count, 32, 32, 3))
    images[..., hue] += 150
    return images.astype(np.uint8)


def test_an_exported_model_says_what_it_knows(tiny: str, tmp_path: Path, seeded: None) -> None:
    x = np.concatenate([colours(40, 0, 0), colours(40, 1, 1)])
    y = np.repeat(["red", "green"], 40)
    made = fine_tune((x, y), tiny, weights=None, out=tmp_path / "colours", unknown=0.1)
    model = zoo.load(made.artifact)
    assert model.card["parity"]["passed"] and 0 < model.card["known_from"] <= 1
    assert made.evaluation.unknown is not None and made.evaluation.calibration_error is not None
    assert model.card["known"]["photos"] == len(made.data.train)
    (near,) = model.nearest(made.data.train.inputs[3], 2)
    assert near[0].name == made.data.train.names[3] and near[0].similarity > 0.999 > near[1].similarity
    own = model.predict(list(colours(20, 0, 5)))
    strange = model.predict([np.tile(np.arange(32, dtype=np.uint8)[:, None, None] * 8, (1, 32, 3))] * 2)
    assert np.mean([each.answer["is_known"] for each in own]) > 0.6
    assert not any(each.answer["is_known"] for each in strange)
    assert all(each.answer["familiarity"] < model.card["known_from"] for each in strange)


@pytest.mark.slow
def test_a_model_with_trained_last_blocks_says_what_it_knows(
    tiny: str, tmp_path: Path, seeded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_blocks, "CLEAR", -1e9)  # whatever the training changes, it is shipped
    x = np.concatenate([colours(60, 0, 0), colours(60, 1, 1)])
    y = np.repeat(["red", "green"], 60)
    how = {"effort": "max", "epochs": 3, "unfreeze": 2, "augment": ("flip",), "unknown": 0.1}
    made = fine_tune((x, y), tiny, weights=None, out=tmp_path / "colours", **how)
    model = zoo.load(made.artifact)
    assert model.card["unfrozen"] and model.card["parity"]["passed"] and made.evaluation.unknown is not None
    (near,) = model.nearest(made.data.train.inputs[3], 2)
    assert near[0].name == made.data.train.names[3] and near[0].similarity > 0.999 > near[1].similarity
    own = model.predict([*colours(50, 0, 5), *colours(50, 1, 6)])
    strange = model.predict(list(colours(50, 2, 7)))
    shares = [np.mean([each.is_known for each in answers]) for answers in (own, strange)]
    assert shares[0] > 0.75 and shares[1] < 0.25


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_is_none_is_refused_before_anything_is_read(share: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown between 0 and 1"):
        fine_tune(tmp_path / "absent", unknown=share)
