"""Pretrained artifacts, which installed packages offer by name and make at their first use.

A package offers one by an entry point of the group ``zoo.pretrained``, ``name = module:function``. The function takes
the name, and returns the version folder of the artifact.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path


def names() -> list[str]:
    """Names of the pretrained artifacts, sorted; nothing of the packages is imported."""
    return sorted(entry.name for entry in entry_points(group="zoo.pretrained"))


def version(name: str) -> Path | None:
    """The version folder of a pretrained artifact, which is made if it is not there; None if no package offers it.

    Raises:
        InputError, JobError: it can't be made; see the function of its package.
    """
    entries = entry_points(group="zoo.pretrained", name=name)
    return next(iter(entries)).load()(name) if entries else None
