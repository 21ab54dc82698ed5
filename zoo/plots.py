"""Pictures where people would rather look than read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import InputError
from zoo.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo.loop import History

FORMATS = (".pdf", ".png", ".svg")


@contextmanager
def figure(path: Path, suffix: str) -> Iterator[Axes]:
    """Axes to draw on; written to `path` in the format of `suffix` when the block ends.

    Raises:
        InputError: a format that is none of `FORMATS`.
    """
    if suffix.lower() not in FORMATS:
        raise InputError(
            f"expected a picture's name to end in {', '.join(FORMATS)}, received {suffix or 'no suffix'!r}"
        )
    from matplotlib.figure import Figure  # not pyplot: it looks for a screen

    drawing = Figure(figsize=(7, 4), layout="constrained")
    axes = drawing.subplots()
    axes.grid(alpha=0.3)
    yield axes
    drawing.savefig(path, format=suffix[1:].lower(), dpi=120)


def learning_curves(history: History, path: str | Path) -> None:
    """Draw the losses of a training run over its epochs, the best one marked."""
    epochs: Sequence[int] = range(1, len(history.epochs) + 1)
    with whole_file(path) as partial, figure(partial, Path(path).suffix) as axes:
        for name, label in (("loss", "training"), ("val_loss", "inner validation")):
            if name in history.epochs[0]:
                axes.plot(epochs, [row[name] for row in history.epochs], label=label)
        if history.best_epoch:
            axes.axvline(history.best_epoch, linestyle=":", color="tab:green", label=f"epoch {history.best_epoch}")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
