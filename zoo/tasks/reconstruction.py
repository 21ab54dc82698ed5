"""What a trained autoencoder is asked: how well it reconstructs, and what it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.artifacts import artifact, example, further_signatures
from zoo.artifacts.gate import gate_sample
from zoo.data.dataset import Data, chosen_inputs
from zoo.errors import InputError
from zoo.evaluation import judging, simple_models
from zoo.evaluation.judging import GenerationEvaluation
from zoo.evaluation.simple_models import areas_apart, telling
from zoo.tasks import generation
from zoo.training.composition import prepared

if TYPE_CHECKING:
    from zoo.artifacts.gate import Gate, Parity
    from zoo.builders.models import Autoencoder, VariationalAutoencoder

EXAMPLES = 2000  # that a deviation or a bound is estimated on
FITTED = 5000  # images that a filter is fitted on
INACTIVE = 0.01  # variance of a code's means below which it says nothing; Burda et al. 2016, section 5.2


@dataclass(frozen=True)
class ReconstructionEvaluation:
    """Scores of an autoencoder on the held-out examples that are normal, and on how it tells the others.

    Attributes:
        part: which part was scored.
        examples: how many normal ones.
        mse: mean squared error; of images in unit range, else in units of the prepared features.
        psnr: of images, mean over them of the peak signal-to-noise ratio, in dB.
        noisy: of a denoising autoencoder, PSNR of the images with noise that `psnr` was reached from; else None.
        threshold: score above which an example is an anomaly.
        false_alarms: share of these examples above it.
        anomalies: how many held-out examples are not normal.
        detected: share of them above the threshold; None without any.
        roc_auc, average_precision: of telling anomalies by the score; None without any.
        bound: of a variational autoencoder, the evidence lower bound, in nats an example, a code drawn for each of up
            to 2,000; of images the probability of their whole pixels, else the density of the prepared features.
        bits: of images, the bits a pixel and channel that this bound allows to store them in.
        active: of a variational autoencoder, how many codes vary with the input.
        samples: of a variational autoencoder on images with classes, how good those are that it makes.
        baselines: the same scores of simple models, by name.
        differences: 95 % interval of their ROC-AUC less this one, by name.
    """

    part: str
    examples: int
    mse: float
    psnr: float | None
    threshold: float
    false_alarms: float
    noisy: float | None = None
    anomalies: int = 0
    detected: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    bound: float | None = None
    bits: float | None = None
    active: int | None = None
    samples: GenerationEvaluation | None = None
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    differences: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON holds them."""
        return asdict(self)


def normal_only(data: Data, normal: Sequence[str]) -> Data:
    """`data` with the training part's examples of the classes `normal` alone.

    Raises:
        InputError: there is no such class, all of them are normal, the task has no classes, no training example is
            normal, or the held-out part does not have both kinds.
    """
    if data.task != "classification":
        raise InputError(f"{data.source}: normal classes can be told where there are classes, not for {data.task}")
    unknown = [name for name in normal if name not in data.classes]
    if unknown:
        raise InputError(f"expected normal classes out of {', '.join(data.classes)}; received {unknown[0]!r}")
    if set(normal) == set(data.classes):
        raise InputError("expected some class that is not normal; leave normal out to learn from all of them")
    positions = [data.classes.index(name) for name in normal]
    kept = np.isin(data.train.targets, positions)
    if not kept.any():
        raise InputError(f"{data.source}: no training example is of a normal class, {', '.join(normal)}")
    asked = np.isin(data.held_out.targets, positions)
    if asked.all() or not asked.any():
        which = "no normal" if not asked.any() else "nothing but normal"
        raise InputError(f"{data.source}: expected normal and other examples held out, to score on; found {which} ones")
    return replace(data, train=data.train.chosen(np.flatnonzero(kept)))


def windows_apart(data: Data) -> Data:
    """A series' held-out windows without those that share steps with learnt ones: an autoencoder's target is its input.

    Raises:
        InputError: none is left.
    """
    window = data.input.get("window", 0)
    if not window:
        return data
    parts = {name: part for name, part in data.parts.items() if name != "train"}
    if min(map(len, parts.values())) <= window:
        raise InputError(
            f"{data.source}: expected more than {window} steps held out; give a smaller window, or more data"
        )
    return replace(data, **{name: part.chosen(np.arange(window, len(part))) for name, part in parts.items()})


