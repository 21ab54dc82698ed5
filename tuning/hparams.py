"""Trials for TensorBoard's HParams plugin. Importing this imports TensorFlow."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api

from tuning.results import SearchResult


def write(result: SearchResult, folder: Path) -> None:
    """Write the trials of a search, one run each, with score and curves; ``tensorboard --logdir`` shows them."""
    for trial in result.trials:
        if trial.score is None:
            continue
        with tf.summary.create_file_writer(str(folder / f"trial_{trial.number:04d}")).as_default():
            api.hparams(dict(trial.values), trial_id=f"trial_{trial.number}")
            tf.summary.scalar(result.objective, trial.score, step=max(1, trial.epochs))
            for epoch, row in enumerate(trial.curve, 1):
                for name, value in row.items():
                    tf.summary.scalar(name, value, step=epoch)
