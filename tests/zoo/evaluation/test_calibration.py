from __future__ import annotations

import numpy as np
import pytest

from zoo.evaluation.calibration import as_probabilities, calibration_error, temperature
from zoo.evaluation.measures import cross_entropy


def test_the_error_is_the_mean_gap_of_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    expected = (4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6
    assert calibration_error(right, confidence) == pytest.approx(expected)
    assert calibration_error(np.array([True, True]), np.array([1.0, 1.0])) == 0


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_of_scaled_logits_is_their_scale(factor: float, several: bool) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 4)) * 2
    shares = as_probabilities(logits, several)
    if several:
        targets = (rng.random(shares.shape) < shares).astype(np.int64)
    else:
        targets = (shares.cumsum(axis=1) < rng.random((5000, 1))).sum(axis=1)
    assert temperature(factor * logits, targets, several) == pytest.approx(factor, rel=0.1)


def test_few_examples_stay_near_one_and_fewer_than_thirty_set_none() -> None:
    logits = np.tile([[9.0, 0.0]], (40, 1))
    targets = (np.arange(40) % 4 == 0).astype(np.int64)
    assert temperature(logits[:29], targets[:29], False) == 1
    heat = temperature(logits, targets, False)
    assert 1 < heat < 5
    better = cross_entropy(targets, as_probabilities(logits / heat, False)).mean()
    assert better < cross_entropy(targets, as_probabilities(logits, False)).mean()
