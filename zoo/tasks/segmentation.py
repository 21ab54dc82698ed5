"""A class of every pixel."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import findings as finding
from zoo.evaluation import masks, otsu
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.evaluation.masks import Counts, MaskEvaluation
from zoo.evaluation.tables import Line, Shown, Table
from zoo.pictures.overlays import overlay
from zoo.tasks.areas import UNIT, Areas, decided
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

SUM = 1e-3  # how far probabilities may be from 1 together
BATCH = 4  # photos a step
RARE = 0.1  # share of the true pixels of a class, below which it is hardly ever predicted
FITTED, LONGEST = 200, 512  # photos that a simple model is fitted on, and pixels of their longer side
SHOWN, SIDE = 16, 128  # photos in a picture, and pixels of their side

_counted: list[tuple[weakref.ref, weakref.ref, Counts]] = []


class Mask(Protocol):
    """The class of each pixel of a photo, which is read when it is needed: thousands do not fit into memory.

    Attributes:
        name: of its file.
        size: height and width in pixels.
        value_counts: value -> pixels that have it.
    """

    name: str
    size: tuple[int, int]
    value_counts: Mapping[int, int]

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
    builder: ClassVar[str] = "unet"
    pixelwise: ClassVar[bool] = True
    positions: ClassVar[bool] = True
    asks: ClassVar[tuple[str, ...]] = ("size",)

    @classmethod
    def of(cls, raw: Written) -> Segmentation:
        """A class for each value that masks have."""
        values = sorted({value for mask in _masks(raw) for value in mask.value_counts})
        return cls(tuple(map(str, values)), tuple(values))

    @property
    def values_of_classes(self) -> tuple[int, ...]:
        """Of each class, the value that a mask has there."""
        return self.greys or tuple(range(len(self.names)))

    def encode(self, raw: Written) -> np.ndarray:
        """Masks whose values are all of the task's."""
        known, encoded = self.values_of_classes, np.empty(len(raw.names), object)
        for at, mask in enumerate(_masks(raw)):
            if strange := sorted(set(mask.value_counts) - set(known)):
                listed = ", ".join(f"{value} ({name})" for value, name in zip(known, self.names, strict=True))
                raise InputError(
                    f"{raw.where}: {mask.name} has pixels of value {strange[0]}, which is no class of the model; "
                    f"expected {listed[:300]}"
                )
            encoded[at] = mask.of(known)
        return encoded

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
        labels = [f"{width} x {height}" for height, width in (areas[0], areas[len(areas) // 2], areas[-1])]
        text = (
            f"{labels[0]} to {labels[2]}, half of them up to {labels[1]}" if len(set(sizes)) > 1 else f"all {labels[0]}"
        )
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
            present = ", ".join(name for name, here in zip(self.names, has["train"], strict=True) if here)
            raise InputError(f"{source}: expected pixels of two classes or more in the masks, found only {present}")
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
        resized_targets = np.empty((len(targets), *size), np.uint8)
        for at, mask in enumerate(targets):
            resized_targets[at] = resized(mask.pixels(), size)
        return resized_targets

    def plan(self, network: Any) -> Plan:
        """Cross-entropy of the pixels and Dice of the classes, by photo; masks move with their photos."""
        from zoo.tasks.mask_loss import MaskLoss

        return Plan(MaskLoss(), ("accuracy",), moves=True)

    def lengths(
        self, network: Any, source: Any, count: int, batch_size: int | None, epochs: int | None
    ) -> tuple[int, int]:
        """See `Task.lengths`. Each photo has thousands of targets: few are a batch."""
        return super().lengths(network, source, count, batch_size or BATCH, epochs)

    def fits(self, answers: np.ndarray) -> str | None:
        """Probabilities of a pixel sum to 1."""
        if np.isfinite(answers).all() and not np.allclose(answers.sum(axis=-1), 1, atol=SUM):
            return "gives no probabilities: expected a softmax over the classes at its end"
        return None

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """See `zoo.tasks.mask_loss.mask_losses`; at the size of the outputs."""
        from zoo.tasks.mask_loss import of_positions

        shares = np.asarray(outputs["probabilities"])
        return of_positions(self._at(targets, shares.shape[1:3]), shares)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Shares of the classes, of the best cross-entropy, at every pixel: float64 (height, width, classes)."""
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
                "shares", "share of the photo that each class is expected to have: its mean probability over all pixels"
            ),
        }

    def raw_values(self) -> dict[str, Value]:
        """What is said of each pixel of the network's input."""
        return {
            "mask": Value("positions", "position of the most probable class of each pixel, at the size of the input"),
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
            "mask": shares,
            "probabilities": shares,
        }
        return Answer(values, {"mask_bytes": areas.margins, "mask": Areas(shares, None, areas.greys).margins})

    def units(self, outputs: Outputs) -> dict[str, np.ndarray]:
        """See `zoo.tasks.areas.UNIT`."""
        return {"probabilities": np.array(UNIT)}

    def beside(self) -> dict[str, Any]:
        """The value of each class in a mask."""
        return {"mask_values": list(self.values_of_classes)}

    # ---- scores ----

    def counted(self, targets: np.ndarray, outputs: Outputs) -> Counts:
        """Pixels that are right and wrong, each photo at its own size.

        Several scores of the same answers follow each other: what was counted last is kept as long as the answers are.
        """
        said = outputs["probabilities"]
        # Weak references are equal if their arrays are: only `is` distinguishes them.
        _counted[:] = [kept for kept in _counted if kept[0]() is not None and kept[1]() is not None]
        for known, answers, counts in _counted:
            if known() is targets and answers() is said:
                return counts
        parts = [Counts.of([], [], len(self.names))]
        for mask, one in zip(targets, said, strict=True):
            parts.append(Counts.of([mask.pixels()], [_positions(one, mask.size)], len(self.names)))
        counts = Counts(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        _counted.append((weakref.ref(targets), weakref.ref(said), counts))
        return counts

    measures: ClassVar[tuple[Measure, ...]] = (
        Measure("iou", "max", lambda task, *both: task.counted(*both).parts("iou")),
        Measure("dice", "max", lambda task, *both: task.counted(*both).parts("dice")),
        Measure("pixel_accuracy", "max", lambda task, *both: task.counted(*both).parts("accuracy")),
    )
    quality: ClassVar[Measure] = measures[0]

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """Always the most frequent class; of two classes Otsu's threshold of each photo, at its own size.

        Large photos are made smaller for it. Positions uint8 (height, width) of each, object (held-out examples,).
        """
        common = np.full((1, 1), self._pixels(examples.targets).sum(axis=0).argmax(), np.uint8)
        answers = {"always the most frequent class": [common] * len(examples.held_out)}
        if len(self.names) == 2:
            order = np.random.default_rng(examples.seed).permutation(len(examples.targets))
            some = np.sort(order[:FITTED])
            photos = [_photo(examples.kind, examples.raw[0][at], examples.targets[at].size) for at in some]
            masks = [
                resized(examples.targets[at].pixels(), photo.shape[:2]) for at, photo in zip(some, photos, strict=True)
            ]
            sizes = examples.kind.request(examples.raw[1], self.asks)["size"]
            held_out = (_photo(examples.kind, item, size) for item, size in zip(examples.raw[1], sizes, strict=True))
            answers |= otsu.by_threshold(photos, masks, held_out, self.names)
        return {name: _ragged([each.astype(np.uint8) for each in said]) for name, said in answers.items()}

    def evaluate(self, exam: Exam) -> MaskEvaluation:
        """See `Task.evaluate`: each score is a mean over photos, each at its own size."""
        simple = {name: self.counted(exam.targets, said) for name, said in exam.simple.items()}
        return masks.evaluate(exam.part, self.names, self.counted(exam.targets, exam.outputs), simple, exam.seed)

    def graded(self, names: Sequence[str], exam: Exam, said: Iterable[dict[str, Any]]) -> tuple[Photo, ...]:
        """See `Task.graded`: those of the least IoU first."""
        counts = self.counted(exam.targets, exam.outputs)
        scores, right = counts.iou().tolist(), counts.accuracy()[:, 0].tolist()
        return tuple(
            Photo(names[at], exam.targets[at].name, dict(zip(self.names, scores[at], strict=True)), right[at])
            for at in counts.worst()
        )

    def pictures(self, part: Any, exam: Exam, kind: Any) -> dict[str, np.ndarray]:
        """The worst photos, what is true of them, and what was said."""
        shown: dict[str, list[np.ndarray]] = {"photo": [], "true": [], "predicted": []}
        for at in self.counted(exam.targets, exam.outputs).worst()[:SHOWN]:
            photo = kind.resized_image(part.inputs[at], (SIDE, SIDE))
            positions = (
                exam.targets[at].pixels(),
                _positions(exam.outputs["probabilities"][at], exam.targets[at].size),
            )
            both = [overlay(photo, resized(each, (SIDE, SIDE))) for each in positions]
            for row, picture in zip(shown.values(), (photo, *both), strict=True):
                row.append(picture)
        return {name: np.stack(row) for name, row in shown.items()}

    def overlay(self, answer: Mapping[str, Any], source: Any, kind: Any) -> np.ndarray:
        """The classes in colours over the photo, at its size."""
        from zoo.tasks.forms import pixels_of

        greys = pixels_of(answer["mask_bytes"])[..., 0]
        place = np.zeros(256, np.uint8)
        place[list(self.values_of_classes)] = np.arange(len(self.names))
        return overlay(kind.resized_image(source, greys.shape), place[greys])

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Classes that are hardly ever predicted, simple models that do better, copies."""
        own = self.counted(exam.targets, exam.outputs).parts("iou")
        parts = {name: self.counted(exam.targets, said).parts("iou") for name, said in exam.simple.items()}
        rivals = finding.of_rivals("mean IoU", own, parts, exam.seed)
        if evaluation.examples < finding.FEWEST:
            return rivals
        return (*_never_predicted(evaluation), *finding.of_copies(exam.digests), *rivals)

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


class Photo(NamedTuple):
    """One scored photo: its mask, IoU of each class, NaN where it is neither true nor predicted, and pixel accuracy."""

    name: str
    mask: str
    iou: dict[str, float]
    accuracy: float
    right: None = None  # a mask is not right or wrong

    def cells(self) -> dict[str, Any]:
        """A row of a table, by column."""
        scores = {f"IoU {name}": "" if np.isnan(score) else score for name, score in self.iou.items()}
        return {"name": self.name, "mask": self.mask, **scores, "pixel accuracy": self.accuracy}


def _never_predicted(evaluation: MaskEvaluation) -> list[Finding]:
    """That the model hardly ever gives a class to a pixel."""
    rare = {name: row for name, row in evaluation.classes.items() if row["predicted"] < RARE * row["true"]}
    if not rare:
        return []
    name, row = max(rare.items(), key=lambda each: each[1]["true"])
    evidence = f"{name!r} has {row['true']:.1%} of the pixels, and is predicted for {row['predicted']:.1%}"
    return [Finding("class hardly ever predicted", evidence, "train longer, or get more photos that have it")]


def _positions(said: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Positions of the classes of one photo at its size: of probabilities, or of positions of a simple model."""
    return resized(said, size) if said.ndim == 2 else decided(said, *size)[0]


def _photo(kind: Any, item: Any, size: Sequence[int]) -> np.ndarray:
    """Uint8 (height, width, 3), at most `LONGEST` pixels a side."""
    scale = min(1.0, LONGEST / max(size))
    return kind.resized_image(item, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))


def _ragged(arrays: Sequence[np.ndarray]) -> np.ndarray:
    ragged = np.empty(len(arrays), object)
    for at, array in enumerate(arrays):
        ragged[at] = array
    return ragged


def _masks(raw: Written) -> Sequence[Mask]:
    masks = getattr(raw, "masks", None)
    if masks is None:
        raise InputError(f"{raw.where}: expected images beside masks, received the columns {', '.join(raw.columns)}")
    return masks
