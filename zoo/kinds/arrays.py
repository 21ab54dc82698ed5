"""Examples that are in memory already, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.data import assembling
from zoo.data.dataset import Data
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.data.preprocessing import for_table, unvarying
from zoo.errors import InputError
from zoo.kinds.array_targets import targets_of
from zoo.kinds.class_folders import UNLABELLED
from zoo.kinds.images.kind import Images
from zoo.kinds.sequences.kind import Sequences
from zoo.kinds.sequences.reading import assemble as assemble_sequences
from zoo.kinds.tables.kind import Tables
from zoo.settings import suggestion
from zoo.tasks.classification import Classification
from zoo.tasks.task import Task

WHERE = "the arrays"
LOOK = 200  # examples that are looked at to tell images from sequences
SHADES = 16  # so many different values sequences of codes may have; pixels have more
SIDE = 8  # pixels; smaller squares may be anything


def arrays(
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    kind: str | None = None,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Take arrays as a data set.

    Args:
        inputs: numbers (examples, width) make a table with the columns feature_0 and so on; (examples, height, width,
            1 or 3), or uint8 (examples, height, width), images with pixels 0-255; (examples, length, features)
            sequences, rows of NaN after the end of a shorter one. Pixels from 0 to 1 are scaled to 0-255, and squares
            (examples, side, side) of other dtypes whose values are pixels, 0-255 or these by 255, are images; notes
            tell both.
        targets: classes (examples,) or (examples, 1), whole numbers or strings, or one-hot (examples, classes); numbers
            to predict, floats (examples,) or (examples, values); labels (examples, classes) of 0 and 1 with
            task="multi_label"; or the inputs again, as autoencoders have them with Keras.
        classes: names of the classes, a target being a position here; or of the labels or numbers.
        task: by default classification for whole numbers, strings, one-hot rows and floats that are all 0 or 1, which
            notes tell; regression for other floats.
        kind: of the inputs: table, sequence or images; by default what their axes say.
        held_out: inputs and targets of the test part; without it a part is split off.
        seed: of that split.
        validation: share held out then, in (0, 1).

    Raises:
        InputError: shapes that don't fit, a label out of range, NaN or infinite features; it names the index.
    """
    parts = {"train": (inputs, targets)} | ({} if held_out is None else {"test": held_out})
    return of_parts(parts, classes=classes, task=task, kind=kind, seed=seed, validation=validation)


def of_parts(
    parts: Mapping[str, tuple[Any, Any]],
    *,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    kind: str | None = None,
    seed: int = 0,
    validation: float = 0.2,
) -> Data:
    """Take arrays in their parts as a data set.

    Args:
        parts: inputs and targets by the name of the part: train, and perhaps validation and test; without these a
            part is split off.
        classes: as `arrays` takes them.
        task: as `arrays` takes it.
        kind: as `arrays` takes it.
        seed: of the split.
        validation: share held out.

    Raises:
        InputError: as `arrays`.
    """
    pairs = {side: (np.asarray(inputs), np.asarray(targets)) for side, (inputs, targets) in parts.items()}
    values, wanted = pairs["train"]
    if len(values.shape) < 2 or not wanted.shape or len(values) != len(wanted) or not len(values):
        raise InputError(
            f"expected inputs of two axes or more and as many targets, received {values.shape}, {wanted.shape}"
        )
    names: list[str] = []
    for side, (held, held_targets) in pairs.items():
        if values.shape[1:] != held.shape[1:] or wanted.shape[1:] != held_targets.shape[1:]:
            raise InputError(
                f"expected what is held out to have the shapes of the rest, {values.shape[1:]} and {wanted.shape[1:]}, "
                f"received {held.shape[1:]} and {held_targets.shape[1:]}"
            )
        if not held_targets.shape or len(held) != len(held_targets):
            raise InputError(f"held out: {len(held)} inputs and {len(held_targets)} targets; expected as many")
        names += [f"{CALLED[side]} {index}" for index in range(len(held))]
    sides = None
    if len(pairs) > 1:
        sides = np.repeat(np.array(list(pairs), dtype=object), [len(held) for held, _ in pairs.values()])
        values, wanted = (np.concatenate(each) for each in zip(*pairs.values(), strict=True))
    notes: list[Note] = []
    if (
        task is None
        and wanted.shape == values.shape
        and np.array_equal(wanted, values, equal_nan=wanted.dtype.kind == "f")
    ):
        notes.append(Note(WHERE, "kept", "targets are the inputs: no labels; task='regression' says otherwise"))
        wanted, task_of_targets = np.zeros(len(values), np.int64), Classification((UNLABELLED,))
    else:
        wanted, task_of_targets = targets_of(wanted, classes, task, names, WHERE, notes)
    common: dict[str, Any] = {"source": WHERE, "sides": sides, "notes": notes, "seed": seed, "validation": validation}
    if values.dtype.kind not in "buif":
        raise InputError(f"expected inputs of numbers, received an array of {values.dtype}")
    form = _form(values, kind, notes)
    values = values[..., None] if form.grey and len(values.shape) == form.axes - 1 else values
    if len(values.shape) != form.axes:
        raise InputError(f"expected inputs of {form.axes} axes for kind={kind!r}, received {values.shape}")
    return form.read(values, wanted, names, task_of_targets, common)


