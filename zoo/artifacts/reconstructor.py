"""Codes, reconstructions and anomalies with an artifact of an autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts import codes
from zoo.artifacts.predictor import load_model
from zoo.artifacts.raw_inputs import Batch, batches
from zoo.data.kind import Kind
from zoo.data.parts import joined
from zoo.errors import InputError
from zoo.kinds.registry import kind_of
from zoo.tasks.registry import task_of
from zoo.tasks.task import Task

if TYPE_CHECKING:
    from zoo.builders.models import Autoencoder


class Anomaly(NamedTuple):
    """The verdict on one input.

    Attributes:
        name: the file, the row, the last time of a window, or ``input 0`` and so on for what is in memory.
        score: mean squared error of the reconstruction, as `Autoencoder.score`; None where `error` is set.
        is_anomaly: whether the score is over the threshold; None if `error` is set.
        error: why the input could not be read; None if it could.
    """

    name: str
    score: float | None = None
    is_anomaly: bool | None = None
    error: str | None = None


class Reconstructor:
    """An artifact of an autoencoder; `zoo.load` returns it.

    A source is one of these. Images: a file or folder (str or Path), a PIL image, a uint8 array (height, width) or
    (height, width, channels), a list of such or an array of several. Tables: a CSV file, a data frame, a row as a
    dict, or a list of such. Sequences: a file, an array (length, features) or (examples, length, features), or a list
    of arrays; a series stands for all its windows, each named by its last row. Of tables and sequences also a list of
    files.
    """

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder = folder
        self.card = card

    def __repr__(self) -> str:
        return f"Reconstructor({str(self.folder)!r}, {self.card['builder']} of {self.kind.plural})"

    @cached_property
    def task(self) -> Task:
        """The task of the model."""
        return task_of(self.card)

    @cached_property
    def kind(self) -> Kind:
        """The kind of input."""
        return kind_of(self.card["input"])

    @property
    def variational(self) -> bool:
        """Whether it is a variational autoencoder, which can generate new examples."""
        return self.card["metrics"].get("bound") is not None

    @property
    def verbs(self) -> tuple[str, ...]:
        """Commands for it."""
        reconstructs = ("reconstruct",) if self.kind.is_restored else ()
        generates = ("generate",) if self.kind.pictures and self.variational else ()
        return ("anomalies", *reconstructs, "latent", *generates)

    @property
    def threshold(self) -> float:
        """Score above which an input is an anomaly."""
        return self.card["threshold"]

    @cached_property
    def model(self) -> Autoencoder:
        """The Keras model: raw inputs to reconstructions; of images, float32 pixels 0-255."""
        return load_model(self.folder, self.card)

    def read(self, source: Any) -> tuple[list[str], Any, dict[int, str]]:
        """Raw inputs, as `model` takes them.

        Args:
            source: as the class says.

        Returns:
            names of all; raw inputs of those that could be read, in order, of images uint8 (images, height, width,
            channels); and why one could not be read, by its position among the names.

        Raises:
            InputError: a path does not exist, or nothing could be read.
        """
        batches = list(self.batches(source))
        names = [name for batch in batches for name in batch.names]
        errors: dict[int, str] = {}
        start = 0
        for batch in batches:
            errors |= {start + at: reason for at, reason in batch.errors.items()}
            start += len(batch.names)
        read = [batch.inputs for batch in batches if batch.inputs is not None]
        if not read:
            raise InputError(f"nothing could be read; {names[0]}: {errors[0]}")
        return names, joined(read), errors

    def batches(self, source: Any) -> Iterator[Batch]:
        """The inputs of `source` one batch after the other: of images 256, else a file.

        Raises:
            InputError: a path does not exist, or there is nothing to read.
        """
        return batches(source, self.kind.of_model(self.model))

    def encode(self, source: Any) -> np.ndarray:
        """The code of each input, float32 (inputs, ...); NaN for inputs that can't be read, see `read`.

        Raises:
            InputError: a path does not exist, or there is nothing to read.
        """
        return self._apply(source, lambda inputs: self.model.encode(inputs))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Reconstructions from codes, in the unit of `reconstruct`.

        Args:
            codes: float (codes, ...), as `encode` gives them.

        Raises:
            InputError: codes of another shape, or of a table.
        """
        self._restores()
        values, shape = np.asarray(codes, np.float32), self.model.code_shape
        if values.shape[1:] != shape or not len(values):
            raise InputError(f"expected codes of shape (codes, {', '.join(map(str, shape))}), received {values.shape}")
        return self.kind.restored(self.model.decode(values), None, self.model.preprocess)

    def reconstruct(self, source: Any) -> np.ndarray:
        """The reconstruction of each input; NaN for inputs that can't be read, see `read`.

        Returns:
            float32: of images (images, height, width, channels), pixels 0-255; of sequences (sequences, length,
            features) in the unit of the input, NaN after the end of a shorter one.

        Raises:
            InputError: of a table, a path that does not exist, or nothing to read.
        """
        self._restores()
        return self._apply(source, self.reconstructed)

    def reconstructed(self, inputs: np.ndarray) -> np.ndarray:
        """`reconstruct` for raw inputs, as `read` gives them."""
        return self.kind.restored(self.model.reconstruct(inputs), inputs, self.model.preprocess)

    def anomalies(self, source: Any) -> list[Anomaly]:
        """The score of each input, and whether it is over the threshold; in order.

        Raises:
            InputError: a path does not exist, or there is nothing to read.
        """
        anomalies = []
        for batch in self.batches(source):
            scores = np.zeros(0, np.float32) if batch.inputs is None else self.model.score(batch.inputs)
            verdicts = self.task.answer({"score": scores}, {}, np).values["is_anomaly"]
            verdict_pairs = iter(zip(scores.tolist(), verdicts.tolist(), strict=True))
            for at, name in enumerate(batch.names):
                error = batch.errors.get(at)
                anomalies.append(Anomaly(name, error=error) if error else Anomaly(name, *next(verdict_pairs)))
        return anomalies

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """Decode codes from a standard normal distribution.

        Args:
            count: how many.
            seed: of the codes; with the same one, more images begin with the same ones.

        Returns:
            float32 (count, height, width, channels), pixels 0-255.

        Raises:
            InputError: not a variational autoencoder of images, or a count below 1.
        """
        self._draws()
        codes.check_counts(count=count)
        return self.decode(codes.drawn(count, self.model.code_shape, seed))

    def strips(self, strips: int = 4, steps: int = 8, seed: int = 0) -> np.ndarray:
        """Images on the way from one drawn code to another, by spherical interpolation.

        Returns:
            float32 (strips, steps, height, width, channels), pixels 0-255.

        Raises:
            InputError: not a variational autoencoder of images, or a number below 1.
        """
        self._draws()
        arcs = codes.strips(strips, steps, *self.model.code_shape, seed)
        images = self.decode(arcs.reshape(-1, *self.model.code_shape))
        return images.reshape(strips, steps, *images.shape[1:])

    def interpolate(self, first: Any, second: Any, steps: int = 8) -> np.ndarray:
        """Decode evenly spaced codes on the line between those of two inputs, these included.

        Args:
            first: a source of one input.
            second: another one.
            steps: how many.

        Returns:
            float32 (steps, ...), as `reconstruct` gives them.

        Raises:
            InputError: of a table, more than one input, one that can't be read, or fewer than two steps.
        """
        self._restores()
        if not isinstance(steps, int) or steps < 2:
            raise InputError(f"expected two steps or more, received {steps!r}")
        ends = []
        for source in (first, second):
            names, inputs, errors = self.read(source)
            if errors or len(names) != 1:
                at = next(iter(errors), 0)
                raise InputError(errors.get(at) or f"expected one input at each end, received {len(names)}")
            ends.append(self.model.encode(inputs)[0])
        return self.decode(codes.linear(*ends, steps))

    def _apply(self, source: Any, answer: Callable[[Any], np.ndarray]) -> np.ndarray:
        """The outputs of `answer` for all inputs; NaN for inputs that can't be read."""
        answered = []
        for batch in self.batches(source):
            output = None if batch.inputs is None else answer(batch.inputs)
            answered.append((batch, output))
        shape = next((output.shape[1:] for _, output in answered if output is not None), None)
        if shape is None:
            name, reason = answered[0][0].names[0], answered[0][0].errors[0]
            raise InputError(f"nothing could be read; {name}: {reason}")
        arrays = []
        for batch, output in answered:
            values = np.full((len(batch.names), *shape), np.nan, np.float32)
            if output is not None:
                values[batch.read] = output
            arrays.append(values)
        return np.concatenate(arrays)

    def _restores(self) -> None:
        if not self.kind.is_restored:
            raise InputError(
                f"{self.folder} reconstructs prepared features, not the columns of the table; ask for anomalies or "
                "codes, or its `model`"
            )

    def _draws(self) -> None:
        if "generate" not in self.verbs:
            what = f"a {self.card['builder']} of {self.kind.plural}"
            raise InputError(f"{self.folder}: a variational autoencoder of images makes new ones; this is {what}")