def check_fit(network: Autoencoder, data: Data, inputs: np.ndarray) -> None:
    """Whether `network` can learn `data`, before the first step.

    Raises:
        InputError: texts, or inputs of another shape.
    """
    if data.input["kind"] == "text":
        raise InputError(f"{network.name} takes images, tables or sequences; {data.source} has texts")
    wanted = tuple(network.encoder.input_shape[1:])
    if wanted != inputs.shape[1:]:
        raise InputError(f"{network.name} takes inputs of shape {wanted}, and {data.source} gives {inputs.shape[1:]}")


def finish(
    network: Autoencoder,
    data: Data,
    inputs: np.ndarray,
    threshold: float,
    normal: Sequence[str],
    seed: int,
) -> tuple[Autoencoder, np.ndarray, ReconstructionEvaluation]:
    """Set the threshold of a trained autoencoder, put its preprocessing before it, and score it.

    Args:
        network: on prepared inputs.
        data: with the normal examples alone in its training part.
        inputs: of that part, prepared.
        threshold: score above which an example is an anomaly.
        normal: classes that are; all where empty.
        seed: of what is drawn.

    Returns:
        raw inputs to reconstructions; the score of each held-out example, float32 (examples,); and the evaluation.
    """
    network.threshold.assign(threshold)
    whole = network.behind(data.preprocess)
    asked = prepared(data, data.held_out)
    scores = network.score(asked)
    odd = np.zeros(len(asked), bool)
    if normal:
        odd = ~np.isin(data.held_out.targets, [data.classes.index(name) for name in normal])
    images, usual = inputs.ndim == 4, asked[~odd]
    found: dict[str, Any] = {
        "part": "test" if data.test is not None else "validation",
        "examples": len(usual),
        "mse": float(scores[~odd].mean()),
        "psnr": _psnr(scores[~odd]) if images else None,
        "threshold": float(network.threshold),
        "false_alarms": float((scores[~odd] > float(network.threshold)).mean()),
    }
    simple = simple_models.of_codes(inputs, asked, int(np.prod(network.code_shape)), seed)
    found["baselines"] = {name: {"mse": float(errors[~odd].mean())} for name, errors in simple.items()}
    if odd.any():
        simple |= simple_models.of_anomalies(inputs, asked, seed)
        for name, said in simple.items():
            found["baselines"][name] = found["baselines"].get(name, {}) | telling(odd, said)
        found["differences"] = {name: areas_apart(odd, said, scores) for name, said in simple.items()}
        found |= {"anomalies": int(odd.sum()), "detected": float((scores[odd] > float(network.threshold)).mean())}
        found |= telling(odd, scores)
    noise = next((layer.stddev for layer in network.encoder.layers if hasattr(layer, "stddev")), 0.0)
    if noise:
        denoised = _denoising(network, inputs, usual, noise, seed)
        found |= denoised | {"baselines": found["baselines"] | denoised["baselines"]}
    if hasattr(network, "beta"):
        some = np.sort(np.random.default_rng(seed).permutation(len(usual))[:EXAMPLES])
        found |= _variational(network, inputs, usual[some], seed)
    if hasattr(network, "beta") and images and not normal and generation.has_judge(data):
        made = network.generate(len(usual), seed=seed + 1)
        found["samples"] = generation.judged_samples(made, data, inputs, usual, seed)
    return whole, scores, ReconstructionEvaluation(**found)


def publish(
    model: Autoencoder,
    data: Data,
    card: dict[str, Any],
    evaluation: ReconstructionEvaluation,
    *,
    out: Path,
    run: Path,
    gate: Gate,
    seed: int,
) -> Path:
    """Export `model`, prove the export equal to it, and make it the next version of `out`; as `artifact.publish`."""
    asked = chosen_inputs(data.held_out.inputs, np.array(gate_sample(data.held_out, seed)))
    known = {"classes": list(data.classes), "task": "reconstruction", "data_fingerprint": data.fingerprint}
    known |= {"threshold": float(model.threshold), "metrics": evaluation.to_dict()}

    if evaluation.samples is not None:
        judging.judge(data).model.save(run / "judge.keras")

    def export(folder: Path) -> None:
        further_signatures.autoencoder(model, folder, data.input)
        example.write(folder, data.train, data.input)

    def prove(folder: Path) -> tuple[Parity, dict[str, Any]]:
        return further_signatures.compare_autoencoder(folder, asked, data.input, gate), known

    return artifact.staged(model, card, out=out, run=run, export=export, prove=prove)


