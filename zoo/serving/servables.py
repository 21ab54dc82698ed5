"""Servables: artifacts that check one example at a time, and answer batches of checked ones."""

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
from zoo.serving.request_errors import bad_request, too_large
from zoo.tasks.forms import FORMS, sent
from zoo.tasks.registry import task_of

DEFAULT = "serving_default"
MAX_PIXELS = 50_000_000
IMAGE = "image_bytes"


class Tensor(NamedTuple):
    """One input or output of a signature.

    Attributes:
        dtype: NumPy's name, ``string`` for bytes.
        shape: with the batch axis first; None for an axis of any length.
    """

    dtype: str
    shape: tuple[int | None, ...]


class Signature(NamedTuple):
    """Inputs and outputs by name."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Servable(Protocol):
    """A version of a model that answers requests."""

    runtime: str
    lanes: int
    signatures: dict[str, Signature]

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """Check one example, and return it as `run` takes it, after a key. Examples of equal key may share a batch.

        It is called from threads.

        Args:
            signature: one of `signatures`.
            fields: name of an input -> value of JSON, or bytes.

        Raises:
            RequestError: the fields are no example of the signature.
        """

    def run(self, key: Hashable, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Answers, one a row: name of an output -> float32 or bool array, number, bytes or str."""


class Row(NamedTuple):
    """One example.

    Attributes:
        tensors: of a format without strings, without the batch axis.
        request: what the answer needs beside the outputs; see `zoo.data.kind.Kind.passed`.
    """

    tensors: dict[str, np.ndarray]
    request: dict[str, np.ndarray] = {}


