"""Going on after a kill: the whole state of a training run in one file, exact to the bit."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError, Notice
from zoo.files import atomic_file

EVERY = 10.0  # seconds between two writings


class Checkpoint:
    """A file that holds weights, optimizer, seeds of the random layers, history and best weights of a run.

    Args:
        path: ends in ``.npz``; its folder is there.
        every: seconds between two writings.
    """

    def __init__(self, path: Path, every: float = EVERY) -> None:
        self.path, self.every, self.written = path, every, time.monotonic()

    def restore(self, state: Sequence[Any]) -> tuple[list[dict[str, float]], int, float, list[np.ndarray] | None]:
        """Set the variables `state` to what was kept.

        Returns:
            rows of the epochs done, the best epoch, its loss and its weights; of a new run where nothing was kept, or
            what was is damaged, which is told by a warning.

        Raises:
            InputError: the file is of another model.
        """
        if not self.path.is_file():
            return [], 0, float("inf"), None
        try:
            with np.load(self.path) as kept:  # which looks at the checksums that the file has of its arrays
                known = json.loads(str(kept["known"]))
                values = [kept[f"state_{number}"] for number in range(known["variables"])]
                best = [kept[f"best_{number}"] for number in range(known["best"])]
                done = known["rows"], known["epoch"], known["loss"], best or None
        except PermissionError:
            raise
        except Exception as error:  # NumPy and zipfile raise whatever they meet in a damaged file
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"{self.path} is damaged ({reason}): training begins anew", Notice, stacklevel=2)
            return [], 0, float("inf"), None
        if [value.shape for value in values] != [tuple(variable.shape) for variable in state]:
            raise InputError(f"{self.path} is of another model; remove it to start anew")
        for variable, value in zip(state, values, strict=True):
            variable.assign(value)
        return done

    def keep(
        self,
        state: Sequence[Any],
        rows: list[dict[str, float]],
        epoch: int,
        loss: float,
        best: list[np.ndarray] | None,
        last: bool = False,
    ) -> None:
        """Write it, if it is time to, or training has ended: scoring may take long, too."""
        if not last and time.monotonic() - self.written < self.every:
            return
        import keras

        known = {"rows": rows, "epoch": epoch, "loss": loss, "variables": len(state), "best": len(best or [])}
        values = {f"state_{number}": keras.ops.convert_to_numpy(v) for number, v in enumerate(state)}
        values |= {f"best_{number}": value for number, value in enumerate(best or [])}
        with atomic_file(self.path) as partial, partial.open("wb") as file:
            np.savez(file, known=np.array(json.dumps(known)), **values)
        self.written = time.monotonic()
