from __future__ import annotations

import numpy as np
import pytest

from applications import linear_heads
from zoo.evaluation.measures import cross_entropy


def examples(count: int, classes: int, width: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    centres = rng.normal(size=(classes, width))
    rows = centres[targets] + rng.normal(size=(count, width)) * 2
    return (rows * rng.uniform(0.1, 10, width) + rng.normal(size=width)).astype(np.float32), targets


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_layer_gives_scikit_learns_probabilities(classes: int) -> None:
    rows, targets = examples(140, classes)
    head = linear_heads.fit(rows, targets, 0, classes)
    reference = linear_heads.estimator(False, head.strength, head.weighted).fit(rows, targets)
    assert np.abs(head.outputs(rows) - reference.predict_proba(rows)).max() < 1e-5


def test_several_labels_give_scikit_learns_probabilities() -> None:
    rows, targets = examples(120, 4)
    hot = np.stack([targets == 0, targets < 2, targets == 3], axis=1).astype(np.int64)
    head = linear_heads.fit(rows, hot, 0, 3)
    reference = linear_heads.estimator(True, head.strength, False).fit(rows, hot)
    assert head.activation == "sigmoid"
    assert np.abs(head.outputs(rows) - reference.predict_proba(rows)).max() < 1e-5


def test_the_keras_layer_carries_the_head() -> None:
    import keras

    rows, targets = examples(90, 3)
    head = linear_heads.fit(rows, targets, 0, 3)
    inputs = keras.Input((rows.shape[1],))
    layer = keras.layers.Dense(3, activation=head.activation)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([head.kernel, head.bias])
    assert np.abs(model.predict_on_batch(rows) - head.outputs(rows)).max() < 1e-5


def test_rare_classes_are_weighted_from_one_and_a_half_on() -> None:
    rows, targets = examples(200, 2)
    keep = np.flatnonzero((targets == 0) | (np.arange(200) % 10 == 1))
    assert linear_heads.fit(rows[keep], targets[keep], 0, 2).weighted
    assert not linear_heads.fit(rows, targets, 0, 2).weighted


def test_noise_is_regularised_more_than_signal() -> None:
    rng = np.random.default_rng(1)
    rows, targets = examples(120, 2, seed=1)
    noise = rng.normal(size=rows.shape).astype(np.float32)
    assert linear_heads.fit(noise, targets, 0, 2).strength < 1e-2
    assert linear_heads.fit(rows, targets, 0, 2).strength >= linear_heads.fit(noise, targets, 0, 2).strength


def test_two_images_a_class_are_enough_and_one_needs_no_folds() -> None:
    rows, targets = examples(4, 2)
    assert linear_heads.fit(rows, targets, 0, 2).folds == 2
    assert linear_heads.fit(rows[:2], targets[:2], 0, 2).folds == 0


def test_a_label_that_all_have_is_answered_so() -> None:
    rows, targets = examples(40, 2)
    hot = np.stack([np.ones(40, np.int64), targets], axis=1)
    head = linear_heads.fit(rows, hot, 0, 2)
    assert (head.outputs(rows)[:, 0] > 0.999).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    rows, targets = examples(120, 3)
    first, second = linear_heads.fit(rows, targets, 5, 3), linear_heads.fit(rows, targets, 5, 3)
    assert (first.kernel == second.kernel).all() and (first.bias == second.bias).all()


def copied(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Few examples of classes that are hard to tell, each five times with a little noise; and which belong together."""
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    rows = rng.normal(size=(40, 60)) + 0.25 * targets[:, None]
    several = np.repeat(np.arange(40), 5)
    noise = 0 if kind == "copies" else 0.02
    near = (rows[several] + noise * rng.normal(size=(200, 60))).astype(np.float32)
    return near, targets[several], several


@pytest.mark.parametrize("kind", ["copies", "near-copies"])
def test_copies_and_groups_in_one_fold_choose_a_penalty_for_new_examples(kind: str) -> None:
    rows, targets, units = copied(kind)
    apart, together = linear_heads.fit(rows, targets, 0, 2), linear_heads.fit(rows, targets, 0, 2, units=units)
    assert apart.strength == max(linear_heads.STRENGTHS) and together.strength <= 1e-2
    rng = np.random.default_rng(1)
    truth = np.arange(2000) % 2
    queries = (rng.normal(size=(2000, 60)) + 0.25 * truth[:, None]).astype(np.float32)
    losses = [cross_entropy(truth, head.outputs(queries)).mean() for head in (apart, together)]
    assert losses[1] < 0.75 < losses[0]


def test_several_labels_and_classes_of_few_groups_have_folds_too() -> None:
    rows, targets, units = copied("near-copies")
    hot = np.stack([targets, 1 - targets], axis=1)
    assert linear_heads.fit(rows, hot, 0, 2, units=units).strength <= 1e-1
    few = np.flatnonzero((targets == 0) | (units < 4))  # two groups of the second class
    assert linear_heads.fit(rows[few], targets[few], 0, 2, units=units[few]).folds == 2
    one = np.flatnonzero((targets == 0) | (units < 2))
    assert linear_heads.fit(rows[one], targets[one], 0, 2, units=units[one]).folds == 0


@pytest.mark.parametrize("shares", [(0.92, 0.08), (0.6, 0.3, 0.1)])
def test_probabilities_of_weighted_classes_are_as_frequent_as_they_say(shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(shares), 6)) * 0.8

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        targets = rng.choice(len(shares), count, p=shares)
        return (centres[targets] + rng.normal(size=(count, 6))).astype(np.float32), targets

    rows, targets = draw(2000)
    queries, truth = draw(20_000)
    head = linear_heads.fit(rows, targets, 0, len(shares))
    said = head.outputs(queries)
    assert head.weighted and np.abs(said.mean(axis=0) - shares).max() < 0.02
    for low, high in ((0.02, 0.1), (0.1, 0.3), (0.5, 0.9)):  # calibrated in parts, not only on average
        inside = (said[:, -1] > low) & (said[:, -1] < high)
        assert said[inside, -1].mean() == pytest.approx((truth[inside] == len(shares) - 1).mean(), abs=0.05)
    weighted = linear_heads.estimator(False, head.strength, True).fit(rows, targets).predict_proba(queries)
    losses = [cross_entropy(truth, each).mean() for each in (said, weighted)]
    assert losses[0] < losses[1] - 0.02
