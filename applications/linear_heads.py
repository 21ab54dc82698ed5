"""Linear heads on embeddings: regressions that a Dense layer takes the weights of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from applications import choosing, known
from applications.depths import LAST, Depths
from applications.logistic import Regressions
from zoo.evaluation.baselines import most_near, neighbours
from zoo.evaluation.calibration import as_probabilities, temperature
from zoo.tasks.task import Task

DEFAULT_STRENGTH = 1e-2  # of either, where there are too few examples to choose by
PRECISE = 1e-5  # tolerance of the gradient
ACTIVATIONS = ("softmax", "sigmoid", "linear")
IMBALANCE = 1.5  # ratio of the largest to the smallest class above which classes are weighted


@dataclass(frozen=True)
class Head:
    """A linear layer from raw embeddings to probabilities or numbers; standardisation is folded into it.

    Attributes:
        kernel: float32 (width, outputs), for the first `width` features of an embedding. bias: float32 (outputs,).
        activation: ``softmax``, ``sigmoid`` for multi-label, or ``linear`` for numbers.
        strength: inverse of the L2 penalty.
        weighted: whether rare classes had more weight in the fit.
        folds: of the cross-validation that chose features and strength; 0 if there are too few examples for it.
        group: of features that it takes, a name in `applications.depths.GROUPS`.
        temperature: the number by which the logits are divided; it is part of kernel and bias.
        equal: whether its probabilities are those of classes of equal frequency.
        loss: the mean loss of examples in cross-validation, before the temperature; None without folds.
        sure: `applications.known.sureness` of heads that did not learn from an example, float32 (examples,), NaN for
            those that the cross-validation left out; None without folds, and for other activations than softmax.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    strength: float
    weighted: bool
    folds: int
    group: str = LAST
    temperature: float = 1.0
    equal: bool = False
    loss: float | None = None
    sure: np.ndarray | None = None

    def plain(self) -> Head:
        """The head without its temperature."""
        return replace(self, kernel=self.kernel * self.temperature, bias=self.bias * self.temperature, temperature=1.0)

    def outputs(self, embeddings: np.ndarray) -> np.ndarray:
        """Probabilities, or numbers as they were fitted: float32 (batch, outputs).

        Args:
            embeddings: float32 (batch, width), with the features of the head, and maybe more behind them.
        """
        logits = embeddings[:, : len(self.kernel)] @ self.kernel + self.bias
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
    depths: Depths | None = None,
    group: str = LAST,
    class_weights: bool = False,
) -> Head:
    """The head for a task: `fit` for classes, `fit_ridge` for numbers.

    Args:
        task: of the targets, one that a head `learns`.
        embeddings: as `fit` takes them.
        targets: as `task.learnt` returns them.
        seed: of the folds.
        strength: inverse of the L2 penalty; chosen if None.
        units: as `fit` takes them.
        depths: as `fit` takes them.
        group: as `fit` takes it.
        class_weights: as `fit` takes them.
    """
    how = {"units": units, "depths": depths, "group": group}
    if activation_of(task) == "linear":
        return fit_ridge(embeddings, targets, seed, strength, **how)
    return fit(embeddings, targets, seed, len(task.names), strength, **how, class_weights=class_weights)


def fit_ridge(
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
    depths: Depths | None = None,
    group: str = LAST,
) -> Head:
    """Fit a ridge regression on standardised embeddings, features and strength chosen by the squared error of folds.

    Args:
        embeddings: float32 (examples, width).
        targets: float32 (examples, values), of mean 0 and deviation 1 each: one strength serves all.
        seed: of the folds.
        strength: inverse of the L2 penalty; chosen if None.
        units: as `fit` takes them.
        depths: as `fit` takes them.
        group: as `fit` takes it.

    Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems".
    """
    from sklearn.linear_model import Ridge

    units = np.arange(len(targets)) if units is None else units
    depths = depths or Depths(embeddings.shape[1])
    folds = min(choosing.FOLDS, len(np.unique(units)))
    folds = folds if folds > 1 and strength is None else 0
    loss = None
    if folds:
        group, strength, loss = choosing.choose_ridge(
            embeddings, targets, depths=depths, units=units, folds=folds, seed=seed
        )
    strength = DEFAULT_STRENGTH if strength is None else strength
    rows, mean, deviation = _standardised(embeddings, depths, group)
    fitted = Ridge(1 / strength).fit(rows, targets)
    kernel = np.atleast_2d(fitted.coef_).T / deviation[:, None]
    bias = np.atleast_1d(fitted.intercept_) - mean @ kernel
    kernel, bias = kernel.astype(np.float32), bias.astype(np.float32)
    return Head(kernel, bias, "linear", strength, False, folds, group, loss=loss)


