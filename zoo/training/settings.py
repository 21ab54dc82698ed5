"""Training settings as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError
from zoo.settings import suggestion
from zoo.training import augmentation, given, optimizers

if TYPE_CHECKING:
    from zoo.training.preparing import Job

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
RULE = ("learning_rate", "schedule", "warm_up", "momentum", "weight_decay", "clip_norm")


@dataclass(frozen=True)
class Settings:
    """Training settings; each field is as the argument of `zoo.train`. The fields have the order of the card.

    A Keras optimizer is held as its configuration, a dict, of which each training makes a new one.

    Raises:
        InputError: a value is out of its range.
    """

    epochs: int | None = None
    batch_size: int | None = None
    patience: int | None = None
    optimizer: Any = "adam"
    learning_rate: float | None = None
    schedule: str = "cosine"
    warm_up: float = 0.05
    momentum: float = 0.9
    weight_decay: float | None = None
    clip_norm: float | None = 1.0
    precision: str = "float32"
    class_weights: bool = False
    augment: Sequence[str] = ()
    loss: Any = None

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
        if self.loss is not None:
            given.check_loss(self.loss)
        if isinstance(self.optimizer, str):
            optimizers.check(self.optimizer, **self.rule)
            return
        if not isinstance(self.optimizer, Mapping):
            object.__setattr__(self, "optimizer", given.optimizer_config(self.optimizer))
        defaults = {each.name: each.default for each in fields(self)}
        given.check_rule(self.optimizer["class_name"], self.rule, defaults)

    @property
    def by_name(self) -> bool:
        """Whether the optimizer is one of `zoo.training.optimizers`; else it is Keras', with a rule of its own."""
        return isinstance(self.optimizer, str)

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
        if self.loss is not None:
            given.rehearse(self.loss, job)
        if not self.by_name and job.task.plan(job.network).optimizers is not None:
            names = ", ".join(optimizers.OPTIMIZERS)
            raise InputError(f"{job.name} trains two networks with an optimizer each; give a name: {names}")
        weight_decay = optimizers.decay(self.optimizer, self.weight_decay) if self.by_name else self.weight_decay
        return replace(self, epochs=epochs, batch_size=batch_size, patience=patience, weight_decay=weight_decay)

    def to_dict(self) -> dict[str, Any]:
        """The settings as the card holds them."""
        said = dict(vars(self)) | {"augment": list(self.augment)}
        if not self.by_name:
            said = {name: value for name, value in said.items() if name not in RULE}  # it has its own
        loss = said.pop("loss")  # cards without one are as those of runs that earlier versions began
        return said if loss is None else said | {"loss": given.loss_config(loss)}
