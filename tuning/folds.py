"""Folds of cross-validation that keep copies and groups together."""

from __future__ import annotations

import numpy as np

from zoo.data.dataset import Data
from zoo.errors import InputError


def check_folds(folds: int, count: int) -> None:
    """Raise InputError unless `count` training examples are enough for that many folds."""
    if not 2 <= folds <= count // 2:
        raise InputError(f"expected 2 to {count // 2} folds of {count} training examples, received {folds}")


def folds_of(data: Data, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions in the training part to learn from and to score on, for each fold; stratified by class."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    part = data.train
    classes = not data.task.several and bool(data.task.counts(part.targets))
    splitter = (StratifiedGroupKFold if classes else GroupKFold)(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros((len(part), 1)), part.targets if classes else None, part.together))
