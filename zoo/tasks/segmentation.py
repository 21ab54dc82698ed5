"""A class of every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from zoo.errors import InputError
from zoo.evaluation.shown import Line, Shown, Table
from zoo.tasks.areas import Areas
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Measure, Outputs, Plan, Value, Written

SUM = 1e-3  # how far probabilities may be from 1 together


class Mask(Protocol):
    """The class of each pixel of a photo, which is read when it is needed: thousands do not fit into memory.

    Attributes:
        name: of its file.
        size: height and width in pixels.
        found: value -> pixels that have it.
    """

    name: str
    size: tuple[int, int]
    found: Mapping[int, int]

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class, int64 (classes,)."""

    def pixels(self) -> np.ndarray:
        """Positions of the classes, uint8 (height, width)."""

    def of(self, greys: tuple[int, ...]) -> Mask:
        """The same of a task whose classes have these values."""


@dataclass(frozen=True)
class Segmentation(Task):
    """A class of every pixel. Targets: `Mask` objects, object (examples,).

    A network learns them at the size of its input, uint8 (examples, height, width), positions in `names`; scores are of
    each photo at its own size.

    Attributes:
        greys: of each class, the value that a mask has there; empty where that is its position.
    """

    greys: tuple[int, ...] = ()

    name: ClassVar[str] = "segmentation"
    outputs: ClassVar[tuple[str, ...]] = ("probabilities",)
    from_columns: ClassVar[bool] = False
    several: ClassVar[bool] = True
    pixelwise: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("size",)
    measures: ClassVar[tuple[Measure, ...]] = ()

    @classmethod
    def of(cls, raw: Written) -> Segmentation:
        """A class for each value that masks have."""
        values = sorted({value for mask in _masks(raw) for value in mask.found})
        return cls(tuple(map(str, values)), tuple(values))

    @property
    def values_of_classes(self) -> tuple[int, ...]:
        """Of each class, the value that a mask has there."""
        return self.greys or tuple(range(len(self.names)))

    def encode(self, raw: Written) -> np.ndarray:
        """Masks whose values are all of the task's."""
        known, found = self.values_of_classes, np.empty(len(raw.names), object)
        for at, mask in enumerate(_masks(raw)):
            if strange := sorted(set(mask.found) - set(known)):
                listed = ", ".join(f"{value} ({name})" for value, name in zip(known, self.names, strict=True))
                raise InputError(
                    f"{raw.where}: {mask.name} has pixels of value {strange[0]}, which is no class of the model; "
                    f"expected {listed[:300]}"
                )
            found[at] = mask.of(known)
        return found

    def text(self, target: Mask) -> str:
        """The name of its file."""
        return target.name

    def counts(self, targets: np.ndarray) -> dict[str, int]:
        """In how many photos each class is."""
        return dict(zip(self.names, self.strata(targets).sum(axis=0).tolist(), strict=True))

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """One column a class: whether it is in the photo."""
        return (self._pixels(targets) > 0).astype(np.int64)

    def _pixels(self, targets: np.ndarray) -> np.ndarray:
        """Pixels of each class in each photo, int64 (examples, classes)."""
        return np.array([mask.counts for mask in targets], np.int64).reshape(-1, len(self.names))

    def _shares(self, targets: np.ndarray) -> np.ndarray:
        """Of all pixels together, float64 (classes,)."""
        pixels = self._pixels(targets).sum(axis=0)
        return pixels / max(1, pixels.sum())

    def shown(self, parts: Mapping[str, np.ndarray]) -> Shown:
        """Shares of the pixels, and sizes of the photos."""
        columns = [self._shares(targets) for targets in parts.values()]
        rows = [
            [name, *(f"{share:.2%}" for share in row)]
            for name, row in zip(self.names, zip(*columns, strict=True), strict=True)
        ]
        yield Table("share of the pixels", ("class", *parts), rows)
        sizes = [mask.size for targets in parts.values() for mask in targets]
        areas = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        told = [f"{width} x {height}" for height, width in (areas[0], areas[len(areas) // 2], areas[-1])]
        text = f"{told[0]} to {told[2]}, half of them up to {told[1]}" if len(set(sizes)) > 1 else f"all {told[0]}"
        yield Line("", f"sizes in pixels: {text}")

    def summary(self, targets: np.ndarray) -> dict[str, Any]:
        """Shares of the pixels, and the smallest and largest photo."""
        sizes = sorted((mask.size for mask in targets), key=lambda size: (size[0] * size[1], size))
        shares = dict(zip(self.names, self._shares(targets).tolist(), strict=True))
        return {"pixel_shares": shares, "smallest": list(sizes[0]), "largest": list(sizes[-1])}

    def check(self, source: Any, parts: Mapping[str, Any], *, every: bool = False) -> None:
        """See `Task.check`: there are two classes or more, and each that a part has has a training example."""
        has = {name: self.strata(part.targets).any(axis=0) for name, part in parts.items()}
        if has["train"].sum() < 2:
            found = ", ".join(name for name, here in zip(self.names, has["train"], strict=True) if here)
            raise InputError(f"{source}: expected pixels of two classes or more in the masks, found only {found}")
        for part, here in has.items():
            if (unseen := here & ~has["train"]).any():
                name = self.names[int(unseen.argmax())]
                raise InputError(
                    f"{source}: no training mask has the class {name!r}, which the {part} part has; move a photo with "
                    "it to the training part"
                )

    # ---- training ----

    def output_shape(self, inputs: np.ndarray) -> tuple[int, ...]:
        """Height, width and classes."""
        return (*inputs.shape[1:3], len(self.names))

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, None]:
        """Positions at the size of the inputs, uint8 (examples, height, width), by nearest neighbour."""
        return self._at(targets, inputs.shape[1:3]), None

    def _at(self, targets: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Targets at a size, uint8 (examples, height, width); those that are have it already."""
        if targets.dtype != object:
            return targets
        found = np.empty((len(targets), *size), np.uint8)
        for at, mask in enumerate(targets):
            found[at] = resized(mask.pixels(), size)
        return found

    def plan(self, network: Any) -> Plan:
        """Cross-entropy of each pixel; masks move with their photos."""
        import keras

        return Plan(keras.losses.SparseCategoricalCrossentropy(), ("accuracy",), moves=True)

    def fits(self, answers: np.ndarray) -> str | None:
        """Probabilities of a pixel sum to 1."""
        if np.isfinite(answers).all() and not np.allclose(answers.sum(axis=-1), 1, atol=SUM):
            return "gives no probabilities: expected a softmax over the classes at its end"
        return None

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """Mean cross-entropy of the pixels at the size of the outputs, in nats, clipped as Keras does."""
        shares = np.asarray(outputs["probabilities"])
        positions = self._at(targets, shares.shape[1:3])[..., None].astype(np.int64)
        likely = np.take_along_axis(shares, positions, axis=-1).astype(np.float64)
        return -np.log(np.clip(likely, 1e-7, 1 - 1e-7)).mean(axis=(1, 2, 3))

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Shares of the classes, the same for every pixel: float64 (height, width, classes)."""
        if targets.dtype == object:
            targets = self._at(targets, targets[0].size)
        shares = np.bincount(targets.ravel(), minlength=len(self.names)) / targets.size
        return np.broadcast_to(shares, (*targets.shape[1:], len(self.names)))

    # ---- answers ----

    def values(self) -> dict[str, Value]:
        """The mask, and how much of the photo each class takes."""
        return {
            "mask_bytes": Value("mask", "PNG of the size of the photo, its grey values those of the training masks"),
            "shares": Value(
                "shares", "mean probability of each class over all pixels, which is its share of the photo"
            ),
        }

    def raw_values(self) -> dict[str, Value]:
        """What is said of each pixel of the network's input."""
        return {
            "mask": Value("positions", "of the most probable class of each pixel, at the size of the input"),
            "probabilities": Value("array", "of the classes of each pixel, at the size of the input"),
        }

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """The most probable class of each pixel, of equal ones the first; probabilities are resized before."""
        shares = outputs["probabilities"]
        areas = Areas(shares, request.get("size"), self.values_of_classes)
        mean = xp.mean(xp.array(shares, dtype="float64"), axis=(1, 2))  # the same in whatever order it is summed
        values = {
            "mask_bytes": areas,
            "shares": xp.array(mean, dtype="float32"),
            "mask": xp.argmax(shares, axis=-1),
            "probabilities": shares,
        }
        return Answer(values, {"mask_bytes": areas.margins, "mask": Areas(shares, None, areas.greys).margins})

    def beside(self) -> dict[str, Any]:
        """The value of each class in a mask."""
        return {"mask_values": list(self.values_of_classes)}

    # ---- the card ----

    def to_card(self) -> dict[str, Any]:
        """With the values of the classes."""
        return super().to_card() | self.beside()

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Segmentation:
        """See `Task.from_card`."""
        return cls(tuple(card["classes"]), tuple(card["mask_values"]))

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """Values of masks are whole numbers from 0 to 255, each once."""
        if problem := super().card_problem(card):
            return problem
        values, count = card.get("mask_values"), len(card["classes"])
        whole = isinstance(values, list) and all(type(each) is int and 0 <= each <= 255 for each in values)
        if whole and len(values) == len(set(values)) == count:
            return None
        return ("mask_values", "a different whole number from 0 to 255 for each class")

    def shapes(self, card: Mapping[str, Any], model: Any) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Height, width and classes."""
        yield self.outputs[0], (*card["input"]["size"], len(self.names)), tuple(model.output_shape[1:])


def resized(positions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole numbers (any height, any width) at another size (height, width), by nearest neighbour."""
    rows, columns = (
        np.minimum(((np.arange(wanted) + 0.5) * (count / wanted)).astype(np.int64), count - 1)
        for count, wanted in zip(positions.shape, size, strict=True)
    )
    return positions[rows[:, None], columns]


def _masks(raw: Written) -> Sequence[Mask]:
    masks = getattr(raw, "masks", None)
    if masks is None:
        raise InputError(f"{raw.where}: expected images beside masks, received the columns {', '.join(raw.columns)}")
    return masks
