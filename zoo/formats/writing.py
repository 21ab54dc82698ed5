"""Writing of formats: each is converted, proven, described in a manifest, and then published."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import progress
from zoo.artifacts import checksums
from zoo.artifacts.card import requested_kind
from zoo.artifacts.gate import Gate
from zoo.data.parts import Inputs, in_files
from zoo.errors import InputError, JobError
from zoo.files import atomic_folder, digest, remove_leftovers
from zoo.formats import converting, gate_inputs, graphs, parity
from zoo.formats.gate_inputs import GateInputs
from zoo.formats.parity import Expected
from zoo.formats.registry import FORMATS
from zoo.tasks.registry import task_class, task_of

if TYPE_CHECKING:
    import keras

    from zoo.formats.gate_inputs import Artifact
    from zoo.formats.graphs import Graph
    from zoo.formats.parity import Verdict


def make(
    opened: Artifact,
    names: Sequence[str],
    root: Path,
    calibrate: str | Path | None = None,
    validate: str | Path | None = None,
) -> None:
    """Write the formats `names` of an artifact to `root`; each is proven, and published atomically.

    Args:
        opened: as `zoo.load` gives it.
        names: out of `zoo.formats.registry.FORMATS`.
        root: made if absent.
        calibrate: as `zoo.formats.exporting.export` takes it.
        validate: as `zoo.formats.exporting.export` takes it.

    Raises:
        InputError: nothing to calibrate or to compare on.
        JobError: a format can't hold the model, or answers otherwise.
    """
    int8, card = "litert-int8" in names, opened.card
    examples: converting.Examples | None = None
    with progress.bar("exporting", 1 + 2 * len(names)) as advance, tempfile.TemporaryDirectory() as place:
        if int8:
            calibrated = opened.kind.numbers(opened.model, gate_inputs.calibration(opened, calibrate))
            examples = converting.one_by_one(calibrated)
        inputs = gate_inputs.inputs_for(opened, validate)
        if int8 and (inputs.targets is None or len(inputs) < 2):
            raise InputError(
                "litert-int8 is held to the model by its score on labelled examples, and those that the run held out "
                "are no longer where they were; name some with --validate PATH"
            )
        model, expected = _in_float32(opened, inputs)
        all_graphs = graphs.graphs(model, card)
        frozen = [converting.freeze(graph, Path(place, graph.name)) for graph in all_graphs]
        beside = _side_files(opened)
        tensors = {graph.name: _tensors(graph) for graph in all_graphs}
        advance(1)
        for name in names:
            with _folder_in(root) as partial:
                files = _convert(name, partial, all_graphs, frozen, beside, examples, _precise(opened))
                advance(1)
                manifest = _manifest(name, opened, tensors, files, beside)
                _write(partial, manifest)
                answers, latency = parity.run_format(partial, expected.inputs)
                verdict = parity.compare(expected, answers, inputs, card, int8=name == "litert-int8")
                if not verdict.passed:
                    reason = verdict.reason()
                    raise JobError(f"{name} answers otherwise than the model, so it was not published: {reason}")
                _write(partial, manifest | _proven(verdict, inputs.origin, latency) | _sizes(partial))
                checksums.write(partial)
                _publish(partial, root / name)
                advance(1)


def measure_saved_model(opened: Artifact, validate: str | Path | None) -> dict[str, Any]:
    """Gate, score and latency of the SavedModel of the version, as those of further formats.

    Raises:
        InputError: there is nothing to compare on.
        JobError: the SavedModel can't be run, or answers otherwise than the model.
    """
    with Gate() as process:
        kind, task = requested_kind(opened.card), task_of(opened.card)
        inputs = gate_inputs.readable(gate_inputs.inputs_for(opened, validate), kind)
        expected = parity.expected(opened.model, inputs, opened.card).outputs["model"]
        answers, latency = parity.run_saved_model(process, opened.folder, inputs, opened.card, list(task.values()))
    inputs = inputs.chosen(answers.positions)
    expected = {name: values[answers.positions] for name, values in expected.items()}
    both = Expected({}, {"model": expected}), {"model": answers.values}
    request = kind.request(inputs.inputs if inputs.files is None else inputs.files, task.asks)
    verdict = parity.compare(*both, inputs, opened.card, int8=False, strings=True, request=request)
    verdict = verdict._replace(parity=verdict.parity._replace(refused=answers.refused))
    if not verdict.passed:
        raise JobError(f"the SavedModel answers otherwise than the model: {verdict.reason()}")
    return _proven(verdict, inputs.origin, latency)


def check_answers(folder: Path, opened: Artifact, inputs: Inputs) -> list[str]:
    """Problems with the answers of the format in `folder`; arguments as those of `verify_format`.

    Raises:
        JobError: the format can't be run.
    """
    card = opened.card
    if task_class(card["task"]).drawn:
        inputs = gate_inputs.made_up(opened.model, card)
    elif in_files(inputs):
        inputs = opened.kind.in_memory(inputs[: gate_inputs.MOST])
    inputs_of_gate = GateInputs(inputs, None, "verified again")
    expected = _in_float32(opened, inputs_of_gate)[1]
    answers, _ = parity.run_format(folder, expected.inputs)
    verdict = parity.compare(expected, answers, inputs_of_gate, card, int8=False)
    if folder.name.endswith("int8"):  # without targets there is no score to compare
        return [] if np.isfinite(verdict.parity.largest_difference) else ["it answers with what is no number"]
    return [] if verdict.passed else [verdict.reason()]


def _in_float32(opened: Artifact, inputs: GateInputs) -> tuple[keras.Model, Expected]:
    """The model as other runtimes compute it, and what it says of `inputs`.

    Raises:
        JobError: it was trained in half precision, and in float32 answers otherwise.
    """
    expected = parity.expected(opened.model, inputs, opened.card)
    if graphs.is_float32(opened.model):
        return opened.model, expected
    model = graphs.in_float32(opened.folder / "model.keras")
    in_float32 = parity.expected(model, inputs, opened.card)
    verdict = parity.compare(expected, in_float32.outputs, inputs, opened.card, int8=False, tolerance=parity.HALF)
    if not verdict.passed:
        raise JobError(f"the model was trained in half precision, and in float32 answers otherwise: {verdict.reason()}")
    return model, in_float32


@contextmanager
def _folder_in(root: Path) -> Iterator[Path]:
    """A new temporary folder in `root`. `root` is made, and removed again if it stays empty."""
    existed = root.is_dir()
    root.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    try:
        with atomic_folder(root) as partial:
            yield partial
    finally:
        if not existed:
            with suppress(OSError):  # not empty, or another process removed it
                root.rmdir()


def _precise(opened: Artifact) -> tuple[str, ...]:
    """Operations that stay float32 in an int8 model."""
    if requested_kind(opened.card).prepares:
        return converting.PREPARATION
    return converting.HEAD if opened.card.get("backbone") else ()


def _convert(
    name: str,
    folder: Path,
    made: list[Graph],
    frozen: list[Path],
    beside: dict[str, str],
    examples: Any,
    precise: tuple[str, ...],
) -> dict[str, str]:
    """Write the files of a format, and return the name of the file of each part."""
    for file, content in beside.items():
        (folder / file).write_text(content, encoding="utf-8")
    writers: dict[str, Callable[[Path, Path], None]] = {
        "litert": lambda source, path: converting.litert(source, path, beside),
        "litert-int8": lambda source, path: converting.litert(source, path, beside, examples, precise),
        "onnx": lambda source, path: converting.onnx(source, path, beside),
        "openvino": lambda source, path: converting.openvino(source, path, beside),
    }
    files = {}
    for graph, source in zip(made, frozen, strict=True):
        files[graph.name] = graph.name + FORMATS[name].suffix
        writers[name](source, folder / files[graph.name])
    return files


def _side_files(opened: Any) -> dict[str, str]:
    """Files that users of a format need beside the model: name -> content."""
    card = opened.card
    described = {"task": card["task"], **card["input"]}
    beside = {"input.json": json.dumps(described, indent=2, ensure_ascii=False)}
    if task_of(card).labels:
        beside["labels.txt"] = "".join(f"{name}\n" for name in card["classes"])
    return beside | requested_kind(card, opened.model).beside(opened.model)


def _manifest(
    name: str, opened: Any, tensors: dict[str, dict[str, Any]], files: dict[str, str], beside: dict[str, str]
) -> dict[str, Any]:
    card, package = opened.card, FORMATS[name].package
    parts = {part: {"file": files[part], **described} for part, described in tensors.items()}
    return {
        "format": name,
        "artifact": opened.folder.resolve().parent.name,
        "version": opened.folder.resolve().name,
        "runtime": {"package": package, "version": installed_version(package)},
        "made_by": {"package": "keras-model-zoo", "version": installed_version("keras-model-zoo")},
        "task": card["task"],
        "classes": list(card.get("classes") or []),
        "input": card["input"],
        **task_of(card).beside(),
        "model_sha256": digest(opened.folder / "model.keras"),
        "parameters": int(opened.model.count_params()),
        **parts.pop("model"),
        "parts": parts,
        "beside": sorted(beside),
    }


def _tensors(graph: Graph) -> dict[str, Any]:
    def described(name: str, spec: Any) -> dict[str, Any]:
        return {"dtype": spec.dtype.name, "shape": list(spec.shape), "meaning": graph.meanings.get(name, "")}

    return {
        "inputs": {name: described(name, spec) for name, spec in graph.specs.items()},
        "outputs": {name: described(name, spec) for name, spec in graph.answers().items()},
    }


def _proven(verdict: Verdict, origin: str, latency: dict[str, float]) -> dict[str, Any]:
    score = None
    if verdict.measure is not None:
        score = {"measure": verdict.measure, "model": verdict.model, "format": verdict.format}
        score["examples"] = verdict.parity.files
    return {"gate": {"inputs": origin, **verdict.to_dict()}, "score": score, "latency_ms": latency}


def _sizes(folder: Path) -> dict[str, Any]:
    files = sorted(file for file in folder.iterdir() if file.name != "manifest.json")
    sizes = {file.name: {"sha256": digest(file), "bytes": file.stat().st_size} for file in files}
    return {"files": sizes, "bytes": sum(each["bytes"] for each in sizes.values())}


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")


def _publish(partial: Path, folder: Path) -> None:
    """Replace `folder` by `partial`; the old folder comes back on failure. The last of several processes wins."""
    while True:
        try:
            os.rename(partial, folder)
            return
        except OSError:
            if not folder.exists():
                raise
        with atomic_folder(folder.parent) as old, suppress(FileNotFoundError):  # another process removed it
            os.rename(folder, old / "old")
            try:
                os.rename(partial, folder)
                return
            except OSError:
                if not folder.exists():
                    os.rename(old / "old", folder)
                    raise
