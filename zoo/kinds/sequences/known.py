"""Columns whose values are known ahead, as holidays and prices: a step of a window has that of `horizon` steps later.

So the last steps of a window have what is known of all steps that are forecast, and a request is a window as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data import frames, times
from zoo.data.frames import Frame
from zoo.errors import InputError


class ShortError(InputError):
    """A series lacks rows, or values that are known ahead."""


def to_learn(frame: Frame, target: str, known: Sequence[str], horizon: int) -> Frame:
    """Rows up to the last one with a target, each with what is known `horizon` rows later.

    Args:
        frame: one series in order, whose last rows may have no target.
        target: the column that is forecast.
        known: the columns whose values are known ahead.
        horizon: steps that are forecast.

    Raises:
        InputError: a value that is known ahead is missing.
    """
    if not known:
        return frame
    count = _until(frame, target)
    later = _later(frame, known, horizon, len(frame.names))
    # No window that has a target reaches those at the end, which are padded.
    padded = {
        name: np.where(np.isnan(values), values[~np.isnan(values)][-1:], values) for name, values in later.items()
    }
    return times.chosen(frame._replace(values=frame.values.assign(**padded)), np.arange(count))


def to_ask(frame: Frame, target: str, known: Sequence[str], horizon: int, *, last: bool) -> Frame:
    """The same, up to the last row of which `horizon` rows later are there.

    Raises:
        ShortError: `last`, and so many rows do not follow the last one with a target; or a value of them is missing.
    """
    if not known:
        return frame
    count, there = _until(frame, target), len(frame.names)
    if last and there - count < horizon:
        raise ShortError(
            f"{frame.where}: expected {horizon} rows after the last one with {target!r}, which have {', '.join(known)} "
            f"alone: the model takes these as known ahead; received {there - count}"
        )
    stop = min(count, there - horizon)
    later = _later(frame, known, horizon, stop + horizon)
    return times.chosen(frame._replace(values=frame.values.assign(**later)), np.arange(max(stop, 0)))


def _until(frame: Frame, target: str) -> int:
    """The row after the last one with a target."""
    there = ~np.isnan(frames.as_numbers(frame.values[target]))
    return int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0


def _later(frame: Frame, known: Sequence[str], horizon: int, stop: int) -> dict[str, np.ndarray]:
    """Each column moved `horizon` rows up, NaN where nothing is known; the rows up to `stop` must have values."""
    later = {}
    for name in known:
        values = frames.as_numbers(frame.values[name])
        bad = ~np.isfinite(values[:stop])
        if bad.any():
            raise ShortError(
                f"{frame.where}: {frame.names[int(bad.argmax())]}, column {name!r}: expected a finite number, which "
                "is known ahead, received nothing or another"
            )
        later[name] = np.append(values[horizon:], np.full(min(horizon, len(values)), np.nan))
    return later
