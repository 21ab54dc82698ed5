"""What a reader wants known of what it read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

FEW = 3  # notes alike from which on they are told as one
_SUFFIX = re.compile(r"\.\w{1,8}")
_VARYING = re.compile(r"0x[0-9a-f]+|\d+|(?<=same content as ).+?(?=[,;] (?:under|which|kept))")


class Note(NamedTuple):
    """Something the reader wants known about one file."""

    name: str
    action: Literal["kept", "left out"]
    reason: str


class Alike(NamedTuple):
    """Notes of one reason on files of one suffix.

    Attributes:
        first: the first of them, as an example.
        count: of all.
        suffix: in lower case; empty where names have none.
    """

    first: Note
    count: int
    suffix: str

    @property
    def name(self) -> str:
        """The name of the example, and how many others there are."""
        if self.count == 1:
            return self.first.name
        ending = f" ending {self.suffix}" if self.suffix else ""
        return f"{self.first.name} and {self.count - 1:,} others{ending}"


def alike(notes: Iterable[Note]) -> list[Alike]:
    """Notes in groups of one action, reason and suffix, in the order of their first; fewer than three stay apart.

    Reasons are one where they differ in numbers alone, or in the names of copies.
    """
    groups: dict[tuple[str, str, str], list[Note]] = {}
    for note in notes:
        groups.setdefault((note.action, _VARYING.sub("#", note.reason), _suffix(note.name)), []).append(note)
    listed = []
    for (_, _, suffix), members in groups.items():
        if len(members) < FEW:
            listed += [Alike(note, 1, suffix) for note in members]
        else:
            listed.append(Alike(members[0], len(members), suffix))
    return listed


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""
