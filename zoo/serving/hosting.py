"""The models that a server has: their versions, opened, watched for newer ones, and let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.artifacts import artifact
from zoo.artifacts import card as cards
from zoo.errors import InputError
from zoo.serving.answering import MAX_PIXELS, Answering
from zoo.serving.batching import Batcher
from zoo.serving.inputs import inputs_of
from zoo.serving.opening import Tell, opened_version
from zoo.serving.refusals import Refused

POLL = 2.0  # seconds between two looks for newer versions


class Version:
    """A version that answers.

    Args:
        folder: of the version.
        answering: opened from it.
        batch: examples at a time.
        told: called with the size of each batch.
    """

    def __init__(self, folder: Path, answering: Answering, batch: int, told: Callable[[int], None]) -> None:
        self.folder, self.number = folder, _number(folder)
        self.answering = answering
        self.card = cards.read(folder, ("card.json",))
        self.inputs = inputs_of(folder, self.card, answering)
        self.batcher = Batcher(answering.run, batch, answering.lanes, told)


class Model:
    """A name, and the versions behind it.

    Args:
        name: as requests have it.
        folder: of an artifact, whose newest version answers, or of one version, which then stays.

    Attributes:
        version: that answers.
        broken: number -> why it could not be opened.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.pinned = (folder / "card.json").is_file()
        self.version: Version | None = None
        self.broken: dict[int, str] = {}
        self._looks: dict[int, Any] = {}  # of a broken version: how its files looked

    def newer(self) -> Path | None:
        """The newest version folder that may be opened and is not; None where there is none."""
        if self.pinned:
            return self.folder if self.version is None else None
        try:
            known = artifact.versions(self.folder)
        except OSError:  # the folder was moved: the version that is open stays
            return None
        for number, found in reversed(known.items()):
            if self.version is not None and number <= self.version.number:
                return None
            if number not in self.broken or self._looks.get(number) != _look(found):
                return found
        return None

    def failed(self, folder: Path, reason: str, look: Any) -> None:
        """A version can't be opened; it is tried again when its files are others than `look`."""
        self.broken[_number(folder)], self._looks[_number(folder)] = reason, look


class Host:
    """All models of a server.

    Args:
        folders: name -> folder of an artifact or a version.
        runtime: one of `zoo.serving.opening.RUNTIMES`; ``auto`` is OpenVINO for labels of images, and TensorFlow for
            the rest.
        batch: examples at a time.
        most: pixels of an image.
        tell: called with an event's name and facts, for the log.
        told: called with the size of each batch.

    Raises:
        InputError: one of them can't be opened.
    """

    def __init__(
        self,
        folders: dict[str, Path],
        *,
        runtime: str = "auto",
        batch: int = 32,
        most: int = MAX_PIXELS,
        tell: Tell = lambda event, **facts: None,
        told: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.models = {name: Model(name, folder) for name, folder in folders.items()}
        self._runtime, self._batch, self._most, self._tell, self._told = runtime, batch, most, tell, told
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for model in self.models.values():
            while model.version is None and model.newer() is not None:  # a broken one leaves the one before it
                self._look(model)
                if model.pinned:
                    break
            if model.version is None:
                reason = "; ".join(f"version {n}: {why}" for n, why in model.broken.items()) or "it has no version"
                raise InputError(f"{model.name} can't be served: {reason}")

    def start(self) -> None:
        """Begin to look for newer versions."""
        self._watcher.start()

    def close(self) -> None:
        """Answer what waits, and end."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for model in self.models.values():
            if model.version:
                model.version.batcher.close()

    def get(self, name: str, version: str | None = None) -> Version:
        """The version that answers.

        Raises:
            Refused: there is no such model or version.
        """
        model = self.models.get(name)
        if model is None or model.version is None:
            raise Refused(404, f"no model {name[:100]!r}; there are {', '.join(self.models)}")
        if version is not None and version != str(model.version.number):
            raise Refused(404, f"{name} has version {model.version.number}, not {version[:20]!r}")
        return model.version

    @contextmanager
    def using(self, name: str, version: str | None = None) -> Iterator[Version]:
        """The version that answers, which goes on doing so for as long as the block runs.

        Raises:
            Refused: there is no such model or version, or all are about to end.
        """
        while not (found := self.get(name, version)).batcher.hold():  # replaced just now: the newer one is there
            if self._stop.is_set():
                raise Refused(503, "the server is about to end")
        try:
            yield found
        finally:
            found.batcher.release()

    def _watch(self) -> None:
        while not self._stop.wait(POLL):
            for model in self.models.values():
                self._look(model)

    def _look(self, model: Model) -> None:
        folder = model.newer()
        if folder is None:
            return
        started, before, look = time.monotonic(), model.version, _look(folder)
        try:
            opened = opened_version(folder, self._runtime, self._most, self._tell)
            made = Version(folder, opened, self._batch, self._told)
        except Exception as error:  # whatever is wrong with it, the last good one goes on
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            reason = str(error) if isinstance(error, InputError) else reason
            model.failed(folder, reason, look)
            self._tell("version broken", model=model.name, folder=str(folder), reason=reason)
            return
        model.version = made
        model.broken = {number: why for number, why in model.broken.items() if number > made.number}
        seconds = round(time.monotonic() - started, 2)
        self._tell(
            "version ready", model=model.name, version=made.number, runtime=made.answering.runtime, seconds=seconds
        )
        if before is not None:
            before.batcher.close()


def named(places: Sequence[str]) -> dict[str, Path]:
    """Name -> folder, of ARTIFACT or NAME=ARTIFACT.

    Raises:
        InputError: there is no such artifact, or two have one name.
    """
    found: dict[str, Path] = {}
    for place in places:
        name, _, path = place.rpartition("=")
        version = artifact.find(path)
        base = version if version in (Path(path), artifact.ROOT / path) else version.parent
        name = name or version.resolve().parent.name
        if name in found:
            raise InputError(f"two models are named {name}; name them, as other={path}")
        if not name or any(mark in name for mark in "/:?#%"):
            raise InputError(f"expected a name without / : ? # %, received {name!r}")
        found[name] = base
    return found


def _number(folder: Path) -> int:
    names = (folder.name, folder.resolve().name)  # "." or a link have no number, and what they stand for may
    numbers = (artifact.version_number(name) for name in names)
    return next((number for number in numbers if number is not None), 1)


def _look(folder: Path) -> Any:
    try:
        files = (file for file in folder.rglob("*") if file.is_file())
        return sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError:
        return None
