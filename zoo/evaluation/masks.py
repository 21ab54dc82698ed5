"""Scores of masks, which give each pixel of an image a class; every one is a mean over images.

Each image counts the same, whatever its size, as users see their images one by one; masks of different images may
have different sizes. An image where a class is neither true nor predicted says nothing of that class, and is left out
of its scores.

Source: Jaccard 1912, "The Distribution of the Flora in the Alpine Zone" (IoU); Dice 1945, "Measures of the Amount of
    Ecologic Association between Species"; by image: Csurka, Larlus and Perronnin 2013, "What is a good evaluation
    measure for semantic segmentation?", section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from zoo.evaluation.intervals import paired
from zoo.evaluation.measures import present_parts
from zoo.evaluation.tables import Line, Shown, Table, number

MEASURES = {"iou": "IoU", "dice": "Dice", "accuracy": "pixel accuracy"}
"""Name of a score -> its heading."""


class Counts(NamedTuple):
    """Pixels of masks, each int64 (images, classes).

    Attributes:
        both: of a class in the true mask and in the predicted one.
        true: of a class in the true mask.
        said: of a class in the predicted mask, where the true one has a class.
    """

    both: np.ndarray
    true: np.ndarray
    said: np.ndarray

    @classmethod
    def of(
        cls, true: Sequence[np.ndarray], said: Sequence[np.ndarray], classes: int, ignored: int | None = None
    ) -> Self:
        """Of pairs of masks.

        Args:
            true: integer (height, width) each, positions of the classes; sizes may differ from image to image.
            said: the same, predicted, each at the size of its true mask.
            classes: how many there are.
            ignored: value of true pixels that have no class and are not scored; None where all have one.

        Raises:
            ValueError: numbers or sizes of masks differ, or a value is no position of a class.
        """
        if len(true) != len(said):
            raise ValueError(f"expected as many predicted masks as true ones; received {len(said)} and {len(true)}")
        pairs = [_pairs(*each, classes, ignored, at) for at, each in enumerate(zip(true, said, strict=True))]
        table = np.array(pairs, np.int64).reshape(-1, classes, classes)
        return cls(np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2), table.sum(axis=1))

    def iou(self) -> np.ndarray:
        """Intersection over union of each class in each image, float64 (images, classes); NaN where there is none."""
        return _shares(self.both, self.true + self.said - self.both)

    def dice(self) -> np.ndarray:
        """Twice the intersection over the sum of both sizes, as `iou`."""
        return _shares(2 * self.both, self.true + self.said)

    def accuracy(self) -> np.ndarray:
        """Share of the pixels of each image that are right, float64 (images, 1); NaN where none has a class."""
        return _shares(self.both.sum(axis=1, keepdims=True), self.true.sum(axis=1, keepdims=True))

    def parts(self, measure: str) -> np.ndarray:
        """Parts, as in `zoo.evaluation.measures`, of one of `MEASURES`: a mean over classes of means over images."""
        return present_parts({"iou": self.iou, "dice": self.dice, "accuracy": self.accuracy}[measure]())

    def scores(self) -> dict[str, float]:
        """All of `MEASURES`."""
        return {measure: float(self.parts(measure).mean()) for measure in MEASURES}

    def worst(self) -> np.ndarray:
        """Positions of the images, int64: least mean IoU over their classes first, equal ones in order."""
        there = ~np.isnan(self.iou())
        sums = np.nansum(self.iou(), axis=1)
        return np.argsort(np.where(there.any(axis=1), sums / np.maximum(there.sum(axis=1), 1), 1.0), kind="stable")


def interval(parts: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of a score between 0 and 1 over images like these; None where there are fewer than two.

    That of `zoo.evaluation.intervals.paired`, held against a model that has 0 everywhere.
    """
    kept = parts[~np.isnan(parts)]
    if len(kept) < 2:
        return None
    low, high = paired(kept, seed)
    return max(0.0, low), min(1.0, high)


