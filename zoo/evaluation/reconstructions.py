"""Measures of reconstructions: denoising beside simple filters, and the bound of a variational autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.evaluation import simple_models

if TYPE_CHECKING:
    from zoo.builders.models import Autoencoder, VariationalAutoencoder

EXAMPLES = 2000  # that a deviation or a bound is estimated on
FITTED = 5000  # images that a filter is fitted on
INACTIVE = 0.01  # variance of a code's means below which it says nothing; Burda et al. 2016, section 5.2


def psnr(errors: np.ndarray) -> float:
    """Mean over images of the peak signal-to-noise ratio, in dB, of errors in unit range squared."""
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))


def denoising(network: Autoencoder, inputs: np.ndarray, images: np.ndarray, noise: float, seed: int) -> dict[str, Any]:
    """PSNR of images with noise, of what the network makes of them, and of simple filters.

    Args:
        network: a denoising autoencoder.
        inputs: images of the training part, uint8.
        images: held-out ones.
        noise: its deviation, in unit range.
        seed: of what is drawn.
    """
    noisy, clean = with_noise(images, noise, seed), images.astype(np.float32)

    def ratio(images_made: np.ndarray) -> float:
        return psnr(np.mean(((images_made - clean) / 255) ** 2, axis=(1, 2, 3)))

    sample = inputs[np.sort(np.random.default_rng(seed).permutation(len(inputs))[:FITTED])]
    filtered = simple_models.filtered(noisy, sample, with_noise(sample, noise, seed + 1), seed)
    return {
        "psnr": ratio(network.reconstruct(noisy)),
        "noisy": ratio(noisy),
        "baselines": {name: {"psnr": ratio(result)} for name, result in filtered.items()},
    }


def with_noise(images: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Images with normal noise of deviation `noise` in unit range, clipped: float32, pixels 0-255."""
    drawn = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + 255 * noise * drawn, 0, 255).astype(np.float32)


def variational(network: Any, inputs: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, Any]:
    """Bound and active codes.

    Args:
        network: a variational autoencoder.
        inputs: prepared inputs of the training part.
        held_out: held-out ones.
        seed: of what is drawn.
    """
    bound = float(bounds(network, inputs, held_out, seed).mean())
    mean = network.encode(_some(inputs, seed))
    scores: dict[str, Any] = {"bound": bound, "active": int((mean.var(axis=0) > INACTIVE).sum())}
    if inputs.ndim == 4:
        scores["bits"] = -bound / float(np.prod(inputs.shape[1:])) / float(np.log(2))
    return scores


def _some(inputs: np.ndarray, seed: int) -> np.ndarray:
    return inputs[np.sort(np.random.default_rng(seed).permutation(len(inputs))[:EXAMPLES])].astype(np.float32)


def bounds(network: VariationalAutoencoder, inputs: np.ndarray, held_out: np.ndarray, seed: int) -> np.ndarray:
    """Evidence lower bound of each example of `held_out`, in nats, float64 (examples,), with one drawn code.

    Args:
        network: trained.
        inputs: prepared inputs that the decoder's deviation is estimated on.
        held_out: prepared inputs.
        seed: of what is drawn.
    """
    from keras import ops

    from zoo.arrays import apply
    from zoo.builders.models import BATCH

    rng, sample = np.random.default_rng([seed, 1]), _some(inputs, seed)

    def drawn(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        both = apply(lambda batch: ops.concatenate(network.encoder(batch, training=False), axis=-1), rows, BATCH)
        mean, log_variance = np.split(both, 2, axis=-1)
        codes = mean + np.exp(log_variance / 2) * rng.standard_normal(mean.shape, np.float32)
        return mean, log_variance, network.decode(codes)

    deviation = float(np.sqrt(np.mean((drawn(sample)[2] - sample) ** 2)))
    mean, log_variance, reconstructions = drawn(held_out.astype(np.float32))
    divergence = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)
    likelihood = _log_probability(held_out.astype(np.float64), reconstructions, deviation, rounded=inputs.ndim == 4)
    return likelihood.reshape(len(held_out), -1).sum(axis=1) - divergence


def _log_probability(values: np.ndarray, means: np.ndarray, deviation: float, *, rounded: bool) -> np.ndarray:
    """Of values under normal distributions; where `rounded`, of the interval around each, 0 and 255 open."""
    from scipy.special import log_ndtr

    if not rounded:
        return -0.5 * (((values - means) / deviation) ** 2 + np.log(2 * np.pi * deviation**2))
    low = np.where(values <= 0, -np.inf, (values - 0.5 - means) / deviation)
    high = np.where(values >= 255, np.inf, (values + 0.5 - means) / deviation)
    # Both ends on the side where the distribution function is small and its logarithm exact.
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    below, up_to = log_ndtr(low), log_ndtr(high)
    with np.errstate(invalid="ignore"):
        return up_to + np.where(np.isneginf(below), 0.0, np.log1p(-np.exp(np.minimum(below - up_to, -1e-12))))
