"""Codes for new examples: random ones, and interpolations between two."""

from __future__ import annotations

import numpy as np

from zoo.errors import InputError


def check_counts(**counts: int) -> None:
    """Raise InputError unless all are integers of at least 1."""
    for name, count in counts.items():
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise InputError(f"expected {name} to be a whole number from 1 on, received {count!r}")


def drawn(count: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Codes from a standard normal distribution, float32 (count, *shape); the first ones of a seed are always equal."""
    return np.random.default_rng(seed).standard_normal((count, *shape), np.float32)


def linear(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Evenly spaced codes on the line between two, both included: float32 (steps, ...); of one step the first."""
    shares = np.linspace(0, 1, steps, dtype=np.float32).reshape(-1, *[1] * first.ndim)
    return (1 - shares) * first + shares * second


def spherical(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Codes on the arc between two, by even angles, both included: float32 (steps, width).

    Random codes have nearly the same length. Codes on the straight line between two are shorter, and no network has
    learnt from such.

    Args:
        first: float32 (width,).
        second: float32 (width,).
        steps: how many.

    Source: White 2016, "Sampling Generative Networks", section 2.1.
    """
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    angle = np.arccos(np.clip(np.dot(first, second) / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < 1e-6:  # on one line with the origin: there is no arc, or there are many
        return linear(first, second, steps)
    shares = np.linspace(0, 1, steps)[:, None]
    return ((np.sin((1 - shares) * angle) * first + np.sin(shares * angle) * second) / np.sin(angle)).astype(np.float32)


def strips(count: int, steps: int, width: int, seed: int) -> np.ndarray:
    """Arcs between drawn codes: float32 (count, steps, width)."""
    check_counts(strips=count, steps=steps)
    ends = drawn(2 * count, (width,), seed).reshape(count, 2, width)
    return np.stack([spherical(first, second, steps) for first, second in ends])
