"""The training example that an artifact holds as a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.artifacts import example
from zoo.data.kind import Kind
from zoo.data.parts import Part
from zoo.kinds import Images, Sequences, Tables, Texts

TABLE = Tables(("a b", "n"), ("city",))
ROWS = {
    "numeric": np.array([[np.nan, 1], [0.1, 2], [3, 4]], np.float32),
    "categorical": np.array([["x"], ["Köln"], ["z"]], object),
}
STEPS = np.array([[[1.5], [np.nan]], [[2], [3]]], np.float32)


def part(inputs: Any, count: int) -> Part:
    return Part(inputs, np.zeros(count, np.int64), ("",) * count, ("",) * count)


@pytest.mark.parametrize(
    ("inputs", "kind", "expected"),
    [
        (ROWS, TABLE, {"a_b": 0.1, "n": 2, "city": "Köln"}),  # the first row without a missing number
        ({"numeric": ROWS["numeric"][:1]}, Tables(("a b", "n"), ()), {"a_b": None, "n": 1}),
        ({"categorical": ROWS["categorical"]}, Tables((), ("city",)), {"city": "x"}),
        (np.array(["a\ntext", "b"], object), Texts(), {"text": "a\ntext"}),
        (STEPS, Sequences(("f",), None), {"sequence": [[1.5], [None]]}),
        (np.array(["x" * 200_000], object), Texts(), None),
        ((Path("photo.png"),), Images((8, 8)), None),
    ],
)
def test_one_example_is_kept_as_a_request(
    tmp_path: Path, inputs: Any, kind: Kind, expected: dict[str, Any] | None
) -> None:
    count = len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)
    example.write(tmp_path, part(inputs, count), kind)
    assert example.read(tmp_path) == expected
    if expected is not None:
        assert json.loads((tmp_path / example.NAME).read_text(encoding="utf-8")) == {"instances": [expected]}
