"""Files of JSON that hold the state of a search, each with a checksum of its values."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.files import atomic_file

SUM = "sha256"


def write(path: Path, values: dict[str, Any]) -> None:
    """Write `values` to `path` as JSON, atomically."""
    plain = json.loads(json.dumps(values))
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(plain | {SUM: _checksum(plain)}), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """The values in the file `path`; files of 0.1.0 have no checksum.

    Raises:
        InputError: the file is damaged.
    """
    try:
        values = json.loads(path.read_bytes())
        checksum = values.pop(SUM, None)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise damaged(path, error) from error
    if checksum is not None and checksum != _checksum(values):
        raise damaged(path, "its checksum does not match")
    return values


def damaged(path: Path, reason: object) -> InputError:
    """The error of a search that can't continue from `path`."""
    line = " ".join(str(reason).split())[:200]
    return InputError(f"{path} is damaged: {line}; remove the folder of the search to search anew, or name another")


def _checksum(values: dict[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
