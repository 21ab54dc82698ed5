"""The versioned folder that a job ends in: written whole or not at all, loaded without user code."""

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

from zoo.artifacts import card as cards
from zoo.artifacts import checksums, example, saved_model, warm_up
from zoo.artifacts.gate import Gate, Parity, alike, compare, gate_sample
from zoo.artifacts.generator import Generator
from zoo.artifacts.predictor import Predictor, said_of
from zoo.artifacts.reconstructor import Reconstructor
from zoo.builders.loading import loaded
from zoo.data.dataset import Data
from zoo.data.parts import chosen_inputs
from zoo.errors import InputError, JobError
from zoo.files import atomic_folder, check_writable, remove_leftovers
from zoo.kinds.registry import kind_of
from zoo.settings import suggestion
from zoo.tasks.generation import Generation
from zoo.tasks.reconstruction import Reconstruction
from zoo.tasks.registry import task_class
from zoo.tasks.task import Task
from zoo.tasks.terms import Exam, Outputs, Scored

if TYPE_CHECKING:
    import keras

ROOT = Path("saved_models")
SAME = 1e-4  # how far outputs of two float32 runtimes may be apart
DRAWN = 256  # codes that a generator is asked
FAILED = ("model.keras", "parity.json")  # in a run's folder, what a failed gate leaves there
ANSWERING = {Reconstruction: Reconstructor, Generation: Generator}  # what users ask; a Predictor for other tasks
PACKAGES = ("keras-model-zoo", "keras", "tensorflow", "numpy", "pillow", "scikit-learn", "openvino")


def folder_for(source: Path, out: str | Path | None) -> Path:
    """Where the artifact of what is trained on `source` goes: `out`, or ``saved_models/`` and the name of `source`.

    Raises:
        InputError: that is inside `source`, which is only read, or can't be written.
    """
    name = source.name.split(".")[0] if source.is_file() else source.resolve().name
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
        path: a name in ``saved_models/``, the folder of an artifact (its newest version), or a version folder.
        verb: the command that wants it; None for any.

    Returns:
        a `Reconstructor` for an autoencoder, a `Generator` for adversarial networks, a `Predictor` for other models.

    Raises:
        InputError: there is no artifact, it is not as it was published, its card is of a newer version of this
            package, or it does not answer `verb`.
    """
    folder = find(path)
    card = cards.read(folder)
    found = ANSWERING.get(task_class(card["task"]), Predictor)(folder, card)
    if verb is not None and verb not in found.verbs:
        what = card.get("builder") or f"fine-tuned {card.get('backbone')}"
        others = ", ".join(f"zoo {each}" for each in found.verbs)
        raise InputError(f"{path} is a {what}, which does not answer zoo {verb}; ask it with: {others}")
    return found


def find(path: str | Path) -> Path:
    """The version folder that `path` stands for, as `load` takes it.

    Raises:
        InputError: there is none.
    """
    path = Path(path)
    places = [path, ROOT / path] if not path.is_absolute() else [path]
    for place in places:
        if (place / "card.json").is_file():
            return place
        if place.is_dir() and (found := versions(place)):
            return found[max(found)]
    known = sorted(p.name for p in ROOT.iterdir() if p.is_dir() and versions(p)) if ROOT.is_dir() else []
    hint = f"{ROOT}/ has {', '.join(known)}" if known else "make one with: zoo finetune PATH, or zoo train BUILDER PATH"
    raise InputError(f"{path}: no artifact of that name or path; {hint}{suggestion(path.name, known)}")


def versions(folder: Path) -> dict[int, Path]:
    """Versions of an artifact, oldest first: number -> folder."""
    there = (child for child in sorted(folder.iterdir()) if (child / "card.json").is_file())
    found = [(number, child) for child in there if (number := version_number(child.name)) is not None]
    return dict(sorted(found))


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for, 7 for ``7`` and ``007``; None where it is no version.

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
    said: Outputs,
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
        data: the gate compares on its held-out part.
        task: what the model is for, with what was found in training.
        card: what is known of the model; needs ``input`` as `zoo.data.Data.input` describes it. Metrics, parity,
            classes, fingerprint and versions of the packages are added.
        said: outputs of `model` for the held-out part, by whatever runtime. Where the shipped file says otherwise, it
            is asked for all of them anew.
        evaluation: scores of them.
        out: folder of the artifact, as ``saved_models/photos``.
        run: folder of the run; it becomes ``run/``, and gets what failed if the gate does.
        gate: started before.
        seed: of the choice of examples.

    Returns:
        the version folder, and the evaluation of the model that is shipped.

    Raises:
        JobError: the export can't be run or differs from the model; nothing is published.
    """
    known = task.to_card() | {"data_fingerprint": data.fingerprint}
    kind = cards.requested_kind(card | known, model)
    positions = np.arange(DRAWN) if task.drawn else np.array(gate_sample(data.held_out, data.kind, data.task, seed))
    if task.drawn:
        inputs = kind.made_up(model, DRAWN, np.random.default_rng(seed))
    else:
        inputs = chosen_inputs(data.held_out.inputs, positions)

    def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
        nonlocal evaluation
        answers = gate.ask(folder, inputs, kind, list(task.values()))
        # Read back: what is compared, and what the scores are held to, is the file that is shipped.
        shipped = loaded(folder / "model.keras")
        expected = said_of(task, shipped, inputs, kind)
        if set(said) == set(expected) and not task.drawn:
            some = {name: values[positions] for name, values in said.items()}
            if not alike(task, some, expected, SAME):
                anew = said_of(task, shipped, data.held_out.inputs, kind)
                part = "test" if data.test is not None else "validation"
                found = task.evaluate(Exam(part, data.held_out.targets, anew))
                evaluation = replace(found, baselines=evaluation.baselines)
        return compare(task, expected, answers(), kind.formats(inputs)), known | {"metrics": evaluation.to_dict()}

    def export(folder: Path) -> None:
        saved_model.saved_model(model, folder, task=task, kind=kind)
        if not task.drawn:
            example.write(folder, data.train, kind)

    path = staged(model, card, out=out, run=run, export=export, prove=prove)
    return path, evaluation


