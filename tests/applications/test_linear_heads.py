from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from applications import choosing, linear_heads
from applications.depths import Depths
from zoo.evaluation.measures import cross_entropy


def examples(count: int, classes: int, width: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    centres = rng.normal(size=(classes, width))
    rows = centres[targets] + rng.normal(size=(count, width)) * 2
    return (rows * rng.uniform(1, 10, width) + rng.normal(size=width)).astype(np.float32), targets


def scikit_learns(
    rows: np.ndarray, targets: np.ndarray, strength: float, queries: np.ndarray, weights: str | None = None
) -> np.ndarray:
    """Probabilities of scikit-learn's own pipeline in float64."""
    regression = LogisticRegression(C=strength, class_weight=weights, max_iter=5000, tol=1e-8)
    model = OneVsRestClassifier(regression) if targets.ndim == 2 else regression
    return make_pipeline(StandardScaler(), model).fit(rows.astype(np.float64), targets).predict_proba(queries)


@pytest.mark.parametrize("width", [40, 400])  # fewer features than examples, and more
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_layer_gives_scikit_learns_probabilities(classes: int, width: int) -> None:
    rows, targets = examples(140, classes, width)
    head = linear_heads.fit(rows, targets, 0, classes, 1e-2)
    assert np.abs(head.outputs(rows) - scikit_learns(rows, targets, 1e-2, rows)).max() < 1e-3


def test_a_temperature_is_all_that_is_between_the_head_and_scikit_learn() -> None:
    rows, targets = examples(140, 3)
    head = linear_heads.fit(rows, targets, 0, 3)
    assert head.folds and head.temperature != 1
    reference = scikit_learns(rows, targets, head.strength, rows)
    assert np.abs(head.plain().outputs(rows) - reference).max() < 1e-3
    assert (head.outputs(rows).argmax(axis=1) == reference.argmax(axis=1)).all()


def parts(informative: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of three depths, of which one tells three classes apart; the others are noise."""
    rng = np.random.default_rng(seed)
    targets = np.arange(150) % 3
    widths = {"last": 30, "means": 20, "all": 20}
    centres = np.random.default_rng(0).normal(size=(3, widths[informative]))
    pieces = {name: rng.normal(size=(150, width)) for name, width in widths.items()}
    pieces[informative] += centres[targets]
    return np.concatenate(list(pieces.values()), axis=1).astype(np.float32), targets


@pytest.mark.parametrize("informative", ["last", "means", "all"])
def test_cross_validation_takes_the_depths_that_tell_and_no_more(informative: str) -> None:
    rows, targets = parts(informative, 1)
    head = linear_heads.fit(rows, targets, 0, 3, depths=Depths(30, (20,)))
    assert head.group == informative and len(head.kernel) == {"last": 30, "means": 50, "all": 70}[informative]
    queries, truth = parts(informative, 2)
    assert (head.outputs(queries).argmax(axis=1) == truth).mean() > 0.8
    numbers = np.eye(3, dtype=np.float32)[targets]
    ridge = linear_heads.fit_ridge(rows, numbers, 0, depths=Depths(30, (20,)))
    assert ridge.group == informative and ridge.outputs(queries).shape == (150, 3)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_feature_that_hardly_varies_beside_those_of_its_own_depth_does_not_decide(scale: float) -> None:
    rng = np.random.default_rng(0)
    rows, targets = examples(120, 2, 20)
    rows = np.concatenate([rows, scale * rng.normal(size=(120, 10))], axis=1).astype(np.float32)
    rows[:, -1] = 1e-6 * scale * rng.normal(size=120)
    rows[:, -2] = scale * (targets + rng.normal(size=120))
    head = linear_heads.fit(rows, targets, 0, 2, 1.0, depths=Depths(30))
    assert head.group == "last"
    mean, deviation = choosing.middle_of(rows, (20, 10))
    assert deviation[-1] == pytest.approx(0.1 * rows[:, 20:].std(axis=0).mean(), rel=1e-3)
    assert (deviation[:20] == rows[:, :20].std(axis=0, dtype=np.float64)).all()


def test_of_many_examples_some_of_each_class_choose() -> None:
    hot = np.eye(20, dtype=np.int64)[np.repeat(np.arange(20), 300)]
    units = np.arange(len(hot)) // 2  # pairs
    chosen = choosing.sample(hot, units, 0)
    assert len(chosen) == choosing.SAMPLE and (hot[chosen].sum(axis=0) == 100).all()
    assert (np.bincount(units[chosen])[units[chosen]] == 2).all()


def test_equal_weight_for_rare_classes_finds_more_of_them() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random(600) < 0.1).astype(np.int64)
    rows = (rng.normal(size=(600, 5)) + targets[:, None]).astype(np.float32)
    plain, equal = (linear_heads.fit(rows, targets, 0, 2, class_weights=each) for each in (False, True))
    found = [(head.outputs(rows).argmax(axis=1)[targets == 1] == 1).mean() for head in (plain, equal)]
    assert found[1] > found[0] + 0.2


def test_several_labels_give_scikit_learns_probabilities() -> None:
    rows, targets = examples(120, 4)
    hot = np.stack([targets == 0, targets < 2, targets == 3], axis=1).astype(np.int64)
    head = linear_heads.fit(rows, hot, 0, 3)
    reference = scikit_learns(rows, hot, head.strength, rows)
    assert head.activation == "sigmoid"
    assert np.abs(head.plain().outputs(rows) - reference).max() < 1e-3


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
    assert apart.strength == max(choosing.STRENGTHS) and together.strength <= 1e-2
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
    weighted = scikit_learns(rows, targets, head.strength, queries, "balanced")
    losses = [cross_entropy(truth, each).mean() for each in (said, weighted)]
    assert losses[0] < losses[1] - 0.02
