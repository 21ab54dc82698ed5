"""Giving back the input, and telling what is not like it: what autoencoders learn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.evaluation import anomalies, reconstructions, simple_models
from zoo.evaluation.anomalies import ReconstructionEvaluation
from zoo.evaluation.baselines import Examples
from zoo.evaluation.findings import Finding
from zoo.evaluation.simple_models import areas_apart, telling
from zoo.tasks import thresholds
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Exam, HeldOutScores, Measure, Outputs, Plan, Value, Written

ERROR = Measure("reconstruction_mse", "min", lambda _, t, o: o["score"])
BOUND = Measure("bound", "max", lambda _, t, o: o["bound"])


@dataclass(frozen=True)
class Reconstruction(Task):
    """Giving back the input. Targets are classes where there are such, and are not learnt.

    Attributes:
        threshold: score above which an example is an anomaly.
        normal: names of the classes that are none; a network learns from these alone. All classes where empty.
        false_alarms: share of normal examples that may be over the threshold, in (0, 1).
        window: of a series, its steps; 0 for what is none.
        usual: how many scores of normal examples set the threshold; the card does not say it.
    """

    threshold: float = 0.0
    normal: tuple[str, ...] = ()
    false_alarms: float = 0.01
    window: int = 0
    usual: int = field(default=0, compare=False)

    name: ClassVar[str] = "reconstruction"
    outputs: ClassVar[tuple[str, ...]] = ("reconstruction", "score")
    from_columns: ClassVar[bool] = False
    family: ClassVar[str] = "autoencoder"
    supervised: ClassVar[bool] = False
    checks_classes: ClassVar[bool] = False
    measures: ClassVar[tuple[Measure, ...]] = (ERROR, BOUND)

    def __post_init__(self) -> None:
        thresholds.check_rate(self.false_alarms)

    @classmethod
    def of(cls, raw: Written) -> Reconstruction:
        """Targets say nothing."""
        return cls()

    def encode(self, raw: Written) -> np.ndarray:
        """Zeros: the input is the target."""
        return np.zeros(len(raw.names), np.int64)

    def brought(self, network: Any, of: Task, kind: Any) -> Reconstruction:
        """See `Task.brought`."""
        return replace(self, names=of.names, window=kind.overlap)

    def chosen(self, data_task: Task, parts: Mapping[str, Any], source: Any) -> np.ndarray | None:
        """See `Task.chosen`: the normal examples.

        Raises:
            InputError: there is no such class, all of them are normal, the task has no classes, no training example is
                normal, or the held-out part does not have both kinds.
        """
        if not self.normal:
            return None
        if data_task.several or not data_task.counts(parts["train"].targets):
            raise InputError(f"{source}: normal classes can be named where there are classes, not for {data_task.name}")
        unknown = [name for name in self.normal if name not in data_task.names]
        if unknown:
            raise InputError(f"expected normal classes out of {', '.join(data_task.names)}; received {unknown[0]!r}")
        if set(self.normal) == set(data_task.names):
            raise InputError("expected some class that is not normal; leave normal out to learn from all of them")
        positions = [data_task.names.index(name) for name in self.normal]
        kept = np.isin(parts["train"].targets, positions)
        if not kept.any():
            raise InputError(f"{source}: no training example is of a normal class, {', '.join(self.normal)}")
        normal = np.isin((parts.get("test") or parts["validation"]).targets, positions)
        if normal.all() or not normal.any():
            which = "no normal" if not normal.any() else "nothing but normal"
            raise InputError(f"{source}: expected normal and other examples held out, to score on; found {which} ones")
        return np.flatnonzero(kept)

    def apart(self, source: Any, counts: Mapping[str, int]) -> int:
        """See `Task.apart`: windows share steps with those before them, and an autoencoder's target is its input."""
        if self.window and min(counts.values()) <= self.window:
            raise InputError(
                f"{source}: expected more than {self.window} steps held out; give a smaller window, or more data"
            )
        return self.window

    @property
    def reach(self) -> int:
        """An autoencoder's target is its window: none that chooses may reach into those learnt."""
        return self.window

    def check_network(self, network: Any, inputs: np.ndarray, source: Any) -> None:
        """See `Task.check_network`."""
        wanted = tuple(network.encoder.input_shape[1:])
        if inputs.dtype.kind == "i":
            raise InputError(f"{network.name} takes images, tables or sequences; {source} has texts")
        if wanted != inputs.shape[1:]:
            raise InputError(f"{network.name} takes inputs of shape {wanted}, and {source} gives {inputs.shape[1:]}")

    def learnt(
        self, source: Any, targets: np.ndarray, inputs: np.ndarray, chosen: np.ndarray
    ) -> tuple[np.ndarray, None]:
        """Nothing beside the inputs."""
        return np.zeros(len(inputs), np.int32), None

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

    def calibrated(self, network: Any, unlearnt: HeldOutScores) -> tuple[Reconstruction, dict[str, Any]]:
        """See `Task.calibrated`: with the threshold."""
        usual = unlearnt(
            lambda network, inputs: network.score(inputs), lambda count: (count + 1) * self.false_alarms >= 1
        )
        count = len(usual.scores)
        limit = np.float32(thresholds.threshold(usual.scores, self.false_alarms))  # as the network keeps it
        known = {
            "threshold_from": usual.source,
            "false_alarms_promised": thresholds.promised(count, self.false_alarms),
            "false_alarms_between": thresholds.between(count, self.false_alarms),
        }
        return replace(self, threshold=float(limit), usual=count), known

    def values(self) -> dict[str, Value]:
        """Reconstruction, score and verdict."""
        return {
            "reconstruction": Value("array", "of the input: of images pixels 0-255, else prepared features"),
            "score": Value("number", "mean squared error", squared=True),
            "is_anomaly": Value("flag", f"whether the score is over {self.threshold:.6g}"),
        }

    def answer(self, outputs: Outputs, request: Mapping[str, Any], xp: Any) -> Answer:
        """Scores over the threshold are anomalies; scores alone are enough for that."""
        score, limit = outputs["score"], self.threshold
        roots = xp.sqrt(xp.maximum(score, 0.0))
        margin = xp.abs(roots - max(limit, 0.0) ** 0.5) / xp.maximum(roots, 1.0)
        return Answer({**outputs, "score": score, "is_anomaly": score > limit}, {"is_anomaly": margin})

    @property
    def labels(self) -> tuple[str, ...]:
        """None: there are no classes."""
        return ()

    def beside(self) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": self.threshold}

    def network_outputs(self, network: Any) -> Any:
        """See `Task.network_outputs`."""
        return lambda inputs: self.named(network.answers(inputs))

    def outputs_of(self, model: Any, inputs: Any) -> dict[str, np.ndarray]:
        """See `Task.outputs_of`."""
        return {"reconstruction": model.reconstruct(inputs), "score": model.score(inputs)}

    def simple(self, examples: Examples) -> dict[str, np.ndarray]:
        """None here: `evaluate` compares with simple models."""
        return {}

    def exam_outputs(self, exam: Exam) -> dict[str, np.ndarray]:
        """See `Task.exam_outputs`: scores."""
        return {"score": exam.network.score(exam.held_out)}

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
        odd = np.zeros(len(scores), bool)
        if self.normal:
            odd = ~np.isin(exam.targets, [self.names.index(name) for name in self.normal])
        images, usual = inputs.ndim == 4, exam.held_out[~odd]
        scores_by_name: dict[str, Any] = {
            "part": exam.part,
            "examples": len(usual),
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
            denoised = reconstructions.denoising(network, inputs, usual, network.noise, seed)
            scores_by_name |= denoised | {"baselines": scores_by_name["baselines"] | denoised["baselines"]}
        if network.variational:
            some = np.sort(np.random.default_rng(seed).permutation(len(usual))[: reconstructions.EXAMPLES])
            scores_by_name |= reconstructions.variational(network, inputs, usual[some], seed)
        if network.variational and images and not self.normal and exam.judge is not None:
            made = network.generate(len(usual), seed=seed + 1)
            scores_by_name["samples"] = exam.judge(made, None)
        return ReconstructionEvaluation(**scores_by_name)

    def findings(self, exam: Exam, evaluation: Any) -> tuple[Finding, ...]:
        """Collapsed codes, simple models that do better, false alarms."""
        return anomalies.findings(evaluation, self.false_alarms, exam.network.code_shape[-1], self.usual)

    def options(self) -> dict[str, Any]:
        """Normal classes, and the share of false alarms."""
        return {"normal": list(self.normal), "false_alarms": self.false_alarms}

    def to_card(self) -> dict[str, Any]:
        """With the threshold."""
        return super().to_card() | {"threshold": self.threshold} | self.options()

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Reconstruction:
        """See `Task.from_card`."""
        return cls(
            tuple(card["classes"]),
            threshold=card["threshold"],
            normal=tuple(card.get("normal", ())),
            false_alarms=card.get("false_alarms", 0.01),
            window=card["input"].get("window", 0),
        )

    @classmethod
    def card_problem(cls, card: Mapping[str, Any]) -> tuple[str, str] | None:
        """The threshold is a number."""
        limit = card.get("threshold")
        if isinstance(limit, int | float) and not isinstance(limit, bool) and np.isfinite(limit):
            return None
        return "threshold", "a number"

    def shapes(self, card: Mapping[str, Any], model: Any) -> Iterator[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """The threshold."""
        limit = float(model.threshold)
        same = math.isclose(card["threshold"], limit, rel_tol=1e-5)
        yield "threshold", (card["threshold"],), (None if same else limit,)
