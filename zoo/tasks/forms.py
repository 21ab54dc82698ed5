"""The forms that a value of an answer can have: in an exported graph, in NumPy, as JSON, and in a table's cell.

A closed list: what shows, writes or compares an answer goes by the form of each value, and never by the task.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.tasks.areas import Areas, decided_in_graph
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Outputs, Value
from zoo.terminal import safe

if TYPE_CHECKING:
    import tensorflow as tf

BAR = 10  # characters of a probability of 1


class Form(NamedTuple):
    """How a value is written.

    Attributes:
        decision: whether the value is a decision, which is equal or not; numbers differ by more or less.
        graph: from names and a tensor to a tensor of an exported graph.
        array: from names and an array to an array like that of the graph, strings as object.
        json: from names and the value of one example to what JSON holds.
        cell: from names, the value of one example and the largest number of parts to the text of a table's cell. It
            may have line breaks; other control characters are escaped.
        dtype: NumPy's name of the type in an export, ``string`` for bytes.
        wide: whether the value has a part for each name.
        said: from the value of an export, strings as bytes or str, to an array like that of `array`.
        sent: from one value of `array` to the value of one example in a server's answer, as a file.
        suffix: of a file that holds the value; empty where the value is no file.
        portable: whether formats without strings have the value beside the outputs of the network.
        near: for a decision: from names, the value of one example, the value of an export, and bool, true where the
            margin is small, to whether the two values differ only there.
    """

    decision: bool
    graph: Callable[[tuple[str, ...], Any], Any]
    array: Callable[[tuple[str, ...], np.ndarray], np.ndarray]
    json: Callable[[tuple[str, ...], Any], Any]
    cell: Callable[[tuple[str, ...], Any, int], str]
    dtype: str = "float32"
    wide: bool = False
    said: Callable[[np.ndarray], np.ndarray] = np.asarray
    sent: Callable[[Any], Any] = lambda value: value
    suffix: str = ""
    portable: bool = False
    near: Callable[[tuple[str, ...], Any, Any, np.ndarray], bool] = lambda names, value, said, near: bool(near.all())


def in_graph(task: Task, answer: Answer) -> dict[str, tf.Tensor]:
    """The values of an answer as the outputs of an exported graph: decisions by name are strings."""
    return {name: FORMS[value.form].graph(task.names, answer.values[name]) for name, value in task.values().items()}


def in_numpy(task: Task, answer: Answer) -> dict[str, np.ndarray]:
    """The values of an answer in NumPy as the exported graph gives them, strings as object."""
    return {name: FORMS[value.form].array(task.names, answer.values[name]) for name, value in task.values().items()}


def sent(task: Task, answer: Answer) -> list[dict[str, Any]]:
    """The values of an answer as a server sends them, one dict an example, files as bytes."""
    values = in_numpy(task, answer)
    ways = {name: FORMS[value.form].sent for name, value in task.values().items()}
    return [
        {name: ways[name](each[at]) for name, each in values.items()} for at in range(len(next(iter(values.values()))))
    ]


def files(task: Task) -> dict[str, str]:
    """Values of an answer that are files, with their suffixes."""
    known = {name: FORMS[value.form].suffix for name, value in task.values().items()}
    return {name: suffix for name, suffix in known.items() if suffix}


def portable(task: Task) -> dict[str, Value]:
    """The values of formats without strings: outputs of the network, flags and the like, and large values."""
    known = task.values() | task.raw_values()
    return {name: value for name, value in known.items() if name in task.output_names or FORMS[value.form].portable}


def by_name(task: Task) -> list[str]:
    """Names of the values that are words. Where there are no strings, the caller computes them, as the server does."""
    return [name for name, value in task.values().items() if value.form in ("name", "names")]


def as_json(task: Task, outputs: Outputs, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer for each example, by name of the value, as JSON holds it."""
    values, count = task.answer(outputs, request, np).values, len(next(iter(outputs.values())))
    forms = {name: FORMS[value.form].json for name, value in task.values().items()}
    for at in range(count):
        yield {name: form(task.names, values[name][at]) for name, form in forms.items()}


