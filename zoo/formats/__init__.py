"""Formats of other runtimes, and what is published of an artifact in them: ``<version>/formats/<name>/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.artifacts import card, checksums
from zoo.errors import InputError

if TYPE_CHECKING:
    from zoo.data.dataset import Inputs


class Format(NamedTuple):
    """One row of the table.

    Attributes:
        suffix: of the file; empty where it is a folder.
        package: of the runtime, as pip knows it.
        modules: that must be there to write and to run it.
        extra: of this distribution, which brings them; empty where all installations have them.
        takes: what goes in, in words.
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
TENSORS = {
    "images": "pixels float32 (batch, height, width, channels), 0-255",
    "table": "numeric float32 (batch, columns); categorical int32 (batch, columns), with categories.json",
    "text": "tokens int32 (batch, length), with vocabulary.txt",
    "sequence": "sequence float32 (batch, length, features), rows of NaN after the end",
    "code": "code float32 (batch, width); of a conditional model also label int32 (batch,)",
}
ANSWERS = {
    "classification": "probabilities",
    "multi_label": "probabilities",
    "regression": "prediction",
    "forecasting": "prediction",
    "reconstruction": "reconstruction, score, is_anomaly; also encoder and decoder",
    "generation": "pixels",
}


@dataclass(frozen=True)
class Exported:
    """A format of an artifact.

    Attributes:
        name: as in `FORMATS`.
        folder: where it is.
        new: whether it was made just now, rather than there before.
        manifest: what is known of it; of ``saved_model``, which has no file of it, what was just found.
    """

    name: str
    folder: Path
    new: bool
    manifest: dict[str, Any]


def export(
    path: str | Path,
    formats: Sequence[str] | str,
    *,
    calibrate: str | Path | None = None,
    validate: str | Path | None = None,
    again: bool = False,
    into: Path | None = None,
) -> list[Exported]:
    """Write an artifact in other formats, each proven to answer as the Keras model does.

    A format that is there is kept. Nothing of the version is changed but its folder ``formats/``.

    Args:
        path: of the artifact, as `zoo.load` takes it.
        formats: names out of `FORMATS`; in one string with commas between.
        calibrate: for int8, examples to find the range of every value on; the training images of the run where None.
        validate: labelled examples to compare on, as `zoo evaluate` takes them; the held-out ones of the run where
            None, or made-up inputs where those are gone.
        again: write formats that are there anew.
        into: folder that has them, or will; ``formats/`` of the version where None.

    Returns:
        one for each of `formats`, in their order.

    Raises:
        InputError: no such format or artifact, a package is missing, the model can't go into a format, or one that
            is there is not as it was exported.
        JobError: a format can't hold the model, or answers otherwise; it is not published. Those before it are.
    """
    from zoo.artifacts import artifact

    names = _names(formats)
    found = artifact.load(path)
    root = into or found.folder / "formats"
    if "saved_model" in names:
        card.read(found.folder, checksums.SERVED)
    todo = [n for n in names if n != "saved_model" and (again or not (root / n / "manifest.json").is_file())]
    for name in todo:
        _check(name, found.card)
    if todo:
        from zoo.formats import writing

        writing.make(found, todo, root, calibrate, validate)
    made = [_there(name, found.folder, root, name in todo) for name in names]
    if "saved_model" in names:
        from zoo.formats import writing

        made[names.index("saved_model")].manifest.update(writing.of_saved_model(found, validate))
    return made


def listed(path: str | Path) -> list[Exported]:
    """The formats that an artifact has.

    Raises:
        InputError: no artifact, or a format in it is not as it was exported.
    """
    from zoo.artifacts import artifact

    folder = artifact.find(path)
    there = [name for name in FORMATS if (folder / "formats" / name / "manifest.json").is_file()]
    return [_there(name, folder, folder / "formats", False) for name in ("saved_model", *there)]


def verify_format(folder: Path, found: Any, inputs: Inputs) -> list[str]:
    """What is wrong with the answers of a format that was published; nothing where it answers as its model does.

    Args:
        folder: of the format.
        found: its artifact, as `zoo.load` gives it.
        inputs: raw, as `zoo.data.Part` has them; a generator is asked codes of its own.
    """
    from zoo.formats import writing

    return writing.asked_again(folder, found, inputs)


def missing(name: str) -> str | None:
    """The first package that a format lacks here, and how to get it; None where all are there."""
    described = FORMATS[name]
    for module in described.modules:
        if find_spec(module) is None:
            extra = f"keras-model-zoo[{described.extra}]" if described.extra else "keras-model-zoo"
            return f"{module.replace('_', '-')}: pip install '{extra}'"
    return None


def _names(formats: Sequence[str] | str) -> list[str]:
    names = [name.strip() for name in formats.split(",")] if isinstance(formats, str) else list(formats)
    for name in names:
        if name not in FORMATS:
            raise InputError(f"expected formats out of {', '.join(FORMATS)}; received {name!r}")
    if not names:
        raise InputError(f"expected a format out of {', '.join(FORMATS)}; received none")
    return list(dict.fromkeys(names))


def _check(name: str, known: dict[str, Any]) -> None:
    """Raise InputError unless the model can go into the format, and its packages are there."""
    described = FORMATS[name]
    if absent := missing(name):
        raise InputError(f"needs {absent}")
    if name == "litert-int8" and (
        known["task"] in ("reconstruction", "generation") or known["input"]["kind"] == "text"
    ):
        what = f"{known.get('builder') or known.get('backbone')} of {known['input'].get('kind', 'codes')}"
        raise InputError(f"litert-int8 takes {described.takes}; this is a {what}: try litert")


def _there(name: str, version: Path, root: Path, new: bool) -> Exported:
    if name == "saved_model":
        files = [*version.glob("saved_model.pb"), *version.glob("variables/*")]
        return Exported(name, version, False, {"format": name, "bytes": sum(file.stat().st_size for file in files)})
    return Exported(name, root / name, new, checksums.require_format(root / name))
