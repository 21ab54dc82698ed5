"""Checkpoints: the whole state of a training run in one file, exact to the bit."""

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

EVERY = 10.0  # seconds between two writes


class Checkpoint:
    """A file with the weights, the optimizer, the seeds of random layers, the history and the best weights of a run.

    Args:
        path: ends in ``.npz``; its folder exists.
        every: seconds between two writes.
    """

    def __init__(self, path: Path, every: float = EVERY) -> None:
        self.path, self.every, self.written = path, every, time.monotonic()

    def restore(self, state: Sequence[Any]) -> tuple[list[dict[str, float]], int, float, list[np.ndarray] | None]:
        """Set the variables `state` to their values in the file.

        Returns:
            rows of the trained epochs, the best epoch, its loss and its weights; those of a new run if there is no
            file, or a damaged one, of which a warning tells.

        Raises:
            InputError: the file belongs to another model.
        """
        if not self.path.is_file():
            return [], 0, float("inf"), None
        try:
            with np.load(self.path) as file:  # a zip file, with checksums of its arrays
                facts = json.loads(str(file["known"]))
                values = [file[f"state_{number}"] for number in range(facts["variables"])]
                best = [file[f"best_{number}"] for number in range(facts["best"])]
                done = facts["rows"], facts["epoch"], facts["loss"], best or None
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
        """Write the file if it is time to, or if training has ended, because scoring may take long, too."""
        if not last and time.monotonic() - self.written < self.every:
            return
        import keras

        facts = {"rows": rows, "epoch": epoch, "loss": loss, "variables": len(state), "best": len(best or [])}
        values = {f"state_{number}": keras.ops.convert_to_numpy(v) for number, v in enumerate(state)}
        values |= {f"best_{number}": value for number, value in enumerate(best or [])}
        with atomic_file(self.path) as partial, partial.open("wb") as file:
            np.savez(file, known=np.array(json.dumps(facts)), **values)
        self.written = time.monotonic()
