"""Reconstruction of inputs and detection of anomalies, by autoencoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import anomalies, reconstructions, simple_models
from zoo.evaluation.anomalies import ReconstructionEvaluation
from zoo.evaluation.findings import Finding
from zoo.evaluation.simple_models import areas_apart, telling
from zoo.tasks.detecting import Detecting
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Exam, Measure, Outputs, Plan, Value

ERROR = Measure("reconstruction_mse", "min", lambda _, t, o: o["score"])
BOUND = Measure("bound", "max", lambda _, t, o: o["bound"])


@dataclass(frozen=True)
class Reconstruction(Detecting):
    """Reconstruction of inputs, and the anomalies that are reconstructed badly.

    Attributes:
        window: steps of a window of a series; 0 for other inputs.
    """

    window: int = 0

    name: ClassVar[str] = "reconstruction"
    outputs: ClassVar[tuple[str, ...]] = ("reconstruction", "score")
    family: ClassVar[str] = "autoencoder"
    measures: ClassVar[tuple[Measure, ...]] = (ERROR, BOUND)

    def brought(self, network: Any, of: Task, kind: Any) -> Reconstruction:
        """See `Task.brought`."""
        return replace(self, names=of.names, window=kind.overlap)

    def apart(self, source: Any, counts: Mapping[str, int]) -> int:
        """See `Task.apart`: windows share steps with those before them, and an autoencoder's target is its input."""
        if self.window and min(counts.values()) <= self.window:
            raise InputError(
                f"{source}: expected more than {self.window} steps held out; give a smaller window, or more data"
            )
        return self.window

    @property
    def reach(self) -> int:
        """The window, which is the target too: a window that chooses the epoch shares no step with learnt ones."""
        return self.window

    def check_network(self, network: Any, inputs: np.ndarray, source: Any) -> None:
        """See `Task.check_network`."""
        wanted = tuple(network.encoder.input_shape[1:])
        if inputs.dtype.kind == "i":
            raise InputError(f"{network.name} takes images, tables or sequences; {source} has texts")
        if wanted != inputs.shape[1:]:
            raise InputError(f"{network.name} takes inputs of shape {wanted}, and {source} gives {inputs.shape[1:]}")

    def plan(self, network: Any) -> Plan:
        """The network has its own loss."""
        return Plan(None)

    def inference_model(self, network: Any, preprocess: Any, scale: Any) -> Any:
        """See `Task.inference_model`; with the threshold."""
        import keras

        network.threshold.assign(self.threshold)
        if preprocess is not None and len(preprocess.outputs) > 1:  # the unit of a forecast has no use here
            preprocess = keras.Model(preprocess.input, preprocess.outputs[0], name=preprocess.name)
        return network.behind(preprocess)

    def values(self) -> dict[str, Value]:
        """Reconstruction, score and verdict."""
        return {
            "reconstruction": Value("array", "of the input: of images pixels 0-255, else prepared features"),
            "score": Value("number", "mean squared error", squared=True),
            "is_anomaly": Value("flag", f"whether the score is over {self.threshold:.6g}"),
        }

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """Scores over the threshold are anomalies. `outputs` may be the scores alone."""
        score, limit = outputs["score"], self.threshold
        roots = xp.sqrt(xp.maximum(score, 0.0))
        margin = xp.abs(roots - max(limit, 0.0) ** 0.5) / xp.maximum(roots, 1.0)
        return Answer({**outputs, "score": score, "is_anomaly": score > limit}, {"is_anomaly": margin})

    def network_outputs(self, network: Any) -> Any:
        """See `Task.network_outputs`."""
        return lambda inputs: self.named(network.answers(inputs))

    def outputs_of(self, model: Any, inputs: Any) -> dict[str, np.ndarray]:
        """See `Task.outputs_of`."""
        return {"reconstruction": model.reconstruct(inputs), "score": model.score(inputs)}

    def search_outputs(self, exam: Exam, measure: Measure) -> dict[str, np.ndarray]:
        """See `Task.search_outputs`."""
        if measure is BOUND:
            return {"bound": reconstructions.bounds(exam.network, exam.inputs, exam.held_out, exam.seed)}
        return {"score": np.asarray(exam.network.score(exam.held_out))}

    def objectives(self, network: Any) -> tuple[Measure, ...]:
        """The bound of a variational autoencoder; else the error."""
        return (BOUND,) if network.variational else (ERROR,)

    def evaluate(self, exam: Exam) -> ReconstructionEvaluation:
        """See `Task.evaluate`."""
        network, scores, inputs, seed = exam.network, exam.outputs["score"], exam.inputs, exam.seed
        odd = self.odd(exam.targets)
        images, normal = inputs.ndim == 4, exam.held_out[~odd]
        scores_by_name: dict[str, Any] = {
            "part": exam.part,
            "examples": len(normal),
            "mse": float(scores[~odd].mean()),
            "psnr": reconstructions.psnr(scores[~odd]) if images else None,
            "threshold": self.threshold,
            "false_alarms": float((scores[~odd] > self.threshold).mean()),
        }
        simple = simple_models.of_codes(inputs, exam.held_out, int(np.prod(network.code_shape)), seed)
        scores_by_name["baselines"] = {name: {"mse": float(errors[~odd].mean())} for name, errors in simple.items()}
        if odd.any():
            simple |= simple_models.of_anomalies(inputs, exam.held_out, seed)
            for name, said in simple.items():
                scores_by_name["baselines"][name] = scores_by_name["baselines"].get(name, {}) | telling(odd, said)
            scores_by_name["differences"] = {name: areas_apart(odd, said, scores) for name, said in simple.items()}
            scores_by_name |= {"anomalies": int(odd.sum()), "detected": float((scores[odd] > self.threshold).mean())}
            scores_by_name |= telling(odd, scores)
        if network.noise:
            denoised = reconstructions.denoising(network, inputs, normal, network.noise, seed)
            scores_by_name |= denoised | {"baselines": scores_by_name["baselines"] | denoised["baselines"]}
        if network.variational:
            some = np.sort(np.random.default_rng(seed).permutation(len(normal))[: reconstructions.EXAMPLES])
            scores_by_name |= reconstructions.variational(network, inputs, normal[some], seed)
        if network.variational and images and not self.normal and exam.judge is not None:
            made = network.generate(len(normal), seed=seed + 1)
            scores_by_name["samples"] = exam.judge(made, None)
        return ReconstructionEvaluation(**scores_by_name)

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Collapsed codes, simple models that do better, false alarms."""
        return anomalies.findings(evaluation, self.false_alarms, exam.network.code_shape[-1], self.calibration_count)

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Reconstruction:
        """See `Task.from_card`."""
        return replace(super().from_card(card), window=card["input"].get("window", 0))
