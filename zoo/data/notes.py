"""What a reader wants known of what it read."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Note(NamedTuple):
    """Something the reader wants known about one file."""

    name: str
    action: Literal["kept", "left out"]
    reason: str
