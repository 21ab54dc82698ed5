"""The console that tables, marked text and bars are drawn on; names are shown on it as they are, and do nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import markup
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from zoo.terminal import safe

_PLAIN = str.maketrans("█░", "#.")  # where the output has no blocks


def literal(text: object) -> str:
    """A name or a reason within marked text: neither its brackets nor its control characters mean anything."""
    return markup.escape(safe(str(text)))


class Screen(Console):
    """A rich console on which no text is a command to the terminal, or to rich: no ``:smile:`` becomes a picture."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of a renderable; those that hold text hold no control characters."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                text = safe(segment.text, keep="\n")
                yield segment._replace(text=text.translate(_PLAIN) if self.options.ascii_only else text)


CONSOLE = Screen(soft_wrap=True)
