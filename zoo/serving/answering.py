"""An artifact as something that answers: what it takes, one checked example at a time, and what it says of several."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from zoo.kinds.images import decoding, exportable
from zoo.serving.refusals import bad, too_large
from zoo.tasks.forms import FORMS, in_numpy
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


class Pixels:
    """Labels or values for images, by any runtime that takes pixels.

    Args:
        card: of the artifact.
        ask: float32 pixels (batch, height, width, channels), 0-255, to outputs by name, float32 (batch, ...).
        runtime: its name.
        most: pixels of an encoded image.
    """

    def __init__(
        self,
        card: dict[str, Any],
        ask: Callable[[np.ndarray], Mapping[str, np.ndarray]],
        runtime: str,
        most: int = MAX_PIXELS,
    ):
        self.card, self.ask, self.runtime, self.most = card, ask, runtime, most
        self.task = task_of(card)
        forms = {name: FORMS[value.form] for name, value in self.task.values().items()}
        names = len(self.task.names)
        outputs = {n: Tensor(form.dtype, (None, names) if form.wide else (None,)) for n, form in forms.items()}
        self.signatures = {DEFAULT: Signature({IMAGE: Tensor("string", (None,))}, outputs)}

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """Uint8 pixels (height, width, channels)."""
        encoded = checked(fields, self.signatures[signature].inputs, self.most)[IMAGE]
        description = self.card["input"]
        pixels = decode(encoded, tuple(description["size"]), description["crop"])
        return DEFAULT, decoding.grey(pixels) if description.get("channels", 3) == 1 else pixels

    def run(self, key: Hashable, rows: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """As the exported model answers."""
        outputs = self.ask(np.stack(rows).astype(np.float32))
        values = in_numpy(self.task, self.task.answer(outputs, {}, np))
        return [{name: each[at] for name, each in values.items()} for at in range(len(rows))]


class Graph:
    """All signatures of a SavedModel, by TensorFlow.

    Args:
        folder: of the version.
        most: pixels of an encoded image.
    """

    runtime = "saved_model"

    def __init__(self, folder: Path, most: int = MAX_PIXELS) -> None:
        import tensorflow as tf

        self.model, self.most = tf.saved_model.load(str(folder)), most  # kept: its variables go with it
        self.functions = dict(self.model.signatures)
        self.signatures = {
            name: Signature(_tensors(function.structured_input_signature[1]), _tensors(function.structured_outputs))
            for name, function in self.functions.items()
        }

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """An array or bytes for each input."""
        found = checked(fields, self.signatures[signature].inputs, self.most)
        if list(found) == [IMAGE] and isinstance(found[IMAGE], bytes):
            found[IMAGE] = _readable(found[IMAGE])
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


class Both(Pixels):
    """A SavedModel for labels of images: its default signature on pixels that were decoded before, in threads.

    Args:
        graph: the SavedModel.
        card: of the artifact.
        most: pixels of an encoded image.
    """

    def __init__(self, graph: Graph, card: dict[str, Any], most: int = MAX_PIXELS) -> None:
        super().__init__(card, self._serve, graph.runtime, most)
        self.graph = graph
        self.signatures = graph.signatures | self.signatures

    def _serve(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        import tensorflow as tf

        said = self.graph.functions["serving_pixels"](pixels=tf.constant(pixels))
        return {name: said[name].numpy() for name in self.task.outputs}

    def row(self, signature: str, fields: Mapping[str, Any]) -> tuple[Hashable, Any]:
        """As the one that has the signature."""
        return super().row(signature, fields) if signature == DEFAULT else self.graph.row(signature, fields)

    def run(self, key: Hashable, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """As the one that has the signature."""
        return super().run(key, rows) if key == DEFAULT else self.graph.run(key, rows)


def checked(fields: Mapping[str, Any], inputs: Mapping[str, Tensor], most: int = MAX_PIXELS) -> dict[str, Any]:
    """The fields of one example, of the types that a signature takes.

    Args:
        fields: name -> value of JSON, or bytes.
        inputs: of the signature.
        most: pixels of an encoded image.

    Raises:
        Refused: a field is missing, too many or of another type, or holds no image.
    """
    if set(fields) != set(inputs):
        raise bad(f"expected the fields {_names(inputs)}, received {_names(fields)}")
    image = list(inputs) == [IMAGE] and inputs[IMAGE].dtype == "string"  # a table may have a column of that name
    found = {name: _value(name, fields[name], tensor, image) for name, tensor in inputs.items()}
    if image:
        _look(found[IMAGE], most)
    return found


def decode(encoded: bytes, size: tuple[int, int], crop: float) -> np.ndarray:
    """Pixels of an encoded image, as training read them.

    Raises:
        Refused: it can't be read.
    """
    try:
        return decoding.decode(encoded, size, crop)
    except decoding.DecodeError as error:
        raise bad(f"{IMAGE}: {error}") from error


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


def _look(encoded: bytes, most: int) -> None:
    try:
        found = decoding.probe(encoded)
    except decoding.DecodeError as error:
        refuse = too_large if "over the limit" in str(error) else bad
        raise refuse(f"{IMAGE}: {error}") from error
    if found.width * found.height > most:
        raise too_large(f"{IMAGE}: expected at most {most:,} pixels, received {found.width} x {found.height}")


def _readable(encoded: bytes) -> bytes:
    """An image that the exported graph reads: another format, or an animation, becomes PNG."""
    import PIL.Image

    decode(encoded, (8, 8), 1.0)
    if exportable.refusal(encoded) is None:
        return encoded
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        buffer, exif = io.BytesIO(), image.getexif()
        if image.mode in ("CMYK", "LAB", "YCbCr"):  # of which there is no PNG
            bare = PIL.Image.merge(image.mode, image.split())  # turned by the graph, and not before
            image = PIL.Image.fromarray(decoding.decode(bare, image.size[::-1]))
        image.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def _value(name: str, value: Any, tensor: Tensor, image: bool) -> Any:
    if image:
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
