from __future__ import annotations

import numpy as np
import pytest

from applications import heads


def examples(count: int, classes: int, width: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    centres = rng.normal(size=(classes, width))
    rows = centres[targets] + rng.normal(size=(count, width)) * 2
    return (rows * rng.uniform(0.1, 10, width) + rng.normal(size=width)).astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_layer_gives_scikit_learns_probabilities(classes: int) -> None:
    rows, targets = examples(140, classes)
    head = heads.fit(rows, targets, 0, classes)
    reference = heads.estimator(False, head.strength, head.weighted).fit(rows, targets)
    assert np.abs(head.probabilities(rows) - reference.predict_proba(rows)).max() < 1e-5


def test_several_labels_give_scikit_learns_probabilities() -> None:
    rows, targets = examples(120, 4)
    hot = np.stack([targets == 0, targets < 2, targets == 3], axis=1).astype(np.int64)
    head = heads.fit(rows, hot, 0, 3)
    reference = heads.estimator(True, head.strength, False).fit(rows, hot)
    assert head.activation == "sigmoid"
    assert np.abs(head.probabilities(rows) - reference.predict_proba(rows)).max() < 1e-5


def test_the_keras_layer_carries_the_head() -> None:
    import keras

    rows, targets = examples(90, 3)
    head = heads.fit(rows, targets, 0, 3)
    inputs = keras.Input((rows.shape[1],))
    layer = keras.layers.Dense(3, activation=head.activation)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([head.kernel, head.bias])
    assert np.abs(model.predict_on_batch(rows) - head.probabilities(rows)).max() < 1e-5


def test_rare_classes_are_weighted_from_one_and_a_half_on() -> None:
    rows, targets = examples(200, 2)
    keep = np.flatnonzero((targets == 0) | (np.arange(200) % 10 == 1))
    assert heads.fit(rows[keep], targets[keep], 0, 2).weighted
    assert not heads.fit(rows, targets, 0, 2).weighted


def test_noise_is_regularised_more_than_signal() -> None:
    rng = np.random.default_rng(1)
    rows, targets = examples(120, 2, seed=1)
    noise = rng.normal(size=rows.shape).astype(np.float32)
    assert heads.fit(noise, targets, 0, 2).strength < 1e-2
    assert heads.fit(rows, targets, 0, 2).strength >= heads.fit(noise, targets, 0, 2).strength


def test_two_images_a_class_are_enough_and_one_needs_no_folds() -> None:
    rows, targets = examples(4, 2)
    assert heads.fit(rows, targets, 0, 2).folds == 2
    assert heads.fit(rows[:2], targets[:2], 0, 2).folds == 0


def test_a_label_that_all_have_is_answered_so() -> None:
    rows, targets = examples(40, 2)
    hot = np.stack([np.ones(40, np.int64), targets], axis=1)
    head = heads.fit(rows, hot, 0, 2)
    assert (head.probabilities(rows)[:, 0] > 0.999).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    rows, targets = examples(120, 3)
    first, second = heads.fit(rows, targets, 5, 3), heads.fit(rows, targets, 5, 3)
    assert (first.kernel == second.kernel).all() and (first.bias == second.bias).all()
