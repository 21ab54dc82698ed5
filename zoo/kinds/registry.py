"""The kinds of input, by name, and the functions that read them; listing them loads nothing else."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import InputError

if TYPE_CHECKING:
    from zoo.data.dataset import Data
    from zoo.data.kind import Kind


class Reader(NamedTuple):
    """A function from a path to `Data`.

    Attributes:
        called: what it reads, for messages.
        place: the function, or where it is, as module:function.
        frames: whether it takes data frames too.
    """

    called: str
    place: str | Callable[..., Data]
    frames: bool = False

    @property
    def read(self) -> Callable[..., Data]:
        """The function."""
        return _at(self.place)

    def check(self, source: object, options: Collection[str]) -> None:
        """Raise an InputError where the function does not take one of `options`, to read `source`."""
        known = list(inspect.signature(self.read).parameters)[1:]
        for name in options:
            if name not in known:
                raise InputError(
                    f"{source} is read as {self.called}, which takes no option {name!r}; it takes {', '.join(known)}"
                )


KINDS: dict[str, str | type[Kind]] = {  # recognised in this order, after those of one's own
    "images": "zoo.kinds.images.kind:Images",
    "sequence": "zoo.kinds.sequences.kind:Sequences",
    "text": "zoo.kinds.texts.kind:Texts",
    "table": "zoo.kinds.tables.kind:Tables",
}
READERS: dict[str, Reader] = {
    "images": Reader("images", "zoo.kinds.images.reading:images"),
    "masks": Reader("images beside masks", "zoo.kinds.images.reading:masks"),
    "idx": Reader("IDX files", "zoo.kinds.images.reading:idx"),
    "table": Reader("a table", "zoo.kinds.tables.reading:tables", frames=True),
    "text": Reader("text", "zoo.kinds.texts.reading:text", frames=True),
    "sequence": Reader("sequences", "zoo.kinds.sequences.reading:sequences", frames=True),
}


def register(kind: type[Kind], read: Callable[..., Data]) -> type[Kind]:
    """Make a kind of input of one's own known by its name, to `zoo.data.open` too.

    Args:
        kind: with a name.
        read: a path and options to `Data`.

    Raises:
        InputError: it lacks something that every kind has, or there is one of that name.
    """
    from zoo.data.kind import Kind

    lacking = ["name"] if not isinstance(getattr(kind, "name", None), str) else []
    lacking += sorted(getattr(kind, "__abstractmethods__", ()))
    if kind.shape is Kind.shape and kind.specification is Kind.specification:
        lacking.append("shape")
    if lacking:
        raise InputError(f"{kind.__name__}: expected a kind with {', '.join(lacking)}; see zoo.data.kind.Kind")
    if KINDS.get(kind.name, kind) is not kind:
        raise InputError(f"{kind.__name__}: there is a kind {kind.name} already; give it another name")
    KINDS[kind.name], READERS[kind.name] = kind, Reader(kind.plural, read)
    return kind


def kinds() -> Iterator[type[Kind]]:
    """All kinds, those of one's own first."""
    own = [each for each in KINDS.values() if not isinstance(each, str)]
    yield from (*reversed(own), *(_at(each) for each in KINDS.values() if isinstance(each, str)))


def kind_class(name: str) -> type[Kind]:
    """The kind of that name.

    Raises:
        InputError: there is none.
    """
    if name not in KINDS:
        *names, last = KINDS
        raise InputError(f"expected an input of the kind {', '.join(names)} or {last}, received {name!r}")
    return _at(KINDS[name])


def kind_of(said: Mapping[str, Any]) -> Kind:
    """The kind that the ``input`` of a card says; the first cards, all of images, did not name it.

    Raises:
        InputError: it is of a kind that is not known here.
    """
    return kind_class(said.get("kind", "images")).variant(said).from_card(said)


def _at(place: Any) -> Any:
    if not isinstance(place, str):
        return place
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)
