"""Progress bars, a stopwatch, and the console that tables are printed on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import markup
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from zoo.terminal import safe

_PLAIN = str.maketrans("█░", "#.")  # for outputs whose encoding has no blocks

_silent = False


@contextmanager
def quiet() -> Iterator[None]:
    """Show no bars within the block, because something else is shown."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


@contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show `label` with a bar, rate and remaining time on standard error if that is a terminal; else show nothing.

    Yields:
        a function that takes the number of steps since its last call.
    """
    if _silent or not sys.stderr.isatty() or total == 0:
        yield lambda steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from zoo.terminal import safe

    columns = [TextColumn("{task.description:<12}", markup=False), BarColumn(), MofNCompleteColumn()]
    columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
    started = time.perf_counter()
    with Progress(*columns, console=Screen(stderr=True)) as progress:
        task = progress.add_task(safe(label), total=total, rate="")

        def advance(steps: int) -> None:
            done = progress.tasks[task].completed + steps
            progress.update(task, advance=steps, rate=f"{done / (time.perf_counter() - started):.0f}/s")

        yield advance


class Stopwatch:
    """Seconds spent in each stage of a job, in the order the stages began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._nested = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to stage `name`, less that of the stages inside it."""
        started, outer, self._nested = time.perf_counter(), self._nested, 0.0
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed - self._nested
            self._nested = outer + elapsed


def literal(text: object, keep: str = "") -> str:
    """`text` escaped for rich markup: its brackets and control characters, but for those in `keep`, have no effect."""
    return markup.escape(safe(str(text), keep))


class Screen(Console):
    """A rich console on which text can't command the terminal or rich: ``:smile:`` stays as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of a renderable, without control characters in their text."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                text = safe(segment.text, keep="\n")
                yield segment._replace(text=text.translate(_PLAIN) if self.options.ascii_only else text)


CONSOLE = Screen(soft_wrap=True)
