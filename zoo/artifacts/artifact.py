"""Artifacts: versioned folders, which are written atomically and loaded without code of users."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from zoo import freezing
from zoo.artifacts import card as cards
from zoo.artifacts import checksums, example, inference_graph, pretrained, saved_model, warm_up
from zoo.artifacts.detector import Detector
from zoo.artifacts.gate import Gate, Parity, alike, compare, gate_sample
from zoo.artifacts.generator import Generator
from zoo.artifacts.predictor import Predictor, model_outputs
from zoo.artifacts.reconstructor import Reconstructor
from zoo.builders.loading import loaded
from zoo.data.dataset import Data
from zoo.data.parts import chosen_inputs
from zoo.errors import InputError, JobError
from zoo.files import atomic_folder, check_writable, remove_leftovers
from zoo.kinds.registry import kind_of
from zoo.settings import suggestion
from zoo.tasks.anomaly_detection import AnomalyDetection
from zoo.tasks.generation import Generation
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.registry import task_class
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Outputs, Scored

if TYPE_CHECKING:
    import keras

ROOT = Path("saved_models")
SAME = 1e-4  # largest difference between outputs of two float32 runtimes
DRAWN = 256  # codes to compare a generator on
FAILED = ("model.keras", "parity.json")  # files of a failed gate in the folder of a run
CLASSES = {
    Reconstruction: Reconstructor,
    AnomalyDetection: Detector,
    Generation: Generator,
}  # the class that users get; a Predictor for other tasks
PACKAGES = ("keras-model-zoo", "keras", "tensorflow", "numpy", "pillow", "scikit-learn", "openvino")


def folder_for(source: Path, out: str | Path | None) -> Path:
    """The folder of an artifact that is trained on `source`: `out`, or ``saved_models/`` and the name of `source`.

    Raises:
        InputError: the folder is inside `source`, which is only read, or can't be written.
    """
    name = source.name.split(".")[0] if source.is_file() else source.resolve().name
    if not source.exists():  # "the data frame", which is in memory
        name = name.removeprefix("the ").replace(" ", "_")
    folder = Path(out) if out else ROOT / name
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{folder} is inside {source}, which is only read; run elsewhere, or name another --out")
    check_writable(folder)
    return folder


@overload
def load(path: str | Path, verb: Literal["predict", "evaluate"]) -> Predictor: ...
@overload
def load(path: str | Path, verb: str | None = None) -> Any: ...
def load(path: str | Path, verb: str | None = None) -> Predictor | Reconstructor | Generator:
    """Open an artifact.

    Args:
        path: a name in ``saved_models/``, the folder of an artifact (its newest version), a version folder, or the
            name of a pretrained artifact, which is made at its first use.
        verb: the command that needs it; None for any.

    Returns:
        a `Reconstructor` for an autoencoder, a `Detector` for other detectors of anomalies, a `Generator` for
        adversarial networks, a `Predictor` for other models.

    Raises:
        InputError: there is no artifact, its files were changed, its card is of a newer version of this package, or
            the command `verb` is not for it.
    """
    folder = find(path)
    card = cards.read(folder)
    opened = CLASSES.get(task_class(card["task"]), Predictor)(folder, card)
    if verb is not None and verb not in opened.verbs:
        what = card.get("builder") or f"fine-tuned {card.get('backbone')}"
        others = ", ".join(f"zoo {each}" for each in opened.verbs)
        raise InputError(f"{path} is a {what}, which does not answer zoo {verb}; ask it with: {others}")
    return opened


def find(path: str | Path) -> Path:
    """The version folder for `path`, as `load` takes it.

    Raises:
        InputError: there is no artifact.
        JobError: a pretrained artifact can't be made.
    """
    path = Path(path)
    places = [path, ROOT / path] if not path.is_absolute() else [path]
    for place in places:
        if (place / "card.json").is_file():
            return place
        if place.is_dir() and (numbers := versions(place)):
            return numbers[max(numbers)]
    if (ready := pretrained.version(str(path))) is not None:
        return ready
    names = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and versions(p)) if ROOT.is_dir() else []
    hint = f"{ROOT}/ has {', '.join(names)}" if names else "make one with: zoo finetune PATH, or zoo train BUILDER PATH"
    offered = pretrained.names()
    if offered:
        hint += f"; without training there is {', '.join(offered)}"
    similar = suggestion(path.name, names + offered)
    raise InputError(f"{path}: no artifact of that name or path; {hint}{similar}")


def versions(folder: Path) -> dict[int, Path]:
    """Versions of an artifact, oldest first: number -> folder."""
    there = (child for child in sorted(folder.iterdir()) if (child / "card.json").is_file())
    numbered = [(number, child) for child in there if (number := version_number(child.name)) is not None]
    return dict(sorted(numbered))


def version_number(name: str) -> int | None:
    """The version number in a folder's name, 7 for ``7`` and ``007``; None if it has none.

    Source: TensorFlow Serving's ``file_system_storage_path_source.cc``, which takes a name that is an int64 from 0 on,
        in digits 0-9.
    """
    if not name.isascii() or not name.isdecimal() or len(name.lstrip("0")) > 19:
        return None
    number = int(name.lstrip("0") or "0")
    return number if number < 2**63 else None


def publish(
    model: keras.Model,
    data: Data,
    task: Task,
    card: dict[str, Any],
    outputs: Outputs,
    evaluation: Scored,
    *,
    out: Path,
    run: Path,
    gate: Gate,
    seed: int,
) -> tuple[Path, Scored]:
    """Export `model`, prove the export equal to it, and make it the next version of `out`.

    Args:
        model: raw inputs to outputs; of images, float32 pixels 0-255.
        data: its held-out part is for the gate.
        task: of the model, fitted in training.
        card: facts on the model; needs ``input`` as in `zoo.data.Data.input`. Metrics, parity, classes, fingerprint
            and versions of the packages are added.
        outputs: of `model` for the held-out part, by any runtime. If those of the saved file differ, they are computed
            again with it.
        evaluation: their scores.
        out: folder of the artifact, as ``saved_models/photos``.
        run: folder of the run; it is copied to ``run/``, and gets the model if the gate fails.
        gate: started before.
        seed: of the choice of examples.

    Returns:
        the version folder, and the evaluation of the exported model.

    Raises:
        JobError: the export can't be run or differs from the model; nothing is published.
    """
    facts = task.to_card() | {"data_fingerprint": data.fingerprint}
    kind = cards.requested_kind(card | facts, model)
    positions = np.arange(DRAWN) if task.drawn else np.array(gate_sample(data.held_out, data.kind, data.task, seed))
    if task.drawn:
        inputs = kind.made_up(model, DRAWN, np.random.default_rng(seed))
    else:
        inputs = chosen_inputs(data.held_out.inputs, positions)

    def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
        nonlocal evaluation
        answers = gate.run(folder, inputs, kind, list(task.values()))
        # The saved file is loaded again, so that it is what is compared and scored.
        saved = loaded(folder / "model.keras")
        graph = kind.encoded and not hasattr(saved, "signatures")
        shipped = freezing.traced(saved, saved.input_shape) if graph else saved
        expected = model_outputs(task, shipped, inputs, kind)
        if graph:
            inference_graph.keep(folder, task, kind, shipped, inputs, expected)
        if set(outputs) == set(expected) and not task.drawn:
            sample = {name: values[positions] for name, values in outputs.items()}
            if not alike(task, sample, expected, SAME):
                new_outputs = model_outputs(task, shipped, data.held_out.inputs, kind)
                part = "test" if data.test is not None else "validation"
                exam = Exam(part, data.held_out.targets, new_outputs, series=data.held_out.series)
                new_evaluation = task.evaluate(exam)
                evaluation = replace(new_evaluation, baselines=evaluation.baselines)
        request = kind.request(inputs, task.asks)
        parity = compare(task, expected, answers(), kind.formats(inputs), request=request)
        return parity, facts | {"metrics": evaluation.to_dict()}

    def export(folder: Path) -> None:
        saved_model.saved_model(model, folder, task=task, kind=kind)
        if not task.drawn:
            example.write(folder, data.train, kind)

    path = write_version(model, card, out=out, run=run, export=export, prove=prove)
    return path, evaluation


def write_version(
    model: keras.Model,
    card: dict[str, Any],
    *,
    out: Path,
    run: Path,
    export: Callable[[Path], None],
    prove: Callable[[Path], tuple[Parity, dict[str, Any]]],
) -> Path:
    """Write the next version of `out` atomically.

    Args:
        model: saved as ``model.keras``.
        card: facts on the model; parity, the number of warm-up requests, and versions of the packages are added.
        out: folder of the artifact.
        run: folder of the run; it is copied to ``run/``, and gets the model if the gate fails.
        export: writes the SavedModel to a folder.
        prove: compares it with the ``model.keras`` beside it, and returns the parity, and more facts for the card.

    Returns:
        the version folder.

    Raises:
        JobError: the export differs from the model; nothing is published.
    """
    if out.is_dir():
        remove_leftovers(out)
    with atomic_folder(out) as partial:
        model.save(partial / "model.keras")
        shutil.copy(partial / "model.keras", run / "model.keras")  # it stays if nothing is published
        export(partial)
        parity, facts = prove(partial)
        parity_card = parity._asdict() | {"passed": parity.passed}
        if not parity.passed:
            (run / "parity.json").write_text(json.dumps(parity_card, indent=2), encoding="utf-8")
            raise JobError(
                f"the exported model is not equal to the trained one, so no version was published: {parity.reason()}; "
                f"model and numbers are in {run}"
            )
        packages = {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()}
        facts = facts | {"warm_up": warm_up.write(partial, card | facts, model, out.name)}
        full = card | facts | {"parity": parity_card, "versions": packages}
        if tensors := kind_of(card["input"]).renamed():
            full["tensors"] = tensors
        cards.write(partial, full)
        shutil.copytree(run, partial / "run", ignore=shutil.ignore_patterns(".*", *FAILED))
        checksums.write(partial)
        return _rename_to_next(partial, out)


def _rename_to_next(partial: Path, out: Path) -> Path:
    """Give the finished folder the next free version number."""
    number = max([0, *(version_number(child.name) or 0 for child in out.iterdir())]) + 1
    while True:
        try:
            os.rename(partial, out / str(number))  # the system refuses it if that version exists and is not empty
        except OSError:
            if not (out / str(number)).exists():
                raise
            number += 1
        else:
            return out / str(number)


def _version(package: str) -> str | None:
    try:
        return installed_version(package)
    except ImportError:
        return None