def fit(
    embeddings: np.ndarray,
    targets: np.ndarray,
    seed: int,
    num_classes: int,
    strength: float | None = None,
    *,
    units: np.ndarray | None = None,
    depths: Depths | None = None,
    group: str = LAST,
    class_weights: bool = False,
) -> Head:
    """Fit a logistic regression on standardised embeddings, its features and strength chosen by cross-validation.

    It is multinomial for one label an example, and one against the rest for several. Its logits are divided by a
    temperature that the folds of the cross-validation set, so that its probabilities are calibrated.

    If rare classes have more weight in the fit, the bias is corrected for it afterwards: the probabilities are those
    of classes as frequent as in the training part.

    Args:
        embeddings: float32 (examples, width).
        targets: int64 (examples,), or (examples, classes) of 0 and 1.
        seed: of the folds.
        num_classes: width of the output; every class has an example.
        strength: inverse of the L2 penalty; chosen if None, with the features.
        units: int64 (examples,), as in `zoo.data.Part.together`: examples with equal values, copies and groups, are in
            one fold. None if no examples belong together.
        depths: widths of the features of each depth; None for those of the last layer alone.
        group: of features, where the strength is given or there are too few examples to choose by.
        class_weights: whether the probabilities are those of classes that are all equally frequent, so that rare ones
            are found more often.

    Source: for the bias, Elkan 2001, "The Foundations of Cost-Sensitive Learning", theorem 2; Saerens, Latinne and
        Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", equation 2.4.
    """
    units = np.arange(len(targets)) if units is None else units
    depths = depths or Depths(embeddings.shape[1])
    several = targets.ndim == 2
    counts = targets.sum(axis=0) if several else np.bincount(targets, minlength=num_classes)
    limit = 1.0 if class_weights else IMBALANCE
    weighted = bool(counts.max() > limit * counts.min()) and not several
    folds = min(choosing.FOLDS, _fewest_units(targets if several else np.eye(num_classes)[targets], units, several))
    folds = folds if folds > 1 and strength is None else 0
    heat, loss, sure = 1.0, None, None
    shift = np.log(counts / counts.sum()) if weighted and class_weights else np.zeros(num_classes)
    if folds:
        how = {"depths": depths, "units": units, "folds": folds, "several": several, "weighted": weighted, "seed": seed}
        choice = choosing.choose(embeddings, targets, num_classes, **how)
        group, strength, loss = choice.group, choice.strength, choice.loss
        heat = temperature(choice.logits, targets[choice.positions], several)
        if not several:
            sure = np.full(len(targets), np.nan, np.float32)
            sure[choice.positions] = known.sureness(as_probabilities((choice.logits - shift) / heat, several))
    strength = DEFAULT_STRENGTH if strength is None else strength
    rows, mean, deviation = _standardised(embeddings, depths, group)
    axes, turn = choosing.turned(rows)
    regressions = Regressions(targets, num_classes, several=several, weighted=weighted, tolerance=PRECISE)
    kernel, bias = regressions.fit(axes, strength)
    kernel = (kernel if turn is None else turn @ kernel) / deviation[:, None]
    bias = bias - mean @ kernel - shift
    kernel, bias = ((each / heat).astype(np.float32) for each in (kernel, bias))
    return Head(
        kernel,
        bias,
        "sigmoid" if several else "softmax",
        strength,
        weighted,
        folds,
        group,
        heat,
        class_weights,
        loss,
        sure,
    )


def _standardised(embeddings: np.ndarray, depths: Depths, group: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The features of a group, standardised, float32, and the mean and the deviation of each."""
    rows = embeddings[:, : depths.groups[group]]
    mean, deviation = choosing.middle_of(rows, depths.parts(group))
    return ((rows - mean) / deviation).astype(np.float32), mean, deviation


def _fewest_units(hot: np.ndarray, units: np.ndarray, several: bool) -> int:
    """The smallest number of independent units of a class; for labels, also of units without the label."""
    if several:
        return min(len(np.unique(units[label == each])) for label in hot.T for each in (0, 1))
    return min(len(np.unique(units[label == 1])) for label in hot.T if label.any())
