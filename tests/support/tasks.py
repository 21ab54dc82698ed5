"""Of each task a made-up instance, outputs of a network for it, and targets: what contract tests of tasks ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from zoo.tasks.anomaly_detection import AnomalyDetection
from zoo.tasks.areas import UNIT
from zoo.tasks.classification import Classification
from zoo.tasks.forecasting import Forecasting
from zoo.tasks.forms import FORMS
from zoo.tasks.generation import Generation
from zoo.tasks.multi_label import MultiLabel
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.regression import Regression
from zoo.tasks.segmentation import Segmentation
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Outputs

NAMES = ("a;b", "größe 日本", " ", "0")  # with a separator, of several bytes a letter, blank, and false for Python
COUNT = 12  # examples


class Example(NamedTuple):
    """One task as tests know it.

    Attributes:
        task: an instance.
        shapes: name of an output -> its shape, without the batch.
        range: what outputs lie in.
        targets: as `Task.encode` gives them.
        share: whether outputs of an example sum to 1.
    """

    task: Task
    shapes: dict[str, tuple[int, ...]]
    range: tuple[float, float]
    targets: np.ndarray
    share: bool = False

    def outputs(self, count: int = COUNT, seed: int = 0) -> dict[str, np.ndarray]:
        """Of `count` examples, float32, none of them near another decision."""
        rng = np.random.default_rng(seed)
        found = {name: rng.uniform(*self.range, (count, *shape)) for name, shape in self.shapes.items()}
        if self.share:  # one is over a half
            found = {name: 0.4 * each / each.sum(axis=-1, keepdims=True) for name, each in found.items()}
            for each in found.values():
                pixels = np.arange(each[:1, ..., :1].size).reshape(each[:1, ..., :1].shape)
                first = (np.arange(count).reshape(-1, *[1] * (each.ndim - 1)) + pixels) % each.shape[-1]
                np.put_along_axis(each, first, np.take_along_axis(each, first, -1) + 0.6, -1)
        return {name: each.astype(np.float32) for name, each in found.items()}


class Mask(NamedTuple):
    """The class of each pixel, in memory; see `zoo.tasks.segmentation.Mask`."""

    name: str
    positions: np.ndarray
    greys: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.positions.shape

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class."""
        return np.bincount(self.positions.ravel(), minlength=len(self.greys))

    @property
    def found(self) -> dict[int, int]:
        """Value -> pixels."""
        return {self.greys[at]: int(count) for at, count in enumerate(self.counts) if count}

    def pixels(self) -> np.ndarray:
        """Positions."""
        return self.positions

    def of(self, greys: tuple[int, ...]) -> Mask:
        """With these values."""
        return self._replace(greys=greys)


def _masks(count: int) -> np.ndarray:
    """Masks of different sizes, object (examples,)."""
    rng, found = np.random.default_rng(2), np.empty(count, object)
    for at in range(count):
        positions = rng.integers(0, 4, (4 + at % 3, 5 + at % 2), np.uint8)
        found[at] = Mask(f"masks/{at}.png", positions, (0, 7, 8, 255))
    return found


_WHOLE = np.arange(COUNT) % len(NAMES)
_NUMBERS = np.random.default_rng(1).normal(size=(COUNT, 2)).astype(np.float32)
TASKS: dict[str, Example] = {
    "classification": Example(Classification(NAMES, 1), {"probabilities": (4,)}, (0, 1), _WHOLE, share=True),
    "multi_label": Example(
        MultiLabel(NAMES, (0, 1, 0, 1)), {"probabilities": (4,)}, (0, 1), np.eye(4, dtype=int)[_WHOLE]
    ),
    "regression": Example(Regression(("a", "b"), (1.0, 2.0)), {"prediction": (2,)}, (-3, 3), _NUMBERS),
    "forecasting": Example(Forecasting(("t+1", "t+2"), (1.0, 2.0)), {"prediction": (2,)}, (-3, 3), _NUMBERS),
    "reconstruction": Example(
        Reconstruction(NAMES, threshold=float(np.float32(0.9))), {"reconstruction": (3, 2), "score": ()}, (0, 2), _WHOLE
    ),
    "anomaly_detection": Example(
        AnomalyDetection(NAMES, threshold=float(np.float32(0.9)), normal=NAMES[:2]),
        {"score": (), "distances": (5, 4)},
        (0, 2),
        _WHOLE,
    ),
    "generation": Example(Generation(NAMES), {"pixels": (5, 4, 3)}, (0, 255), _WHOLE),
    "segmentation": Example(
        Segmentation(NAMES, (0, 7, 8, 255)), {"probabilities": (4, 4, 4)}, (0, 1), _masks(COUNT), share=True
    ),
}


