"""Names of Keras Tuner that are not public, each with the reason why it is used. Seen with Keras Tuner 1.4.8.

No other file uses any, so that an update of Keras Tuner can break this file alone; `tests/test_house.py` holds that.
Importing this imports Keras.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from keras_tuner.src import config, protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.trial import Trial, TrialStatus

# `Trial` and its parts are arguments of public methods, but have no public name. `config.DEBUG` prints a traceback for
# each failed trial. `protos` and `OracleServicer` are the service that `keras_tuner` starts in the chief by environment
# variables alone, without a way to end it.
__all__ = ["MetricsTracker", "OracleInternals", "OracleServicer", "Trial", "TrialStatus", "TunerInternals", "protos"]

config.DEBUG = False  # the reason of a failure is in the results


class OracleInternals:
    """Names for the private state of an oracle, and public hooks in place of its private methods.

    A mixin, to be inherited before an oracle. Its state has no public names, and is written and read by no public
    methods that are atomic.
    """

    def is_tried(self, values: dict[str, Any]) -> bool:
        """Whether these values are not to be drawn again; a hook."""
        return super()._duplicate(values)

    def save_trial(self, trial: Trial) -> None:
        """Write the state of a trial; a hook."""
        super()._save_trial(trial)

    def _duplicate(self, values: dict[str, Any]) -> bool:
        return self.is_tried(values)

    def _save_trial(self, trial: Trial) -> None:
        self.save_trial(trial)

    @property
    def folder(self) -> Path:
        """The folder of the oracle's files."""
        return Path(self._project_dir)

    @property
    def state_file(self) -> Path:
        """The file of the oracle's state."""
        return Path(self._get_oracle_fname())

    def trial_folder(self, trial_id: str) -> Path:
        """The folder of a trial."""
        return Path(self._get_trial_dir(trial_id))

    @property
    def retries(self) -> list[str]:
        """Trials to run again."""
        return self._retry_queue

    @retries.setter
    def retries(self, trial_ids: list[str]) -> None:
        self._retry_queue = trial_ids

    def random_values(self) -> dict[str, Any] | None:
        """Values that were not tried, drawn at random; None if there are none left."""
        return self._random_values()

    def seed_draws(self, *seed: int) -> None:
        """Seed the Gaussian process of a Bayesian oracle; other oracles draw by seed and number of draws alone."""
        if hasattr(self, "_random_state"):
            self._random_state = np.random.RandomState(seed)

    def promising(self) -> set[str]:
        """Trials that Hyperband may continue; none for other oracles."""
        names: set[str] = set()
        for bracket in getattr(self, "_brackets", []):
            for number, (now, later) in enumerate(zip(bracket["rounds"], bracket["rounds"][1:], strict=False), 1):
                if len(later) < self._get_size(bracket["bracket_num"], number):
                    names |= {each["id"] for each in now} - {each["past_id"] for each in later}
        return names

    @property
    def grid_order(self) -> list[str]:
        """Trials of a grid in the order of their values, which its own state lacks."""
        ordered, index = [], self._ordered_ids._next_index[None]
        while index is not None:
            ordered.append(self._ordered_ids._memory[index])
            index = self._ordered_ids._next_index[index]
        return ordered

    @grid_order.setter
    def grid_order(self, trial_ids: list[str]) -> None:
        for trial_id in trial_ids:
            self._ordered_ids.insert(trial_id)
        self._populate_next = list(self.end_order)  # the oracle skips those whose successor was tried


class TunerInternals:
    """Names for private methods of a tuner. A mixin, to be inherited before the tuner."""

    @property
    def is_worker(self) -> bool:
        """Whether this process gets its trials from a chief."""
        return self._is_worker()

    def _get_tuner_fname(self) -> str:
        return os.path.join(self.project_dir, "oracle.json")  # a tuner has no state besides the oracle's
