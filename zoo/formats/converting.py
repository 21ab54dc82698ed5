"""Converters from a graph of named tensors to the file of another runtime."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import freezing
from zoo.errors import JobError
from zoo.formats.graphs import Graph
from zoo.formats.recurrence import plain_loops

if TYPE_CHECKING:
    import tensorflow as tf

OPSET = 17  # of ONNX; every runtime of recent years reads it
# Operations that stay float32 in int8 models; they are cheap. PREPARATION is for raw numbers: one scale for all columns
# would lose columns of small numbers, int8 has no NaN, and a one-hot of int8 is wrong. HEAD is for backbones: it
# weights features that hardly vary, which one scale for all would lose.
PREPARATION = ("ADD", "CAST", "CONCATENATION", "DIV", "GATHER", "MUL", "ONE_HOT", "SELECT_V2", "SUB")
HEAD = ("FULLY_CONNECTED", "LOGISTIC", "MEAN", "SOFTMAX")
Examples = Callable[[], Iterable[dict[str, np.ndarray]]]


def one_by_one(inputs: dict[str, np.ndarray]) -> Examples:
    """`inputs`, name -> array (examples, ...), as batches of one."""
    count = len(next(iter(inputs.values())))
    return lambda: ({name: values[at : at + 1] for name, values in inputs.items()} for at in range(count))


def freeze(graph: Graph, folder: Path) -> Path:
    """Write `graph` to `folder` as a SavedModel whose weights are constants, because converters lose variables."""
    import tensorflow as tf

    with plain_loops(), _inline():
        concrete = tf.function(graph.function, autograph=False).get_concrete_function(**graph.specs)
    names = sorted(concrete.structured_outputs)
    constant = freezing.frozen(concrete)
    order = [tensor.name.split(":")[0] for tensor in constant.inputs]

    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        values = constant(*[tensors[name] for name in order])
        values = [values] if tf.is_tensor(values) else values
        return {name: tf.identity(value, name) for name, value in zip(names, values, strict=True)}

    module = tf.Module()
    module.serve = tf.function(call, autograph=False)
    signature = module.serve.get_concrete_function(**graph.specs)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # that of swish needs variables
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature}, options=options)
    return folder


@contextmanager
def _inline() -> Iterator[None]:
    """Inline function calls in functions that are traced within the block; tf2onnx can't follow calls of Keras."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def litert(
    frozen: Path,
    path: Path,
    beside: dict[str, str],
    examples: Examples | None = None,
    precise: tuple[str, ...] = (),
) -> None:
    """Write the SavedModel `frozen` to `path` (``.tflite``), with `beside` as a zip in it, as LiteRT's tools read it.

    Args:
        frozen: as `freeze` writes it.
        path: of the file.
        beside: file name -> content.
        examples: batches of one to find the range of every tensor by; the weights and activations are then int8.
        precise: operations that stay float32 nevertheless.

    Raises:
        JobError: LiteRT lacks an operation of the model.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(frozen))
    # Otherwise the file may contain TensorFlow's own operations, which no other runtime has.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with _plainly("LiteRT"):
        path.write_bytes(converter.convert() if examples is None else _int8(converter, examples, precise))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in beside.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def _int8(converter: Any, examples: Examples, precise: tuple[str, ...]) -> bytes:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    if not precise:
        return converter.convert()
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(precise))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=examples, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def onnx(frozen: Path, path: Path, beside: dict[str, str]) -> None:
    """Write the SavedModel `frozen` to `path` (``.onnx``), with `beside` as its metadata.

    Raises:
        JobError: ONNX lacks an operation of the model.
    """
    import onnx as library
    import tensorflow as tf
    import tf2onnx

    loaded = tf.saved_model.load(str(frozen))
    serve = loaded.signatures["serving_default"]
    specs = list(serve.structured_input_signature[1].values())
    names = [spec.name for spec in specs]
    handlers = {"Erfc": (_complement_of_erf, []), "SelectV2": (_chosen, [])}
    function = tf.function(lambda *tensors: serve(**dict(zip(names, tensors, strict=True))))
    with _heard("tf2onnx") as errors, _plainly("ONNX"):
        model, _ = tf2onnx.convert.from_function(function, specs, opset=OPSET, custom_op_handlers=handlers)
    if errors:  # tf2onnx only logs what it can't convert, and writes a file that can't be run
        raise JobError(f"ONNX can't hold this model: {_line(errors[0])}")
    for name, content in beside.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, content
    library.checker.check_model(model)
    library.save(model, str(path))


def openvino(frozen: Path, path: Path, beside: dict[str, str]) -> None:
    """Write the SavedModel `frozen` to `path` (``.xml``, its weights beside it in ``.bin``), `beside` in its rt_info.

    Raises:
        JobError: OpenVINO lacks an operation of the model.
    """
    import openvino as library

    with _plainly("OpenVINO"):
        # `read_model` rather than `convert_model`: the latter reports usage over the network.
        model = library.Core().read_model(frozen)
        for name, content in beside.items():
            model.set_rt_info(content, ["zoo", name])
        library.save_model(model, path, compress_to_fp16=False)


def _complement_of_erf(context: Any, node: Any, name: str, _: list[Any]) -> None:
    """A handler of tf2onnx for 1 - erf(x), which an exact GELU uses and ONNX lacks."""
    shapes, types = node.output_shapes, node.output_dtypes
    context.remove_node(node.name)
    erf = context.make_node("Erf", node.input, shapes=shapes, dtypes=types)
    one = context.make_const(f"{name}_one", np.array(1, np.float32))
    context.make_node(
        "Sub", [one.output[0], erf.output[0]], name=node.name, outputs=node.output, shapes=shapes, dtypes=types
    )


def _chosen(context: Any, node: Any, name: str, _: list[Any]) -> None:
    """A handler of tf2onnx for `where`, which it would convert to a sum of products; but 0 times NaN is NaN."""
    node.type = "Where"


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """The errors that are logged to the logger `name` within the block; nothing reaches the terminal."""
    errors: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    ear, loggers = Ear(), [logging.getLogger(each) for each in (name, *_below(name))]
    before = [(each, each.handlers, each.propagate, each.level) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [], False
    loggers[0].handlers = [ear]
    for each in loggers[1:]:
        each.propagate = True
    try:
        yield errors
    finally:
        for each, handlers, propagate, level in before:
            each.handlers, each.propagate = handlers, propagate
            each.setLevel(level)


def _below(name: str) -> list[str]:
    return [each for each in logging.root.manager.loggerDict if each.startswith(f"{name}.")]


@contextmanager
def _plainly(runtime: str) -> Iterator[None]:
    """Turn an error of a converter into a JobError of one line, and capture its output to the terminal."""
    text = ""
    try:
        with tempfile.TemporaryFile() as caught:
            stderr = os.dup(2)
            os.dup2(caught.fileno(), 2)  # C++ does not write to `sys.stderr`
            try:
                yield
            finally:
                os.dup2(stderr, 2)
                os.close(stderr)
                caught.seek(0)
                text = caught.read().decode(errors="replace")
    except Exception as error:
        raise JobError(f"{runtime} can't hold this model: {_line(f'{text} {error}', str(error))}") from error


def _line(text: str, else_this: str | None = None) -> str:
    """The operations that an error names, or its text, in one line."""
    if missing := sorted(set(re.findall(r"'(tf\.\w+)' op is neither", text))):
        return f"it has no {', '.join(missing)}"
    return " ".join((text if else_this is None else else_this).split())[:300]
