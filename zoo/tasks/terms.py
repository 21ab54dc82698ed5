"""Values in the contract of a task: answers, measures, plans, exams and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from zoo.evaluation.tables import Shown, scores_table

if TYPE_CHECKING:
    import keras

Array = Any
"""A NumPy array, or a tensor in a graph."""
Outputs = Mapping[str, Array]
"""Outputs of a network: name of an output -> array, the examples along its first axis."""


class Value(NamedTuple):
    """One value of an answer.

    Attributes:
        form: a key of `zoo.tasks.forms.FORMS`, which has how the value is written, shown and compared.
        meaning: in words.
        squared: whether the value is a square. Roots are compared, because a square near 0 has no digits to lose.
    """

    form: str
    meaning: str
    squared: bool = False


class Answer(NamedTuple):
    """Answers of a model for some examples.

    Attributes:
        values: name -> array, by the names of `Task.values`.
        margins: name of a decision -> its distance to another decision, in the unit in which outputs are compared:
            float (examples,), or (examples, ...) for a value of several parts. For a name there is one margin for each
            of `Task.names`, the distance to this name. A decision without a margin must always be equal.
    """

    values: dict[str, Array]
    margins: dict[str, Array] = {}


class Measure(NamedTuple):
    """A score.

    Attributes:
        name: as users write it.
        direction: which is better, ``max`` or ``min``.
        parts: of a task, targets and outputs: one number an example, float64 (examples,), whose mean is the score and
            which vary as it does, as `zoo.evaluation.measures` says. Without `paired` a single number, the score.
        decided: whether only decisions are scored, so that two models can have equal scores by chance.
        paired: whether there is a part for each example.
    """

    name: str
    direction: Literal["max", "min"]
    parts: Callable[[Any, np.ndarray, Outputs], np.ndarray]
    decided: bool = False
    paired: bool = True

    def score(self, task: Any, targets: np.ndarray, outputs: Outputs) -> float:
        """The score."""
        return float(self.parts(task, targets, outputs).mean())


class Written(Protocol):
    """Targets as written in a file or folder, none of them missing.

    Attributes:
        columns: names of the columns; a folder of classes has one.
        names: name of each row in messages.
        where: the file or folder, for messages.
    """

    columns: tuple[str, ...]
    names: Sequence[str]
    where: str

    def strings(self) -> np.ndarray:
        """Object (rows, columns) of str, as they are written."""

    def numbers(self) -> np.ndarray:
        """Float64 (rows, columns); NaN where there is no number."""


class Plan(NamedTuple):
    """How a network learns a task.

    Attributes:
        loss: of targets and outputs; None where the network has its own.
        metrics: names of Keras metrics.
        outside: whether examples outside of training choose the epoch; else all are learnt from, in whole batches, and
            the last epoch is taken.
        multiple: batches a step.
        moves: whether targets are images too, (examples, height, width), that move with an augmented input.
        optimizers: of a function that makes an optimizer, and of the learning rate that is given, to several
            optimizers; None for a single one. The function takes steps a step, a learning rate and Adam's betas.
        adapts: learns in one step without gradients, from prepared inputs, the positions of the examples to learn from,
            None for all, and a seed; None for a network that learns by gradients.
    """

    loss: keras.losses.Loss | None
    metrics: tuple[str, ...] = ()
    outside: bool = True
    multiple: int = 1
    moves: bool = False
    optimizers: Callable[[Callable[..., Any], float | None], tuple[Any, ...]] | None = None
    adapts: Callable[[np.ndarray, np.ndarray | None, int], None] | None = None


class SourcedScores(NamedTuple):
    """Scores of training examples that were not learnt from, float32 (examples,), and their origin in words."""

    scores: np.ndarray
    source: str


HeldOutScores = Callable[[Callable[[Any, np.ndarray], np.ndarray], Callable[[int], bool]], SourcedScores]
"""Scores of training examples by networks that did not learn from them.

The first argument scores prepared inputs with a network; the second says whether a number of examples is enough.
"""


class Exam(NamedTuple):
    """The examples that are scored, and everything that a score is computed from.

    Attributes:
        part: name of the scored part, as "validation".
        targets: of the examples, as `Task.encode` gives them.
        outputs: of the model for the examples.
        digests: sha256 of each input's content.
        simple: outputs of simple models for the examples, by name of the model.
        weighted: whether training gave rare classes more weight; None where it can't.
        seed: of the draws.
        network: trained, on prepared inputs; None where an artifact is scored, which has no `inputs`, `held_out`,
            `epochs` and `judge` either.
        inputs: prepared inputs of the training part.
        held_out: prepared inputs of the examples.
        epochs: losses and metrics of the training, epoch by epoch.
        judge: scores generated images, float32 0-255, against held-out ones. The second argument is the requested class
            of each, int (images,), or None.
        series: the name of the series that each example is of; None where there is one, or none.
    """

    part: str
    targets: np.ndarray
    outputs: Outputs
    digests: Sequence[str] = ()
    simple: Mapping[str, Outputs] = {}
    weighted: bool | None = None
    seed: int = 0
    network: Any = None
    inputs: Any = None
    held_out: Any = None
    epochs: Sequence[Mapping[str, float]] = ()
    judge: Callable[[np.ndarray, np.ndarray | None], Any] | None = None
    series: Sequence[str] | None = None


class Scored(Protocol):
    """Scores of one model on one part, for people and machines; a dataclass with ``baselines``.

    Scores of images that a classifier judged also have `is_judged`, which is true.
    """

    part: str
    examples: int

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """The first measure in words, its value, and its values for simple models, by name."""

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines for people."""


class Graded(NamedTuple):
    """One scored example with its target and its answer; `right` where an answer is right or wrong."""

    name: str
    target: str
    answer: dict[str, Any]
    right: bool | None = None

    def cells(self) -> dict[str, Any]:
        """A row of a table, by column."""
        plain = {name: value for name, value in self.answer.items() if not isinstance(value, list)}
        return {"name": self.name, "target": self.target, **plain}


@dataclass(frozen=True)
class Scores:
    """Scores by name, of a task that needs no value of its own.

    Attributes:
        part: which part was scored.
        examples: how many.
        scores: of the model.
        baselines: of simple models fitted on the same training part, by name.
    """

    part: str
    examples: int
    scores: dict[str, float]
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return {"part": self.part, "examples": self.examples, **self.scores, "baselines": self.baselines}

    def beside(self) -> tuple[str, float | None, dict[str, float | None]]:
        """See `Scored.beside`."""
        name, own = next(iter(self.scores.items()))
        return name.replace("_", " "), own, {model: row.get(name) for model, row in self.baselines.items()}

    def shown(self, details: bool = False) -> Shown:
        """Tables and lines for people."""
        measures = {name: name.replace("_", " ") for name in self.scores}
        yield scores_table(f"{self.part}: {self.examples} examples", measures, self.scores, self.baselines)


def largest(values: np.ndarray) -> np.float64:
    """The largest absolute value, and at least 1."""
    return np.float64(max(1.0, float(np.abs(values).max(initial=0.0))))
