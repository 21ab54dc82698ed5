"""Scores of classes, as they are shown."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.evaluation.tables import Line, Table
from zoo.tasks.classification import Classification
from zoo.tasks.terms import Exam


@pytest.mark.parametrize(("count", "rows", "tables"), [(100, 100, 2), (1000, 3, 1)])
def test_many_classes_are_shown_where_there_is_something_to_see(count: int, rows: int, tables: int) -> None:
    shares = np.full((3, count), 0.5 / (count - 1), np.float32)
    shares[np.arange(3), [0, 7, 9]] = 0.5  # the last example has class 0
    task = Classification(tuple(map(str, range(count))), 0)
    evaluation = task.evaluate(Exam("test", np.array([0, 7, 0]), {"probabilities": shares}))
    shown = list(evaluation.shown(details=True))
    found = [block for block in shown if isinstance(block, Table)]
    assert len(found) == tables and len(found[0].rows) == rows
    lines = [block.text for block in shown if isinstance(block, Line)]
    assert any("further classes" in line for line in lines) == (count > 100)
    assert count == 100 or lines[0] == "997 further classes have no example and are never predicted"
