"""Distances between two sets of points, and simple distributions of images."""

from __future__ import annotations

import warnings

import numpy as np

MOST = 20_000  # images that a Gaussian is fitted to; more hardly move it
FEW = 10_000  # that a mixture is fitted to, which takes longer
CELLS = 100_000_000  # numbers that it is fitted to: 0.4 GB as float32


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of points, at least 0.

    Args:
        first: float (points, width), one point or more; fewer than the width do no harm.
        second: the same, as many or not.

    Raises:
        ValueError: other shapes, or values that are not finite.

    Source: Dowson and Landau 1982, "The Fréchet Distance between Multivariate Normal Distributions"; for images
        Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium".
    """
    from scipy import linalg

    _check_points(first, second)
    values, vectors = linalg.eigh(_covariance(first))
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # S1 S2 has the eigenvalues of S1^1/2 S2 S1^1/2. That is symmetric, so they are real, and below 0 by rounding only.
    covariance = _covariance(second)
    both = linalg.eigvalsh(root @ covariance @ root).clip(0)
    distance = ((first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)) ** 2).sum()
    return max(0.0, float(distance + values.sum() + np.trace(covariance) - 2 * np.sqrt(both).sum()))


def _covariance(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(axis=0, dtype=np.float64)
    return centred.T @ centred / max(1, len(points) - 1)


def _check_points(first: np.ndarray, second: np.ndarray) -> None:
    if first.ndim != 2 or first.shape[1:] != second.shape[1:] or not (len(first) and len(second)):
        raise ValueError(f"expected two sets of points of one width, received {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("expected finite numbers, received NaN or infinity")


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbours: int = 3, most: int = 3000, seed: int = 0
) -> tuple[float, float]:
    """Shares, in [0, 1], of the generated points among the real ones, and of the real ones among the generated.

    A point is among others if it is in the ball around one of them that reaches to that one's nearest neighbours.

    Args:
        real: float (points, width), one point or more.
        generated: the same, as many or not.
        neighbours: which nearest neighbour the balls reach to, from 1; the farthest where a set has fewer.
        most: points of each that are looked at; of more a random choice.
        seed: of that choice.

    Raises:
        ValueError: other shapes, or values that are not finite.

    Source: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models".
    """
    from scipy.spatial.distance import cdist

    _check_points(real, generated)
    rng = np.random.default_rng(seed)
    real, generated = real[rng.permutation(len(real))[:most]], generated[rng.permutation(len(generated))[:most]]

    def radii(points: np.ndarray) -> np.ndarray:
        nearest = min(neighbours, len(points) - 1)  # at 0 is the point itself
        return np.partition(cdist(points, points), nearest, axis=1)[:, nearest]

    between = cdist(real, generated)
    precision = (between <= radii(real)[:, None]).any(axis=0).mean()
    recall = (between <= radii(generated)[None, :]).any(axis=1).mean()
    return float(precision), float(recall)


def pca_gaussian(pixels: np.ndarray, components: int, count: int, seed: int, parts: int = 1) -> np.ndarray:
    """Images drawn from a Gaussian in the space of the first principal components: the least a generator must beat.

    Args:
        pixels: uint8 or float (images, height, width, channels), 0-255; of more than 20,000, or than fit into 0.4 GB,
            a random choice is taken.
        components: how many, at most as many as there are images, or numbers in an image.
        count: images to draw, uint8 (count, height, width, channels).
        seed: of the choice and the draw.
        parts: of more than one, a mixture of so many Gaussians.

    Raises:
        ValueError: more components than that.

    Source: of mixtures, Richardson and Weiss 2018, "On GANs and GMMs".
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    width = int(np.prod(pixels.shape[1:]))
    rows_used = rng.permutation(len(pixels))[: max(components, min(MOST, CELLS // width))]
    rows = pixels[rows_used].reshape(len(rows_used), width).astype(np.float32)
    model = PCA(components, random_state=seed).fit(rows)
    if parts == 1:
        drawn = rng.normal(size=(count, components)) * np.sqrt(model.explained_variance_)
    else:
        drawn = _mixture(model.transform(rows), parts, count, seed)
    return np.rint(model.inverse_transform(drawn).clip(0, 255)).astype(np.uint8).reshape(count, *pixels.shape[1:])


def _mixture(codes: np.ndarray, parts: int, count: int, seed: int) -> np.ndarray:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    codes = codes[:FEW].astype(np.float64)
    # Variances below a thousandth of all tell of too few examples in a part.
    small = 1e-3 * codes.var(axis=0).mean()
    model = GaussianMixture(parts, reg_covar=small, init_params="k-means++", max_iter=20, random_state=seed)
    # Its many small products take a hundred times as long where threads wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it would still gain is not worth the wait
        return model.fit(codes).sample(count)[0]
