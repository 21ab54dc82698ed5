"""Tables and lines of scores as values, which commands print in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Table(NamedTuple):
    """A table.

    Attributes:
        title: above it.
        header: of its columns.
        rows: cells of each row.
        last: further rows, after a line; the first is that of the model.
        diagonal: whether cells on the diagonal are right and all others wrong.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    last: Sequence[Sequence[str]] = ()
    diagonal: bool = False


class Line(NamedTuple):
    """A line of text, which begins with its `important` part."""

    important: str
    text: str


Shown = Iterator[Table | Line]


def number(value: float | None) -> str:
    """A score with four digits; a dash for None."""
    return "-" if value is None else f"{value:.4f}"


def scores_table(
    title: str, measures: Mapping[str, str], own: Mapping[str, Any], simple: Mapping[str, Mapping[str, Any]]
) -> Table:
    """A row a model, and a column for each of `measures` (name -> heading) that has a value.

    Args:
        title: of the table.
        measures: name -> heading.
        own: name -> score of the model, a number, or text as it is.
        simple: the same of simple models, by name.
    """

    def score(value: Any) -> str:
        return "-" if value is None else value if isinstance(value, str) else f"{value:.4g}"

    rows = {"this model": own, **simple}
    names = [name for name in measures if any(row.get(name) is not None for row in rows.values())]
    cells = [[name, *(score(row.get(each)) for each in names)] for name, row in rows.items()]
    return Table(title, ("", *(measures[name] for name in names)), (), cells)
