"""Architectures: functions that return an uncompiled `keras.Model`, imported on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.builders.registry import BUILDERS, builder, summary

__all__ = ["BUILDERS", "builder", "summary", *BUILDERS]


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in BUILDERS:
        raise AttributeError(f"module 'zoo.builders' has no attribute {name!r}")
    return builder(name)


def __dir__() -> list[str]:
    return sorted(__all__)