def staged(
    model: keras.Model,
    card: dict[str, Any],
    *,
    out: Path,
    run: Path,
    export: Callable[[Path], None],
    prove: Callable[[Path], tuple[Parity, dict[str, Any]]],
) -> Path:
    """Write the next version of `out` whole or not at all.

    Args:
        model: saved as ``model.keras``.
        card: what is known of it; parity, the number of warm-up requests, and versions of the packages are added.
        out: folder of the artifact.
        run: folder of the run; it becomes ``run/``, and gets what failed if the gate does.
        export: writes the SavedModel to a folder.
        prove: holds that to the ``model.keras`` beside it; gives what it found, and more for the card.

    Returns:
        the version folder.

    Raises:
        JobError: the export differs from the model; nothing is published.
    """
    if out.is_dir():
        remove_leftovers(out)
    with atomic_folder(out) as partial:
        model.save(partial / "model.keras")
        shutil.copy(partial / "model.keras", run / "model.keras")  # stays there if nothing is published
        export(partial)
        parity, known = prove(partial)
        found = parity._asdict() | {"passed": parity.passed}
        if not parity.passed:
            (run / "parity.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
            raise JobError(
                f"the exported model is not equal to the trained one, so no version was published: {parity.reason()}; "
                f"model and numbers are in {run}"
            )
        packages = {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()}
        known = known | {"warm_up": warm_up.write(partial, card | known, model, out.name)}
        full = card | known | {"parity": found, "versions": packages}
        if tensors := kind_of(card["input"]).renamed():
            full["tensors"] = tensors
        cards.write(partial, full)
        shutil.copytree(run, partial / "run", ignore=shutil.ignore_patterns(".*", *FAILED))
        checksums.write(partial)
        return _claim(partial, out)


def _claim(partial: Path, out: Path) -> Path:
    """Give the finished folder the next free version number."""
    number = max([0, *(version_number(child.name) or 0 for child in out.iterdir())]) + 1
    while True:
        try:
            os.rename(partial, out / str(number))  # refused by the system if that version is there and not empty
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
