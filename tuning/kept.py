"""What a search keeps of itself: files of JSON, each with a checksum of what it says."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.files import atomic_file

SUM = "sha256"


def write(path: Path, values: dict[str, Any]) -> None:
    """Write `values` to `path` as JSON, whole or not at all."""
    known = json.loads(json.dumps(values))
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(known | {SUM: _sum(known)}), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """What was written to `path`; files of 0.1.0 have no checksum.

    Raises:
        InputError: it is damaged.
    """
    try:
        known = json.loads(path.read_bytes())
        kept = known.pop(SUM, None)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise damaged(path, error) from error
    if kept is not None and kept != _sum(known):
        raise damaged(path, "its checksum is another one")
    return known


def damaged(path: Path, reason: object) -> InputError:
    """The error of a search that can't go on from `path`."""
    said = " ".join(str(reason).split())[:200]
    return InputError(f"{path} is damaged: {said}; remove the folder of the search to search anew, or name another")


def _sum(known: dict[str, Any]) -> str:
    return sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
