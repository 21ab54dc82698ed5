"""Generation of images with an artifact of adversarial networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import codes
from zoo.artifacts.predictor import load_model
from zoo.data.kind import Kind
from zoo.errors import InputError
from zoo.kinds.registry import kind_of
from zoo.tasks.registry import task_of
from zoo.tasks.task import Task

if TYPE_CHECKING:
    import keras


class Generator:
    """An artifact that makes images; `zoo.load` returns it."""

    verbs = ("generate",)  # commands for it

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder = folder
        self.card = card

    def __repr__(self) -> str:
        return f"Generator({str(self.folder)!r}, classes={list(self.classes)})"

    @cached_property
    def task(self) -> Task:
        """The task of the model."""
        return task_of(self.card)

    @cached_property
    def kind(self) -> Kind:
        """The kind of images that the model was trained on."""
        return kind_of(self.card["input"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that can be generated; empty if the model was trained without classes."""
        return tuple(self.card["classes"])

    @cached_property
    def model(self) -> keras.Model:
        """The Keras model: codes float32 (batch, width), with classes also int32 (batch,), to pixels 0-255."""
        return load_model(self.folder, self.card)

    @property
    def width(self) -> int:
        """Width of the codes."""
        return self.model.inputs[0].shape[-1]

    def generate(self, count: int, seed: int = 0, label: str | Sequence[str] | None = None) -> np.ndarray:
        """Images from random codes.

        Args:
            count: number of images.
            seed: of the codes; with the same seed, more images begin with the same ones.
            label: the class of all images, or a sequence with that of each. If None, classes take turns.

        Returns:
            float32 (count, height, width, channels), pixels 0-255.

        Raises:
            InputError: a count below 1, a label that is no class, more or fewer labels than images, or a label for a
                model without classes.
        """
        codes.check_counts(count=count)
        positions = self._positions(label, count)
        return self._images(codes.drawn(count, (self.width,), seed), positions)

    def interpolate(
        self, strips: int = 4, steps: int = 8, seed: int = 0, label: str | Sequence[str] | None = None
    ) -> np.ndarray:
        """Images on the way from one drawn code to another, by spherical interpolation.

        Args:
            strips: pairs of codes.
            steps: images a strip, those of both ends included.
            seed: of the codes.
            label: as `generate` takes it, one a strip.

        Returns:
            float32 (strips, steps, height, width, channels), pixels 0-255.

        Raises:
            InputError: as `generate`.

        Source: White 2016, "Sampling Generative Networks".
        """
        codes.check_counts(strips=strips, steps=steps)
        positions = self._positions(label, strips)
        if positions is None and self.classes:
            positions = np.arange(strips) % len(self.classes)  # a strip keeps to one class
        arcs = codes.strips(strips, steps, self.width, seed)
        images = self._images(arcs.reshape(-1, self.width), None if positions is None else positions.repeat(steps))
        return images.reshape(strips, steps, *images.shape[1:])

    def _images(self, drawn: np.ndarray, positions: np.ndarray | None) -> np.ndarray:
        from zoo.builders.adversarial_model import generated

        return generated(self.model, drawn, positions, len(self.classes))

    def _positions(self, label: str | Sequence[str] | None, count: int) -> np.ndarray | None:
        """Positions of the classes, int64 (count,); None if none is requested."""
        if label is None:
            return None
        if not self.classes:
            raise InputError(f"{self.folder} was trained without classes; expected no label, received {label!r}")
        labels = [label] * count if isinstance(label, str) else list(label)
        if len(labels) != count:
            raise InputError(f"expected one label, or {count} of them, received {len(labels)}")
        for each in labels:
            if each not in self.classes:
                raise InputError(f"expected a label out of {', '.join(self.classes)}; received {each!r}")
        return np.array([self.classes.index(each) for each in labels])
