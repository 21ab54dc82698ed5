"""A model zoo and transfer-learning toolkit for Keras 3.

Importing this package loads neither TensorFlow nor Keras; functions that need them import them when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from zoo import builders as builders
    from zoo import data as data
    from zoo import tasks as tasks
    from zoo.artifacts.artifact import load as load
    from zoo.artifacts.generator import Generator as Generator
    from zoo.artifacts.predictor import Prediction as Prediction
    from zoo.artifacts.predictor import Predictor as Predictor
    from zoo.artifacts.reconstructor import Anomaly as Anomaly
    from zoo.artifacts.reconstructor import Reconstructor as Reconstructor
    from zoo.errors import InputError as InputError
    from zoo.errors import JobError as JobError
    from zoo.formats.exporting import export as export
    from zoo.tasks.multi_label import evaluate as evaluate
    from zoo.training.diagnosis import diagnose as diagnose
    from zoo.training.learning_rates import find_learning_rate as find_learning_rate
    from zoo.training.run import train as train

__version__ = "0.1.0"

_PUBLIC = {
    "Anomaly": "zoo.artifacts.reconstructor",
    "Generator": "zoo.artifacts.generator",
    "InputError": "zoo.errors",
    "JobError": "zoo.errors",
    "Prediction": "zoo.artifacts.predictor",
    "Predictor": "zoo.artifacts.predictor",
    "Reconstructor": "zoo.artifacts.reconstructor",
    "builders": "zoo.builders",
    "data": "zoo.data",
    "diagnose": "zoo.training.diagnosis",
    "evaluate": "zoo.tasks.multi_label",
    "export": "zoo.formats.exporting",
    "find_learning_rate": "zoo.training.learning_rates",
    "load": "zoo.artifacts.artifact",
    "tasks": "zoo.tasks",
    "train": "zoo.training.run",
}
__all__ = ["__version__", *_PUBLIC]

startup.silence_tensorflow()
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
