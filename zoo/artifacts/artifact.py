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
from zoo.artifacts import checksums, example, saved_model, warming
from zoo.artifacts.gate import Gate, Parity, compare, gate_sample, units
from zoo.artifacts.generator import Generator
from zoo.artifacts.predictor import Predictor, outputs
from zoo.artifacts.reconstructor import Reconstructor
from zoo.builders.loading import loaded
from zoo.data.dataset import Data, chosen_inputs
from zoo.errors import InputError, JobError
from zoo.evaluation.scores import AnyEvaluation, most_frequent, score
from zoo.files import check_writable, sweep, whole_folder
from zoo.kinds.signatures import renamed

if TYPE_CHECKING:
    import keras

ROOT = Path("saved_models")
SAME = 1e-4  # how far probabilities of two float32 runtimes may be apart
FAILED = ("model.keras", "parity.json")  # in a run's folder, what a failed gate leaves there
ANSWERING = {"reconstruction": Reconstructor, "generation": Generator}  # task -> what answers; a Predictor for others
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
    found = ANSWERING.get(card["task"], Predictor)(folder, card)
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
    raise InputError(f"{path}: no artifact of that name or path; {hint}")


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
    card: dict[str, Any],
    scores: np.ndarray,
    *,
    out: Path,
    run: Path,
    gate: Gate,
    seed: int,
    baselines: dict[str, Any] | None = None,
) -> tuple[Path, AnyEvaluation]:
    """Export `model`, prove the export equal to it, and make it the next version of `out`.

    Args:
        model: raw inputs to probabilities or values; of images, float32 pixels 0-255, its last layer taking the
            embedding.
        data: the gate compares on its held-out part.
        card: what is known of the model; needs ``input`` as `zoo.data.Data.input` describes it. Metrics, parity,
            classes, fingerprint and versions of the packages are added.
        scores: what `model` says of the held-out part, float32 (examples, classes or values), by whatever runtime.
            Where the shipped file says otherwise, it is asked for all of them anew.
        out: folder of the artifact, as ``saved_models/photos``.
        run: folder of the run; it becomes ``run/``, and gets what failed if the gate does.
        gate: started before.
        seed: of the choice of examples.
        baselines: scores of simple models, as an evaluation has them.

    Returns:
        the version folder, and the evaluation of the model that is shipped.

    Raises:
        JobError: the export can't be run or differs from the model; nothing is published.
    """
    description = card["input"]
    positions = gate_sample(data.held_out, seed)
    asked = chosen_inputs(data.held_out.inputs, np.array(positions))
    known = {"classes": list(data.classes), "task": data.task, "data_fingerprint": data.fingerprint}
    if data.task in ("classification", "multi_label"):
        known["majority"] = most_frequent(data.train.targets).tolist()
    else:
        known["deviations"] = data.deviations
    evaluation: AnyEvaluation | None = None

    def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
        nonlocal evaluation
        answers = gate.ask(folder, asked, description)
        # Read back: what is compared, and what the scores are held to, is the file that is shipped.
        shipped = loaded(folder / "model.keras")
        expected = outputs(shipped, asked, description)
        differ = _differ(scores[positions], expected, data)
        said = outputs(shipped, data.held_out.inputs, description) if differ else scores
        evaluation = replace(score(data, said), baselines=baselines or {})
        return compare(expected, answers(), data, asked), known | {"metrics": evaluation.to_dict()}

    def export(folder: Path) -> None:
        saved_model.saved_model(model, folder, classes=data.classes, task=data.task, description=description)
        example.write(folder, data.train, description)

    return staged(model, card, out=out, run=run, export=export, prove=prove), evaluation


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
        sweep(out)
    with whole_folder(out) as partial:
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
        known = known | {"warm_up": warming.write(partial, card | known, model, out.name)}
        full = card | known | {"parity": found, "versions": packages}
        if tensors := renamed(card["input"]):
            full["tensors"] = tensors
        cards.write(partial, full)
        shutil.copytree(run, partial / "run", ignore=shutil.ignore_patterns(".*", *FAILED))
        checksums.write(partial)
        return _claim(partial, out)


def _differ(scores: np.ndarray, shipped: np.ndarray, data: Data) -> bool:
    """Whether two runtimes' outputs are further apart than their arithmetic explains, or answer otherwise."""
    if (np.abs(scores - shipped) > SAME * units(shipped, data.deviations)).any():
        return True
    if data.task in ("regression", "forecasting"):
        return False
    answers = [(each >= 0.5) if data.task == "multi_label" else each.argmax(axis=1) for each in (scores, shipped)]
    return bool((answers[0] != answers[1]).any())


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
