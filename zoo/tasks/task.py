"""The contract of a task: its targets, the answers of its models, their training and their scores.

A task is a frozen value. Its fields hold the facts of the training targets (the classes, the most frequent one,
deviations), which are also in the card of an artifact. No other module looks at the name of a task.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zoo.errors import InputError
from zoo.tasks.terms import (
    Answer,
    Array,
    Exam,
    Graded,
    HeldOutScores,
    Measure,
    Outputs,
    Plan,
    Scored,
    Scores,
    Value,
    Written,
    largest,
)

if TYPE_CHECKING:
    from zoo.evaluation.baselines import Examples
    from zoo.evaluation.findings import Finding
    from zoo.evaluation.tables import Shown

STEPS = 1500  # after which most small networks have learnt what they can
LARGE = 10_000  # examples from which on batches are larger


@dataclass(frozen=True)
class Task(ABC):
    """The purpose of a model, as classification.

    A new task has `name`, `outputs` and `measures`, and defines `of`, `encode`, `plan`, `losses`, `constant`, `values`
    and `answer`. It also defines `fitted`, `to_card` and `from_card` if it has fields of its own. Everything else has a
    default, which suits numbers and classes. The methods are in the order in which they are called: targets, training,
    answers, scores, the card.

    Attributes:
        names: of the classes, labels or numbers, in the order of the outputs.
    """

    names: tuple[str, ...] = ()

    name: ClassVar[str]
    """The name in the card of an artifact and on the command line."""
    outputs: ClassVar[tuple[str, ...]]
    """Names of the outputs of the network."""
    measures: ClassVar[tuple[Measure, ...]]
    """Its scores; a search optimises the first."""
    from_columns: ClassVar[bool] = True
    """Whether its targets can be columns of a table."""
    categorical: ClassVar[bool] = False
    """Whether targets are classes or labels by name, rather than numbers."""
    several: ClassVar[bool] = False
    """Whether an example may have no label, or several."""
    drawn: ClassVar[bool] = False
    """Whether a model takes drawn codes, rather than inputs like those of training."""
    quality: ClassVar[Measure | None] = None
    """The measure, at most 1, that decides whether an int8 format is published; None where there is none."""
    family: ClassVar[str] = "supervised"
    """The kind of network in the card of an artifact."""
    supervised: ClassVar[bool] = True
    """Whether targets are learnt."""
    detects: ClassVar[bool] = False
    """Whether it finds anomalies, by a threshold that normal examples set; see `zoo.tasks.detecting.Detecting`."""
    builder: ClassVar[str] = ""
    """The builder that a search takes by default; empty where the kind of input decides."""
    positions: ClassVar[bool] = False
    """Whether a target is the position of a class, so that targets lack the last axis of outputs."""
    pixelwise: ClassVar[bool] = False
    """Whether each pixel of an image has a target, in a mask beside it."""
    asks: ClassVar[tuple[str, ...]] = ()
    """Names of the values of a request that an answer needs beside the outputs, as ``size``; see `Kind.request`."""
    checks_classes: ClassVar[bool] = True
    """Whether each class needs a training example."""
    remainder: ClassVar[bool] = False
    """Whether a network learns the residuals of a simple model, which may be noise."""

    # ---- targets ----

    @classmethod
    @abstractmethod
    def of(cls, raw: Written) -> Self:
        """The task that fits all targets of a data set.

        Raises:
            InputError: the targets can't be learnt, as a single class.
        """

    @abstractmethod
    def encode(self, raw: Written) -> np.ndarray:
        """Targets as arrays (rows, ...).

        Raises:
            InputError: a target does not belong to the task, as an unknown class.
        """

    def text(self, target: np.ndarray) -> str:
        """One target as text."""
        return ";".join(map(str, np.atleast_1d(target).tolist()))

    def fitted(self, targets: np.ndarray) -> Self:
        """The task with the facts of the training targets."""
        return self

    def counts(self, targets: np.ndarray) -> dict[str, int]:
        """Number of examples of each class or label; empty where there are no classes."""
        return {}

    def shown(self, parts: Mapping[str, np.ndarray]) -> Shown:
        """Tables and lines on the targets beside `counts`, for people; `parts` has the targets of each part by name."""
        yield from ()

    def summary(self, targets: np.ndarray) -> dict[str, Any]:
        """Facts on the targets of a part for machines, as JSON holds them."""
        return {}

    def check(  # noqa: B027, most have nothing to check
        self, source: Any, parts: Mapping[str, Any], *, every: bool = False
    ) -> None:
        """Check that the targets can be learnt and scored.

        Args:
            source: of the data, for messages.
            parts: the parts of the data, by name.
            every: whether each label needs a training example.

        Raises:
            InputError: the targets can't be learnt or scored.
        """

    def strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Int (examples, strata) of 0 and 1, whose proportions a split keeps; None for a split by time."""
        return np.ones((len(targets), 1), np.int8)

    def inner_strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Strata for splits of the training part."""
        return self.strata(targets)

    @property
    def reach(self) -> int:
        """For a split by time: steps from the end of an input to the end of its target."""
        return 1

    # ---- training ----

    def brought(self, network: Any, of: Task, kind: Any) -> Self:
        """This task, which a network requires, for data of another task.

        Args:
            network: requires this task, whatever the targets.
            of: the task of the data.
            kind: of the inputs, as `zoo.data.kind.Kind`.

        Raises:
            InputError: the network can't learn these data.
        """
        return self

    def chosen(self, data_task: Task, parts: Mapping[str, Any], source: Any) -> np.ndarray | None:
        """Positions, int64, of the training examples that are learnt from; None for all.

        Args:
            data_task: the task of the data.
            parts: the parts of the data, by name.
            source: of the data, for messages.

        Raises:
            InputError: no example can be learnt from, or the held-out part can't be scored.
        """
        return None

    def apart(self, source: Any, counts: Mapping[str, int]) -> int:
        """Number of examples at the beginning of each held-out part of a series that share steps with learnt ones.

        Args:
            source: of the data, for messages.
            counts: number of examples of each held-out part, by name.

        Raises:
            InputError: a held-out part has no other examples.
        """
        return 0

    def check_network(self, network: Any, inputs: np.ndarray, source: Any) -> None:
        """Check that `network` can learn the task, before the first step.

        Args:
            network: takes prepared inputs.
            inputs: of the training part, prepared.
            source: of the data, for messages.

        Raises:
            InputError: inputs or outputs don't fit; the message has the expected and the received shapes.
        """
        try:
            wanted, outputs = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"expected a model that says what it takes, as keras.Model(inputs, outputs), or keras.Sequential with "
                f"a keras.Input first; {network.name} is a {type(network).__name__}, which does not"
            ) from error
        import keras

        if not isinstance(network, keras.Sequential) and not isinstance(network.output, keras.KerasTensor):
            kind = type(network.output).__name__
            raise InputError(f"expected a model with one output, a tensor; {network.name} gives a {kind} of such")
        sizes = inputs.shape[1:]
        if len(wanted) != len(sizes) or any(w not in (None, i) for w, i in zip(wanted, sizes, strict=True)):
            raise InputError(f"{network.name} takes inputs of shape {wanted}, and {source} gives {sizes}")
        expected = self.output_shape(inputs)
        if outputs[-1:] != expected[-1:]:
            raise InputError(
                f"{network.name} has {outputs[-1] if outputs else 'no'} outputs, and {source} asks for {expected[-1]}: "
                + ", ".join(self.names[:10])
            )
        if len(outputs) != len(expected) or any(o not in (None, e) for o, e in zip(outputs, expected, strict=True)):
            raise InputError(
                f"{network.name} answers with the shape {outputs} for each input, and {self.name} asks for {expected}; "
                "take a builder that is made for it: zoo models"
            )

    def output_shape(self, inputs: np.ndarray) -> tuple[int, ...]:
        """The shape of the output for one of prepared `inputs`."""
        return (len(self.names),)

    def lengths(
        self, network: Any, source: Any, count: int, batch_size: int | None, epochs: int | None
    ) -> tuple[int, int]:
        """Examples a batch, and epochs.

        Args:
            network: that learns.
            source: of the data, for messages.
            count: examples to learn from.
            batch_size: the user's; None for a suitable one.
            epochs: the user's; None for a suitable number.

        Raises:
            InputError: the batch does not fit.
        """
        batch_size = batch_size or (128 if count >= LARGE else 32)
        return batch_size, epochs or int(np.clip(STEPS * batch_size // count, 20, 200))

    def arguments(self) -> dict[str, Any]:
        """Arguments of a builder beside the number of outputs, ``len(names)``."""
        return {}

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """Training targets as the network learns them, and the scale that restores their unit.

        Args:
            source: of the data, for messages.
            targets: as `encode` gives them.
            inputs: as a builder takes them.
            chosen: positions, int64, of the examples that are learnt from; only these determine the unit.

        Returns:
            targets, and a `zoo.tasks.regression.Scale`, or None where targets are learnt as they are.

        Raises:
            InputError: targets are constant, or float32 does not hold them.
        """
        return targets, None

    @abstractmethod
    def plan(self, network: Any) -> Plan:
        """How `network` learns it."""

    def training_result(self, best_epoch: int, epochs: Sequence[Mapping[str, float]]) -> str:
        """The end of a training in one line.

        Args:
            best_epoch: the epoch whose weights the model has, counted from 1; 0 for the initial weights.
            epochs: loss and metrics of each epoch.
        """
        row = epochs[max(best_epoch, 1) - 1]
        chosen = f", {row['val_loss']:.4g} on the inner validation part" if "val_loss" in row else ""
        return f"epoch {best_epoch} of {len(epochs)}: training loss {row['loss']:.4g}{chosen}"

    def fits(self, answers: np.ndarray) -> str | None:
        """The reason why `answers` of a network, float32 (examples, ...), can't be outputs; None if they can."""
        return None

    def losses(self, targets: np.ndarray, outputs: Outputs) -> np.ndarray:
        """The loss of each example, float64 (examples,). Needed where targets are learnt."""
        raise NotImplementedError(f"{type(self).__name__}.losses")

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """The constant output (values,) with the least loss on `targets`. Needed where targets are learnt."""
        raise NotImplementedError(f"{type(self).__name__}.constant")

    def weights(self, targets: np.ndarray) -> np.ndarray:
        """Weights of examples, float32 (examples,), mean 1, that give each class the same weight.

        Raises:
            InputError: examples do not have one class each.
        """
        raise InputError(f"class_weights are for one class an example; leave them out for {self.name}")

    def inference_model(self, network: Any, preprocess: Any, scale: Any) -> Any:
        """The model from raw inputs to outputs, not compiled.

        Args:
            network: trained, on prepared inputs.
            preprocess: from raw inputs to prepared ones; None for nothing.
            scale: as `learnt` returns it.
        """
        from zoo.tasks.composing import composed

        return composed(network, preprocess, scale)

    def calibrated(self, network: Any, held_out_scores: HeldOutScores) -> tuple[Self, dict[str, Any]]:
        """The task with values that need a trained network, as a threshold; and facts on them for the card.

        Args:
            network: trained.
            held_out_scores: scores training examples by networks that did not learn from them.
        """
        return self, {}

    # ---- answers ----

    @abstractmethod
    def values(self) -> dict[str, Value]:
        """The values of an answer, by name, in the order of the answer."""

    def raw_values(self) -> dict[str, Value]:
        """Values too large for every answer; formats without strings and the signature of pixels have them."""
        return {}

    @abstractmethod
    def answer(self, outputs: Outputs, request: Mapping[str, Array], xp: Any) -> Answer:
        """The answer for some outputs, the same in NumPy and in an exported graph.

        Args:
            outputs: of the network, by the names of `outputs`, float32.
            request: values of the request that the kind of input passes on, by name; see `asks`.
            xp: numpy or keras.ops.
        """

    def units(self, outputs: Outputs) -> dict[str, np.ndarray]:
        """Name of an output -> the unit of its differences, float64, () or (values,).

        The largest value, and at least 1; see `zoo.tasks.regression` for others.
        """
        return {name: largest(values) for name, values in outputs.items()}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs of a network: `outputs`, and maybe some that only certain networks have."""
        return self.outputs

    def named(self, answer: Any) -> dict[str, Any]:
        """Outputs of a network, a tensor or several, by name."""
        if isinstance(answer, Mapping):
            return dict(answer)
        several = answer if isinstance(answer, list | tuple) else [answer]
        return dict(zip(self.output_names, several, strict=True))

    def network_outputs(self, network: Any) -> Callable[[Any], dict[str, Array]]:
        """A function of tensors, from inputs of `network` to its outputs by name; traced in exported graphs."""
        return lambda inputs: self.named(network(inputs, training=False))

    def outputs_of(self, model: Any, inputs: Any) -> dict[str, np.ndarray]:
        """Outputs, by name, of an inference model for raw inputs in memory, as `zoo.data.Part` has them."""
        from zoo.arrays import apply

        return self.named(apply(model, inputs, batch=256))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names that a format without strings needs beside it, in the order of its numbers."""
        return self.names

    def beside(self) -> dict[str, Any]:
        """Numbers that a format has beside its file, as a threshold."""
        return {}

    # ---- scores ----

    def exam_outputs(self, exam: Exam) -> dict[str, np.ndarray] | None:
        """Outputs of the trained network of `exam` for its examples; None where the outputs of the model are scored."""
        return None

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """Outputs of simple models for the held-out examples, by name. By default those of the best constant."""
        best = self.constant(examples.targets)
        return {"always the same": np.repeat(best[None], len(examples.held_out), axis=0)}

    def search_outputs(self, exam: Exam, measure: Measure) -> dict[str, np.ndarray] | None:
        """Outputs that `measure` scores in a search; None where it scores the outputs of the network of `exam`."""
        return None

    def objectives(self, network: Any) -> tuple[Measure, ...]:
        """Measures that a search for such a network can optimise; the first is the default."""
        return self.measures

    def evaluate(self, exam: Exam) -> Scored:
        """Scores of the model and of simple models; by default those of `measures`."""

        def scores(outputs: Outputs) -> dict[str, float]:
            return {each.name: each.score(self, exam.targets, outputs) for each in self.measures}

        simple = {name: scores(outputs) for name, outputs in exam.simple.items()}
        return Scores(exam.part, len(exam.targets), scores(exam.outputs), simple)

    def graded(self, names: Sequence[str], exam: Exam, said: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
        """The examples that are scored, each as `Graded`; the most wrong first, where one answer is right or wrong.

        Args:
            names: of the examples.
            exam: with them.
            said: answer for each, as `zoo.tasks.forms.as_json` gives it.
        """
        rows = zip(names, exam.targets, said, strict=True)
        return tuple(Graded(name, self.text(target), answer) for name, target, answer in rows)

    def pictures(self, part: Any, exam: Exam, kind: Any) -> Mapping[str, np.ndarray]:
        """Pictures of the most wrong examples: name of a row -> images, as sheets take them.

        Args:
            part: of the data that is scored, as `zoo.data.Part`.
            exam: of its examples.
            kind: of the inputs, as `zoo.data.kind.Kind`.
        """
        return {}

    def overlay(self, answer: Mapping[str, Any], source: Any, kind: Any) -> np.ndarray | None:
        """The answer drawn over its input, uint8 (height, width, 3); None where it can't be drawn.

        Args:
            answer: as `zoo.tasks.forms.as_json` gives it.
            source: the input, as `zoo.data.kind.Kind.raw` takes it.
            kind: of it, as `zoo.data.kind.Kind`.
        """
        return None

    def findings(self, exam: Exam, evaluation: Scored) -> tuple[Finding, ...]:
        """Problems of the model in words, with remedies."""
        return ()

    # ---- the card ----

    def options(self) -> dict[str, Any]:
        """Options of the task for the card."""
        return {}

    def to_card(self) -> dict[str, Any]:
        """The fields of the task in the card of an artifact."""
        return {"task": self.name, "classes": list(self.names)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Self:
        """The task from the fields of `to_card`; cards of older versions lack some."""
        return cls(tuple(card["classes"]))

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The problem of a card: a key, and what it should hold, in words; None if there is none."""
        return None if card["classes"] else ("classes", "a list of names that differ")

    def shapes(self, card: Mapping[str, Any], model: Any) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Shapes to compare: a description, the shape in the card and that of the model, without the batch axis."""
        output = self.named(model.output)[self.outputs[0]]
        yield self.outputs[0], (len(self.names),), tuple(output.shape[1:])
