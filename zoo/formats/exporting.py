"""Export of an artifact to further formats, which are published in <version>/formats/<name>/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.artifacts import card, checksums
from zoo.errors import InputError
from zoo.formats.registry import FORMATS, missing
from zoo.settings import suggestion
from zoo.tasks.registry import task_class

if TYPE_CHECKING:
    from zoo.data.parts import Inputs


@dataclass(frozen=True)
class Exported:
    """A format of an artifact.

    Attributes:
        name: as in `FORMATS`.
        folder: of the format.
        new: whether it was written just now.
        manifest: facts on the format; for ``saved_model``, which has no manifest file, those just measured.
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

    An existing format is not written again. In the version, only the folder ``formats/`` is changed.

    Args:
        path: of the artifact, as `zoo.load` takes it.
        formats: names in `FORMATS`; a string has commas between them.
        calibrate: for int8, examples to find the range of every value on; the training images of the run if None.
        validate: labelled examples to compare on, as `zoo evaluate` takes them; if None, the held-out ones of the
            run, or made-up inputs if those are gone.
        again: write existing formats again.
        into: folder of the formats; ``formats/`` of the version if None.

    Returns:
        one for each of `formats`, in their order.

    Raises:
        InputError: a format or the artifact does not exist, a package is missing, a format is not for this model, or
            files of an existing format were changed.
        JobError: a format can't hold the model, or answers otherwise; it is not published, and those before it are.
    """
    from zoo.artifacts import artifact

    names = _names(formats)
    opened = artifact.load(path)
    root = into or opened.folder / "formats"
    if "saved_model" in names:
        card.read(opened.folder, checksums.SERVED)
    todo = [n for n in names if n != "saved_model" and (again or not (root / n / "manifest.json").is_file())]
    for name in todo:
        _check(name, opened.card)
    if todo:
        from zoo.formats import writing

        writing.make(opened, todo, root, calibrate, validate)
    exported = [_there(name, opened.folder, root, name in todo) for name in names]
    if "saved_model" in names:
        from zoo.formats import writing

        exported[names.index("saved_model")].manifest.update(writing.measure_saved_model(opened, validate))
    return exported


def listed(path: str | Path) -> list[Exported]:
    """The formats of an artifact.

    Raises:
        InputError: there is no artifact, or files of a format were changed.
    """
    from zoo.artifacts import artifact

    folder = artifact.find(path)
    names = [name for name in FORMATS if (folder / "formats" / name / "manifest.json").is_file()]
    return [_there(name, folder, folder / "formats", False) for name in ("saved_model", *names)]


def verify_format(folder: Path, opened: Any, inputs: Inputs) -> list[str]:
    """Problems with the answers of a published format; empty if it answers as its model does.

    Args:
        folder: of the format.
        opened: its artifact, as `zoo.load` gives it.
        inputs: raw, as in `zoo.data.Part`; ignored for a generator, which gets made-up codes.
    """
    from zoo.formats import writing

    return writing.check_answers(folder, opened, inputs)


def _names(formats: Sequence[str] | str) -> list[str]:
    names = [name.strip() for name in formats.split(",")] if isinstance(formats, str) else list(formats)
    for name in names:
        if name not in FORMATS:
            raise InputError(
                f"expected formats out of {', '.join(FORMATS)}; received {name!r}{suggestion(name, FORMATS)}"
            )
    if not names:
        raise InputError(f"expected a format out of {', '.join(FORMATS)}; received none")
    return list(dict.fromkeys(names))


def _check(name: str, model_card: dict[str, Any]) -> None:
    """Raise InputError unless the model can go into the format, and its packages are there."""
    described = FORMATS[name]
    if absent := missing(name):
        raise InputError(f"needs {absent}")
    kind = card.requested_kind(model_card)
    if name == "litert-int8" and (task_class(model_card["task"]).quality is None or not kind.fits_int8):
        what = f"{model_card.get('builder') or model_card.get('backbone')} of {kind.plural}"
        raise InputError(f"litert-int8 takes {described.takes}; this is a {what}: try litert")


def _there(name: str, version: Path, root: Path, new: bool) -> Exported:
    if name == "saved_model":
        files = [*version.glob("saved_model.pb"), *version.glob("variables/*")]
        return Exported(name, version, False, {"format": name, "bytes": sum(file.stat().st_size for file in files)})
    return Exported(name, root / name, new, checksums.require_format(root / name))
