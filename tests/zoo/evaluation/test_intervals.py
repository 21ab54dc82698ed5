"""Intervals held to published values and to simulations."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.evaluation.intervals import matched, paired, wilson


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@pytest.mark.parametrize(("count", "share"), [(20, 0.9), (100, 0.5), (100, 0.97), (1000, 0.95)])
def test_intervals_of_a_share_hold_it(count: int, share: float) -> None:
    from scipy.stats import binom

    chance = binom.pmf(np.arange(count + 1), count, share)
    held = [low <= share <= high for low, high in (wilson(right, count) for right in range(count + 1))]
    assert chance @ held > 0.92


@pytest.mark.parametrize("count", [36, 100, 400])
@pytest.mark.parametrize("cells", [(0.05, 0.05), (0.1, 0.04), (0.02, 0.01), (0.2, 0.1)])
def test_intervals_of_paired_shares_hold_the_difference(count: int, cells: tuple[float, float]) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [*cells, 1 - sum(cells)], 4000)
    found = [matched(int(better), int(worse), count) for better, worse, _ in drawn]
    assert np.mean([low <= cells[0] - cells[1] <= high for low, high in found]) > 0.935


def test_intervals_of_normal_differences_hold_the_mean() -> None:
    rng = np.random.default_rng(0)
    gaps = [rng.normal(0.3, 1, 100) for _ in range(60)]
    within = [low <= 0.3 <= high for low, high in (paired(gap, 0) for gap in gaps)]
    assert np.mean(within) > 0.85


@pytest.mark.parametrize("skew", [-1, 1])
def test_intervals_of_skewed_differences_hold_the_mean(skew: int) -> None:
    drawn = skew * np.random.default_rng(0).lognormal(size=(300, 100))
    held = [low <= skew * np.exp(0.5) <= high for low, high in (paired(gaps, 0) for gaps in drawn)]
    assert np.mean(held) >= 0.92  # of Student's alone 0.9


def test_an_interval_tells_what_has_none() -> None:
    for gaps in ([0.3], [0.1, float("nan"), 0.2]):
        assert paired(np.array(gaps), 0) == (float("-inf"), float("inf"))
    assert paired(np.zeros(9), 0) == (0, 0)
