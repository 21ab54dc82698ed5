"""Linear heads on embeddings: scikit-learn fits them, Keras layers carry them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.evaluation.baselines import most_near, neighbours
from zoo.evaluation.measures import binary_cross_entropy, cross_entropy

# Inverse strengths of the L2 penalty, on standardised embeddings: the range in which cross-validation finds its
# choice for 10 to 10,000 images.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
IMBALANCE = 1.5  # largest to smallest class, from which on classes are weighted


@dataclass(frozen=True)
class Head:
    """A linear layer from raw embeddings to probabilities; standardisation is folded into it.

    Attributes:
        kernel: float32 (width, classes). bias: float32 (classes,).
        activation: ``softmax``, or ``sigmoid`` for multi-label.
        strength: inverse of the L2 penalty that was chosen.
        weighted: whether rare classes were given more weight.
        folds: of the cross-validation that chose; 0 where the classes were too small for it.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    strength: float
    weighted: bool
    folds: int

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """float32 (batch, classes) from float32 (batch, width)."""
        logits = embeddings @ self.kernel + self.bias
        if self.activation == "sigmoid":
            return 1 / (1 + np.exp(-logits))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def simple(embeddings: np.ndarray, hot: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    """What the nearest neighbours among the embeddings say: name -> float (asked, classes).

    Args:
        embeddings: float32 (examples, width), of the training part.
        hot: (examples, classes) of 0 and 1, which an example has.
        asked: float32 (asked, width).
    """
    some = np.random.default_rng(0).permutation(len(embeddings))[: most_near(embeddings, asked)]
    return {"nearest neighbours of the embeddings": neighbours(embeddings[some], hot[some], asked)}


def fit(
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    num_classes: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
) -> Head:
    """Standardise, then logistic regression to convergence, its strength chosen by stratified cross-validation.

    Multinomial for one label an example, one against the rest for several. Of the strengths whose log loss is
    within one standard error of the best, the strongest penalty is taken (Breiman et al. 1984, section 3.4.3).

    Where rare classes are given more weight, the probabilities are those of classes as frequent as here all the same:
    the bias takes the weights back, so that what is learnt of rare classes is not paid for with odds that are wrong.

    Args:
        embeddings: float32 (examples, width).
        targets: int64 (examples,), or (examples, classes) of 0 and 1.
        seed: of the folds.
        num_classes: width of the output; every class has an example.
        strength: inverse of the L2 penalty; chosen where None.
        units: int64 (examples,), as `zoo.data.Part.together` has them: examples with equal values, copies and groups,
            are in one fold. None where each is for itself.

    Source: for the bias, Elkan 2001, "The Foundations of Cost-Sensitive Learning", theorem 2; Saerens, Latinne and
        Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", equation 2.4.
    """
    units = np.arange(len(targets)) if units is None else units
    several = targets.ndim == 2
    counts = targets.sum(axis=0) if several else np.bincount(targets, minlength=num_classes)
    weighted = bool(counts.max() > IMBALANCE * counts.min()) and not several
    folds = min(5, _fewest_units(targets if several else np.eye(num_classes)[targets], units, several))
    folds = folds if folds > 1 and strength is None else 0
    if strength is None:
        strength = _choose(embeddings, targets, units, folds, weighted, several, seed) if folds else 1e-2
    fitted = estimator(several, strength, weighted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label that every example has, told by the intake instead
        fitted.fit(embeddings, targets)
    kernel, bias = _folded(fitted, several)
    if weighted:
        bias = (bias + np.log(counts / counts.sum())).astype(np.float32)
    return Head(kernel, bias, "sigmoid" if several else "softmax", strength, weighted, folds)


def estimator(several: bool, strength: float, weighted: bool) -> Any:
    """The scikit-learn pipeline behind `fit`, unfitted."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = "balanced" if weighted else None
    regression = LogisticRegression(C=strength, class_weight=weights, max_iter=5000, tol=1e-6)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(regression) if several else regression)


def _fewest_units(hot: np.ndarray, units: np.ndarray, several: bool) -> int:
    """Copies and groups that have the class of fewest; of labels, that have or lack one."""
    if several:
        return min(len(np.unique(units[label == each])) for label in hot.T for each in (0, 1))
    return min(len(np.unique(units[label == 1])) for label in hot.T if label.any())


def _choose(
    embeddings: np.ndarray,
    targets: np.ndarray,
    units: np.ndarray,
    folds: int,
    weighted: bool,
    several: bool,
    seed: int,
) -> float:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    loss = binary_cross_entropy if several else cross_entropy
    plain, grouped = (KFold, GroupKFold) if several else (StratifiedKFold, StratifiedGroupKFold)
    alone = len(np.unique(units)) == len(units)
    splitter = (plain if alone else grouped)(folds, shuffle=True, random_state=seed)
    losses = np.zeros((len(STRENGTHS), folds))
    for fold, (inner, outer) in enumerate(splitter.split(embeddings, targets, None if alone else units)):
        # One scaling a fold, fitted on its training side, serves all strengths.
        scaler, _ = estimator(several, 1.0, weighted)
        train, score = scaler.fit_transform(embeddings[inner]), scaler.transform(embeddings[outer])
        for row, strength in enumerate(STRENGTHS):
            model = estimator(several, strength, weighted)[-1]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                # The choice needs no more precision than this; the final fit converges.
                (model.estimator if several else model).set_params(tol=1e-3)
                probabilities = model.fit(train, targets[inner]).predict_proba(score)
            if weighted:
                probabilities = _unweighted(probabilities, np.bincount(targets[inner])[model.classes_])
            if not several:
                probabilities = _spread(probabilities, model, targets)
            losses[row, fold] = loss(targets[outer], probabilities).mean()
    means = losses.mean(axis=1)
    best = int(means.argmin())
    allowed = means[best] + losses[best].std(ddof=1) / np.sqrt(folds)
    return STRENGTHS[int(np.flatnonzero(means <= allowed)[0])]


def _unweighted(probabilities: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Probabilities of classes that were weighted alike, brought back to how often there are examples of each."""
    found = probabilities * counts
    return found / found.sum(axis=1, keepdims=True)


def _spread(probabilities: np.ndarray, model: Any, targets: np.ndarray) -> np.ndarray:
    """A column for every class of `targets`: a fold may lack one of few groups."""
    if probabilities.shape[1] == targets.max() + 1:
        return probabilities
    found = np.zeros((len(probabilities), targets.max() + 1))
    found[:, model.classes_] = probabilities
    return found


def _folded(pipeline: Any, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias on raw embeddings."""
    scaler, model = pipeline
    if several:
        kernel = np.zeros((len(scaler.mean_), len(model.estimators_)))
        bias = np.zeros(len(model.estimators_))
        for column, binary in enumerate(model.estimators_):
            if hasattr(binary, "coef_"):
                kernel[:, column], bias[column] = binary.coef_[0], binary.intercept_[0]
            else:  # a label that all examples have, or none: scikit-learn's constant, as near as a sigmoid comes
                bias[column] = 30.0 if binary.predict(np.zeros((1, 1)))[0] else -30.0
    else:
        kernel, bias = model.coef_.T, model.intercept_
        if kernel.shape[1] == 1:  # two classes: scikit-learn's sigmoid is a softmax over (0, z)
            kernel, bias = np.hstack([0 * kernel, kernel]), np.array([0.0, bias[0]])
    kernel = kernel / scaler.scale_[:, None]
    return kernel.astype(np.float32), (bias - scaler.mean_ @ kernel).astype(np.float32)
