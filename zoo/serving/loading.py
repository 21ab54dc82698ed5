"""Loading of a version into a runtime, with a check that it answers."""

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
from zoo.serving.servables import DEFAULT, MAX_PIXELS, ImageServable, NumericServable, SavedModelServable, Servable
from zoo.tasks.forms import FORMS
from zoo.tasks.registry import task_of

RUNTIMES = ("auto", "openvino", "litert", "onnx", "saved_model")

OnEvent = Callable[..., None]


def load_version(
    folder: Path, runtime: str = "auto", most: int = MAX_PIXELS, on_event: OnEvent = lambda event, **facts: None
) -> Servable:
    """Load a version, and check that it answers.

    Args:
        folder: of the version.
        runtime: one of `RUNTIMES`.
        most: pixels of an image, at most.
        on_event: called if TensorFlow replaces OpenVINO, or if the version has no checksums.

    Raises:
        InputError: the files of the version or of the format were changed, or its kind of model has no such format.
    """
    card = cards.read(folder, checksums.SERVED)
    if not checksums.has(folder):
        on_event(
            "without checksums", folder=str(folder), reason="made before there were any: its files can't be checked"
        )
    task, kind = task_of(card), cards.requested_kind(card)
    labels = task.supervised and kind.served_as_numbers
    if runtime not in ("auto", "saved_model") and not labels:
        raise InputError(f"{folder}: --runtime {runtime} is for labels of images; leave it out, or say saved_model")
    servable: Servable | None = None
    if runtime == "auto" and labels:
        try:
            servable = _numbers(folder, card, "openvino", most, on_event)
        except (JobError, OSError, UnknownLayersError) as error:  # no format can hold it, or the disk is full
            on_event("without openvino", folder=str(folder), reason=" ".join(str(error).split())[:300])
    elif runtime not in ("auto", "saved_model"):
        servable = _numbers(folder, card, runtime, most, on_event)
    if servable is None:
        graph = SavedModelServable(folder, card, most)
        _check_graph(graph, card, folder)
        servable = ImageServable(graph, card, most) if labels else graph
    if labels:
        answers = servable.outputs([kind.blank()])
        for name in task.outputs:
            answer = answers[name][0]
            if not np.isfinite(answer).all() or answer.shape[-1:] != (len(task.names),):
                raise InputError(f"{folder}: expected {len(task.names)} numbers for a blank image, got {answer}")
    cards.read(folder, checksums.SERVED)  # nobody changed the files while they were loaded
    return servable


def _check_graph(graph: SavedModelServable, card: dict[str, Any], folder: Path) -> None:
    """Raise InputError unless the inputs and outputs of the SavedModel are those in the card."""
    signature, task = graph.signatures.get(DEFAULT), task_of(card)
    fits = signature is not None and set(signature.inputs) == set(cards.requested_kind(card).specification()[0])
    for name, value in task.values().items() if fits else ():
        output = signature.outputs.get(name)
        wide = FORMS[value.form].wide
        fits = fits and output is not None and (not wide or output.shape[-1] in (None, len(task.names)))
    if not fits:
        raise InputError(f"{folder}: its card.json and its SavedModel don't belong together; copy the version again")


def _numbers(folder: Path, card: dict[str, Any], runtime: str, most: int, on_event: OnEvent) -> NumericServable:
    from zoo.formats.runtime import open_format

    place = _format(folder, runtime, on_event)
    run = open_format(place)
    checksums.require_format(place)
    return NumericServable(card, run, runtime, most)


def _format(folder: Path, name: str, on_event: OnEvent) -> Path:
    """The folder of a format. A missing format is written, to the cache if the version is read-only."""
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
    on_event("writing format", format=name, folder=str(place), reason="the version has none; done once, up to a minute")
    exporting.export(folder, [name], again=True, into=place.parent)
    on_event("format written", format=name, folder=str(place), seconds=round(time.monotonic() - started, 1))
    return place
