"""How well strangers are told from known examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from zoo.evaluation.strangers import strangers


def test_shares_are_counted_on_both_sides_of_the_limit() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.95, 0.8, 0.05])
    odd = np.array([False] * 4 + [True] * 4)
    result = strangers(scores, odd, 0.5, {"worse": -scores, "same": scores})
    assert (result.known, result.strangers) == (4, 4)
    assert result.false_alarms == 0.25 and result.found == 0.5
    assert result.baselines["same"]["found"] == 0.75  # one false alarm allows all over 0.3
    assert result.differences["same"] == (0, 0) and result.baselines["worse"]["roc_auc"] == pytest.approx(
        1 - result.roc_auc
    )


@given(st.integers(0, 2**32 - 1), st.floats(-1, 1))
def test_a_simpler_score_is_given_no_more_false_alarms(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    scores, odd = rng.normal(size=40), np.arange(40) % 2 == 1
    other = rng.normal(size=40)
    result = strangers(scores, odd, limit, {"other": other})
    assert result.roc_auc == pytest.approx(roc_auc_score(odd, scores))
    limits = [limit for limit in (-np.inf, *other[~odd]) if (other[~odd] > limit).mean() <= result.false_alarms]
    assert result.baselines["other"]["found"] == max((other[odd] > limit).mean() for limit in limits)
