"""Images in memory are fine-tuned as files are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import zoo
from applications import fine_tune
from applications.pixels import encoded
from zoo import InputError
from zoo.data import arrays
from zoo.kinds.images import decoding
from zoo.tasks.regression import Regression

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3


def colours() -> np.ndarray:
    """Uint8 (60, 10, 10, 3): red, green and blue squares with noise."""
    pixels = RNG.integers(0, 60, (60, 10, 10, 3))
    pixels[np.arange(60), :, :, LABELS] += 150
    return pixels.astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_kept(channels: int) -> None:
    data = arrays(colours()[..., :channels], LABELS)
    files = encoded(data)
    assert files.fingerprint == data.fingerprint and encoded(files) is files
    for file, pixels in zip(files.train.inputs, data.train.inputs, strict=True):
        np.testing.assert_array_equal(decoding.decode(file, (10, 10)), np.broadcast_to(pixels, (10, 10, 3)))


def test_pairs_of_arrays_are_fine_tuned_as_keras_datasets_gives_them(tiny: str, tmp_path: Path) -> None:
    pixels, hot = colours() / 255, np.eye(3)[LABELS]
    pairs = (pixels[:45], hot[:45]), (pixels[45:], hot[45:])
    done = fine_tune(pairs, tiny, weights=None, out=tmp_path / "colours")
    assert len(done.data.train) == 45 and len(done.data.test) == 15 and done.evaluation.accuracy > 0.9
    predictor = zoo.load(done.artifact)
    answers = predictor.predict((pixels[45:] * 255).round().astype(np.uint8))
    right = [answer.answer["label"] == str(label) for answer, label in zip(answers, LABELS[45:], strict=True)]
    assert np.mean(right) == done.evaluation.accuracy


@pytest.mark.parametrize(
    ("inputs", "targets", "expected"),
    [
        (
            RNG.normal(size=(60, 3)),
            LABELS,
            "the arrays: fine-tuning takes images, received rows; zoo.train.'mlp', data",
        ),
    ],
)
def test_other_data_are_refused_with_what_learns_them(inputs: np.ndarray, targets: np.ndarray, expected: str) -> None:
    for data in ((inputs, targets), arrays(inputs, targets)):
        with pytest.raises(InputError, match=expected):
            fine_tune(data)


def test_tasks_that_no_head_learns_are_refused() -> None:
    class Rates(Regression):
        name: ClassVar[str] = "rates"

        def arguments(self) -> dict[str, Any]:
            return {"output": "softplus"}

    data = arrays(colours(), LABELS / 7)
    with pytest.raises(InputError, match="learns classes and numbers, received rates; zoo.train.'cnn', data"):
        fine_tune(replace(data, task=Rates(data.task.names)))
