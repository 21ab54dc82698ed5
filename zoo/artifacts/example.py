"""One training example of an artifact, as a request that a server of the artifact answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.dataset import Part
from zoo.kinds.signatures import feeds

NAME = "example.json"
MOST = 100_000  # characters; a longer example shows nobody what an input is like


def write(folder: Path, part: Part, description: dict[str, Any]) -> None:
    """Write ``example.json``: a request in TensorFlow Serving's REST, with one example of `part`.

    Of a table it is the first row without a missing number, of texts and sequences the first one. There is none of
    images, which are files, and none that would be longer than `MOST`.

    Args:
        folder: of the version.
        part: of training.
        description: `zoo.data.Data.input`.
    """
    if description["kind"] == "images":
        return
    at = np.zeros(1, np.int64)
    if isinstance(part.inputs, dict) and "numeric" in part.inputs:
        at[0] = np.isnan(part.inputs["numeric"]).any(axis=1).argmin()
    fields = {name: _plain(values[0]) for name, values in feeds(part.chosen(at).inputs, description).items()}
    text = json.dumps({"instances": [fields]}, ensure_ascii=False, allow_nan=False)
    if len(text) <= MOST:
        (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The example, name of an input -> value as JSON has it; None where there is none, as in artifacts of 0.1.0."""
    try:
        return json.loads((folder / NAME).read_bytes())["instances"][0]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """As JSON has it: a missing number is null, and a float32 has no more digits than tell it from others."""
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.floating):
        return float(str(value)) if np.isfinite(value) else None
    return str(value)
