"""The structure of a compiled training: all of it except numbers in variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.keras_internals import all_layers, learning_rate
from zoo.training.batches import Arrays, Batches

if TYPE_CHECKING:
    import keras

# Packages whose layers, losses and functions are fully described by their configuration.
KNOWN = ("keras", "tensorflow", "numpy", "builtins", "inspect", "zoo", "applications", "tuning")


def structure(
    model: keras.Model,
    batches: Batches,
    optimizer: Any,
    loss: Any,
    metrics: Sequence[Any],
    validation: Arrays | None,
) -> str | None:
    """A text that is equal for trainings that one compiled function can serve; None if that is not known.

    Two models have the same structure if they differ only in numbers and in the names of their layers. Code of users
    may do things that are not in its configuration, so such a model shares its structure with no other.

    Args:
        model: not compiled.
        batches: to learn from.
        optimizer: with a rate as `zoo.training.optimizers.optimizer` makes it.
        loss: as `zoo.training.loop.fit` takes it.
        metrics: as `zoo.training.loop.fit` takes it.
        validation: as `zoo.training.loop.fit` takes it.
    """
    import keras

    from zoo.training.schedules import Schedule

    rule = learning_rate(optimizer)
    if (
        keras.backend.backend() != "tensorflow"
        or not isinstance(batches, Arrays)
        or batches.augment is not None
        or not isinstance(rule, Schedule)
        or type(model).train_step is not keras.Model.train_step
        or not _known(optimizer)
        or not all(isinstance(each, str) for each in metrics)
        or not isinstance(loss, keras.losses.Loss | str | None)
    ):
        return None
    parts: list[Any] = [id(model) if any(_own(layer) for layer in _layers(model)) else None]
    with _numbered(model):
        parts += [_kind(model), model.get_config(), model.dtype_policy.get_config()]
    parts.append([(each.shape, each.dtype, each.trainable) for each in model.variables])
    parts += [_kind(optimizer), _configuration(optimizer, "learning_rate"), rule.steps, list(metrics)]
    parts.append(
        [_kind(loss), _configuration(loss), None if _known(loss) else id(loss)] if hasattr(loss, "get_config") else loss
    )
    for arrays in (batches, validation):
        if arrays is not None:
            leaves = keras.tree.flatten(arrays.columns)
            parts += [[id(leaf) for leaf in leaves], arrays.batch_size, arrays.count]
    if isinstance(batches.columns[0], dict):  # inputs are found by name
        parts += [sorted(batches.columns[0]), [each.name for each in model.inputs]]
    return json.dumps(parts, default=str)


@contextmanager
def _numbered(model: keras.Model) -> Iterator[None]:
    """Name layers by their position within the block, so that names make no difference."""
    layers = [*_layers(model), *(each for layer in _layers(model) for each in getattr(layer, "operations", ()))]
    names = [(layer, layer.name) for layer in {id(layer): layer for layer in layers}.values()]
    try:
        for number, (layer, _) in enumerate(names):
            layer.name = f"{number}"
        yield
    finally:
        for layer, name in names:
            layer.name = name


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return all_layers(model)


def _own(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a user's, or has a function or an object that is."""
    return not _known(layer) or not all(_known(value) for value in vars(layer).values())


def _known(value: Any) -> bool:
    return str(getattr(value, "__module__", None) or KNOWN[0]).split(".")[0] in KNOWN


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _configuration(value: Any, *numbers: str) -> dict[str, Any]:
    """The configuration of `value` without its name and `numbers`."""
    return {key: each for key, each in value.get_config().items() if key not in ("name", *numbers)}
