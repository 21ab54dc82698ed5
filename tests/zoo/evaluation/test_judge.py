"""Judging generated images: the distances by what is known of them, the judge and its scores on real digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import zoo
from zoo.data import Data, arrays, images
from zoo.errors import InputError
from zoo.evaluation.distributions import frechet, pca_gaussian, precision_recall
from zoo.evaluation.judge import Judge, evaluate_samples, trained_judge
from zoo.files import cache_folder
from zoo.tasks.classification import Classification, most_frequent


@pytest.fixture(scope="module")
def digits() -> Data:
    pixels, targets = load_digits(return_X_y=True)
    return arrays((pixels * 255 / 16).round().astype(np.uint8).reshape(-1, 8, 8, 1), targets)


@pytest.fixture(scope="module")
def trained(digits: Data) -> Judge:
    return trained_judge(digits, zoo.train)


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Trains judges for two epochs; they have a cache of their own."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return lambda *given, **options: zoo.train(*given, **options | {"epochs": 2})


def normal(count: int, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def scores(pixels: np.ndarray, data: Data, judge: Judge, **options):
    known = {"train_pixels": data.train.inputs, "part": "validation"} | options
    return evaluate_samples(pixels, data, data.held_out.inputs, judge, **known)


def test_the_frechet_distance_is_that_of_the_gaussians() -> None:
    points = normal(500)
    points = (points - points.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(points.T))).T  # covariance 1
    scales = np.array([2.0, 1, 1, 0.5])
    # Of Gaussians with diagonal covariances: the squared differences of the means and of the deviations.
    expected = 9 + ((scales - 1) ** 2).sum()
    assert frechet(points, points * scales + [3, 0, 0, 0]) == pytest.approx(expected)
    turned = np.linalg.qr(normal(4))[0]
    assert frechet(points @ turned, (points * scales + [3, 0, 0, 0]) @ turned) == pytest.approx(expected)


def test_the_frechet_distance_of_covariances_that_do_not_commute() -> None:
    first, second = normal(200), normal(300, seed=1) @ normal(4, seed=2)
    covariances = np.cov(first.T), np.cov(second.T)
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    apart = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots
    assert frechet(first, second) == pytest.approx(expected)
    assert frechet(second, first) == pytest.approx(expected)


def test_the_frechet_distance_is_0_to_itself_and_grows_with_a_shift() -> None:
    points = normal(100)
    distances = [frechet(points, points + shift) for shift in (0, 0.1, 1, 10)]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances == sorted(distances)
    assert distances[3] == pytest.approx(400)


@pytest.mark.parametrize("count", (1, 2, 10))
def test_fewer_samples_than_dimensions_have_a_frechet_distance(count: int) -> None:
    few, many = normal(count, 64).astype(np.float32), normal(200, 64, seed=1).astype(np.float32)
    assert np.isfinite(frechet(few, many)) and frechet(few, many) > 0
    assert frechet(few, many) == pytest.approx(frechet(many, few), rel=1e-4)
    assert frechet(few, few) == pytest.approx(0, abs=1e-4)
    assert all(0 <= each <= 1 for each in precision_recall(many, few))


def test_points_that_are_none_are_refused() -> None:
    for wrong in (normal(10, 3), normal(0), normal(10) * np.nan, normal(10)[0]):
        for distance in (frechet, precision_recall):
            with pytest.raises(ValueError, match="expected"):
                distance(normal(10), wrong)


def test_precision_and_recall_of_the_same_points_are_1_and_of_points_far_away_0() -> None:
    points = normal(200)
    assert precision_recall(points, points) == (1, 1)
    assert precision_recall(points, points + 100) == (0, 0)
    precision, recall = precision_recall(points, normal(200, seed=1))
    assert precision > 0.7 and recall > 0.7


def test_precision_tells_false_samples_and_recall_those_that_are_missing() -> None:
    real = np.concatenate([normal(200), normal(200, seed=1) + 100])
    assert precision_recall(real, np.repeat(real[:1], 300, axis=0)) == (1, pytest.approx(0, abs=0.01))
    precision, recall = precision_recall(real, normal(400, seed=2))  # one of two heaps
    assert precision > 0.8 and 0.4 < recall <= 0.5
    precision, recall = precision_recall(normal(200), real)  # one heap too many
    assert precision == pytest.approx(0.5, abs=0.01) and recall == 1


def test_many_points_are_thinned_out_by_the_seed() -> None:
    real, generated = normal(2000), normal(2000, seed=1)
    some = [precision_recall(real, generated, most=200, seed=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert np.allclose(some[0], precision_recall(real, generated), atol=0.15)


def test_the_gaussian_of_principal_components_has_their_mean_and_deviation(digits: Data) -> None:
    pixels = digits.train.inputs
    drawn = pca_gaussian(pixels, 40, 1000, seed=0)
    assert drawn.shape == (1000, 8, 8, 1) and drawn.dtype == np.uint8
    assert np.abs(drawn.mean(axis=0) - pixels.mean(axis=0)).max() < 20
    assert drawn.std(axis=0).mean() == pytest.approx(pixels.std(axis=0).mean(), rel=0.2)
    assert (drawn == pca_gaussian(pixels, 40, 1000, seed=0)).all()
    assert (drawn != pca_gaussian(pixels, 40, 1000, seed=1)).any()


def test_one_principal_component_moves_images_along_a_line() -> None:
    direction = np.arange(12).reshape(1, 2, 2, 3)
    pixels = 100 + direction * np.linspace(-3, 3, 50).reshape(-1, 1, 1, 1)
    moved = pca_gaussian(pixels, 1, 200, seed=0).astype(float) - 100
    across = moved - (moved * direction).sum((1, 2, 3), keepdims=True) / (direction**2).sum() * direction
    assert np.abs(across).max() < 2 and np.abs(moved).max() > 20


def test_a_judge_knows_the_classes_and_how_well(digits: Data, trained: Judge) -> None:
    part = digits.held_out
    _, probabilities = trained.embed_and_classify(part.inputs)
    assert trained.accuracy > 0.9 > 0.2 > (part.targets == most_frequent(digits.train.targets)).mean()
    assert (probabilities.argmax(axis=1) == part.targets).mean() == pytest.approx(trained.accuracy)
    assert trained.examples == len(part) and trained.classes == digits.classes


def test_a_judge_looks_at_any_number_of_images(digits: Data, trained: Judge) -> None:
    embedding, probabilities = trained.embed_and_classify(digits.train.inputs[:700])
    assert embedding.dtype == probabilities.dtype == np.float32
    assert len(embedding) == 700 and probabilities.shape == (700, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (embedding.std(axis=0) > 0).any()
    for some in (slice(0, 0), slice(0, 1), slice(0, 257), slice(255, 300)):
        assert np.allclose(trained.embed(digits.train.inputs[some]), embedding[some], atol=1e-4)
    assert np.allclose(trained.embed(digits.train.inputs[:3].astype(np.float64)), embedding[:3], atol=1e-4)
    with pytest.raises(ValueError, match=r"\(8, 8, 1\), received \(9, 8, 1\)"):
        trained.embed(np.zeros((2, 9, 8, 1), np.uint8))


@pytest.mark.slow
def test_a_judge_is_kept_and_one_that_is_damaged_is_trained_anew(digits: Data, hasty: Callable[..., Any]) -> None:
    digits = replace(digits, train=digits.train.chosen(np.arange(200)))
    asked = digits.held_out.inputs[:50]
    first = trained_judge(digits, hasty)
    files = sorted(cache_folder("judges").iterdir())
    assert [path.suffix for path in files] == [".json", ".keras"]
    assert set(json.loads(files[0].read_text())) >= {"accuracy", "examples"}

    again = trained_judge(digits, lambda *given, **options: pytest.fail("it is trained again"))
    assert (again.accuracy, again.examples, again.classes) == (first.accuracy, first.examples, first.classes)
    assert all(
        (a == b).all() for a, b in zip(again.embed_and_classify(asked), first.embed_and_classify(asked), strict=True)
    )

    for path, start, end in ((files[0], 0, 1 / 2), (files[1], 0, 1 / 2), (files[0], "0.", "1.")):
        whole = path.read_bytes()
        half = whole[: len(whole) // 2]
        path.write_bytes(half if end == 1 / 2 else whole.replace(start.encode(), end.encode(), 1))
        with pytest.warns(UserWarning, match="is damaged, and trained again"):
            anew = trained_judge(digits, hasty)
        assert anew.embed(asked).shape == first.embed(asked).shape
        assert len(path.read_bytes()) > len(whole) // 2
    trained_judge(digits, hasty, seed=1)
    assert len(list(cache_folder("judges").iterdir())) == 4


def test_a_judge_of_a_folder_sees_images_as_they_are_decoded(folder: Path, hasty: Callable[..., Any]) -> None:
    data = images(folder)
    with pytest.raises(InputError, match="size"):
        trained_judge(data, hasty)
    small, large = (
        trained_judge(replace(data, kind=data.kind.completed(data.train, side, "x")), hasty) for side in (8, 16)
    )
    assert small.model.input_shape == (None, 8, 8, 3) and large.model.input_shape == (None, 16, 16, 3)
    assert small.examples == len(data.held_out)


def test_a_judge_needs_classes_and_images(digits: Data) -> None:
    parts = {"train": digits.train, "validation": digits.validation}
    noughts = {name: part.chosen(np.flatnonzero(part.targets == 0)) for name, part in parts.items()}
    with pytest.raises(InputError, match="two classes"):
        trained_judge(replace(digits, task=Classification(("0",)), **noughts), zoo.train)
    with pytest.raises(InputError, match="classes.*regression"):
        trained_judge(arrays(digits.train.inputs, digits.train.targets.astype(np.float32)), zoo.train)
    several = np.eye(10, dtype=np.int64)[digits.train.targets]
    with pytest.raises(InputError, match="one an image.*multi_label"):
        trained_judge(arrays(digits.train.inputs, several, task="multi_label"), zoo.train)
    with pytest.raises(InputError, match="images"):
        trained_judge(arrays(digits.train.inputs.reshape(-1, 64), digits.train.targets), zoo.train)


def test_real_images_are_judged_better_than_a_gaussian(digits: Data, trained: Judge) -> None:
    found = scores(digits.train.inputs[:300], digits, trained, requested=digits.train.targets[:300])
    name, mixture = found.baselines
    simple = found.baselines[name]
    assert name == "Gaussian of 32 principal components" and mixture.startswith("mixture of")
    assert found.frechet < found.baselines[mixture]["frechet"] < simple["frechet"] / 2
    assert found.precision > 0.7 and found.recall > 0.7 and found.entropy > 0.98
    assert found.coverage == found.classes == 10
    assert found.agreement > 0.9 and found.judge_accuracy == trained.accuracy
    assert (found.part, found.samples) == ("validation", 300)
    assert json.loads(json.dumps(found.to_dict()))["baselines"][name].keys() == simple.keys()
    assert found == scores(digits.train.inputs[:300], digits, trained, requested=digits.train.targets[:300])


def test_samples_of_one_class_show_no_variety(digits: Data, trained: Judge) -> None:
    _, probabilities = trained.embed_and_classify(digits.train.inputs)
    ones = digits.train.inputs[probabilities.argmax(axis=1) == 1]
    found = scores(ones, digits, trained)
    assert (found.coverage, found.entropy, found.agreement) == (1, 0, None)
    assert found.recall < 0.5 < found.precision
    assert scores(ones, digits, trained, requested=np.full(len(ones), 1)).agreement == 1
    assert scores(ones, digits, trained, requested=np.full(len(ones), 2)).agreement == 0


def test_a_class_with_less_than_a_tenth_of_its_share_is_not_covered(digits: Data, trained: Judge) -> None:
    seen = trained.embed_and_classify(digits.train.inputs)[1].argmax(axis=1)
    zeros, ones = (digits.train.inputs[seen == each][:100] for each in (0, 1))
    assert scores(np.concatenate([ones, zeros[:5]]), digits, trained).coverage == 2  # 5 %, of about 10 %
    assert scores(np.concatenate([ones, ones, zeros[:1]]), digits, trained).coverage == 1  # 0.5 %


def test_what_was_asked_must_fit_and_few_images_have_few_components(digits: Data, trained: Judge) -> None:
    with pytest.raises(ValueError, match="a class for each of 20 images"):
        scores(digits.train.inputs[:20], digits, trained, requested=np.zeros(19, int))
    few = scores(digits.train.inputs[:20], digits, trained, train_pixels=digits.train.inputs[:7])
    assert list(few.baselines) == ["Gaussian of 7 principal components"]
