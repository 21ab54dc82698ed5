"""Recurrent layers for other runtimes: a loop over tensors alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo import keras_internals

if TYPE_CHECKING:
    import tensorflow as tf


@contextmanager
def plain_loops() -> Iterator[None]:
    """Let recurrent layers that are traced within the block store their steps in a tensor instead of a tensor list.

    Only TensorFlow has such lists, and the kernels of Nvidia's library.
    """
    backend = keras_internals.backend()

    def refused(*_: Any, **__: Any) -> None:
        raise NotImplementedError  # then the layers call `rnn`

    originals = {name: getattr(backend, name) for name in ("rnn", "lstm", "gru")}
    backend.rnn, backend.lstm, backend.gru = _loop, refused, refused
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(backend, name, function)


def _loop(
    step_function: Callable[..., Any],
    inputs: tf.Tensor,
    initial_states: Sequence[tf.Tensor],
    go_backwards: bool = False,
    mask: tf.Tensor | None = None,
    constants: Sequence[tf.Tensor] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """As `rnn` of the backend, for one input tensor."""
    import tensorflow as tf

    def swapped(values: tf.Tensor) -> tf.Tensor:
        return tf.transpose(values, [1, 0, *range(2, len(values.shape))])

    constants = list(constants or ())
    inputs = inputs if time_major else swapped(inputs)
    if mask is not None:
        mask = tf.cast(mask, tf.bool)
        mask = mask if time_major else swapped(mask)
    length = tf.shape(inputs)[0]
    first, _ = step_function(inputs[0], [*initial_states, *constants])  # its shape alone is used
    nothing = tf.zeros_like(first)
    places = tf.reshape(tf.range(length), [-1, *[1] * len(first.shape)])
    written = tf.zeros([length, *tf.unstack(tf.shape(first))], first.dtype) if return_all_outputs else nothing[None]
    kept = [None if return_all_outputs else 1, *first.shape]

    def step(at: tf.Tensor, last: tf.Tensor, written: tf.Tensor, *states: tf.Tensor) -> tuple[tf.Tensor, ...]:
        place = length - 1 - at if go_backwards else at
        output, new = step_function(tf.gather(inputs, place), [*states, *constants])
        if mask is not None:
            here = tf.gather(mask, place)
            here = tf.reshape(here, [-1, *[1] * (len(output.shape) - 1)])
            output = tf.where(here, output, nothing if zero_output_for_mask else last)
            new = [tf.where(here, after, before) for after, before in zip(new, states, strict=True)]
        outputs = tf.where(tf.equal(places, at), output[None], written) if return_all_outputs else output[None]
        outputs.set_shape(kept)
        return at + 1, output, outputs, *new

    shapes = [tf.TensorShape([]), first.shape, tf.TensorShape(kept), *(each.shape for each in initial_states)]
    _, last, outputs, *states = tf.while_loop(
        lambda at, *_: at < length, step, [tf.constant(0), nothing, written, *initial_states], shapes
    )
    return last, outputs if time_major else swapped(outputs), states