CALLED = {"train": "input", "validation": "validation", "test": "held out"}
"""Part -> what its examples are called, before their position."""


class Form(NamedTuple):
    """A kind of input in an array.

    Attributes:
        axes: of the array.
        read: makes `Data` of it.
        grey: whether the last axis may be left out.
    """

    axes: int
    read: Callable[..., Data]
    grey: bool = False


def _form(values: np.ndarray, kind: str | None, notes: list[Note]) -> Form:
    forms = {"table": Form(2, _tables), "sequence": Form(3, _sequences), "images": Form(4, _images, grey=True)}
    if kind is not None:
        if kind not in forms:
            raise InputError(f"expected kind to be {', '.join(forms)}, received {kind!r}{suggestion(kind, forms)}")
        return forms[kind]
    if len(values.shape) == 3 and (values.dtype == np.uint8 or _are_squares_of_pixels(values)):
        if values.dtype != np.uint8:
            shape = " x ".join(map(str, values.shape[1:]))
            notes.append(
                Note(WHERE, "kept", f"{shape} pixels an example: taken as grey images; kind='sequence' says otherwise")
            )
        return forms["images"]
    form = next((each for each in forms.values() if each.axes == len(values.shape)), None)
    if form is None:
        raise InputError(f"expected inputs of two, three or four axes, received {values.shape}")
    return form


