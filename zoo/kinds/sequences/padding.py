"""Sequences of different lengths in one array, and what a model takes of those that are read."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np


def padded(values: Sequence[np.ndarray], length: int | None = None) -> np.ndarray:
    """Float32 (examples, length, features) of arrays (length of each, features), rows of NaN after the shorter ones."""
    lengths = np.array([len(each) for each in values])
    full = np.full((len(values), length or lengths.max(), values[0].shape[1]), np.nan, dtype=np.float32)
    full[np.arange(full.shape[1]) < lengths[:, None]] = np.concatenate(values)
    return full


def digests_of(values: Sequence[np.ndarray]) -> list[str]:
    """Of each sequence without its padding, whatever it was padded to."""
    return [sha256(np.ascontiguousarray(each, dtype=np.float32).tobytes()).hexdigest() for each in values]


def fitted(
    values: Sequence[np.ndarray], features: Sequence[str], length: int | None, longest: int | None
) -> tuple[np.ndarray, dict[int, str]]:
    """Sequences as a model takes them, and why one can't be used, by its position: it is all NaN.

    Args:
        values: arrays (steps of each, features).
        features: that the model takes.
        length: that every sequence has; None for any.
        longest: that none may be over, and that shorter ones are filled to; None for no limit.
    """
    errors: dict[int, str] = {}
    kept = []
    for at, each in enumerate(values):
        steps = np.asarray(each, dtype=np.float32)
        if steps.ndim == 2:  # what follows a shorter sequence in an array is no part of it
            filled = np.flatnonzero(~np.isnan(steps).all(axis=1))
            steps = steps[: filled[-1] + 1] if len(filled) else steps[:0]
        if problem := _problem(steps, features, length, longest):
            errors[at] = problem
        kept.append(np.full((length or 1, len(features)), np.nan, np.float32) if problem else steps)
    return padded(kept, longest if length is None else None), errors


def _problem(steps: np.ndarray, features: Sequence[str], length: int | None, longest: int | None) -> str | None:
    if steps.ndim != 2 or steps.shape[1] != len(features):
        return f"expected (length, {len(features)}), received {steps.shape}"
    if length is not None and len(steps) != length:
        return f"expected {length} steps, received {len(steps)}"
    if not len(steps):
        return "empty: expected at least one step"
    if not np.isfinite(steps).all():
        step, feature = np.argwhere(~np.isfinite(steps))[0]
        return f"step {step + 1}, {features[feature]!r}: expected a finite number, received {steps[step, feature]}"
    if length is None and longest is not None and len(steps) > longest:
        return f"expected {longest} steps at most, as in training, received more"
    return None
