"""Writing formats: converted, proven, described in a manifest, and only then published."""

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
from zoo.formats.gate_inputs import Asked
from zoo.formats.parity import Expected
from zoo.formats.registry import FORMATS
from zoo.tasks.registry import task_class, task_of

if TYPE_CHECKING:
    import keras

    from zoo.formats.gate_inputs import Artifact
    from zoo.formats.graphs import Graph
    from zoo.formats.parity import Verdict


def make(
    found: Artifact,
    names: Sequence[str],
    root: Path,
    calibrate: str | Path | None = None,
    validate: str | Path | None = None,
) -> None:
    """Write the formats `names` of an artifact to `root`, each whole and proven, or not at all.

    Args:
        found: as `zoo.load` gives it.
        names: out of `zoo.formats.registry.FORMATS`.
        root: made if absent.
        calibrate: as `zoo.formats.exporting.export` takes it.
        validate: as `zoo.formats.exporting.export` takes it.

    Raises:
        InputError: nothing to calibrate or to compare on.
        JobError: a format can't hold the model, or answers otherwise.
    """
    int8, card = "litert-int8" in names, found.card
    examples: converting.Examples | None = None
    with progress.bar("exporting", 1 + 2 * len(names)) as advance, tempfile.TemporaryDirectory() as place:
        if int8:
            calibrated = found.kind.numbers(found.model, gate_inputs.calibration(found, calibrate))
            examples = converting.one_by_one(calibrated)
        asked = gate_inputs.to_ask(found, validate)
        if int8 and (asked.targets is None or len(asked) < 2):
            raise InputError(
                "litert-int8 is held to the model by its score on labelled examples, and those that the run held out "
                "are no longer where they were; name some with --validate PATH"
            )
        model, wanted = _in_float32(found, asked)
        made = graphs.graphs(model, card)
        frozen = [converting.freeze(graph, Path(place, graph.name)) for graph in made]
        told = _told(found)
        tensors = {graph.name: _tensors(graph) for graph in made}
        advance(1)
        for name in names:
            with _folder_in(root) as partial:
                files = _convert(name, partial, made, frozen, told, examples, _precise(found))
                advance(1)
                manifest = _manifest(name, found, tensors, files, told)
                _write(partial, manifest)
                answers, latency = parity.ask(partial, wanted.inputs)
                verdict = parity.compare(wanted, answers, asked, card, int8=name == "litert-int8")
                if not verdict.passed:
                    reason = verdict.reason()
                    raise JobError(f"{name} answers otherwise than the model, so it was not published: {reason}")
                _write(partial, manifest | _proven(verdict, asked.origin, latency) | _sizes(partial))
                checksums.write(partial)
                _publish(partial, root / name)
                advance(1)


def of_saved_model(found: Artifact, validate: str | Path | None) -> dict[str, Any]:
    """What is found of the version itself, asked as further formats are: gate, score, latency.

    Raises:
        InputError: nothing to compare on.
        JobError: it can't be run, or answers otherwise than the model.
    """
    with Gate() as process:
        asked = gate_inputs.readable(gate_inputs.to_ask(found, validate), requested_kind(found.card))
        wanted = parity.expected(found.model, asked, found.card).outputs["model"]
        names = list(task_of(found.card).values())
        answered, latency = parity.ask_saved_model(process, found.folder, asked, found.card, names)
    asked = asked.chosen(answered.positions)
    wanted = {name: values[answered.positions] for name, values in wanted.items()}
    both = Expected({}, {"model": wanted}), {"model": answered.values}
    verdict = parity.compare(*both, asked, found.card, int8=False, strings=True)
    verdict = verdict._replace(parity=verdict.parity._replace(refused=answered.refused))
    if not verdict.passed:
        raise JobError(f"the SavedModel answers otherwise than the model: {verdict.reason()}")
    return _proven(verdict, asked.origin, latency)


def asked_again(folder: Path, found: Artifact, inputs: Inputs) -> list[str]:
    """What is wrong with the answers of the format in `folder`; arguments as those of `verify_format`.

    Raises:
        JobError: it can't be run.
    """
    card = found.card
    if task_class(card["task"]).drawn:
        inputs = gate_inputs.made_up(found.model, card)
    elif in_files(inputs):
        inputs = found.kind.in_memory(inputs[: gate_inputs.MOST])
    asked = Asked(inputs, None, "asked again")
    wanted = _in_float32(found, asked)[1]
    answers, _ = parity.ask(folder, wanted.inputs)
    verdict = parity.compare(wanted, answers, asked, card, int8=False)
    if folder.name.endswith("int8"):  # without targets there is no score to hold it to
        return [] if np.isfinite(verdict.parity.largest_difference) else ["it answers with what is no number"]
    return [] if verdict.passed else [verdict.reason()]


