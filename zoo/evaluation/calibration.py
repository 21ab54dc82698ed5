"""Calibration: whether of the predictions with a probability of 0.8 eight in ten are right."""

from __future__ import annotations

import numpy as np

BINS = 15  # of equal width
FEWEST = 30  # examples to fit a temperature on
TINY = 1e-7  # probability that is taken for 0, as Keras does
SPREAD = 0.2  # of the logarithm of temperatures: a few examples can't tell a larger one from chance


def as_probabilities(logits: np.ndarray, several: bool) -> np.ndarray:
    """Softmax of logits float (examples, classes); for `several` labels the sigmoid of each."""
    from scipy.special import expit, softmax

    return expit(logits) if several else softmax(logits, axis=1)


def as_logits(probabilities: np.ndarray, several: bool) -> np.ndarray:
    """The way back, from float64 (examples, classes) in (0, 1); those of 0 and 1 are finite too."""
    shares = np.clip(probabilities, TINY, 1 - TINY if several else 1)
    return np.log(shares) - np.log1p(-shares) if several else np.log(shares)


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over bins of confidence, in [0, 1].

    Args:
        right: bool (predictions,).
        confidence: the probability of each prediction, float (predictions,).

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3, with 15 bins.
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(right))


def temperature(logits: np.ndarray, targets: np.ndarray, several: bool) -> float:
    """The most probable number by which logits are divided, 1 for fewer than 30 examples.

    It minimises the log loss; its logarithm has a normal prior with mean 0 and deviation 0.2.

    Args:
        logits: float (examples, classes), of examples that the model did not learn from.
        targets: int64 (examples,); or (examples, classes) of 0 and 1 for several labels.
        several: whether an example may have several labels.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    from scipy.optimize import minimize_scalar

    from zoo.evaluation.measures import binary_cross_entropy, cross_entropy

    if len(logits) < FEWEST:
        return 1.0
    loss = binary_cross_entropy if several else cross_entropy

    def surprise(power: float) -> float:
        likely = as_probabilities(logits / np.exp(power), several)
        return float(loss(targets, likely).sum() + (power / SPREAD) ** 2 / 2)

    return float(np.exp(minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded").x))
