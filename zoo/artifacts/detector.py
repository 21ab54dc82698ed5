"""Anomalies with an artifact of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.artifacts.predictor import Predictor
from zoo.artifacts.reconstructor import Anomaly


class Detector(Predictor):
    """An artifact that finds anomalies in images, and shows where they are; `zoo.load` returns it."""

    verbs = ("predict", "anomalies", "evaluate")

    def __repr__(self) -> str:
        return f"Detector({str(self.folder)!r}, {self.card['builder']} of {self.kind.plural})"

    @property
    def threshold(self) -> float:
        """Score above which an input is an anomaly."""
        return self.card["threshold"]

    def anomalies(self, source: Any) -> list[Anomaly]:
        """The score of each input, and whether it is over the threshold; in order.

        Args:
            source: as `predict` takes it.

        Raises:
            InputError: a path does not exist, or there are no inputs.
        """
        names, inputs, errors = self.kind.raw(source)
        verdicts: dict[int, tuple[float, bool]] = {}
        for positions, outputs, unread in self._output_batches(inputs):
            errors |= unread
            if len(positions):
                values = self.task.answer({"score": outputs["score"]}, {}, np).values
                pairs = zip(values["score"].tolist(), values["is_anomaly"].tolist(), strict=True)
                verdicts |= dict(zip(positions.tolist(), pairs, strict=True))
        return [
            Anomaly(name, error=errors[at]) if at in errors else Anomaly(name, *verdicts[at])
            for at, name in enumerate(names)
        ]
