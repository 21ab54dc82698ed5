"""A memory of patches: what it keeps, how far patches are from it, and that it is saved with all of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.builders.patch_memory import PatchMemory, spread, stretching

SHAPE = (8, 6, 1)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), np.uint8)


def made(patches: int = 20) -> PatchMemory:
    """A memory of patches of 2 x 2 pixels."""
    import keras

    pixels = keras.Input(SHAPE)
    corners = [keras.layers.Cropping2D(((0, 1), (0, 1)))(pixels), keras.layers.Cropping2D(((1, 0), (1, 0)))(pixels)]
    strided = [keras.layers.AveragePooling2D(1, 2)(each) for each in corners]
    return PatchMemory(keras.Model(pixels, keras.layers.Concatenate()(strided)), patches)


def wanted(model: Any, inputs: np.ndarray) -> np.ndarray:
    """Mean squared differences to the nearest patch of the memory, one patch at a time."""
    features = np.asarray(model.features(inputs.astype(np.float32)))
    scaled = (features - np.asarray(model.mean)) * np.asarray(model.scale)
    apart = scaled[..., None, :] - np.asarray(model.memory)
    return np.square(apart).mean(axis=-1).min(axis=-1)


def test_the_score_is_that_of_the_patch_farthest_from_the_memory() -> None:
    model = made(patches=600)  # more than one block
    model.adapt(images(300))
    scores, distances = (np.asarray(each) for each in model(images(7, 1)))
    patches = wanted(model, images(7, 1))
    np.testing.assert_allclose(scores, patches.max(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(model.score(images(7, 1)), scores, atol=1e-6)
    assert distances.shape == (7, 8, 6) and (distances <= scores[:, None, None] + 1e-5).all()
    np.testing.assert_allclose(distances[:, 0, 0], patches[:, 0, 0], atol=1e-6)  # beyond its ends it goes on as it ends
    model.threshold.assign(float(np.median(scores)))
    assert model.is_anomaly(images(7, 1)).sum() == 3


def test_what_is_remembered_is_not_odd() -> None:
    model = made(patches=200)
    model.adapt(images(5))
    assert model.score(images(5)).max() < 1e-4 < model.score(images(5, 1)).min()


def test_channels_count_alike_however_large_they_are() -> None:
    model = made()
    model.adapt(images(30))
    scaled = (np.asarray(model.features(images(30).astype(np.float32))) - np.asarray(model.mean)) * model.scale
    np.testing.assert_allclose(np.asarray(scaled).std(axis=(0, 1, 2)), 1, rtol=1e-4)


def test_the_memory_of_some_images_knows_nothing_of_the_others() -> None:
    both, first = np.concatenate([images(5), images(5, 1)]), made(patches=200)
    first.adapt(both, np.arange(5))
    assert first.score(both[:5]).max() < 1e-4 < first.score(both[5:]).min()
    second = first.untrained()
    second.adapt(both, np.arange(5, 10))
    assert second.score(both[5:]).max() < 1e-4 < second.score(both[:5]).min()
    alone = made(patches=200)
    alone.adapt(both[:5])
    np.testing.assert_allclose(first.score(both), alone.score(both), rtol=1e-3, atol=1e-4)


def test_saved_and_loaded_it_gives_the_same(tmp_path: Path) -> None:
    import keras

    model = made()
    model.adapt(images(30))
    model.threshold.assign(0.25)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for one, other in zip(loaded(images(3, 1)), model(images(3, 1)), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert float(loaded.threshold) == 0.25 and loaded.patches == 20


def test_the_same_seed_keeps_the_same() -> None:
    memories = []
    for seed in (0, 0, 1):
        model = made()
        model.adapt(images(40), seed=seed)
        memories.append(np.asarray(model.memory))
    assert (memories[0] == memories[1]).all() and (memories[0] != memories[2]).any()


@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_chosen_rows_are_nearer_to_all_others_than_drawn_ones(count: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(190, 4)), 30 + rng.normal(size=(10, 4))]).astype(np.float32)
    chosen = spread(rows, count, np.random.default_rng(1))
    assert len(chosen) == len(set(chosen.tolist())) == count

    def farthest(some: np.ndarray) -> float:
        return float(np.linalg.norm(rows[:, None] - rows[some], axis=-1).min(axis=1).max())

    drawn = [farthest(rng.permutation(200)[:count]) for _ in range(20)]
    assert farthest(chosen) <= (np.median(drawn) if 1 < count < 200 else max(drawn))
    assert count < 3 or (chosen >= 190).any()  # the few that are far away are not forgotten


def test_rows_that_are_equal_are_all_there_is() -> None:
    assert sorted(spread(np.ones((6, 2), np.float32), 9, np.random.default_rng(0))) == list(range(6))


def test_lines_are_stretched_between_the_centres_of_values() -> None:
    np.testing.assert_allclose(stretching(2, 4) @ [0.0, 1.0], [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(stretching(3, 3), np.eye(3))
