"""Completion of names in the shell, from the registries, without TensorFlow or Keras."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(names: Callable[[], Iterable[str]], *, several: bool = False, otherwise: str | None = None) -> Complete:
    """A function for `shell_complete` of a parameter.

    Args:
        names: a function that returns the names; of a mapping to texts, some shells show these beside the names.
        several: whether the parameter takes names with commas between.
        otherwise: completion if no name fits, ``file`` or ``dir``.
    """

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        known = names()
        texts: Mapping[str, Any] = known if isinstance(known, Mapping) else {}
        fitting = [name for name in known if name.startswith(last) and name not in before.split(",")]
        helps = [text if isinstance(text := texts.get(name), str) else None for name in fitting]
        items = [CompletionItem(before + comma + name, help=text) for name, text in zip(fitting, helps, strict=True)]
        return items if items or otherwise is None else [CompletionItem(incomplete, type=otherwise)]

    return complete


def of(place: str) -> Callable[[], Iterable[str]]:
    """A function that returns the names in a registry, which is imported at the call.

    Args:
        place: as module:name.
    """

    def names() -> Iterable[str]:
        module, name = place.split(":")
        return getattr(importlib.import_module(module), name)

    return names


def _artifacts() -> list[str]:
    from pathlib import Path

    from zoo.artifacts import pretrained

    own = {card.parent.parent.name for card in Path("saved_models").glob("*/[0-9]*/card.json")}
    return sorted(own.union(pretrained.names()))


def _tasks() -> list[str]:
    from zoo.tasks.registry import TASKS

    return [name for name, task in TASKS.items() if task.from_columns]


ARTIFACTS = completing(_artifacts, otherwise="dir")
AUGMENTATIONS = completing(of("zoo.training.augmentation:AUGMENTATIONS"), several=True)
BUILDERS = completing(of("zoo.builders.registry:BUILDERS"))
FORMATS = completing(of("zoo.formats.registry:FORMATS"), several=True)
OPTIMIZERS = completing(of("zoo.training.optimizers:OPTIMIZERS"))
PRECISIONS = completing(of("zoo.training.settings:PRECISIONS"))
SAMPLES = completing(of("zoo.kinds.samples:SAMPLES"))
SCHEDULES = completing(of("zoo.training.optimizers:SCHEDULES"))
TASKS = completing(_tasks)
