"""An artifact as something that answers: what it takes, one checked example at a time, and what it says of several."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from zoo.artifacts.card import requested_kind
from zoo.data.kind import Kind, TooLargeError
from zoo.errors import InputError
from zoo.serving.refusals import bad, too_large
from zoo.tasks.forms import FORMS, sent
from zoo.tasks.registry import task_of

DEFAULT = "serving_default"
MAX_PIXELS = 50_000_000
IMAGE = "image_bytes"


class Tensor(NamedTuple):
    """One input or output of a signature.

    Attributes:
        dtype: NumPy's name, ``string`` for bytes.
        shape: the first is that of the batch; None where it is free.
    """

    dtype: str
    shape: tuple[int | None, ...]


class Signature(NamedTuple):
    """What is taken, and what is answered."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Answering(Protocol):
    """A version of a model."""

    runtime: str
    lanes: int
    signatures: dict[str, Signature]

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """One example, checked, as `run` takes it, and a key that it shares with those it may share a batch with.

        Called from threads.

        Args:
            signature: one of `signatures`.
            fields: name of an input -> value of JSON, or bytes.

        Raises:
            Refused: it is none.
        """

    def run(self, key: Hashable, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Of each row: name of an output -> float32 or bool array, number, bytes or str."""


class Row(NamedTuple):
    """One example.

    Attributes:
        tensors: of a format without strings, the batch axis left out.
        request: what the answer needs beside the outputs; see `zoo.data.kind.Kind.passed`.
    """

    tensors: dict[str, np.ndarray]
    request: dict[str, np.ndarray] = {}


class Numbers:
    """Answers of any runtime for requests that become numbers without TensorFlow, as images do.

    Args:
        card: of the artifact.
        ask: tensors by name, (batch, ...), to outputs by name, float32 (batch, ...).
        runtime: its name.
        most: pixels of an encoded image.
    """

    def __init__(
        self,
        card: dict[str, Any],
        ask: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]],
        runtime: str,
        most: int = MAX_PIXELS,
    ):
        self.ask, self.runtime, self.most = ask, runtime, most
        self.task, self.kind = task_of(card), requested_kind(card)
        forms = {name: FORMS[value.form] for name, value in self.task.values().items()}
        names = len(self.task.names)
        inputs = {name: Tensor("string", (None,)) for name in self.kind.encoded}
        outputs = {n: Tensor(form.dtype, (None, names) if form.wide else (None,)) for n, form in forms.items()}
        self.signatures = {DEFAULT: Signature(inputs, outputs)}
        self.lanes = 2 if runtime == "openvino" else 1  # it runs the inputs of a batch beside each other

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """Tensors of a format without strings, the batch axis left out."""
        values = checked(fields, self.signatures[signature].inputs, self.kind, self.most)
        with refusing():
            return DEFAULT, Row(self.kind.numbered(values), self.kind.passed(values, self.task.asks))

    def run(self, key: Hashable, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """As the exported model answers."""
        outputs = self.outputs([row.tensors for row in rows])
        request = {name: np.stack([row.request[name] for row in rows]) for name in rows[0].request}
        return sent(self.task, self.task.answer(outputs, request, np))

    def outputs(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What the network gives for the tensors of some requests."""
        stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return dict(self.ask({n: v.astype(np.float32) if v.dtype == np.uint8 else v for n, v in stacked.items()}))


class Graph:
    """All signatures of a SavedModel, by TensorFlow.

    Args:
        folder: of the version.
        card: of the artifact.
        most: pixels of an encoded image.
    """

    runtime, lanes = "saved_model", 1

    def __init__(self, folder: Path, card: dict[str, Any], most: int = MAX_PIXELS) -> None:
        import tensorflow as tf

        self.kind = requested_kind(card)
        self.model, self.most = tf.saved_model.load(str(folder)), most  # kept: its variables go with it
        self.functions = dict(self.model.signatures)
        self.signatures = {
            name: Signature(_tensors(function.structured_input_signature[1]), _tensors(function.structured_outputs))
            for name, function in self.functions.items()
        }

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """An array or bytes for each input."""
        found = checked(fields, self.signatures[signature].inputs, self.kind, self.most)
        with refusing():
            found = self.kind.exportable(found)
        shapes = tuple((name, np.shape(value)) for name, value in sorted(found.items()))
        return (signature, shapes), found

    def run(self, key: Hashable, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """As the signature answers."""
        import tensorflow as tf

        signature = key[0]
        dtypes = {name: tensor.dtype for name, tensor in self.signatures[signature].inputs.items()}
        asked = {
            name: tf.constant([row[name] for row in rows], tf.string)
            if dtype == "string"
            else tf.constant(np.stack([row[name] for row in rows]))
            for name, dtype in dtypes.items()
        }
        try:
            answers = {name: value.numpy() for name, value in self.functions[signature](**asked).items()}
        except tf.errors.InvalidArgumentError as error:
            raise bad(f"the model does not take this: {error.message.splitlines()[0]}") from error
        return [{name: values[at] for name, values in answers.items()} for at in range(len(rows))]


class Both(Numbers):
    """A SavedModel of images: its default signature on pixels that were decoded before, in threads.

    Args:
        graph: the SavedModel.
        card: of the artifact.
        most: pixels of an encoded image.
    """

    def __init__(self, graph: Graph, card: dict[str, Any], most: int = MAX_PIXELS) -> None:
        super().__init__(card, self._serve, graph.runtime, most)
        self.graph = graph
        self.signatures = graph.signatures | self.signatures

    def _serve(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        said = self.graph.functions["serving_pixels"](**{name: tf.constant(v) for name, v in tensors.items()})
        return {name: said[name].numpy() for name in self.task.outputs}

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """As the one that has the signature."""
        return super().row(signature, fields) if signature == DEFAULT else self.graph.row(signature, fields)

    def run(self, key: Hashable, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """As the one that has the signature."""
        return super().run(key, rows) if key == DEFAULT else self.graph.run(key, rows)


def checked(
    fields: Mapping[str, Any], inputs: Mapping[str, Tensor], kind: Kind, most: int = MAX_PIXELS
) -> dict[str, Any]:
    """The fields of one example, of the types that a signature takes.

    Args:
        fields: name -> value of JSON, or bytes.
        inputs: of the signature.
        kind: of the model's inputs.
        most: pixels of an encoded image.

    Raises:
        Refused: a field is missing, too many or of another type, or is no input of the kind.
    """
    if set(fields) != set(inputs):
        raise bad(f"expected the fields {_names(inputs)}, received {_names(fields)}")
    found = {name: _value(name, fields[name], tensor, name in kind.encoded) for name, tensor in inputs.items()}
    with refusing():
        return kind.checked(found, most)


@contextmanager
def refusing() -> Iterator[None]:
    """What a kind does not take is refused."""
    try:
        yield
    except TooLargeError as error:
        raise too_large(str(error)) from error
    except InputError as error:
        raise bad(str(error)) from error


def bytes_of(name: str, value: Any) -> bytes:
    """Of base64, as TensorFlow Serving has it (``{"b64": "..."}``) or plain.

    Raises:
        Refused: it is none.
    """
    text = value.get("b64") if isinstance(value, dict) and set(value) == {"b64"} else value
    if not isinstance(text, str):
        raise bad(f'{name}: expected {{"b64": "..."}} with the base64 of a file, received {_shown(value)}')
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad(f"{name}: expected base64: {error}") from error


def _value(name: str, value: Any, tensor: Tensor, encoded: bool) -> Any:
    if encoded and tensor.dtype == "string":
        return value if isinstance(value, bytes) else bytes_of(name, value)
    if tensor.dtype == "string" and len(tensor.shape) == 1:
        if isinstance(value, bytes):
            return value
        if isinstance(value, dict):
            return bytes_of(name, value)
        if not isinstance(value, str):
            raise bad(f"{name}: expected a string, received {_shown(value)}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise bad(f"{name}: expected text, received half of a surrogate pair") from error
    return _numbers(name, value, tensor)


def _numbers(name: str, value: Any, tensor: Tensor) -> np.ndarray:
    wanted = tensor.shape[1:]
    shape = " x ".join("any" if size is None else str(size) for size in wanted)
    expected = f"{name}: expected {f'{shape} numbers' if wanted else 'a number'}"
    if not only_numbers(value):
        raise bad(f"{expected}, received {_shown(value)}")
    try:
        found = np.asarray(value)
        if found.dtype == object:
            found = np.asarray(value, np.float64)  # null is a missing number
    except (ValueError, TypeError, OverflowError):
        raise bad(f"{expected}, received {_shown(value)}") from None
    if found.dtype.kind not in "fiu" and found.size:
        raise bad(f"{expected}, received {_shown(value)}")
    same = len(found.shape) == len(wanted) and all(w in (None, s) for w, s in zip(wanted, found.shape, strict=True))
    if not same or not found.size:
        raise bad(f"{expected}, received {' x '.join(map(str, found.shape)) or 'one number'}")
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = found.dtype.kind in "iu" or (np.isfinite(found).all() and (found == np.floor(found)).all())
        if not whole or found.min() < limits.min or found.max() > limits.max:
            raise bad(f"{expected} of type {tensor.dtype}, received {_shown(value)}")
    with np.errstate(over="ignore"):
        return found.astype(dtype)


def only_numbers(value: Any) -> bool:
    """Whether a value of JSON holds nothing but numbers and null; NumPy makes one long text the width of all."""
    level = [value] if isinstance(value, list | str | dict) else []
    while level:
        if not set(map(type, level)) <= {list, int, float, bool, type(None)}:
            return False
        level = [inner for each in level if isinstance(each, list) for inner in each]
    return True


def _tensors(structure: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: Tensor(each.dtype.name, tuple(each.shape.as_list())) for name, each in sorted(structure.items())}


def _names(fields: Mapping[str, Any]) -> str:
    return ", ".join(map(str, fields))[:200] or "none"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