def _in_float32(found: Artifact, asked: Asked) -> tuple[keras.Model, Expected]:
    """The model as other runtimes compute it, and what it says of `asked`.

    Raises:
        JobError: it was trained in half precision, and in float32 answers otherwise.
    """
    wanted = parity.expected(found.model, asked, found.card)
    if graphs.is_float32(found.model):
        return found.model, wanted
    model = graphs.in_float32(found.folder / "model.keras")
    whole = parity.expected(model, asked, found.card)
    verdict = parity.compare(wanted, whole.outputs, asked, found.card, int8=False, tolerance=parity.HALF)
    if not verdict.passed:
        raise JobError(f"the model was trained in half precision, and in float32 answers otherwise: {verdict.reason()}")
    return model, whole


@contextmanager
def _folder_in(root: Path) -> Iterator[Path]:
    """A new temporary folder in `root`, which is made, and removed again if nothing comes of it."""
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


def _precise(found: Artifact) -> tuple[str, ...]:
    """Operations that stay float32 in an int8 model."""
    if requested_kind(found.card).prepares:
        return converting.PREPARATION
    return converting.HEAD if found.card.get("backbone") else ()


def _convert(
    name: str,
    folder: Path,
    made: list[Graph],
    frozen: list[Path],
    told: dict[str, str],
    examples: Any,
    precise: tuple[str, ...],
) -> dict[str, str]:
    """Write the files of a format; the name of that of each part."""
    for file, content in told.items():
        (folder / file).write_text(content, encoding="utf-8")
    writers: dict[str, Callable[[Path, Path], None]] = {
        "litert": lambda source, path: converting.litert(source, path, told),
        "litert-int8": lambda source, path: converting.litert(source, path, told, examples, precise),
        "onnx": lambda source, path: converting.onnx(source, path, told),
        "openvino": lambda source, path: converting.openvino(source, path, told),
    }
    files = {}
    for graph, source in zip(made, frozen, strict=True):
        files[graph.name] = graph.name + FORMATS[name].suffix
        writers[name](source, folder / files[graph.name])
    return files


def _told(found: Any) -> dict[str, str]:
    """What is needed to ask the model beside its file: name of a file -> content."""
    card = found.card
    described = {"task": card["task"], **card["input"]}
    told = {"input.json": json.dumps(described, indent=2, ensure_ascii=False)}
    if task_of(card).labels:
        told["labels.txt"] = "".join(f"{name}\n" for name in card["classes"])
    return told | requested_kind(card, found.model).beside(found.model)


def _manifest(
    name: str, found: Any, tensors: dict[str, dict[str, Any]], files: dict[str, str], told: dict[str, str]
) -> dict[str, Any]:
    card, package = found.card, FORMATS[name].package
    parts = {part: {"file": files[part], **described} for part, described in tensors.items()}
    return {
        "format": name,
        "artifact": found.folder.resolve().parent.name,
        "version": found.folder.resolve().name,
        "runtime": {"package": package, "version": installed_version(package)},
        "made_by": {"package": "keras-model-zoo", "version": installed_version("keras-model-zoo")},
        "task": card["task"],
        "classes": list(card.get("classes") or []),
        "input": card["input"],
        **task_of(card).beside(),
        "model_sha256": digest(found.folder / "model.keras"),
        "parameters": int(found.model.count_params()),
        **parts.pop("model"),
        "parts": parts,
        "beside": sorted(told),
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
    told = {file.name: {"sha256": digest(file), "bytes": file.stat().st_size} for file in files}
    return {"files": told, "bytes": sum(each["bytes"] for each in told.values())}


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")


def _publish(partial: Path, folder: Path) -> None:
    """Rename `partial` to `folder`; what is there goes, and comes back if that fails. The last of several wins."""
    while True:
        try:
            os.rename(partial, folder)
            return
        except OSError:
            if not folder.exists():
                raise
        with atomic_folder(folder.parent) as old, suppress(FileNotFoundError):  # another process took it away
            os.rename(folder, old / "old")
            try:
                os.rename(partial, folder)
                return
            except OSError:
                if not folder.exists():
                    os.rename(old / "old", folder)
                    raise
