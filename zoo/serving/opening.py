"""Opening a version to be served: by which runtime, and whether it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifacts import card as cards
from zoo.artifacts import checksums
from zoo.builders.loading import UnknownLayersError
from zoo.errors import InputError, JobError
from zoo.files import cache_folder, check_writable, digest
from zoo.serving.answering import DEFAULT, MAX_PIXELS, Answering, Both, Graph, Numbers
from zoo.tasks.forms import FORMS
from zoo.tasks.registry import task_of

RUNTIMES = ("auto", "openvino", "litert", "onnx", "saved_model")

Tell = Callable[..., None]


def opened_version(
    folder: Path, runtime: str = "auto", most: int = MAX_PIXELS, tell: Tell = lambda event, **facts: None
) -> Answering:
    """Open a version, and see that it answers.

    Args:
        folder: of the version.
        runtime: one of `RUNTIMES`.
        most: pixels of an image.
        tell: called where TensorFlow has to answer in the place of OpenVINO, or there are no checksums.

    Raises:
        InputError: its files, or those of the format, are not as they were published, it has no such format, or is of
            a kind that goes into none.
    """
    card = cards.read(folder, checksums.SERVED)
    if not checksums.has(folder):
        tell("without checksums", folder=str(folder), reason="made before there were any: its files can't be checked")
    task, kind = task_of(card), cards.requested_kind(card)
    labels = task.supervised and kind.served_as_numbers
    if runtime not in ("auto", "saved_model") and not labels:
        raise InputError(f"{folder}: --runtime {runtime} is for labels of images; leave it out, or say saved_model")
    found: Answering | None = None
    if runtime == "auto" and labels:
        try:
            found = _numbers(folder, card, "openvino", most, tell)
        except (JobError, OSError, UnknownLayersError) as error:  # it goes into no format, or the disk is full
            tell("without openvino", folder=str(folder), reason=" ".join(str(error).split())[:300])
    elif runtime not in ("auto", "saved_model"):
        found = _numbers(folder, card, runtime, most, tell)
    if found is None:
        graph = Graph(folder, card, most)
        _check_graph(graph, card, folder)
        found = Both(graph, card, most) if labels else graph
    if labels:
        answers = found.outputs([kind.blank()])
        for name in task.outputs:
            answer = answers[name][0]
            if not np.isfinite(answer).all() or answer.shape[-1:] != (len(task.names),):
                raise InputError(f"{folder}: expected {len(task.names)} numbers for a blank image, got {answer}")
    cards.read(folder, checksums.SERVED)  # what was opened is what was checked: nobody wrote it meanwhile
    return found


def _check_graph(graph: Graph, card: dict[str, Any], folder: Path) -> None:
    """Raise an InputError unless the SavedModel takes and answers what the card says."""
    signature, task = graph.signatures.get(DEFAULT), task_of(card)
    fits = signature is not None and set(signature.inputs) == set(cards.requested_kind(card).specification()[0])
    for name, value in task.values().items() if fits else ():
        said = signature.outputs.get(name)
        wide = FORMS[value.form].wide
        fits = fits and said is not None and (not wide or said.shape[-1] in (None, len(task.names)))
    if not fits:
        raise InputError(f"{folder}: its card.json and its SavedModel don't belong together; copy the version again")


def _numbers(folder: Path, card: dict[str, Any], runtime: str, most: int, tell: Tell) -> Numbers:
    from zoo.formats.opening import open_format

    place = _format(folder, runtime, tell)
    run = open_format(place)
    checksums.require_format(place)
    return Numbers(card, run, runtime, most)


def _format(folder: Path, name: str, tell: Tell) -> Path:
    """The folder of a format. One that a version lacks is written, to the cache where the version can't be."""
    from zoo.formats import exporting

    place = folder / checksums.FORMATS / name
    if (place / checksums.MANIFEST).is_file():
        return place
    try:
        check_writable(place)
    except InputError:
        place = cache_folder("formats") / digest(folder / "model.keras") / name
        if (place / checksums.MANIFEST).is_file() and not checksums.check_format(place):
            return place
    started = time.monotonic()
    tell("writing format", format=name, folder=str(place), reason="the version has none; done once, up to a minute")
    exporting.export(folder, [name], again=True, into=place.parent)
    tell("format written", format=name, folder=str(place), seconds=round(time.monotonic() - started, 1))
    return place
