"""Simple models to compare an autoencoder with: for reconstruction, for anomalies, for denoising."""

from __future__ import annotations

import numpy as np

from zoo.evaluation.baselines import few, flat, most_near, nearest
from zoo.evaluation.intervals import paired
from zoo.evaluation.measures import ordered_parts

MOST = 20_000  # examples that principal components and a forest are fitted on
COMPONENTS = 256  # of a linear filter


def of_codes(inputs: np.ndarray, held_out: np.ndarray, components: int, seed: int) -> dict[str, np.ndarray]:
    """Squared error of the reconstruction by as many principal components as the code is wide.

    Args:
        inputs: of the training part, prepared.
        held_out: of the held-out part.
        components: width of the code.
        seed: of the choice of examples, where there are too many.

    Returns:
        name -> float (held_out,); empty if the code is as wide as the inputs.
    """
    from sklearn.decomposition import PCA

    rows, queries = _some(flat(inputs), seed), flat(held_out)
    if components >= min(rows.shape):
        return {}
    present = ~np.isnan(held_out.reshape(len(held_out), -1))  # padding is 0 in rows, and not to be reconstructed
    model = PCA(components, random_state=seed, svd_solver="randomized").fit(rows)
    square = (model.inverse_transform(model.transform(queries)) - queries) ** 2
    return {f"{components} principal components": (square * present).sum(axis=1) / present.sum(axis=1)}


def of_anomalies(inputs: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Anomaly scores of `held_out`: mean distance to the nearest of `inputs`, and an isolation forest.

    Args:
        inputs: of the training part, prepared; they are normal.
        held_out: of the held-out part.
        seed: of the choice of examples, where there are too many, and of the forest.

    Returns:
        name -> float (held_out,), larger for anomalies.

    Source: Ramaswamy, Rastogi and Shim 2000, "Efficient Algorithms for Mining Outliers from Large Data Sets", and for
        the mean Angiulli and Pizzuti 2002; Liu, Ting and Zhou 2008, "Isolation Forest".
    """
    from sklearn.ensemble import IsolationForest

    rows, queries = flat(inputs), flat(held_out)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[: most_near(rows, queries)])
    note = "" if len(chosen) == len(rows) else f" ({len(chosen):,} examples)"
    forest = IsolationForest(n_estimators=200, random_state=seed).fit(_some(rows, seed)[:MOST])
    return {
        f"nearest neighbours{note}": nearest(rows[chosen], queries)[0].mean(axis=1),
        "isolation forest": -forest.score_samples(queries),
    }


def filtered(noisy: np.ndarray, clean_images: np.ndarray, disturbed: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Images without noise: by median filters, and by a linear one.

    The linear one makes principal components smaller, each by the share of noise in it.

    Args:
        noisy: float32 (images, height, width, channels), pixels 0-255.
        clean_images: images without noise that the linear one is fitted on.
        disturbed: the same with noise.
        seed: of the components.

    Returns:
        name -> filtered images, like `noisy`.

    Source: Muresan and Parks 2003, "Adaptive Principal Components and Image Denoising".
    """
    from scipy.ndimage import median_filter
    from sklearn.decomposition import PCA

    clean, rough = (each.reshape(len(clean_images), -1).astype(np.float32) for each in (clean_images, disturbed))
    model = PCA(min(COMPONENTS, *clean.shape), random_state=seed, svd_solver="randomized").fit(clean)
    shares = model.explained_variance_ / (model.explained_variance_ + np.square(rough - clean).mean())
    codes = (noisy.reshape(len(noisy), -1) - rough.mean(axis=0)) @ model.components_.T
    results = {f"median filter {size} x {size}": median_filter(noisy, (1, size, size, 1)) for size in (3, 5)}
    return results | {"shrunk principal components": model.inverse_transform(codes * shares).reshape(noisy.shape)}


def telling(odd: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """ROC-AUC and average precision of `scores`, float (examples,), for the anomalies `odd`, bool (examples,)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "roc_auc": float(roc_auc_score(odd, scores)),
        "average_precision": float(average_precision_score(odd, scores)),
    }


def areas_apart(odd: np.ndarray, scores: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """95 % interval of the ROC-AUC of `scores` less that of `others`.

    Args:
        odd: bool (examples,), which are anomalies; some are, and some are not.
        scores: float (examples,), larger for anomalies.
        others: the same of another model.
    """
    return paired(ordered_parts(odd, scores) - ordered_parts(odd, others), 0)


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows[few(rows, seed)] if len(rows) > MOST else rows
