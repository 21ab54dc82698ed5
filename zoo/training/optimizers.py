"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.settings import suggestion

if TYPE_CHECKING:
    import keras

OPTIMIZERS = {"sgd": 0.05, "momentum": 0.02, "rmsprop": 1e-3, "adam": 1e-3, "adamw": 1e-3}
"""Name -> default learning rate."""

WEIGHT_DECAY = 0.004  # default of adamw, that of Keras

SCHEDULES = ("constant", "cosine", "exponential", "step")


def optimizer(
    name: str = "adam",
    learning_rate: float | None = None,
    *,
    steps: int,
    schedule: str = "cosine",
    warm_up: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    clip_norm: float | None = 1.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> keras.optimizers.Optimizer:
    """An optimizer with its schedule.

    Args:
        name: ``sgd``, ``momentum`` (Nesterov's), ``rmsprop``, ``adam`` (Kingma and Ba 2015) or ``adamw``
            (Loshchilov and Hutter 2019).
        learning_rate: at its peak, over 0; the optimizer's default if None.
        steps: batches in the whole training.
        schedule: ``constant``; ``cosine``: down to 0 (Loshchilov and Hutter 2017); ``exponential``: down to a
            hundredth; ``step``: a tenth after half and a hundredth after three quarters (He et al. 2016).
        warm_up: share of the steps in which the rate rises from 0, in [0, 1); Goyal et al. 2017.
        momentum: for ``momentum``, in [0, 1).
        weight_decay: decoupled from the gradient, for every optimizer, 0 or more; if None, 0.004 for ``adamw`` and 0
            for the others, as with Keras. ``adamw`` with 0 is ``adam``.
        clip_norm: largest norm of all gradients together, over 0 (Pascanu et al. 2013); None for no clipping.
        betas: for ``adam`` and ``adamw``, how much of the means of gradients and their squares is kept at each step.

    Raises:
        InputError: a name is unknown, or a number out of its range.
    """
    check(name, learning_rate, schedule, warm_up, momentum, weight_decay, clip_norm)
    rate = OPTIMIZERS[name] if learning_rate is None else learning_rate
    weight_decay = decay(name, weight_decay)
    import keras

    from zoo.training.schedules import Schedule

    make: dict[str, Any] = {
        "sgd": keras.optimizers.SGD,
        "momentum": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
    }
    extra: dict[str, Any] = {"momentum": momentum, "nesterov": True} if name == "momentum" else {}
    if name in ("adam", "adamw"):
        extra |= {"beta_1": betas[0], "beta_2": betas[1]}
    if weight_decay or name == "adamw":
        extra["weight_decay"] = weight_decay
    return make[name](Schedule(schedule, rate, max(1, steps), warm_up), global_clipnorm=clip_norm, **extra)


def check(
    name: str,
    learning_rate: float | None = None,
    schedule: str = "cosine",
    warm_up: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    clip_norm: float | None = 1.0,
) -> None:
    """Raise InputError if an argument of `optimizer` is unknown or out of its range."""
    if name not in OPTIMIZERS:
        raise InputError(
            f"expected an optimizer out of {', '.join(OPTIMIZERS)}, received {name!r}{suggestion(name, OPTIMIZERS)}"
        )
    if schedule not in SCHEDULES:
        names = ", ".join(SCHEDULES)
        raise InputError(f"expected a schedule out of {names}, received {schedule!r}{suggestion(schedule, SCHEDULES)}")
    for label, value, fits in (
        ("learning_rate over 0", learning_rate, learning_rate is None or learning_rate > 0),
        ("warm_up in [0, 1)", warm_up, 0 <= warm_up < 1),
        ("momentum in [0, 1)", momentum, 0 <= momentum < 1),
        ("weight_decay of 0 or more", weight_decay, weight_decay is None or weight_decay >= 0),
        ("clip_norm over 0, or None", clip_norm, clip_norm is None or clip_norm > 0),
    ):
        if not fits:
            raise InputError(f"expected {label}, received {value!r}")


def decay(name: str, weight_decay: float | None) -> float:
    """`weight_decay`, or the default of the optimizer `name` if it is None."""
    if weight_decay is None:
        return WEIGHT_DECAY if name == "adamw" else 0.0
    return weight_decay
