"""What the contract tests of builders share: which there are, and which arguments they take."""

from __future__ import annotations

import inspect
from typing import Any

from zoo.builders.registry import BUILDERS, builder


def keywords(name: str) -> dict[str, Any]:
    """Keyword-only arguments and their defaults."""
    parameters = inspect.signature(builder(name)).parameters.values()
    return {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}


def wrong(argument: str, default: Any) -> list[Any]:
    """Values that no argument with such a default takes."""
    if argument in ("name", "vocabulary_size"):
        return []
    if isinstance(default, bool):
        return ["yes", 2, None]
    if isinstance(default, int):
        return [-1, 1.5, "8", None, *([0] if default else [])]
    if isinstance(default, float):
        return [-0.1, float("nan"), float("inf"), "0.1", None, *([1.0] if "dropout" in argument else [])]
    if isinstance(default, tuple):
        return ["64", (), None, 1.5]
    return ["nothing", 3]


SUPERVISED = [name for name in BUILDERS if not BUILDERS[name].task]
