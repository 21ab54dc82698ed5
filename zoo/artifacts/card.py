"""The card of an artifact, which is written with the version of its format, and checked when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import checksums
from zoo.data.card_checks import are_names, is_integer
from zoo.data.kind import Kind
from zoo.errors import InputError
from zoo.kinds.codes import Codes
from zoo.kinds.registry import KINDS, kind_class, kind_of
from zoo.tasks.registry import TASKS, task_class, task_of
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras

NAME = "card.json"
FORMAT = 2  # of the cards that this version writes, the newest that it reads; cards of 0.1.0 have none


def write(folder: Path, card: dict[str, Any]) -> None:
    """Write ``card.json`` to `folder`, with its format."""
    text = json.dumps(plain({"format": FORMAT} | card), indent=2, ensure_ascii=False)
    (folder / NAME).write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """`value` as JSON holds it; arguments of a user's builder may be of any type, and become text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    named = f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else str(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", named)  # addresses in memory differ from process to process


def read(folder: Path, opened: Collection[str] = checksums.LOADED) -> dict[str, Any]:
    """The card of a version, after a check of the files that the caller is about to open.

    Args:
        folder: of the version.
        opened: as `zoo.artifacts.checksums.require` takes it. Early versions have no checksums to check.

    Raises:
        InputError: the card can't be read, is of a newer version of this package, or is damaged; or the files were
            changed.
    """
    try:
        card = json.loads((folder / NAME).read_bytes(), object_pairs_hook=_without_twins)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder}: expected an artifact; its {NAME} can't be read: {error}") from error
    written = card.get("format", 1) if isinstance(card, dict) else 1
    if is_integer(written) and written > FORMAT:
        raise InputError(
            f"{folder}: its {NAME} has format {written}, and this version of keras-model-zoo reads up to {FORMAT}; "
            "update it: pip install --upgrade keras-model-zoo"
        )
    if checksums.has(folder):
        checksums.require(folder, opened)
    elif isinstance(card, dict) and card.get("format") == FORMAT:
        raise InputError(f"{folder}: expected the file {checksums.NAME}, which is not there; copy the version again")
    if problem := _problem(card):
        raise InputError(f"{folder}: its {NAME} is damaged: {problem}; copy the version again, or export it anew")
    return card


def requested_kind(card: Mapping[str, Any], model: keras.Model | None = None) -> Kind:
    """The kind of a request of ``serving_default``: that of the card's input, or codes.

    Args:
        card: of the artifact.
        model: has the width of codes, and the length of sequences.
    """
    if not task_class(card["task"]).drawn:
        kind = kind_of(card["input"])
        return kind if model is None else kind.of_model(model)
    return Codes(0 if model is None else model.inputs[0].shape[-1], tuple(card["classes"]))


def check_model(card: dict[str, Any], model: keras.Model, folder: Path) -> None:
    """Check that the shapes of a version's Keras model fit its card.

    Raises:
        InputError: inputs or outputs have other shapes.
    """
    try:
        for what, expected, received in _shapes(card, model):
            pairs = zip(expected, received, strict=False)
            if len(expected) != len(received) or any(size not in (None, want) for want, size in pairs):
                raise InputError(
                    f"{folder}: its {NAME} and its model.keras don't belong together: {what} {_shape(expected)} in the "
                    f"card, {_shape(received)} in the model; copy the version again, or export it anew"
                )
    except (AttributeError, TypeError) as error:  # a model of another make
        raise InputError(
            f"{folder}: its {NAME} and its model.keras don't belong together: {error}; copy the version again, or "
            "export it anew"
        ) from error


def _shapes(card: dict[str, Any], model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
    """Shapes to compare: their meaning, the shape in the card, and that of the model, without the batch axis."""
    task = task_of(card)
    yield from task.shapes(card, model)
    if not task.drawn:
        yield from kind_of(card["input"]).shapes(model)


def _shape(sizes: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in sizes)


def _problem(card: Any) -> str | None:
    """The problem of a damaged card, in words; None if there is none."""
    if not isinstance(card, dict):
        return f"expected an object, received {_shown(card)}"
    if card.get("format", FORMAT) != FORMAT or isinstance(card.get("format"), bool):
        return f"expected format {FORMAT} or none, received {_shown(card['format'])}"
    if not isinstance(card.get("task"), str) or card["task"] not in TASKS:
        return f"expected a task out of {', '.join(TASKS)}, received {_shown(card.get('task'))}"
    task, classes = TASKS[card["task"]], card.get("classes")
    if card.get("kind", task.family) != task.family:
        return f"expected the kind {task.family}, that of {task.name}, received {_shown(card['kind'])}"
    if not are_names(classes):
        return f"expected classes, a list of names that differ, received {_shown(classes)}"
    if problem := task.card_problem(card):
        key, words = problem
        return f"expected {key}, {words}, received {_shown(card.get(key))}"
    named = [card[name] for name in ("builder", "backbone") if name in card]
    if not named or not all(isinstance(name, str) for name in named):
        return f"expected the name of its builder or backbone, received {_shown(named)}"
    if not isinstance(card.get("metrics", {}), dict):
        return f"expected metrics, an object, received {_shown(card['metrics'])}"
    return _input_problem(card.get("input"), task)


def _input_problem(said: Any, task: type[Task]) -> str | None:
    if not isinstance(said, dict):
        return f"expected input, an object, received {_shown(said)}"
    name = said.get("kind", "images")  # the first cards had none
    if name not in KINDS or (task.drawn and not kind_class(name).pictures):
        *names, last = KINDS
        return f"expected an input of the kind {', '.join(names)} or {last}, received {_shown(name)}"
    for field, right in kind_class(name).variant(said).card_checks(said, task.supervised).items():
        plain = field.removesuffix("?")
        if plain not in said and field.endswith("?"):
            continue
        if plain not in said or not right(said[plain]):
            received = _shown(said[plain]) if plain in said else "none"
            return f"its input of {name} has no {plain} that could be one: received {received}"
    return None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it says {next(name for name in names if names.count(name) > 1)!r} twice")
    return unique


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
