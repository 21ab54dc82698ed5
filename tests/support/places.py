"""Where things lie: the project, its kept artifacts, and the data beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
KEPT = ROOT / "tests" / "artifacts_0_1_0"
KEPT_NAMES = (
    "classification",
    "fine_tuned",
    "forecasting",
    "generation",
    "multi_label",
    "reconstruction",
    "regression",
)


def shared(name: str) -> Path:
    """A folder of the data beside the project; the test is skipped where it is absent."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {name} in ../shared/data, which is not part of the project")
    return folder
