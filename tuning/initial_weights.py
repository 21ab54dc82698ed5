"""Networks as they were when they were built."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from zoo.training.compiling import states

if TYPE_CHECKING:
    import keras


class Fresh:
    """Builds a network once: with one seed for all trials, another of the same arguments begins with the same weights.

    Args:
        kept: networks, the latest used.
    """

    def __init__(self, kept: int = 4) -> None:
        self.kept = kept
        self._known: OrderedDict[str, tuple[keras.Model, list[np.ndarray]]] = OrderedDict()

    def network(self, name: str, build: Callable[[], keras.Model]) -> keras.Model:
        """The network of that name with its first weights; made by `build` where it is not there."""
        if name in self._known:
            model, values = self._known[name]
            for variable, value in zip(states(model), values, strict=True):
                variable.assign(value)
        else:
            model = build()
            self._known[name] = model, [np.array(variable) for variable in states(model)]
        self._known.move_to_end(name)
        while len(self._known) > self.kept:
            self._known.popitem(last=False)
        return model