class NumericServable:
    """A model in any runtime, for requests that become numbers without TensorFlow, as images do.

    Args:
        card: of the artifact.
        infer: a function from tensors by name, (batch, ...), to outputs by name, float32 (batch, ...).
        runtime: its name.
        most: pixels of an encoded image, at most.
    """

    def __init__(
        self,
        card: dict[str, Any],
        infer: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]],
        runtime: str,
        most: int = MAX_PIXELS,
    ):
        self.infer, self.runtime, self.most = infer, runtime, most
        self.task, self.kind = task_of(card), requested_kind(card)
        forms = {name: FORMS[value.form] for name, value in self.task.values().items()}
        names = len(self.task.names)
        inputs = {name: Tensor("string", (None,)) for name in self.kind.encoded}
        outputs = {n: Tensor(form.dtype, (None, names) if form.wide else (None,)) for n, form in forms.items()}
        self.signatures = {DEFAULT: Signature(inputs, outputs)}
        self.lanes = 2 if runtime == "openvino" else 1  # OpenVINO runs the inputs of a batch in parallel

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """Tensors of numbers, without the batch axis."""
        values = checked(fields, self.signatures[signature].inputs, self.kind, self.most)
        with refusing():
            return DEFAULT, Row(self.kind.numbered(values), self.kind.passed(values, self.task.asks))

    def run(self, key: Hashable, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Answers, equal to those of the exported model."""
        outputs = self.outputs([row.tensors for row in rows])
        request = {name: np.stack([row.request[name] for row in rows]) for name in rows[0].request}
        return sent(self.task, self.task.answer(outputs, request, np))

    def outputs(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Outputs of the network for the tensors of some requests."""
        stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return dict(self.infer({n: v.astype(np.float32) if v.dtype == np.uint8 else v for n, v in stacked.items()}))


class SavedModelServable:
    """All signatures of a SavedModel, run by TensorFlow.

    Args:
        folder: of the version.
        card: of the artifact.
        most: pixels of an encoded image, at most.
    """

    runtime, lanes = "saved_model", 1

    def __init__(self, folder: Path, card: dict[str, Any], most: int = MAX_PIXELS) -> None:
        import tensorflow as tf

        self.kind = requested_kind(card)
        self.model, self.most = tf.saved_model.load(str(folder)), most  # a reference, as it owns the variables
        self.functions = dict(self.model.signatures)
        self.signatures = {
            name: Signature(_tensors(function.structured_input_signature[1]), _tensors(function.structured_outputs))
            for name, function in self.functions.items()
        }

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """An array or bytes for each input."""
        values = checked(fields, self.signatures[signature].inputs, self.kind, self.most)
        with refusing():
            values = self.kind.exportable(values)
        shapes = tuple((name, np.shape(value)) for name, value in sorted(values.items()))
        return (signature, shapes), values

    def run(self, key: Hashable, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answers of the signature."""
        import tensorflow as tf

        signature = key[0]
        dtypes = {name: tensor.dtype for name, tensor in self.signatures[signature].inputs.items()}
        tensors = {
            name: tf.constant([row[name] for row in rows], tf.string)
            if dtype == "string"
            else tf.constant(np.stack([row[name] for row in rows]))
            for name, dtype in dtypes.items()
        }
        try:
            answers = {name: value.numpy() for name, value in self.functions[signature](**tensors).items()}
        except tf.errors.InvalidArgumentError as error:
            raise bad_request(f"the model does not take this: {error.message.splitlines()[0]}") from error
        return [{name: values[at] for name, values in answers.items()} for at in range(len(rows))]


class ImageServable(NumericServable):
    """A SavedModel of images, whose default signature gets pixels that threads decoded before.

    Args:
        graph: the SavedModel.
        card: of the artifact.
        most: pixels of an encoded image, at most.
    """

    def __init__(self, graph: SavedModelServable, card: dict[str, Any], most: int = MAX_PIXELS) -> None:
        super().__init__(card, self._serve, graph.runtime, most)
        self.graph = graph
        self.signatures = graph.signatures | self.signatures

    def _serve(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import tensorflow as tf

        outputs = self.graph.functions["serving_pixels"](**{name: tf.constant(v) for name, v in tensors.items()})
        return {name: outputs[name].numpy() for name in self.task.output_names}

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """As that of the servable that has the signature."""
        return super().row(signature, fields) if signature == DEFAULT else self.graph.row(signature, fields)

    def run(self, key: Hashable, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """As that of the servable that has the signature."""
        return super().run(key, rows) if key == DEFAULT else self.graph.run(key, rows)


def checked(
    fields: Mapping[str, Any], inputs: Mapping[str, Tensor], kind: Kind, most: int = MAX_PIXELS
) -> dict[str, Any]:
    """The fields of one example, converted to the types of a signature.

    Args:
        fields: name -> value of JSON, or bytes.
        inputs: of the signature.
        kind: of the model's inputs.
        most: pixels of an encoded image, at most.

    Raises:
        RequestError: a field is missing, unexpected or of another type, or is no input of the kind.
    """
    if set(fields) != set(inputs):
        raise bad_request(f"expected the fields {_names(inputs)}, received {_names(fields)}")
    values = {name: _value(name, fields[name], tensor, name in kind.encoded) for name, tensor in inputs.items()}
    with refusing():
        return kind.checked(values, most)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn input errors of the block into request errors."""
    try:
        yield
    except TooLargeError as error:
        raise too_large(str(error)) from error
    except InputError as error:
        raise bad_request(str(error)) from error


def bytes_of(name: str, value: Any) -> bytes:
    """The bytes of base64, as TensorFlow Serving takes it (``{"b64": "..."}``) or plain.

    Raises:
        RequestError: the value is no base64.
    """
    text = value.get("b64") if isinstance(value, dict) and set(value) == {"b64"} else value
    if not isinstance(text, str):
        raise bad_request(f'{name}: expected {{"b64": "..."}} with the base64 of a file, received {_shown(value)}')
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{name}: expected base64: {error}") from error


def _value(name: str, value: Any, tensor: Tensor, encoded: bool) -> Any:
    if encoded and tensor.dtype == "string":
        return value if isinstance(value, bytes) else bytes_of(name, value)
    if tensor.dtype == "string" and len(tensor.shape) == 1:
        if isinstance(value, bytes):
            return value
        if isinstance(value, dict):
            return bytes_of(name, value)
        if not isinstance(value, str):
            raise bad_request(f"{name}: expected a string, received {_shown(value)}")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise bad_request(f"{name}: expected text, received half of a surrogate pair") from error
    return _numbers(name, value, tensor)


def _numbers(name: str, value: Any, tensor: Tensor) -> np.ndarray:
    sizes = tensor.shape[1:]
    shape = " x ".join("any" if size is None else str(size) for size in sizes)
    expected = f"{name}: expected {f'{shape} numbers' if sizes else 'a number'}"
    if not only_numbers(value):
        raise bad_request(f"{expected}, received {_shown(value)}")
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.asarray(value, np.float64)  # null is a missing number
    except (ValueError, TypeError, OverflowError):
        raise bad_request(f"{expected}, received {_shown(value)}") from None
    if array.dtype.kind not in "fiu" and array.size:
        raise bad_request(f"{expected}, received {_shown(value)}")
    fits = len(array.shape) == len(sizes) and all(w in (None, s) for w, s in zip(sizes, array.shape, strict=True))
    if not fits or not array.size:
        raise bad_request(f"{expected}, received {' x '.join(map(str, array.shape)) or 'one number'}")
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        integral = array.dtype.kind in "iu" or (np.isfinite(array).all() and (array == np.floor(array)).all())
        if not integral or array.min() < limits.min or array.max() > limits.max:
            raise bad_request(f"{expected} of type {tensor.dtype}, received {_shown(value)}")
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def only_numbers(value: Any) -> bool:
    """Whether a value of JSON holds only numbers and null; NumPy would pad strings to the longest."""
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
