"""Detection of anomalies by a score, and a map of where in the image they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import anomalies
from zoo.evaluation.anomalies import DetectionEvaluation
from zoo.evaluation.findings import Finding
from zoo.evaluation.simple_models import telling
from zoo.pictures.overlays import heat
from zoo.tasks.detecting import Detecting
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value, Written

MIDDLE, DOUBLE = 128.0, 16.0  # grey value of a distance at the threshold, in a map, and steps to twice the distance
FAINTEST = 2.0**-8  # of the threshold: distances up to this are black


@dataclass(frozen=True)
class AnomalyDetection(Detecting):
    """A score of each image, and of each of its pixels; those over the threshold are anomalies.

    The network learns from normal images in one step, by its method `adapt`.

    Targets are positions of classes in `names`; classes that training did not have are ``len(names)``, and are
    anomalies.
    """

    name: ClassVar[str] = "anomaly_detection"
    outputs: ClassVar[tuple[str, ...]] = ("score", "distances")
    family: ClassVar[str] = "detector"
    categorical: ClassVar[bool] = True
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "anomaly_roc_auc",
            "max",
            lambda task, targets, outputs: np.array([telling(task.odd(targets), outputs["score"])["roc_auc"]]),
            paired=False,
        ),
    )

    def encode(self, raw: Written) -> np.ndarray:
        """Positions of the classes, int64; that of a class which training did not have is ``len(names)``."""
        place = {name: at for at, name in enumerate(self.names)}
        return np.array([place.get(str(label), len(place)) for label in raw.strings()[:, 0]], np.int64)

    def text(self, target: np.ndarray) -> str:
        """The class."""
        return self.names[int(target)] if int(target) < len(self.names) else "another class"

    def chosen(self, data_task: Task, parts: Mapping[str, Any], source: Any) -> np.ndarray | None:
        """See `Detecting.chosen`; of several classes some must be named as normal."""
        classes = data_task.names
        if not self.normal and len(classes) > 1 and not data_task.several:
            raise InputError(
                f"{source} has the classes {', '.join(classes[:10])}: name those that are normal, as --normal "
                f"{classes[0]}, or read the images without labels (--no-labels) if all of them are"
            )
        return super().chosen(data_task, parts, source)

    def brought(self, network: Any, of: Task, kind: Any) -> AnomalyDetection:
        """See `Task.brought`."""
        return replace(self, names=of.names)

    def check_network(self, network: Any, inputs: np.ndarray, source: Any) -> None:
        """See `Task.check_network`."""
        wanted = tuple(network.features.input_shape[1:])
        if wanted != inputs.shape[1:]:
            raise InputError(f"{network.name} takes images of shape {wanted}, and {source} gives {inputs.shape[1:]}")

    def plan(self, network: Any) -> Plan:
        """The network keeps what it needs of all examples, in one step."""
        return Plan(None, outside=False, adapts=network.adapt)

    def training_result(self, best_epoch: int, epochs: Any) -> str:
        """See `Task.training_result`; there are no epochs."""
        return f"threshold {self.threshold:.4g}, set on {self.calibration_count:,} normal images not learnt from"

    def inference_model(self, network: Any, preprocess: Any, scale: Any) -> Any:
        """See `Task.inference_model`; with the threshold."""
        return network.with_threshold(self.threshold)

    # ---- answers ----

    def values(self) -> dict[str, Value]:
        """Score, verdict, and a map."""
        return {
            "score": Value("number", "mean squared distance of the oddest patch to the nearest normal one"),
            "is_anomaly": Value("flag", f"whether the score is over {self.threshold:.6g}"),
            "map_bytes": Value(
                "image", "PNG of the size of the input: from 128 on over the threshold, 16 more for twice the distance"
            ),
        }

    def raw_values(self) -> dict[str, Value]:
        """Distances as numbers."""
        return {"distances": Value("array", "the distance of the patch around each pixel, in the unit of the score")}

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """Scores over the threshold are anomalies. `outputs` may be the scores alone."""
        score, limit = outputs["score"], self.threshold
        values = {"score": score, "is_anomaly": score > limit}
        margins = {"is_anomaly": xp.abs(score - limit) / xp.maximum(score, 1.0)}
        if "distances" not in outputs:
            return Answer(values, margins)
        ratio = xp.maximum(xp.expand_dims(outputs["distances"], -1) / max(limit, 1e-6), FAINTEST)
        grey = xp.minimum(MIDDLE + DOUBLE * xp.log2(ratio), 255.0)
        step = ratio * (max(limit, 1e-6) * 0.6931472 / DOUBLE)  # of a distance, to the next grey value
        between = xp.abs(grey - xp.floor(grey) - 0.5) * step  # to where it is rounded otherwise
        return Answer(values | {"map_bytes": grey, "distances": outputs["distances"]}, margins | {"map_bytes": between})

    def overlay(self, answer: Mapping[str, Any], source: Any, kind: Any) -> np.ndarray:
        """The oddest places in warm colours over the photo, at its size."""
        from PIL import Image

        from zoo.tasks.forms import pixels_of

        (size,) = kind.request(kind.raw(source).inputs, ("size",))["size"].tolist()
        grey = Image.fromarray(pixels_of(answer["map_bytes"])[..., 0])
        photo = kind.resized_image(source, tuple(size))
        return heat(photo, np.asarray(grey.resize(size[::-1], Image.Resampling.BILINEAR)))

    # ---- scores ----

    def evaluate(self, exam: Exam) -> DetectionEvaluation:
        """See `Task.evaluate`."""
        simple = {} if exam.inputs is None else anomalies.of_pixels(exam.inputs, exam.held_out, exam.seed)
        return anomalies.detection(exam.part, exam.outputs["score"], self.odd(exam.targets), self.threshold, simple)

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Simple models that do better, false alarms."""
        if exam.network is None:  # how many examples set the threshold is known to training alone
            return ()
        return anomalies.detection_findings(evaluation, self.false_alarms, self.calibration_count)
