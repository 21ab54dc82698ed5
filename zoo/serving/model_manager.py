"""The models of a server: it loads their versions, watches for newer ones, and closes old ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.artifacts import artifact
from zoo.artifacts import card as cards
from zoo.artifacts.layers import layers_of
from zoo.data.unseen import Unseen, unseen_of
from zoo.errors import InputError
from zoo.serving.batching import Batcher
from zoo.serving.inputs import inputs_of
from zoo.serving.loading import OnEvent, load_version
from zoo.serving.request_errors import RequestError
from zoo.serving.servables import MAX_PIXELS, Servable

POLL = 2.0  # seconds between two checks for newer versions


class Version:
    """A loaded version.

    Args:
        folder: of the version.
        servable: loaded from it.
        batch: examples of a batch, at most.
        on_batch: called with the size of each batch.
    """

    def __init__(self, folder: Path, servable: Servable, batch: int, on_batch: Callable[[int], None]) -> None:
        self.folder, self.number = folder, _number(folder)
        self.servable = servable
        self.card = cards.read(folder, ("card.json",))
        self.inputs = inputs_of(folder, self.card, servable)
        self.kind = cards.requested_kind(self.card)
        self.training_values = self.kind.training_values(layers_of(folder))
        self.batcher = Batcher(servable.run, batch, servable.lanes, on_batch)

    def unseen(self, rows: Sequence[Any]) -> dict[int, tuple[Unseen, ...]]:
        """Position of an example -> its values that training never had.

        Args:
            rows: as `zoo.serving.servables.Servable.row` gives them.
        """
        by_row = [row for row in rows if isinstance(row, dict)]
        if not self.training_values or len(by_row) < len(rows):
            return {}
        return unseen_of(self.training_values, {name: [row[name] for row in rows] for name in by_row[0]})


class Model:
    """A model by name, with its versions.

    Args:
        name: of the model in requests.
        folder: of an artifact, whose newest version is served, or of one version, which is pinned.

    Attributes:
        version: the loaded version.
        broken: number of a version -> why it could not be loaded.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.pinned = (folder / "card.json").is_file()
        self.version: Version | None = None
        self.broken: dict[int, str] = {}
        self._states: dict[int, Any] = {}  # number of a broken version -> state of its files

    def newer(self) -> Path | None:
        """The newest version folder that is not loaded and not known to be broken; None if there is none."""
        if self.pinned:
            return self.folder if self.version is None else None
        try:
            versions = artifact.versions(self.folder)
        except OSError:  # the folder was moved; the loaded version stays
            return None
        for number, folder in reversed(versions.items()):
            if self.version is not None and number <= self.version.number:
                return None
            if number not in self.broken or self._states.get(number) != _file_state(folder):
                return folder
        return None

    def mark_broken(self, folder: Path, reason: str, state: Any) -> None:
        """Record that a version can't be loaded; it is tried again when `state` of its files has changed."""
        self.broken[_number(folder)], self._states[_number(folder)] = reason, state


class ModelManager:
    """All models of a server.

    Args:
        folders: name -> folder of an artifact or a version.
        runtime: one of `zoo.serving.loading.RUNTIMES`; ``auto`` is OpenVINO for labels of images, and TensorFlow for
            all else.
        batch: examples of a batch, at most.
        most: pixels of an image, at most.
        on_event: called with an event's name and facts, for the log.
        on_batch: called with the size of each batch.

    Raises:
        InputError: a model can't be loaded.
    """

    def __init__(
        self,
        folders: dict[str, Path],
        *,
        runtime: str = "auto",
        batch: int = 32,
        most: int = MAX_PIXELS,
        on_event: OnEvent = lambda event, **facts: None,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.models = {name: Model(name, folder) for name, folder in folders.items()}
        self._runtime, self._batch, self._most, self._on_event, self._on_batch = (
            runtime,
            batch,
            most,
            on_event,
            on_batch,
        )
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        for model in self.models.values():
            while model.version is None and model.newer() is not None:  # after a broken version comes the one before it
                self._update(model)
                if model.pinned:
                    break
            if model.version is None:
                reason = "; ".join(f"version {n}: {why}" for n, why in model.broken.items()) or "it has no version"
                raise InputError(f"{model.name} can't be served: {reason}")

    def start(self) -> None:
        """Begin to watch for newer versions."""
        self._watcher.start()

    def close(self) -> None:
        """Answer waiting examples, and end."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for model in self.models.values():
            if model.version:
                model.version.batcher.close()

    def get(self, name: str, version: str | None = None) -> Version:
        """The loaded version of a model.

        Raises:
            RequestError: there is no such model or version.
        """
        model = self.models.get(name)
        if model is None or model.version is None:
            raise RequestError(404, f"no model {name[:100]!r}; there are {', '.join(self.models)}")
        if version is not None and version != str(model.version.number):
            raise RequestError(404, f"{name} has version {model.version.number}, not {version[:20]!r}")
        return model.version

    @contextmanager
    def using(self, name: str, version: str | None = None) -> Iterator[Version]:
        """The loaded version of a model, which is not closed within the block.

        Raises:
            RequestError: there is no such model or version, or the server is about to end.
        """
        while not (loaded := self.get(name, version)).batcher.hold():  # replaced just now: the newer one is there
            if self._stop.is_set():
                raise RequestError(503, "the server is about to end")
        try:
            yield loaded
        finally:
            loaded.batcher.release()

    def _watch(self) -> None:
        while not self._stop.wait(POLL):
            for model in self.models.values():
                self._update(model)

    def _update(self, model: Model) -> None:
        folder = model.newer()
        if folder is None:
            return
        started, old, state = time.monotonic(), model.version, _file_state(folder)
        try:
            servable = load_version(folder, self._runtime, self._most, self._on_event)
            version = Version(folder, servable, self._batch, self._on_batch)
        except Exception as error:  # whatever is wrong, the last good version goes on
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            reason = str(error) if isinstance(error, InputError) else reason
            model.mark_broken(folder, reason, state)
            self._on_event("version broken", model=model.name, folder=str(folder), reason=reason)
            return
        model.version = version
        model.broken = {number: why for number, why in model.broken.items() if number > version.number}
        seconds = round(time.monotonic() - started, 2)
        self._on_event(
            "version ready", model=model.name, version=version.number, runtime=version.servable.runtime, seconds=seconds
        )
        if old is not None:
            old.batcher.close()


def folders_by_name(places: Sequence[str]) -> dict[str, Path]:
    """Name of a model -> folder, from texts ARTIFACT or NAME=ARTIFACT.

    Raises:
        InputError: there is no such artifact, or two models have the same name.
    """
    folders: dict[str, Path] = {}
    for place in places:
        name, _, path = place.rpartition("=")
        version = artifact.find(path)
        base = version if version in (Path(path), artifact.ROOT / path) else version.parent
        name = name or version.resolve().parent.name
        if name in folders:
            raise InputError(f"two models are named {name}; name them, as other={path}")
        if not name or any(mark in name for mark in "/:?#%"):
            raise InputError(f"expected a name without / : ? # %, received {name!r}")
        folders[name] = base
    return folders


def _number(folder: Path) -> int:
    names = (folder.name, folder.resolve().name)  # "." and links have no number themselves
    numbers = (artifact.version_number(name) for name in names)
    return next((number for number in numbers if number is not None), 1)


def _file_state(folder: Path) -> Any:
    try:
        files = (file for file in folder.rglob("*") if file.is_file())
        return sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError:
        return None