@dataclass(frozen=True)
class MaskEvaluation:
    """Scores of one model on one part.

    Attributes:
        part: which part was scored.
        examples: how many images.
        iou: mean over classes of `classes`' IoU.
        dice: the same of Dice.
        accuracy: share of the pixels that are right, mean over images.
        intervals: 95 % intervals over images of these three, by name; None for a single image.
        classes: per class IoU and Dice, mean over its images, and their intervals; in how many images it is true or
            predicted, and in how many it is neither; shares of all pixels that are true, and predicted.
        baselines: of simple models the three scores, and IoU by class, by name.
    """

    part: str
    examples: int
    iou: float
    dice: float
    accuracy: float
    intervals: dict[str, tuple[float, float] | None]
    classes: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `zoo.tasks.terms.Scored.beside`."""
        return "mean IoU", self.iou, {name: row["iou"] for name, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """What people read."""
        rows = [
            [name, _with(row["iou"], row["iou_interval"]), _with(row["dice"], row["dice_interval"])]
            + [f"{row['true']:.1%}", f"{row['predicted']:.1%}", str(row["images"])]
            for name, row in self.classes.items()
        ]
        header = ("class", "IoU", "Dice", "pixels", "predicted", "images")
        yield Table(f"{self.part}: {self.examples} images", header, rows)
        models = {"this model": asdict(self), **self.baselines}
        cells = [[name, *(number(row[measure]) for measure in MEASURES)] for name, row in models.items()]
        yield Table("", ("", "mean IoU", "mean Dice", "pixel accuracy"), (), cells)
        if ends := self.intervals["iou"]:
            yield Line(f"mean IoU {self.iou:.4f}", f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})")


def evaluate(
    part: str, names: Sequence[str], counts: Counts, simple: Mapping[str, Counts], seed: int = 0
) -> MaskEvaluation:
    """Scores of masks, beside those of simple models.

    Args:
        part: name of what is scored.
        names: of the classes.
        counts: of the model.
        simple: of simple models on the same images, by name.
        seed: of the resamples.
    """

    def rows(of: Counts) -> dict[str, Any]:
        return of.scores() | {"classes": {name: _mean(column) for name, column in zip(names, of.iou().T, strict=True)}}

    return MaskEvaluation(
        part,
        len(counts.true),
        **counts.scores(),
        intervals={measure: interval(counts.parts(measure), seed) for measure in MEASURES},
        classes={name: _of_class(counts, at, seed) for at, name in enumerate(names)},
        baselines={name: rows(each) for name, each in simple.items()},
    )


def _of_class(counts: Counts, at: int, seed: int) -> dict[str, Any]:
    iou, dice = counts.iou()[:, at], counts.dice()[:, at]
    there, pixels = int((~np.isnan(iou)).sum()), max(1, int(counts.true.sum()))
    return {
        "iou": _mean(iou),
        "dice": _mean(dice),
        "iou_interval": interval(iou, seed),
        "dice_interval": interval(dice, seed),
        "images": there,
        "neither": len(iou) - there,
        "true": float(counts.true[:, at].sum() / pixels),
        "predicted": float(counts.said[:, at].sum() / pixels),
    }


def _pairs(true: np.ndarray, said: np.ndarray, classes: int, ignored: int | None, at: int) -> np.ndarray:
    """Int64 (classes * classes,): how many pixels have each pair of a true and a predicted class."""
    if true.shape != said.shape:
        raise ValueError(f"mask {at}: expected the size of the true mask, {true.shape}; received {said.shape}")
    true, said = true.ravel().astype(np.int64), said.ravel().astype(np.int64)
    if ignored is not None:
        true, said = true[true != ignored], said[true != ignored]
    for values in (true, said):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            wrong = values[(values < 0) | (values >= classes)][0]
            raise ValueError(
                f"mask {at}: expected positions of {classes} classes, 0 to {classes - 1}; received {wrong}"
            )
    return np.bincount(true * classes + said, minlength=classes * classes)


def _shares(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(part, total, out=np.full(total.shape, np.nan), where=total > 0)


def _mean(values: np.ndarray) -> float | None:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else None


def _with(score: float | None, ends: tuple[float, float] | None) -> str:
    return number(score) + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")
