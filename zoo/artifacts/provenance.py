"""The training examples of a version, as its run recorded them."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from zoo.artifacts import checksums
from zoo.errors import InputError

UNKNOWN = "unknown"  # in trained_before.txt, if its list is incomplete


def trained_on(version: Path, started: bool, elsewhere: str | None = None) -> tuple[set[str], str | None]:
    """The training examples of a version.

    Args:
        version: its folder; changed files in ``run/`` are ignored.
        started: whether it started from another artifact, whose training examples are in ``run/trained_before.txt``.
        elsewhere: of a model that others trained, on what, in words; their examples are not in ``run/``.

    Returns:
        sha256 of the examples, and why the set may be incomplete; None if it is complete.
    """
    if elsewhere is not None:
        return set(), f"the model was trained on {elsewhere}"
    digests: set[str] = set()
    doubts = []
    for name in ("splits.csv", "trained_before.txt")[: 1 + started]:
        try:
            content = (version / "run" / name).read_text(encoding="utf-8", errors="surrogateescape")
            if checksums.has(version):
                checksums.require(version, (f"run/{name}",))
            digests |= _digests(content, name)
        except FileNotFoundError:
            doubts.append(f"run/{name} is missing")
        except InputError:
            doubts.append(f"run/{name} is not as it was published")
        except (OSError, ValueError, KeyError, csv.Error):
            doubts.append(f"run/{name} is damaged")
    if UNKNOWN in digests:
        doubts.append("nor is known what the artifact that it started from was trained on")
    return digests - {UNKNOWN}, "; ".join(doubts) or None


def _digests(content: str, name: str) -> set[str]:
    """The digests of the training part in ``splits.csv``, or all digests in another file.

    Raises:
        ValueError, KeyError, csv.Error: the content is damaged.
    """
    if name != "splits.csv":
        digests = set(content.split())
    else:
        rows = list(csv.DictReader(io.StringIO(content, newline=""), strict=True))
        if unknown := {row["split"] for row in rows} - {"train", "validation", "test"}:
            raise ValueError(unknown)
        digests = {row["sha256"] for row in rows if row["split"] == "train"}
    if not digests or not all(digest == UNKNOWN or re.fullmatch("[0-9a-f]{64}", digest or "") for digest in digests):
        raise ValueError(name)
    return digests
