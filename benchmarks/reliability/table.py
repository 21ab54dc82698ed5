"""A row of the reliability table, and how rows are printed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """One kind of input that the project was tried with.

    Attributes:
        tried: what, as "Pillow's test images, read by both readers".
        count: how many.
        right: how many ended as they should.
        note: what "right" means here, and what the others did.
    """

    tried: str
    count: int
    right: int
    note: str


def markdown(rows: Iterable[Row]) -> str:
    """The table of docs/reliability.md."""
    lines = ["| tried | count | right | what is right |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.tried} | {row.count} | {row.right} | {row.note} |" for row in rows)])
