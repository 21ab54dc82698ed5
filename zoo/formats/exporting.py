"""What is published of an artifact in further formats: <version>/formats/<name>/."""

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


def _check(name: str, known: dict[str, Any]) -> None:
    """Raise InputError unless the model can go into the format, and its packages are there."""
    described = FORMATS[name]
    if absent := missing(name):
        raise InputError(f"needs {absent}")
    kind = card.requested_kind(known)
    if name == "litert-int8" and (task_class(known["task"]).quality is None or not kind.fits_int8):
        what = f"{known.get('builder') or known.get('backbone')} of {kind.plural}"
        raise InputError(f"litert-int8 takes {described.takes}; this is a {what}: try litert")


def _there(name: str, version: Path, root: Path, new: bool) -> Exported:
    if name == "saved_model":
        files = [*version.glob("saved_model.pb"), *version.glob("variables/*")]
        return Exported(name, version, False, {"format": name, "bytes": sum(file.stat().st_size for file in files)})
    return Exported(name, root / name, new, checksums.require_format(root / name))