def _are_squares_of_pixels(values: np.ndarray) -> bool:
    """Whether numbers (examples, side, side) are grey images: whole numbers up to 255, or these by 255."""
    if values.shape[1] != values.shape[2] or values.shape[1] < SIDE:
        return False
    seen = values[:: max(1, len(values) // LOOK)].astype(np.float32)
    if not np.isfinite(seen).all() or seen.min() < 0 or seen.max() > 255 or 1 < seen.max() < 128:
        return False
    pixels = seen * 255 if seen.max() <= 1 else seen
    whole = np.round(pixels)
    return bool(np.abs(pixels - whole).max() < 1e-3) and len(np.unique(whole)) > SHADES


def _images(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    pixels = _pixels(values, names, common["notes"])
    rows = assembling.Rows(pixels, targets, names, assembling.row_digests(pixels))
    return assembling.assemble(rows, task, kind=Images.of_pixels(pixels), **common)


def _sequences(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    kind = Sequences(tuple(f"feature_{at}" for at in range(values.shape[2])), None)
    steps = _without_padding(values.astype(np.float32), names)
    return assemble_sequences(steps, targets, names, task, kind=kind, **common)


def _tables(values: np.ndarray, targets: np.ndarray, names: list[str], task: Task, common: dict[str, Any]) -> Data:
    with np.errstate(over="ignore"):
        numeric = values.astype(np.float32)
    _finite(numeric, names)
    sides = common["sides"]
    train = numeric if sides is None else numeric[sides == "train"]
    constant = (train == train[0]).all(axis=0)
    if constant.all():
        raise InputError(f"{WHERE}: no column to learn from; each holds one value in every training row")
    for at in np.flatnonzero(constant):
        reason = f"the same value in every row, {train[0, at]:g}"
        common["notes"].append(Note(f"column feature_{at}", "left out", reason))
    kept = np.ascontiguousarray(numeric[:, ~constant])
    columns = [f"feature_{at}" for at in np.flatnonzero(~constant)]

    def preprocess(part: Part) -> Any:
        common["notes"].extend(unvarying(part.inputs["numeric"], columns))
        return for_table(part.inputs, 0)[0]

    target = task.names if targets.shape[1:] else ("target",)
    kind = Tables(tuple(columns), (), tuple(target), columns=tuple(columns))
    rows = assembling.Rows({"numeric": kept}, targets, names, assembling.row_digests(kept))
    return assembling.assemble(rows, task, kind=kind, contradictions_stay=True, preprocess=preprocess, **common)


def _finite(values: np.ndarray, names: list[str]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        at, *rest = np.argwhere(bad)[0].tolist()
        raise InputError(f"{names[at]}: expected finite features, received {values[at, *rest]} at {tuple(rest)}")


def _pixels(values: np.ndarray, names: list[str], notes: list[Note]) -> np.ndarray:
    """Uint8 images, 0-255, of pixels in that range or from 0 to 1."""
    if values.shape[3] not in (1, 3):
        axis = next((at for at in (1,) if values.shape[at] in (1, 3)), None)
        hint = "; numpy.moveaxis(x, 1, -1) puts it there" if axis else ""
        raise InputError(f"expected images with 1 or 3 channels on the last axis, received {values.shape}{hint}")
    if values.dtype == np.uint8:
        return values
    _finite(values, names)
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        where = int(np.abs(values.astype(np.float64) - 127.5).reshape(len(values), -1).max(axis=1).argmax())
        hint = "(x + 1) * 127.5" if low >= -1 and high <= 1 else "(x - x.min()) / (x.max() - x.min())"
        raise InputError(
            f"expected pixels from 0 to 255 or from 0 to 1, received {low:g} to {high:g} ({names[where]}); scale them, "
            f"as {hint}"
        )
    scale = 255 if high <= 1 else 1
    pixels, rounded = np.empty(values.shape, np.uint8), False
    for start in range(0, len(values), 1024):  # floats of all at once could be more than the memory
        some = values[start : start + 1024].astype(np.float32) * np.float32(scale)
        pixels[start : start + 1024] = whole = np.round(some)
        rounded = rounded or bool(np.abs(some - whole).max() > 1e-3)
    if scale > 1:
        notes.append(Note(WHERE, "kept", "pixels from 0 to 1 are scaled to 0 to 255, which the model takes"))
    if rounded:
        notes.append(Note(WHERE, "kept", "pixels are rounded to whole numbers"))
    return pixels


def _without_padding(values: np.ndarray, names: list[str]) -> list[np.ndarray]:
    """Each sequence without the rows of NaN that follow it."""
    filled = ~np.isnan(values).all(axis=2)
    lengths = np.where(filled.any(axis=1), values.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
    whole = [each[:length] for each, length in zip(values, lengths, strict=True)]
    for name, each in zip(names, whole, strict=True):
        if not len(each):
            raise InputError(f"{name}: expected a sequence of one step at least, received an empty one")
        _finite(each[None], [name])
    return whole