def _names_of(names: tuple[str, ...], here: Any) -> str:
    return ";".join(name for name, is_here in zip(names, here, strict=True) if is_here)


def _gathered(names: tuple[str, ...], positions: Any) -> Any:
    import tensorflow as tf

    return tf.gather(tf.constant(names), positions)


def _joined(names: tuple[str, ...], here: Any) -> Any:
    import tensorflow as tf

    chosen = tf.ragged.boolean_mask(tf.broadcast_to(tf.constant(names), tf.shape(here)), here)
    return tf.strings.reduce_join(chosen, axis=1, separator=";")


def _png(names: tuple[str, ...], pixels: Any) -> Any:
    import tensorflow as tf

    rounded = tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)
    return tf.map_fn(tf.io.encode_png, rounded, fn_output_signature=tf.string)


def pixels_of(encoded: str) -> np.ndarray:
    """Uint8 pixels (height, width, 1 or 3) of a PNG in base64, as JSON holds it."""
    return _decoded(base64.b64decode(encoded))


def _texts(said: np.ndarray) -> np.ndarray:
    return np.array([each.decode() if isinstance(each, bytes) else str(each) for each in said], object)


def _decoded(png: bytes) -> np.ndarray:
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def as_png(pixels: np.ndarray) -> bytes:
    """Uint8 pixels (height, width), or (height, width, 1 or 3), as a file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _ragged(arrays: Iterator[np.ndarray], count: int) -> np.ndarray:
    """Arrays that may differ in shape, object (examples,)."""
    ragged = np.empty(count, object)
    for at, array in enumerate(arrays):
        ragged[at] = array
    return ragged


def _masks_in_graph(names: tuple[str, ...], areas: Areas) -> Any:
    """Grey PNG files, one at a time."""
    import tensorflow as tf

    greys, sizes = tf.constant(areas.greys, tf.uint8), areas.size
    if sizes is None:
        sizes = tf.tile(tf.shape(areas.shares)[None, 1:3], [tf.shape(areas.shares)[0], 1])

    def one(given: tuple[Any, Any]) -> Any:
        return tf.io.encode_png(tf.gather(greys, decided_in_graph(*given))[..., None])

    return tf.map_fn(one, (areas.shares, sizes), fn_output_signature=tf.string, parallel_iterations=1)


def _decoded_masks(said: np.ndarray) -> np.ndarray:
    return _ragged((_decoded(each)[..., 0] for each in said), len(said))


def _same_areas(names: tuple[str, ...], areas: Areas, said: np.ndarray, near: np.ndarray) -> bool:
    """Whether a mask has the size of the photo, and each pixel its class, or another one where the margin is small."""
    (wanted,) = areas.masks()
    return wanted.shape == said.shape and bool(((wanted == said) | (near & np.isin(said, areas.greys))).all())


def _same_positions(names: tuple[str, ...], shares: np.ndarray, said: np.ndarray, near: np.ndarray) -> bool:
    return bool(((_first(names, shares) == said) | (near & (said >= 0) & (said < len(names)))).all())


def _sized(names: tuple[str, ...], text: str, most: int) -> str:
    """Width and height in the header of a PNG in base64."""
    header = base64.b64decode(text[:32])
    return f"{int.from_bytes(header[16:20])} x {int.from_bytes(header[20:24])} pixels"


def _is_near(names: tuple[str, ...], at: Any, said: str, near: np.ndarray) -> bool:
    """Whether the received name is one of those with a small margin."""
    return any(name == said for name, close in zip(names, np.broadcast_to(near, len(names)), strict=True) if close)


def _are_near(names: tuple[str, ...], here: Any, said: str, near: np.ndarray) -> bool:
    """Whether the received names are all those with a large margin, any of those with a small one, and no others."""
    rows = zip(names, here, np.broadcast_to(near, len(names)), strict=True)
    pattern = "".join(
        f"(?:;{re.escape(name)}){'?' if close else ''}" for name, is_here, close in rows if close or is_here
    )
    return re.fullmatch(pattern, f";{said}" if said else "") is not None


def _rounded(names: tuple[str, ...], pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def _next(names: tuple[str, ...], pixels: np.ndarray, said: np.ndarray, near: np.ndarray) -> bool:
    """Whether each pixel is equal, or one of the two values that its number is nearly in the middle of."""
    between = np.abs(np.clip(pixels, 0, 255) - said) < 1
    return bool(((_rounded(names, pixels) == said) | (near & between)).all())


def _first(names: tuple[str, ...], shares: np.ndarray) -> np.ndarray:
    return np.argmax(shares, axis=-1).astype(np.int32)


def _first_in_graph(names: tuple[str, ...], shares: Any) -> Any:
    import tensorflow as tf

    return tf.argmax(shares, axis=-1, output_type=tf.int32)  # that of Keras looks at bits, which formats can't


def _as_it_is(names: tuple[str, ...], value: Any) -> Any:
    return value


def _ranked(names: tuple[str, ...], shares: np.ndarray) -> dict[str, float]:
    """Most probable first, of equal ones the first."""
    return {names[at]: float(shares[at]) for at in np.argsort(-np.asarray(shares), kind="stable")}


def _bars(names: tuple[str, ...], shares: Mapping[str, float], most: int) -> str:
    some = list(shares.items())[:most]
    return "\n".join(f"{'█' * round(BAR * share):<{BAR}} {share:.4f} {safe(name)}" for name, share in some)


def _by_name(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, np.asarray(values).tolist(), strict=True))


def _lines(names: tuple[str, ...], values: Mapping[str, float], most: int) -> str:
    return "\n".join(f"{safe(name)}: {value:.5g}" for name, value in values.items())


FORMS: dict[str, Form] = {
    "name": Form(
        True,
        _gathered,
        lambda names, at: np.array(names, object)[at],
        lambda names, at: names[int(at)],
        lambda names, name, most: safe(name),
        "string",
        said=_texts,
        near=_is_near,
    ),
    "names": Form(
        True,
        _joined,
        lambda names, here: np.array([_names_of(names, row) for row in here], object),
        _names_of,
        lambda names, joined, most: safe(joined),
        "string",
        said=_texts,
        near=_are_near,
    ),
    "share": Form(
        False, _as_it_is, _as_it_is, lambda names, share: float(share), lambda names, share, most: f"{share:.4f}"
    ),
    "shares": Form(False, _as_it_is, _as_it_is, _ranked, _bars, wide=True),
    "numbers": Form(False, _as_it_is, _as_it_is, _by_name, _lines, wide=True),
    "number": Form(
        False, _as_it_is, _as_it_is, lambda names, value: float(value), lambda names, value, most: f"{value:.5g}"
    ),
    "flag": Form(
        True,
        _as_it_is,
        _as_it_is,
        lambda names, flag: bool(flag),
        lambda names, flag, most: "yes" if flag else "no",
        "bool",
        portable=True,
    ),
    "array": Form(
        False, _as_it_is, _as_it_is, lambda names, each: np.asarray(each).tolist(), lambda names, each, most: "…"
    ),
    "image": Form(
        True,
        _png,
        _rounded,
        lambda names, pixels: base64.b64encode(as_png(_rounded(names, np.asarray(pixels)))).decode(),
        _sized,
        "string",
        said=lambda said: np.stack([_decoded(each) for each in said]),
        sent=as_png,
        suffix=".png",
        near=_next,
    ),
    "mask": Form(
        True,
        _masks_in_graph,
        lambda names, areas: _ragged(areas.masks(), len(areas)),
        lambda names, areas: base64.b64encode(as_png(next(areas.masks()))).decode(),
        _sized,
        "string",
        said=_decoded_masks,
        sent=as_png,
        suffix=".png",
        near=_same_areas,
    ),
    "positions": Form(
        True,
        _first_in_graph,
        _first,
        lambda names, shares: _first(names, shares).tolist(),
        lambda names, at, most: "…",
        "int32",
        portable=True,
        near=_same_positions,
    ),
}
