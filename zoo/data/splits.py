"""Splitting examples into a training and a held-out part, and which were on the side of a published model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

OFF = 0.02  # of the share that is held out, from which on groups change sides
PAIRED = 100  # groups of which two change sides together


def stratified(labels: np.ndarray, groups: Sequence[object], fraction: float, seed: int) -> np.ndarray:
    """Choose which examples are held out, the same share of every label, no group on both sides.

    Iterative stratification: the label with the fewest examples left is dealt out first, each of its groups to the
    side that lacks most of it. With one label an example this is the ordinary stratified split. Where large groups
    leave the share off by more than two points, groups change sides, one or two at a time, as long as that helps.

    Args:
        labels: (examples, classes) of 0 and 1; one column set in a row for single-label data.
        groups: one value an example; those with equal values stay together. Integers in an array are the fastest.
        fraction: share to hold out, in (0, 1).
        seed: the same seed gives the same split, whatever the order of the groups' names.

    Returns:
        bool (examples,), True where held out. With one label a group, a label with two groups or more has one on
        each side.

    Source: Sechidis, Tsoumakas and Vlahavas 2011, "On the Stratification of Multi-Label Data", algorithm 1.
    """
    if not (isinstance(groups, np.ndarray) and groups.dtype.kind in "iu"):
        groups = np.asarray([str(group) for group in groups])
    _, unit_of = np.unique(groups, return_inverse=True)
    units = np.zeros((unit_of.max() + 1, labels.shape[1]))
    np.add.at(units, unit_of, labels)
    sizes = np.bincount(unit_of)

    rng = np.random.default_rng(seed)
    rank = rng.permutation(len(units))
    totals, holders = units.sum(axis=0), (units > 0).sum(axis=0)
    held_wanted = np.where(holders > 1, np.clip(np.round(totals * fraction), 1, np.maximum(totals - 1, 1)), 0.0)
    wanted = np.stack([totals - held_wanted, held_wanted])  # row 0: training, row 1: held out
    wanted_size = np.array([sizes.sum() * (1 - fraction), sizes.sum() * fraction])

    side = np.full(len(units), -1)
    # With one label an example those that are alone in their group can be dealt out at once, after the larger groups.
    alone = (sizes == 1) if (labels.sum(axis=1) == 1).all() else np.zeros(len(units), dtype=bool)
    while (free := (side < 0) & ~alone).any():
        left = units[free].sum(axis=0)
        if not left.any():  # examples without any label: by size alone
            for unit in np.flatnonzero(free)[np.argsort(rank[free])]:
                side[unit] = int(wanted_size[1] > wanted_size[0])
                wanted_size[side[unit]] -= sizes[unit]
            break
        label = int(np.argmin(np.where(left > 0, left, np.inf)))
        members = np.flatnonzero(free & (units[:, label] > 0))
        # Large groups first, while there is still room for them on either side.
        for unit in members[np.lexsort((rank[members], -units[members, label]))]:
            lack = wanted[:, label] / np.maximum([totals[label] - held_wanted[label], held_wanted[label]], 1e-9)
            room = wanted[:, label] >= units[unit, label]
            if room[0] != room[1]:
                choice = int(room[1])
            elif lack[0] != lack[1]:
                choice = int(lack[1] > lack[0])
            else:
                choice = int(wanted_size[1] > wanted_size[0])
            side[unit] = choice
            wanted[choice] -= units[unit]
            wanted_size[choice] -= sizes[unit]
    members = np.flatnonzero(alone)
    label_of = units[members].argmax(axis=1)
    for label in np.unique(label_of):
        chosen = members[label_of == label]
        side[chosen] = 0
        side[chosen[np.argsort(rank[chosen])][: max(0, int(wanted[1, label]))]] = 1
    held = side == 1
    if abs(sizes[held].sum() / sizes.sum() - fraction) > OFF:
        order = np.argsort(rank)
        amounts = np.column_stack([units, sizes])[order]
        held[order] = _moved(amounts, held[order], np.append(held_wanted, sizes.sum() * fraction))
    return held[unit_of]


def folds_of(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fold of each example, int64 (examples,) from 0 on: parts of equal size that `stratified` makes.

    Args:
        labels: as `stratified` takes them.
        groups: int64 (examples,); examples with equal values are in one fold.
        count: number of folds, at least 2; each has an example if there are as many groups.
        seed: of the folds.
    """
    fold_of, rest = np.zeros(len(labels), np.int64), np.arange(len(labels))
    for fold in range(count - 1, 0, -1):
        held = stratified(labels[rest], groups[rest], 1 / (fold + 1), seed)
        fold_of[rest[held]], rest = fold, rest[~held]
    return fold_of


def _moved(amounts: np.ndarray, held: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which groups are held out once one or two at a time change sides, as long as that comes nearer to what is wanted.

    A label with two groups or more keeps one on each side; one with a single group is learnt from.

    Args:
        amounts: (groups, labels + 1), of each label and of all examples.
        held: bool (groups,).
        wanted: (labels + 1,), to be held out.
    """
    held, has = held.copy(), (amounts > 0).astype(np.int64)
    groups = has.sum(axis=0)
    least, most = (groups > 1).astype(np.int64), np.maximum(groups - 1, 0)
    first = np.arange(min(len(held), PAIRED))
    pairs = [(at,) for at in range(len(held))] + list(itertools.combinations(first.tolist(), 2))
    first, last = np.array([pair[0] for pair in pairs]), np.array([pair[-1] for pair in pairs])
    two = (first != last)[:, None]
    while True:
        sign = np.where(held, -1, 1)[:, None]

        def after(values: np.ndarray, sign: np.ndarray = sign, held: np.ndarray = held) -> np.ndarray:
            changes = values * sign
            return values[held].sum(axis=0) + changes[first] + two * changes[last]

        there = after(has)
        allowed = ((there >= least) & (there <= most)).all(axis=1)
        costs = np.where(allowed, np.abs(after(amounts) - wanted).sum(axis=1), np.inf)
        best = int(costs.argmin())
        if costs[best] >= np.abs(amounts[held].sum(axis=0) - wanted).sum() - 1e-9:
            return held
        held[list(pairs[best])] ^= True
