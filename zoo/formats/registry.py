"""The formats of other runtimes, with their packages and the models that they take."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Format(NamedTuple):
    """One row of the table.

    Attributes:
        suffix: of the file; empty for a folder.
        package: of the runtime, by its name for pip.
        modules: needed to write and to run it.
        extra: of this distribution with these modules; empty if all installations have them.
        takes: models that go into the format, in words.
    """

    suffix: str
    package: str
    modules: tuple[str, ...]
    extra: str
    takes: str


_ALL = "every model"
FORMATS = {
    "saved_model": Format("", "tensorflow", (), "", "every model: raw inputs, files and strings; the version itself"),
    "litert": Format(".tflite", "ai-edge-litert", ("ai_edge_litert",), "litert", _ALL),
    "litert-int8": Format(
        ".tflite", "ai-edge-litert", ("ai_edge_litert",), "litert", "classes or values of images, tables, sequences"
    ),
    "onnx": Format(".onnx", "onnxruntime", ("onnx", "onnxruntime", "tf2onnx"), "onnx", _ALL),
    "openvino": Format(".xml", "openvino", ("openvino",), "", _ALL),
}


def missing(name: str) -> str | None:
    """The first missing package of a format, and how to install it; None if all are installed."""
    described = FORMATS[name]
    for module in described.modules:
        if find_spec(module) is None:
            extra = f"keras-model-zoo[{described.extra}]" if described.extra else "keras-model-zoo"
            return f"{module.replace('_', '-')}: pip install '{extra}'"
    return None
