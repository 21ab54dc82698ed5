"""Networks with the weights that they had when they were built."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from zoo.training.compiling import states

if TYPE_CHECKING:
    import keras


class InitialWeights:
    """A cache of networks with their initial weights.

    All trials have one seed, so a second network of the same arguments would begin with the same weights.

    Args:
        capacity: number of networks to hold, the latest used.
    """

    def __init__(self, capacity: int = 4) -> None:
        self.capacity = capacity
        self._cache: OrderedDict[str, tuple[keras.Model, list[np.ndarray]]] = OrderedDict()

    def network(self, name: str, build: Callable[[], keras.Model]) -> keras.Model:
        """The network of that name with its initial weights; `build` makes it if the cache has none."""
        if name in self._cache:
            model, values = self._cache[name]
            for variable, value in zip(states(model), values, strict=True):
                variable.assign(value)
        else:
            model = build()
            self._cache[name] = model, [np.array(variable) for variable in states(model)]
        self._cache.move_to_end(name)
        while len(self._cache) > self.capacity:
            self._cache.popitem(last=False)
        return model
