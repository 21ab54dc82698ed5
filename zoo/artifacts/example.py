"""One training example of an artifact, as a request for a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.kind import Kind
from zoo.data.parts import Part

NAME = "example.json"
MOST = 100_000  # characters; people can't read a longer example


def write(folder: Path, part: Part, kind: Kind) -> None:
    """Write ``example.json``: a request in TensorFlow Serving's REST, with one example of `part`.

    Nothing is written for images, which are files, and for an example longer than `MOST`.

    Args:
        folder: of the version.
        part: of training.
        kind: of its inputs.
    """
    example = kind.example(part)
    if example is None:
        return
    fields = {name: _plain(value) for name, value in example.items()}
    text = json.dumps({"instances": [fields]}, ensure_ascii=False, allow_nan=False)
    if len(text) <= MOST:
        (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The example, name of an input -> value of JSON; None if there is none, as in artifacts of 0.1.0."""
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
