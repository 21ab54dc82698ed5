"""Linear heads on embeddings: scikit-learn fits them, and a Dense layer takes their weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.evaluation.baselines import most_near, neighbours
from zoo.evaluation.measures import binary_cross_entropy, cross_entropy
from zoo.tasks.task import Task

# Inverse strengths of the L2 penalty on standardised embeddings: cross-validation chooses within this range for 10 to
# 10,000 images.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
RIDGE_STRENGTHS = tuple(10.0**power for power in np.arange(-5, 1.5, 0.5))  # of a ridge regression, which fits faster
DEFAULT_STRENGTH = 1e-2  # of either, where there are too few examples to choose by
ACTIVATIONS = ("softmax", "sigmoid", "linear")
IMBALANCE = 1.5  # ratio of the largest to the smallest class above which classes are weighted


@dataclass(frozen=True)
class Head:
    """A linear layer from raw embeddings to probabilities or numbers; standardisation is folded into it.

    Attributes:
        kernel: float32 (width, outputs). bias: float32 (outputs,).
        activation: ``softmax``, ``sigmoid`` for multi-label, or ``linear`` for numbers.
        strength: inverse of the L2 penalty.
        weighted: whether rare classes had more weight in the fit.
        folds: of the cross-validation that chose the strength; 0 if there are too few examples for it.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    strength: float
    weighted: bool
    folds: int

    def outputs(self, embeddings: np.ndarray) -> np.ndarray:
        """Probabilities, or numbers as they were fitted: float32 (batch, outputs) from float32 (batch, width)."""
        logits = embeddings @ self.kernel + self.bias
        if self.activation == "linear":
            return logits
        if self.activation == "sigmoid":
            return 1 / (1 + np.exp(-logits))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def baselines(task: Task, embeddings: np.ndarray, targets: np.ndarray, queries: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of simple models on embeddings: name -> float (queries, outputs).

    They are nearest neighbours and, of numbers, the mean; evaluations of classes have the most frequent one anyway.

    Args:
        task: of the targets.
        embeddings: float32 (examples, width), of the training part.
        targets: of the same examples, as `task` encodes them.
        queries: float32 (queries, width), the embeddings to answer for.
    """
    outputs = {} if task.categorical else {"mean": np.repeat(task.constant(targets)[None], len(queries), axis=0)}
    sample = np.random.default_rng(0).permutation(len(embeddings))[: most_near(embeddings, queries)]
    near = neighbours(embeddings[sample], dense(task, targets[sample]), queries)
    return outputs | {"nearest neighbours of the embeddings": near}


def dense(task: Task, targets: np.ndarray) -> np.ndarray:
    """Targets as outputs are, (examples, outputs): a class is a row of 0 and a 1."""
    return np.eye(len(task.names), dtype=np.int64)[targets] if task.positions else targets


def activation_of(task: Task) -> str:
    """The activation of a network's output."""
    return task.arguments().get("output", "softmax")


def learns(task: Task) -> bool:
    """Whether a head can learn a task."""
    return activation_of(task) in ACTIVATIONS


def head_of(
    task: Task,
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
) -> Head:
    """The head for a task: `fit` for classes, `fit_ridge` for numbers.

    Args:
        task: of the targets, one that a head `learns`.
        embeddings: as `fit` takes them.
        targets: as `task.learnt` returns them.
        seed: of the folds.
        strength: inverse of the L2 penalty; chosen if None.
        units: as `fit` takes them.
    """
    if activation_of(task) == "linear":
        return fit_ridge(embeddings, targets, seed, strength, units=units)
    return fit(embeddings, targets, seed, len(task.names), strength, units=units)


def fit_ridge(
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
) -> Head:
    """Fit a ridge regression on standardised embeddings, its strength chosen by the squared error of five folds.

    Args:
        embeddings: float32 (examples, width).
        targets: float32 (examples, values), of mean 0 and deviation 1 each: one strength serves all.
        seed: of the folds.
        strength: inverse of the L2 penalty; chosen if None.
        units: as `fit` takes them.

    Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems".
    """
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import GroupKFold

    units = np.arange(len(targets)) if units is None else units
    folds = min(5, len(np.unique(units)))
    folds = folds if folds > 1 and strength is None else 0
    mean, deviation = middle_of(embeddings)
    rows = (embeddings - mean) / deviation
    if folds:
        splits = list(GroupKFold(folds, shuffle=True, random_state=seed).split(rows, groups=units))
        choice = RidgeCV(1 / np.array(RIDGE_STRENGTHS), cv=splits, scoring="neg_mean_squared_error")
        strength = float(1 / choice.fit(rows, targets).alpha_)
    strength = DEFAULT_STRENGTH if strength is None else strength
    fitted = Ridge(1 / strength).fit(rows, targets)
    kernel = np.atleast_2d(fitted.coef_).T / deviation[:, None]
    bias = np.atleast_1d(fitted.intercept_) - mean @ kernel
    return Head(kernel.astype(np.float32), bias.astype(np.float32), "linear", strength, False, folds)


def fit(
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    num_classes: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
) -> Head:
    """Fit a logistic regression on standardised embeddings, its strength chosen by stratified cross-validation.

    It is multinomial for one label an example, and one against the rest for several. Of the strengths whose log loss
    is within one standard error of the best, the strongest penalty is taken (Breiman et al. 1984, section 3.4.3).

    If rare classes have more weight in the fit, the bias is corrected for it afterwards: the probabilities are those
    of classes as frequent as in the training part.

    Args:
        embeddings: float32 (examples, width).
        targets: int64 (examples,), or (examples, classes) of 0 and 1.
        seed: of the folds.
        num_classes: width of the output; every class has an example.
        strength: inverse of the L2 penalty; chosen if None.
        units: int64 (examples,), as in `zoo.data.Part.together`: examples with equal values, copies and groups, are in
            one fold. None if no examples belong together.

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
        strength = _choose(embeddings, targets, units, folds, weighted, several, seed) if folds else DEFAULT_STRENGTH
    fitted = estimator(several, strength, weighted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a label that every example has; a note of the intake says so
        fitted.fit(embeddings, targets)
    kernel, bias = _folded(fitted, several)
    if weighted:
        bias = (bias + np.log(counts / counts.sum())).astype(np.float32)
    return Head(kernel, bias, "sigmoid" if several else "softmax", strength, weighted, folds)


def middle_of(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of embeddings (examples, width) to standardise by, float64 (width,).

    A deviation is at least a tenth of the mean one: what hardly varies here may vary elsewhere.
    """
    deviation = embeddings.std(axis=0, dtype=np.float64)
    least = 0.1 * deviation.mean() or 1.0  # 1 where all embeddings are the same
    return embeddings.mean(axis=0, dtype=np.float64), np.maximum(deviation, least)


def estimator(several: bool, strength: float, weighted: bool) -> Any:
    """The unfitted scikit-learn pipeline that `fit` uses."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = "balanced" if weighted else None
    regression = LogisticRegression(C=strength, class_weight=weights, max_iter=5000, tol=1e-6)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(regression) if several else regression)


def _fewest_units(hot: np.ndarray, units: np.ndarray, several: bool) -> int:
    """The smallest number of independent units of a class; for labels, also of units without the label."""
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
        # All strengths share the scaling of a fold, which is fitted on its training side.
        scaler, _ = estimator(several, 1.0, weighted)
        train, score = scaler.fit_transform(embeddings[inner]), scaler.transform(embeddings[outer])
        for row, strength in enumerate(STRENGTHS):
            model = estimator(several, strength, weighted)[-1]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                # This precision is enough for the choice; the final fit converges.
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
    """Probabilities of a fit with balanced class weights, corrected to the frequencies in `counts`."""
    corrected = probabilities * counts
    return corrected / corrected.sum(axis=1, keepdims=True)


def _spread(probabilities: np.ndarray, model: Any, targets: np.ndarray) -> np.ndarray:
    """Probabilities with a column for every class of `targets`; a fold may lack a class of few groups."""
    if probabilities.shape[1] == targets.max() + 1:
        return probabilities
    columns = np.zeros((len(probabilities), targets.max() + 1))
    columns[:, model.classes_] = probabilities
    return columns


def _folded(pipeline: Any, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias for raw embeddings: the scaling is folded into them."""
    scaler, model = pipeline
    if several:
        kernel = np.zeros((len(scaler.mean_), len(model.estimators_)))
        bias = np.zeros(len(model.estimators_))
        for column, binary in enumerate(model.estimators_):
            if hasattr(binary, "coef_"):
                kernel[:, column], bias[column] = binary.coef_[0], binary.intercept_[0]
            else:  # all examples have the label, or none: scikit-learn predicts a constant, and so does this bias
                bias[column] = 30.0 if binary.predict(np.zeros((1, 1)))[0] else -30.0
    else:
        kernel, bias = model.coef_.T, model.intercept_
        if kernel.shape[1] == 1:  # two classes: scikit-learn's sigmoid is a softmax over (0, z)
            kernel, bias = np.hstack([0 * kernel, kernel]), np.array([0.0, bias[0]])
    kernel = kernel / scaler.scale_[:, None]
    return kernel.astype(np.float32), (bias - scaler.mean_ @ kernel).astype(np.float32)
