"""Plots with Matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError
from zoo.files import atomic_file
from zoo.terminal import safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FORMATS = (".pdf", ".png", ".svg")
LEGEND = 20  # classes; more have colours that are too similar for a legend


@contextmanager
def figure(path: Path, suffix: str) -> Iterator[Axes]:
    """Axes to draw on; written to `path` in the format of `suffix` when the block ends.

    Raises:
        InputError: a format that is none of `FORMATS`.
    """
    if suffix.lower() not in FORMATS:
        raise InputError(
            f"expected a picture's name to end in {', '.join(FORMATS)}, received {suffix or 'no suffix'!r}"
        )
    from matplotlib.figure import Figure  # not pyplot: it looks for a screen

    drawing = Figure(figsize=(7, 4), layout="constrained")
    axes = drawing.subplots()
    axes.grid(alpha=0.3)
    yield axes
    drawing.savefig(path, format=suffix[1:].lower(), dpi=120)


def latent_space(latents: np.ndarray, targets: np.ndarray | None, classes: Sequence[str], path: str | Path) -> None:
    """Draw the codes of examples in the latent space of a model.

    Two dimensions are drawn as they are, one along a line, more by their first two principal components, with the
    share of the variance of each.

    Args:
        latents: float (examples, dimensions), two examples or more.
        targets: int64 (examples,), positions in `classes`; ignored without classes.
        classes: names; a colour each, with a legend for up to `LEGEND` of them. If empty, all points have one colour.
        path: the picture, in one of `FORMATS`.

    Raises:
        InputError: another format, another shape, or a latent that is no finite number.
    """
    latents = np.asarray(latents)
    if latents.ndim != 2 or len(latents) < 2 or not latents.shape[1] or not np.issubdtype(latents.dtype, np.floating):
        raise InputError(
            f"expected latents as float (examples, dimensions), two examples or more, "
            f"received {latents.dtype} {latents.shape}"
        )
    if not np.isfinite(latents).all():
        raise InputError("expected finite latents, received NaN or infinity")
    groups = np.asarray(targets) if len(classes) else np.zeros(len(latents), np.int64)
    if groups.shape != latents.shape[:1]:
        raise InputError(f"expected {len(latents)} targets, one an example, received the shape {groups.shape}")
    with atomic_file(path) as partial, figure(partial, Path(path).suffix) as axes:
        points, names = _plane(latents.astype(np.float64))
        axes.set(xlabel=names[0], ylabel=names[1])
        # A file of vectors with many thousand points opens slowly.
        style = {"s": 8, "alpha": 0.7, "linewidths": 0, "rasterized": len(points) > 5000}
        if 0 < len(classes) <= LEGEND:
            from matplotlib import colormaps

            colours = colormaps["tab10" if len(classes) <= 10 else "tab20"]
            drawn = [
                axes.scatter(*points[groups == number].T, color=colours(number), **style)
                for number in range(len(classes))
            ]
            # Matplotlib reads what is between dollar signs as a formula.
            labels = [safe(name).replace("$", r"\$") for name in classes]
            axes.legend(drawn, labels, loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small", markerscale=2)
        elif len(classes):
            axes.scatter(*points.T, c=groups, cmap="turbo", **style)
        else:
            axes.scatter(*points.T, **style)


def _plane(latents: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Latents, float64 (examples, dimensions), as (examples, 2), and what the axes are."""
    if latents.shape[1] == 1:
        return np.pad(latents, ((0, 0), (0, 1))), ("dimension 1", "")
    if latents.shape[1] == 2:
        return latents, ("dimension 1", "dimension 2")
    from sklearn.decomposition import PCA

    with np.errstate(invalid="ignore"):  # an encoder that has collapsed puts all in one place: 0 / 0
        components = PCA(2, random_state=0).fit(latents)
    shares = np.nan_to_num(components.explained_variance_ratio_)
    first, second = (
        f"principal component {number} ({share:.0%} of the variance)" for number, share in enumerate(shares, 1)
    )
    return components.transform(latents), (first, second)
