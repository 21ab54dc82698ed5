"""What a version says that it was trained on."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from zoo.artifacts import checksums
from zoo.errors import InputError

UNKNOWN = "unknown"  # in trained_before.txt, where some of what it should list was not known


def trained_on(version: Path, started: bool) -> tuple[set[str], str | None]:
    """What the run of a version says that it was trained on.

    Args:
        version: its folder; files in ``run/`` that are not as they were published are not believed.
        started: from another artifact, whose training examples are in ``run/trained_before.txt``.

    Returns:
        sha256 of the examples, and why some may be lacking; None where none do.
    """
    found: set[str] = set()
    doubts = []
    for name in ("splits.csv", "trained_before.txt")[: 1 + started]:
        try:
            content = (version / "run" / name).read_text(encoding="utf-8", errors="surrogateescape")
            if checksums.has(version):
                checksums.require(version, (f"run/{name}",))
            found |= _digests(content, name)
        except FileNotFoundError:
            doubts.append(f"run/{name} is missing")
        except InputError:
            doubts.append(f"run/{name} is not as it was published")
        except (OSError, ValueError, KeyError, csv.Error):
            doubts.append(f"run/{name} is damaged")
    if UNKNOWN in found:
        doubts.append("nor is known what the artifact that it started from was trained on")
    return found - {UNKNOWN}, "; ".join(doubts) or None


def _digests(content: str, name: str) -> set[str]:
    """Those of the training part in the content of ``splits.csv``, or all.

    Raises:
        ValueError, KeyError, csv.Error: it is damaged.
    """
    if name != "splits.csv":
        found = set(content.split())
    else:
        rows = list(csv.DictReader(io.StringIO(content, newline=""), strict=True))
        if unknown := {row["split"] for row in rows} - {"train", "validation", "test"}:
            raise ValueError(unknown)
        found = {row["sha256"] for row in rows if row["split"] == "train"}
    if not found or not all(digest == UNKNOWN or re.fullmatch("[0-9a-f]{64}", digest or "") for digest in found):
        raise ValueError(name)
    return found
