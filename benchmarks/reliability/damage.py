"""Damaged artifacts and caches: nothing answers wrongly in silence, ends in a traceback, or stops a later run."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.reliability.damaged.artifacts import artifacts
from benchmarks.reliability.damaged.caches import caches, states
from benchmarks.reliability.table import Row


def rows(work: Path) -> list[Row]:
    """Artifacts, caches of embeddings, states of training runs."""
    os.environ["ZOO_CACHE"] = str(work / "cache")
    return [artifacts(work / "artifacts"), caches(work / "caches"), states(work / "states")]
