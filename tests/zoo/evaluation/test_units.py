from __future__ import annotations

import numpy as np

from zoo.evaluation.units import FARTHEST, Units


def test_values_come_back() -> None:
    units = Units(np.float32([[10], [-1e6]]), np.float32([[2], [1e5]]))
    targets = np.float32([[12, 8], [-1e6, -8e5]])
    np.testing.assert_allclose(units.scaled(targets), [[1, -1], [0, 2]])
    np.testing.assert_allclose(units.restored(units.scaled(targets)), targets)
    np.testing.assert_allclose(units.chosen(np.array([1])).scaled(targets[1:]), [[0, 2]])


def test_a_jump_after_a_window_that_hardly_varied_does_not_outweigh_all_others() -> None:
    units = Units(np.zeros((1, 1), np.float32), np.full((1, 1), 1e-30, np.float32))
    assert units.scaled(np.float32([[5, -5, 0]])).tolist() == [[FARTHEST, -FARTHEST, 0]]
