"""Training settings as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.settings import suggestion
from zoo.training import augmentation, optimizers

if TYPE_CHECKING:
    from zoo.training.preparing import Job

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
RULE = ("learning_rate", "schedule", "warm_up", "momentum", "weight_decay", "clip_norm")


@dataclass(frozen=True)
class Settings:
    """Training settings; each field is as the argument of `zoo.train`. The fields have the order of the card.

    Raises:
        InputError: a value is out of its range.
    """

    epochs: int | None = None
    batch_size: int | None = None
    patience: int | None = None
    optimizer: str = "adam"
    learning_rate: float | None = None
    schedule: str = "cosine"
    warm_up: float = 0.05
    momentum: float = 0.9
    weight_decay: float | None = None
    clip_norm: float | None = 1.0
    precision: str = "float32"
    class_weights: bool = False
    augment: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", tuple(self.augment))  # so that a list and a tuple are equal
        if self.precision not in PRECISIONS:
            hint = suggestion(self.precision, PRECISIONS)
            raise InputError(f"expected a precision out of {', '.join(PRECISIONS)}, received {self.precision!r}{hint}")
        if any(count is not None and count < 1 for count in (self.epochs, self.batch_size)):
            raise InputError(
                f"expected epochs and batch_size of at least 1, received epochs={self.epochs}, "
                f"batch_size={self.batch_size}"
            )
        if self.patience is not None and self.patience < 0:
            raise InputError(f"expected a patience of 0 or more, received {self.patience}")
        augmentation.check(self.augment)
        optimizers.check(self.optimizer, **self.rule)

    @property
    def rule(self) -> dict[str, Any]:
        """Arguments of `zoo.training.optimizers.optimizer`, without its name and the number of steps."""
        return {name: getattr(self, name) for name in RULE}

    def completed(self, job: Job, count: int) -> Settings:
        """The settings with defaults for `epochs`, `batch_size`, `patience` and `weight_decay`.

        A learning rate of None stays: it stands for the default of the optimizer, or of the adversarial network.

        Args:
            job: data and task.
            count: number of examples to learn from.

        Raises:
            InputError: a setting does not fit the task.
        """
        augmentation.check_inputs(self.augment, job.inputs.shape[1:])
        if self.class_weights:
            job.task.weights(job.data.train.targets)
        batch_size, epochs = job.task.lengths(job.network, job.data.source, count, self.batch_size, self.epochs)
        patience = max(5, epochs // 3) if self.patience is None else self.patience
        weight_decay = optimizers.decay(self.optimizer, self.weight_decay)
        return replace(self, epochs=epochs, batch_size=batch_size, patience=patience, weight_decay=weight_decay)

    def to_dict(self) -> dict[str, Any]:
        """The settings as the card holds them."""
        return asdict(self) | {"augment": list(self.augment)}