def _psnr(errors: np.ndarray) -> float:
    """Mean over images of the peak signal-to-noise ratio, in dB, of errors in unit range squared."""
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))


def _denoising(network: Autoencoder, inputs: np.ndarray, images: np.ndarray, noise: float, seed: int) -> dict[str, Any]:
    """PSNR of images with noise, of what the network makes of them, and of simple filters."""
    noisy, clean = with_noise(images, noise, seed), images.astype(np.float32)

    def ratio(found: np.ndarray) -> float:
        return _psnr(np.mean(((found - clean) / 255) ** 2, axis=(1, 2, 3)))

    known = inputs[np.sort(np.random.default_rng(seed).permutation(len(inputs))[:FITTED])]
    filtered = simple_models.filtered(noisy, known, with_noise(known, noise, seed + 1), seed)
    return {
        "psnr": ratio(network.reconstruct(noisy)),
        "noisy": ratio(noisy),
        "baselines": {name: {"psnr": ratio(made)} for name, made in filtered.items()},
    }


def with_noise(images: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Images with normal noise of deviation `noise` in unit range, clipped: float32, pixels 0-255."""
    drawn = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + 255 * noise * drawn, 0, 255).astype(np.float32)


def _variational(network: Any, inputs: np.ndarray, asked: np.ndarray, seed: int) -> dict[str, Any]:
    """Bound and active codes."""
    bound = float(bounds(network, inputs, asked, seed).mean())
    mean = network.encode(_some(inputs, seed))
    found: dict[str, Any] = {"bound": bound, "active": int((mean.var(axis=0) > INACTIVE).sum())}
    if inputs.ndim == 4:
        found["bits"] = -bound / float(np.prod(inputs.shape[1:])) / float(np.log(2))
    return found


def _some(inputs: np.ndarray, seed: int) -> np.ndarray:
    return inputs[np.sort(np.random.default_rng(seed).permutation(len(inputs))[:EXAMPLES])].astype(np.float32)


def bounds(network: VariationalAutoencoder, inputs: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """Evidence lower bound of each example of `asked`, in nats, float64 (examples,), with one drawn code.

    Args:
        network: trained.
        inputs: prepared inputs that the decoder's deviation is estimated on.
        asked: prepared inputs.
        seed: of what is drawn.
    """
    from keras import ops

    from zoo.arrays import apply
    from zoo.builders.models import BATCH

    rng, some = np.random.default_rng([seed, 1]), _some(inputs, seed)

    def drawn(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        both = apply(lambda batch: ops.concatenate(network.encoder(batch, training=False), axis=-1), rows, BATCH)
        mean, log_variance = np.split(both, 2, axis=-1)
        codes = mean + np.exp(log_variance / 2) * rng.standard_normal(mean.shape, np.float32)
        return mean, log_variance, network.decode(codes)

    deviation = float(np.sqrt(np.mean((drawn(some)[2] - some) ** 2)))
    mean, log_variance, made = drawn(asked.astype(np.float32))
    divergence = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)
    likelihood = _log_probability(asked.astype(np.float64), made, deviation, whole=inputs.ndim == 4)
    return likelihood.reshape(len(asked), -1).sum(axis=1) - divergence


def _log_probability(values: np.ndarray, means: np.ndarray, deviation: float, *, whole: bool) -> np.ndarray:
    """Of values under normal distributions; `whole`: of whole pixels, each the interval around it, 0 and 255 open."""
    from scipy.special import log_ndtr

    if not whole:
        return -0.5 * (((values - means) / deviation) ** 2 + np.log(2 * np.pi * deviation**2))
    low = np.where(values <= 0, -np.inf, (values - 0.5 - means) / deviation)
    high = np.where(values >= 255, np.inf, (values + 0.5 - means) / deviation)
    # Both ends on the side where the distribution function is small and its logarithm exact.
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    below, up_to = log_ndtr(low), log_ndtr(high)
    with np.errstate(invalid="ignore"):
        return up_to + np.where(np.isneginf(below), 0.0, np.log1p(-np.exp(np.minimum(below - up_to, -1e-12))))