def rolled(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of which none is where it was."""
    return (*names[1:], names[0])


# Form of a value -> names, a value and numpy or keras.ops to names and value of another one, by a mistake between the
# outputs of a network and its export.
CHANGES: dict[str, Callable[[tuple[str, ...], Any, Any], tuple[tuple[str, ...], Any]]] = {
    "name": lambda names, at, xp: (rolled(names), at),
    "names": lambda names, here, xp: (names, xp.logical_not(here)),
    "share": lambda names, share, xp: (names, share - 1e-3),
    "shares": lambda names, shares, xp: (names, shares + 1e-3),
    "number": lambda names, number, xp: (names, 1.01 * number + 0.01),
    "numbers": lambda names, numbers, xp: (names, 1.01 * numbers + 0.01),
    "flag": lambda names, flag, xp: (names, xp.logical_not(flag)),
    "array": lambda names, array, xp: (names, 1.01 * array + 0.01),
    "image": lambda names, pixels, xp: (names, 255 - pixels),
    "mask": lambda names, areas, xp: (names, replace(areas, shares=xp.swapaxes(areas.shares, 1, 2))),
    "positions": lambda names, shares, xp: (names, xp.swapaxes(shares, 1, 2)),
}


def said_by(task: Task, outputs: Outputs, change: str | None = None, *, raw: bool = False) -> dict[str, np.ndarray]:
    """What an export says whose network has such outputs, the value `change` made another one, raw values too."""
    import keras
    import tensorflow as tf

    answer, names = task.answer({name: tf.constant(each) for name, each in outputs.items()}, {}, keras.ops), task.names
    found = {}
    for name, value in (task.values() | (task.raw_values() if raw else {})).items():
        given = names, answer.values[name]
        if name == change:
            given = CHANGES[value.form](*given, keras.ops)
        found[name] = FORMS[value.form].graph(*given).numpy()
    return found


def border(name: str, distance: float) -> list[dict[str, np.ndarray]]:
    """Outputs of one example on both sides of a decision, so far away from it, in the unit of the outputs."""
    limit, pixels = TASKS["reconstruction"].task.threshold, np.ones((5, 4, 3))
    middle, step = {
        "classification": ({"probabilities": [0.45, 0.45, 0.1, 0]}, {"probabilities": [0.5, -0.5, 0, 0]}),
        "multi_label": ({"probabilities": [0.5, 0.1, 0.9, 0.1]}, {"probabilities": [1, 0, 0, 0]}),
        "reconstruction": (
            {"score": limit, "reconstruction": np.ones((3, 2))},
            {"score": 2 * limit**0.5, "reconstruction": np.zeros((3, 2))},
        ),
        "anomaly_detection": (
            {"score": limit, "distances": np.full((5, 4), 20.1 * limit / 127.5)},  # not in the middle of grey values
            {"score": 1.0, "distances": np.zeros((5, 4))},
        ),
        "generation": ({"pixels": 127.5 * pixels}, {"pixels": 255 * pixels}),
        "segmentation": (
            {"probabilities": np.tile([0.45, 0.45, 0.1, 0], (4, 4, 1))},
            # One half of the pixels is as far on one side as the other on the other: the shares stay.
            {"probabilities": UNIT * np.tile([[0.5, -0.5, 0, 0], [-0.5, 0.5, 0, 0]], (4, 2, 1))},
        ),
    }[name]
    return [
        {each: np.float32([np.asarray(middle[each]) + side * np.asarray(step[each])]) for each in middle}
        for side in (distance, -distance)
    ]


def without_margins(task: Task) -> Task:
    """A task that says of no decision how far it is from another one."""

    class Silent(type(task)):
        def answer(self, *given: Any) -> Answer:
            return super().answer(*given)._replace(margins={})

    return Silent(**{each.name: getattr(task, each.name) for each in fields(task)})


def card_of(name: str) -> dict[str, Any]:
    """What the card of an artifact says of it."""
    return TASKS[name].task.to_card() | {"input": {"kind": "images", "size": [4, 4], "crop": 1.0}}
