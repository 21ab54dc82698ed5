"""What a model is for: the contract of a task is in `zoo.tasks.task`, each task in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo import startup

if TYPE_CHECKING:  # the same names as in `_PUBLIC`, for editors and type checkers
    from zoo.tasks.anomaly_detection import AnomalyDetection as AnomalyDetection
    from zoo.tasks.classification import Classification as Classification
    from zoo.tasks.forecasting import Forecasting as Forecasting
    from zoo.tasks.generation import Generation as Generation
    from zoo.tasks.multi_label import MultiLabel as MultiLabel
    from zoo.tasks.reconstruction import Reconstruction as Reconstruction
    from zoo.tasks.registry import TASKS as TASKS
    from zoo.tasks.registry import register as register
    from zoo.tasks.regression import Regression as Regression
    from zoo.tasks.task import Task as Task
    from zoo.tasks.terms import Answer as Answer
    from zoo.tasks.terms import Measure as Measure
    from zoo.tasks.terms import Plan as Plan
    from zoo.tasks.terms import Value as Value

_PUBLIC = {
    "AnomalyDetection": "zoo.tasks.anomaly_detection",
    "Answer": "zoo.tasks.terms",
    "Classification": "zoo.tasks.classification",
    "Forecasting": "zoo.tasks.forecasting",
    "Generation": "zoo.tasks.generation",
    "Measure": "zoo.tasks.terms",
    "MultiLabel": "zoo.tasks.multi_label",
    "Plan": "zoo.tasks.terms",
    "Reconstruction": "zoo.tasks.reconstruction",
    "Regression": "zoo.tasks.regression",
    "TASKS": "zoo.tasks.registry",
    "Task": "zoo.tasks.task",
    "Value": "zoo.tasks.terms",
    "register": "zoo.tasks.registry",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = startup.lazy(__name__, _PUBLIC)
