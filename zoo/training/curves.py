"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.files import atomic_file
from zoo.pictures.plots import figure

if TYPE_CHECKING:
    from zoo.training.loop import History


def learning_curves(history: History, path: str | Path) -> None:
    """Draw the losses of a training run over its epochs, the best one marked."""
    epochs: Sequence[int] = range(1, len(history.epochs) + 1)
    with atomic_file(path) as partial, figure(partial, Path(path).suffix) as axes:
        for name, label in (("loss", "training"), ("val_loss", "inner validation")):
            if name in history.epochs[0]:
                axes.plot(epochs, [row[name] for row in history.epochs], label=label)
        if history.best_epoch:
            axes.axvline(history.best_epoch, linestyle=":", color="tab:green", label=f"epoch {history.best_epoch}")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
