"""Choices that a fine-tune makes, and scores beyond one held-out part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from applications import candidates
from applications.backbones import BACKBONES
from applications.cross_validation import cross_validated
from applications.features import Extractor
from applications.fine_tuning import fine_tune
from applications.learning_curve import learning_curve
from applications.reading import Job, sizes_for
from support import backbones
from zoo.data import open as open_data
from zoo.errors import InputError
from zoo.progress import Stopwatch
from zoo.tasks.classification import Classification


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(BACKBONES, backbones.NAME, backbones.ROW)
    return backbones.NAME


def stripes(count: int, period: int, seed: int, size: int = 24) -> np.ndarray:
    """Noisy pictures with stripes of a period in pixels."""
    rng = np.random.default_rng(seed)
    waves = 127 + 100 * np.sin(2 * np.pi * (np.arange(size) + rng.uniform(0, 9, (count, 1))) / period)
    return np.clip(waves[:, None, :, None] + rng.normal(0, 25, (count, size, size, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "sizes"), [(8, (64, 96, 128)), (112, (64, 96, 128)), (113, (224,)), (500, (224,))])
def test_small_pictures_have_a_choice_of_input_sizes(side: int, sizes: tuple[int, ...]) -> None:
    assert sizes_for(side, Extractor("efficientnet_lite0", "imagenet", 224, 0.875)) == sizes


def test_a_backbone_of_small_inputs_keeps_its_own_size(tiny: str) -> None:
    assert sizes_for(8, Extractor(tiny, None, 32, 0.875)) == (32,)


def test_backbones_to_choose_from_are_installed_and_the_quickest_is_first() -> None:
    names = candidates.installed()
    assert names[0] == "efficientnet_lite0" and all(BACKBONES[name].weights != "keras" for name in names)


@pytest.mark.slow
def test_the_size_with_the_least_error_is_taken_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.concatenate([stripes(60, 3, 0), stripes(60, 4, 1)])
    made = fine_tune((x, np.repeat([0, 1], 60)), draft=True)
    (note,) = [note for note in made.notes if note.startswith("input size")]
    losses = {int(each.split()[-2]): float(each.split()[-1].rstrip(")")) for each in note.split("(")[1].split(", ")}
    assert set(losses) == {64, 96, 128} and int(note.split(":")[0].split()[-1]) == min(losses, key=losses.get)
    monkeypatch.setattr(candidates, "installed", lambda: ("efficientnet_lite0",))
    assert fine_tune((x, np.repeat([0, 1], 60)), "auto", draft=True).evaluation == made.evaluation


def test_too_few_images_keep_the_first_candidate(tiny: str) -> None:
    from applications.pixels import encoded

    x = np.concatenate([stripes(2, 3, 0), stripes(8, 9, 1)])
    data = encoded(open_data(((x[:9], np.array([0] + [1] * 8)), (x[-2:], np.array([0, 1])))))
    first, job = Extractor(tiny, None, 32, 1.0), Job(Stopwatch(), 0, [])
    other = Extractor(tiny, None, 48, 1.0)
    assert candidates._best(data, [first, other], job, str) is first and not job.notes


@pytest.mark.parametrize("wrong", [{"weights": None}, {"start": "saved"}, {"unfreeze": 2}])
def test_auto_goes_with_the_weights_that_are_there(wrong: dict, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="auto chooses among ImageNet weights"):
        fine_tune(tmp_path, "auto", **wrong)


def fit_centres(rows: np.ndarray, targets: np.ndarray):
    """Softmax of distances to the centres of classes."""

    def fit(some: np.ndarray):
        centres = np.stack([rows[some][targets[some] == each].mean(axis=0) for each in (0, 1)])

        def answer(features: np.ndarray) -> np.ndarray:
            powers = np.exp(-np.square(features[:, None] - centres).sum(axis=2) / 2)
            return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

        return answer

    return fit


def two_clouds(count: int, seed: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    return rng.normal(size=(count, 30)) + apart * targets[:, None], targets


@pytest.mark.parametrize(("apart", "helps"), [(0.25, True), (3.0, False)])
def test_a_learning_curve_tells_whether_more_images_would_help(apart: float, helps: bool) -> None:
    (rows, targets), (queries, truth) = two_clouds(160, 0, apart), two_clouds(400, 1, apart)
    task = Classification(("a", "b"))
    curve = learning_curve(task, fit_centres(rows, targets), np.eye(2)[targets], np.arange(160), queries, truth, 0)
    assert [point.images for point in curve.points] == [20, 40, 80, 160]
    assert ("yes" in curve.verdict) == helps
    assert curve.to_dict()["points"][-1] == {"images": 160, "score": curve.points[-1].score}
    if helps:
        assert curve.points[-1].score > curve.points[0].score and curve.interval[0] > 0


def test_few_images_have_a_curve_without_a_verdict_in_numbers() -> None:
    (rows, targets), (queries, truth) = two_clouds(8, 0, 1), two_clouds(40, 1, 1)
    task = Classification(("a", "b"))
    curve = learning_curve(task, fit_centres(rows, targets), np.eye(2)[targets], np.arange(8), queries, truth, 0)
    assert curve.points == () and "too few" in curve.verdict and curve.to_dict()["interval"] is None


def test_cross_validation_scores_every_image_once_by_a_head_that_did_not_see_it_or_its_copies() -> None:
    rows, targets = two_clouds(60, 0, 0.0)
    rows, targets, units = np.repeat(rows, 2, axis=0), np.repeat(targets, 2), np.repeat(np.arange(60), 2)
    seen: list[np.ndarray] = []

    def fit(some: np.ndarray):
        seen.append(some)
        nearest = rows[some], targets[some]

        def answer(features: np.ndarray) -> np.ndarray:
            gaps = np.square(features[:, None] - nearest[0]).sum(axis=2)
            return np.eye(2, dtype=np.float32)[nearest[1][gaps.argmin(axis=1)]]

        return answer

    task = Classification(("a", "b"), 0)
    scores = cross_validated(task, fit, rows, targets, units, 5, 0)
    assert scores.examples == 120 and scores.accuracy < 0.75  # with copies on both sides it would be 1
    assert len(seen) == 5 and all(len(some) == 96 for some in seen)
    with pytest.raises(InputError, match="at most 30 folds"):
        cross_validated(task, fit, rows, targets, units, 31, 0)


def test_a_draft_stops_at_the_scores(tiny: str, tmp_path: Path) -> None:
    x = np.concatenate([stripes(30, 3, 0, 32), stripes(30, 9, 1, 32)])
    out = tmp_path / "saved"
    how = {"weights": None, "out": out, "draft": True, "folds": 3, "curve": True}
    made = fine_tune((x, np.repeat([0, 1], 30)), tiny, **how)
    assert made.artifact is None and not list(out.glob("[0-9]*"))
    assert made.cross_validation.examples == 60 and made.learning_curve.points[-1].images == len(made.data.train)
    with pytest.raises(InputError, match="at least 2 folds"):
        fine_tune((x, np.repeat([0, 1], 30)), tiny, folds=1)


def test_class_weights_are_for_classes(tiny: str, tmp_path: Path) -> None:
    x = np.concatenate([stripes(24, 3, 0, 32), stripes(12, 4, 1, 32)])
    how = {"weights": None, "draft": True, "out": tmp_path / "saved"}
    y = np.repeat(["many", "few"], [24, 12])
    made = fine_tune((x, y), tiny, class_weights=True, **how)
    assert any("classes of equal frequency" in note for note in made.notes)
    numbers = np.linspace(0.5, 9, 36).astype(np.float32)
    with pytest.raises(InputError, match="class_weights are for one class an image"):
        fine_tune((x, numbers), tiny, class_weights=True, **how)
