"""The contract of a kind of input: how inputs are read, and which tensors a model and its exports take.

A kind is a frozen value. Its fields hold what the training part says of the inputs, as the columns of a table or the
size of images; the card of an artifact has them as ``input``. No other module asks a kind for its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from zoo.data.notes import Note
from zoo.data.parts import Inputs, Part, chosen_inputs, count
from zoo.data.unseen import TrainingValues
from zoo.errors import InputError
from zoo.tasks.classification import Classification

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from zoo.data.look import Look
    from zoo.evaluation.units import Units
    from zoo.tasks.task import Task

STEPS = 24  # of a made-up input, along an axis of any length
BATCH = 256  # files that are in memory at once


class TooLargeError(InputError):
    """A request is larger than the limit, as an image of too many pixels."""


class Raw(NamedTuple):
    """Inputs without targets.

    Attributes:
        names: of all inputs, in order.
        inputs: one for each name, in the form of `Part.inputs`.
        errors: position -> why the input there can't be used; its place in `inputs` holds a filler.
    """

    names: list[str]
    inputs: Inputs
    errors: dict[int, str]


class Decoded(NamedTuple):
    """A batch of inputs as a model takes them.

    Attributes:
        positions: int64, of the inputs that could be read.
        inputs: arrays of these inputs.
        errors: position -> why an input could not be read.
    """

    positions: np.ndarray
    inputs: Inputs
    errors: dict[int, str]


@dataclass(frozen=True)
class Kind(ABC):
    """Inputs of a model, as images.

    A new kind has a `name` and a `shape`, and defines `raw` and `labelled`; it defines `recognises` too if
    `zoo.data.open` is to find it. Everything else has a default, which suits inputs of one float32 array each. The
    methods are in the order in which they are called: reading, training, the exported model, formats without strings,
    requests, the card.
    """

    name: ClassVar[str]
    """The name in the card of an artifact, and of the tensor of an exported model where there is only one."""
    plural: ClassVar[str] = "examples"
    """The word for several inputs."""
    title: ClassVar[str] = "others"
    """The heading of these models in a table of formats."""
    takes: ClassVar[str] = "numbers float32 (batch, ...)"
    """The tensors of a format without strings, in words."""
    placeholder: ClassVar[str] = "FILE"
    """The word for an input in the usage line of a command."""
    default_builder: ClassVar[str] = "mlp"
    """The builder that `zoo tune` searches by default."""
    pictures: ClassVar[bool] = False
    """Whether an input is an image, which people look at."""
    words: ClassVar[bool] = False
    """Whether simple models take the raw strings rather than numbers."""
    tabular: ClassVar[bool] = False
    """Whether the numbers are columns with a meaning each, which boosted trees suit."""
    fits_int8: ClassVar[bool] = True
    """Whether an int8 format can be calibrated on its numbers."""
    prepares: ClassVar[bool] = True
    """Whether a reader fits preprocessing, as the scaling of numbers."""
    served_as_numbers: ClassVar[bool] = False
    """Whether a server turns a request into numbers without TensorFlow (`numbered`), so that any runtime can answer."""

    required: ClassVar[tuple[str, ...]] = ()
    """The names in `arguments` that a builder must have."""

    # Fields of some kinds. With annotations they would come first among the arguments of every kind.
    vocabulary = ()
    """The words that texts are made of; a word's number is its position."""
    window = 0
    """Steps that a window of a series looks back over; 0 where inputs are independent."""
    target_position = 0
    """Position of the feature of a series that is forecast."""

    # ---- reading ----

    @property
    def overlap(self) -> int:
        """Examples, counted from one, beyond which no other shares steps with it; 0 where inputs are independent."""
        return self.window

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        """The name in `zoo.kinds.registry.READERS` of the reader for a path; None if the path holds another kind."""
        return None

    @abstractmethod
    def raw(self, source: Any, *, every: bool = False) -> Raw:
        """Read inputs to predict.

        Args:
            source: a path, or inputs in memory.
            every: read every window of a series rather than the last.

        Raises:
            InputError: a path does not exist, or holds nothing of this kind.
        """

    @abstractmethod
    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        """Read inputs and targets to score: the held-out part of a source that has parts, else everything.

        Args:
            source: as the reader of the kind takes it.
            task: of the model.

        Raises:
            InputError: there is nothing to score, or the model does not know a target.
        """

    def named(self, **naming: Any) -> Self:
        """The kind for sources to score whose columns a user names, as `zoo.data.images` takes them.

        Raises:
            InputError: there is nothing to name.
        """
        names = ", ".join(naming)
        raise InputError(f"{names}: expected a model of images, as these are of a manifest; it takes {self.plural}")

    def sources(self, paths: Sequence[str]) -> Iterator[Any]:
        """The sources that `raw` is called with for several paths of a command."""
        yield from paths

    def decoded(self, inputs: Inputs, *, doing: str = "reading", batch: int = BATCH) -> Iterator[Decoded]:
        """Inputs as a model takes them, batch by batch, so that files need not fit into memory.

        Args:
            inputs: as `raw` gives them.
            doing: label of the progress bar where files are read.
            batch: files at a time.
        """
        yield Decoded(np.arange(count(inputs)), inputs, {})

    def in_memory(self, inputs: Inputs) -> Inputs:
        """All inputs as a model takes them, as arrays; files are read.

        Raises:
            zoo.kinds.images.decoding.DecodeError: one of the files can't be read.
        """
        return inputs

    def again(self, source: Path, rows: Sequence[Mapping[str, str]], task: Task, most: int) -> Part | None:
        """Examples of a run that are still in its source with the same content; None if there are none.

        Args:
            source: of the run.
            rows: the rows of its ``splits.csv`` to look for.
            task: of the model.
            most: maximum number of examples; they are evenly spread.
        """
        known = {row["sha256"] for row in rows}
        try:
            part, _ = self.labelled(source, task)
        except (InputError, OSError):  # the source holds something else by now
            return None
        same = np.flatnonzero([digest in known for digest in part.digests])
        return part.chosen(spread(same, most)) if len(same) else None

    def classed(self, source: Any, names: Sequence[str]) -> tuple[Raw, list[str] | None, list[Note]]:
        """Inputs with their classes as written, where they have any.

        Args:
            source: as `raw` or `labelled` takes it.
            names: classes that the model was trained on, or names of numbers; empty if it had no targets.

        Returns:
            inputs; the class of each, None if there are none; and notes on what was left out.
        """
        notes: list[Note] = []
        if names:
            try:
                part, notes = self.labelled(source, Classification(tuple(names)))
            except InputError as error:
                notes = [Note(str(source), "kept", f"without classes; {error}")]
            else:
                return Raw(list(part.names), part.inputs, {}), [names[target] for target in part.targets], notes
        return self.raw(source, every=True), None, notes

    # ---- training ----

    def uncropped(self) -> Self:
        """The kind for a network that sees whole photos, whatever their proportions; by default the same."""
        return self

    @property
    def is_sized(self) -> bool:
        """Whether the size of inputs is given, rather than chosen by `completed`."""
        return True

    def completed(self, part: Part, input_size: int | None, source: Any) -> Self:
        """The kind with what is decided only when a network is trained, as the size that images are resized to.

        Args:
            part: the training part.
            input_size: the user's option; None for a suitable size.
            source: of the data, for messages.

        Raises:
            InputError: a size that does not belong to this kind.
        """
        if input_size is not None:
            raise InputError(f"input_size is for images in files; leave it out for {source}")
        return self

    def prepared(self, inputs: Inputs, preprocess: Any, source: Any) -> np.ndarray:
        """Inputs as a builder takes them, (examples, ...).

        Args:
            inputs: as `Part` has them.
            preprocess: the preprocessing that a reader fitted; None for none.
            source: of the data, for messages.

        Raises:
            InputError: they don't fit into memory.
        """
        from zoo.arrays import apply

        return self.in_memory(inputs) if preprocess is None else apply(preprocess, inputs)

    def units(self, inputs: Inputs, preprocess: Any) -> Units | None:
        """The unit of each example, where its targets are learnt in one of its own; None where all have the same.

        Args:
            inputs: as `Part` has them.
            preprocess: as `prepared` takes it.
        """
        return None

    def place(self, inputs: Inputs, at: tuple[int, ...]) -> tuple[str, Any]:
        """The place of a number of the prepared inputs in words, and the raw number that it comes from.

        Args:
            inputs: as `Part` has them.
            at: indices of the number, beginning with the example.
        """
        return f"at {at[1:]}", inputs[at] if isinstance(inputs, np.ndarray) else None

    def network_shape(self, shape: tuple[int, ...]) -> tuple[int | None, ...]:
        """Shape of one input of a network, from the shape of a prepared input; an axis of any length is None."""
        return shape

    def arguments(self) -> dict[str, Any]:
        """Arguments about the inputs that a builder receives if it has them."""
        return {}

    def plain(self, prepared: np.ndarray, inputs: Inputs) -> np.ndarray:
        """Rows for simple models: numbers (examples, width), or strings where `words`.

        Args:
            prepared: as `prepared` gives them.
            inputs: as `Part` has them.
        """
        from zoo.evaluation.baselines import flat

        return flat(prepared)

    def table_columns(self, part: Part, notes: Sequence[Note]) -> list[dict[str, Any]]:
        """The columns of a table, in the order of the file, for people who check their data; none of other inputs.

        Args:
            part: the training part.
            notes: on what was read.

        Returns:
            of each ``column``, its name, and ``read_as``, in words; of an input the share that is ``missing`` and what
            stands in for that, ``filled``; of one that is left out the ``reason``.
        """
        return []

    # ---- the exported model ----

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one raw input; None along an axis of any length. A kind of several arrays has `specification` instead."""
        raise NotImplementedError(f"{type(self).__name__}.shape")

    def of_model(self, model: keras.Model) -> Self:
        """The kind as `model` takes it, where the model takes less than the kind allows."""
        return self

    def specification(self) -> tuple[dict[str, tf.TensorSpec], Callable[..., Any]]:
        """Tensors of a request by name, and a function from these to the Keras model's input."""
        import tensorflow as tf

        spec = tf.TensorSpec([None, *self.shape], tf.float32, name=self.name)
        return {self.name: spec}, lambda **tensors: tensors[self.name]

    def reading(self, asks: Sequence[str]) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """A function of the tensors of a request to the Keras model's input and what answers need beside it.

        Args:
            asks: names of these, as `zoo.tasks.task.Task.asks` has them; a kind leaves out what it does not know.
        """
        _, assemble = self.specification()
        return lambda **tensors: (assemble(**tensors), {})

    def request(self, inputs: Inputs, asks: Sequence[str]) -> dict[str, np.ndarray]:
        """The same of raw inputs as `Part` has them: name -> array, one row an example.

        Raises:
            zoo.kinds.images.decoding.DecodeError: one of the files can't be read.
        """
        return {}

    def feeds(self, inputs: Inputs) -> dict[str, Any]:
        """Raw inputs as the tensors of a request, by name: arrays, or lists of encoded files."""
        return {self.name: inputs}

    def files(self, inputs: Inputs) -> list[Path | bytes] | None:
        """The encoded files of inputs that a request has as such; None for other kinds."""
        return None

    def renamed(self) -> dict[str, str]:
        """Column -> name of its tensor in a request, where the two names differ."""
        return {}

    def unreadable(self, inputs: Inputs) -> list[str | None]:
        """The reason why the exported model can't read an input, for each input; None where it can."""
        return [None] * count(inputs)

    def formats(self, inputs: Inputs) -> list[str]:
        """The file format of each input; empty for inputs in memory."""
        return []

    def called(
        self,
        model: keras.Model,
        task: Task,
        assemble: Callable[..., Any],
        said: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> tuple[Callable[[Any], dict[str, Any]], dict[str, Any]]:
        """How an exported model of one network is called, and its signatures beside ``serving_default``.

        Args:
            model: raw inputs to outputs.
            task: of the model.
            assemble: from the tensors of a request to inputs.
            said: from outputs to the values of an answer.

        Returns:
            a function from inputs to outputs by name, and further signatures by name.
        """
        return task.network_outputs(model), {}

    def made_up(self, model: keras.Model, count: int, rng: np.random.Generator) -> Inputs:
        """Plausible inputs that are nobody's data, in the form of `Part.inputs`.

        Args:
            model: raw inputs to outputs; what a reader fitted, inside of it, says how inputs vary.
            count: how many.
            rng: draws them.
        """
        return rng.standard_normal((count, *(size or STEPS for size in self.shape)), np.float32)

    def with_unseen(self, inputs: Inputs) -> Inputs:
        """Made-up inputs in memory, some with what training had not, as a word or a gap."""
        return self.in_memory(inputs)

    def restored(self, reconstructions: np.ndarray, inputs: np.ndarray | None, preprocess: Any) -> np.ndarray | None:
        """Reconstructions of a decoder in the unit of raw inputs; None where there is no way back.

        Args:
            reconstructions: float32 (examples, ...).
            inputs: raw, where they are known; says where a shorter one ends.
            preprocess: what a reader fitted; None for nothing.
        """
        return reconstructions

    @property
    def is_restored(self) -> bool:
        """Whether there is a way back from prepared inputs to raw ones."""
        return True

    # ---- formats without strings ----

    def preprocess_of(self, model: keras.Model) -> keras.Model | None:
        """The part of `model` that a reader fitted; None where there is none."""
        from zoo.builders.models import preprocess_of

        return preprocess_of(model)

    def tensors(self, model: keras.Model) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Tensors that a file of another runtime takes: name -> dtype, and shape without the batch axis."""
        from zoo.builders.models import only_entry

        return {self.name: ("float32", tuple(only_entry(model).shape[1:]))}

    def meanings(self) -> dict[str, str]:
        """The same in words."""
        return {self.name: f"numbers of {self.plural}"}

    def numbers(self, model: keras.Model, inputs: Inputs) -> dict[str, np.ndarray]:
        """Raw inputs in memory as those tensors."""
        return {self.name: np.asarray(inputs, np.float32)}

    def prepare(self, preprocess: Any, tensors: Mapping[str, tf.Tensor]) -> Any:
        """What the network takes, of those tensors, and the unit of its answers if any; a function of the graph.

        Args:
            preprocess: as `preprocess_of` gives it.
            tensors: by name.
        """
        several = list(tensors.values())
        inputs = several if len(several) > 1 else several[0]
        return inputs if preprocess is None else preprocess(inputs)

    def beside(self, model: keras.Model) -> dict[str, str]:
        """Files that a format without strings needs beside it: name -> content."""
        return {}

    # ---- requests ----

    def checked(self, values: dict[str, Any], most: int) -> dict[str, Any]:
        """One request, by name of the tensor, as the exported model takes it.

        Args:
            values: of the types that the signature says; strings are bytes.
            most: pixels of an image at most.

        Raises:
            InputError: it is no input of this kind.
        """
        return values

    @property
    def encoded(self) -> tuple[str, ...]:
        """Names of the tensors that hold encoded files, which JSON has as base64."""
        return ()

    def exportable(self, values: dict[str, Any]) -> dict[str, Any]:
        """A checked request in a form that the exported model reads, as PNG for TIFF."""
        return values

    def numbered(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """A checked request as tensors of a format without strings, the batch axis left out; see `served_as_numbers`.

        Raises:
            InputError: it can't be read.
        """
        raise NotImplementedError(f"{type(self).__name__}.numbered")

    def passed(self, values: Mapping[str, Any], asks: Sequence[str]) -> dict[str, np.ndarray]:
        """`request` of a checked request of one example, the batch axis left out."""
        return {}

    def blank(self) -> dict[str, np.ndarray]:
        """Such tensors of an input that holds nothing, by which a server sees that a model answers."""
        raise NotImplementedError(f"{type(self).__name__}.blank")

    def form(self, shapes: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Fields of a request, as a page shows them to people.

        Args:
            shapes: of the tensors of the signature, by name, the batch axis left out.
            layers: class name -> arguments of the layers in the saved model.

        Returns:
            of each field its ``name``, that of the tensor, its ``type``, one that the page knows, and what that needs.
        """
        return [{"name": name, "type": "numbers", "shape": list(shape)} for name, shape in shapes.items()]

    def training_values(self, layers: Mapping[str, Mapping[str, Any]]) -> list[TrainingValues]:
        """What training had of the tensors of a request, so that values that it never had can be said.

        Args:
            layers: as `form` takes them; empty where the saved model is not there.
        """
        return []

    def example(self, part: Part) -> dict[str, Any] | None:
        """The tensors of one training example, by name; None where it is a file."""
        return {name: values[0] for name, values in self.feeds(chosen_inputs(part.inputs, np.zeros(1, int))).items()}

    # ---- the card ----

    def to_card(self) -> dict[str, Any]:
        """The fields that count in comparisons, as JSON holds them, with the name of the kind.

        Separator and header are those of a file, and left out where there was none.
        """
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        said = {name: value for name, value in said.items() if value is not None or name not in ("separator", "header")}
        return {"kind": self.name} | {name: list(v) if isinstance(v, tuple) else v for name, v in said.items()}

    @classmethod
    def from_card(cls, said: Mapping[str, Any]) -> Self:
        """The kind from the fields of `to_card`; missing ones have their defaults."""
        known = {each.name: said[each.name] for each in fields(cls) if each.name in said}
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in known.items()})

    @classmethod
    def variant(cls, said: Mapping[str, Any]) -> type[Kind]:
        """The class for the input of a card, where several classes have one name."""
        return cls

    @classmethod
    def card_checks(cls, said: Mapping[str, Any], supervised: bool) -> dict[str, Callable[[Any], bool]]:
        """Checks of the input in a card: name of a field -> whether a value is valid; optional fields end with ``?``.

        Args:
            said: the input of the card.
            supervised: whether the model has targets.
        """
        needed = [each.name for each in fields(cls) if each.default is MISSING and each.default_factory is MISSING]
        return dict.fromkeys(needed, lambda value: True)

    def shapes(self, model: keras.Model) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """Shapes to compare on opening: a description, the shape in the card, and that of the model."""
        from zoo.builders.models import only_entry

        yield self.plural, self.shape, tuple(only_entry(model).shape[1:])


def spread(values: Any, most: int) -> Any:
    """At most so many of `values`, evenly spread."""
    if len(values) <= most:
        return values
    chosen = np.linspace(0, len(values) - 1, most).astype(np.int64)
    return values[chosen] if isinstance(values, np.ndarray) else [values[at] for at in chosen]
