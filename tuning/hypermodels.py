"""Models as Keras Tuner takes them, `build_model(hp)` and `HyperModel`, as builder and space of a search."""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tuning.output_layers import answering, ends_in_logits, is_sequences
from tuning.space_checks import OwnSettings
from zoo.errors import InputError, Notice
from zoo.training.given import optimizer_config
from zoo.training.own_code import import_file

if TYPE_CHECKING:
    import keras
    from keras_tuner import HyperModel, HyperParameters

    from zoo.training.checkpoints import Checkpoint
    from zoo.training.learning import InnerSplit
    from zoo.training.loop import History

ROWS = 32  # examples that a `fit` of one's own is tried on


def is_hypermodel(model: Any) -> bool:
    """Whether `model` is a `HyperModel`, or a function whose first argument is called hp."""
    if isinstance(model, str | type):
        return False
    if callable(getattr(model, "build", None)) and not hasattr(model, "layers"):
        return "hp" in inspect.signature(model.build).parameters
    return callable(model) and next(iter(inspect.signature(model).parameters), None) == "hp"


def of_file(name: str) -> Any:
    """The function, object or class of ``FILE.py:NAME``; of a class an object made without arguments.

    Raises:
        InputError: no such file or name.
    """
    path, _, attribute = name.rpartition(":")
    module = import_file(path, "a model")
    if not hasattr(module, attribute):
        raise InputError(f"expected {attribute} in {path}, which has none; define it there, or name another")
    found = getattr(module, attribute)
    return found() if isinstance(found, type) else found


class HyperModelBuilder:
    """A builder for trials, called as those of the zoo are, and its space.

    What a model was compiled with, optimizer and loss, is what it is trained with; metrics are those of the search.
    Trials go through the training loop of the project. Where a `HyperModel.fit` does more than to choose the size of
    the batches and the number of epochs, or where a model was compiled with what the loop has not, they are trained by
    their own `fit`.

    Args:
        model: a function from `hp` to a Keras model, or a `keras_tuner.HyperModel`. The function may have arguments
            ``input_shape``, that of one prepared input, ``num_outputs``, and for texts ``vocabulary_size``.
        seed: of the initial weights.

    Attributes:
        examples: prepared inputs and targets that a `fit` of one's own is tried on; None until they are known.
        positions: whether targets are positions of classes.
    """

    def __init__(self, model: Callable[..., keras.Model] | HyperModel, seed: int = 0) -> None:
        self.model, self.seed = model, seed
        self.build = model.build if callable(getattr(model, "build", None)) else model
        self.__name__ = getattr(model, "__name__", None) or type(model).__name__
        self.examples: tuple[np.ndarray, np.ndarray] | None = None
        self.positions = True
        self.output, self.given = "softmax", dict[str, Any]()
        self._warned = False
        self._latest: tuple[dict[str, Any], keras.Model, Any] | None = None

    def __call__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        output: str = "softmax",
        values: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> keras.Model:
        """The model of some values, by default those of the space, with outputs as tasks have them."""
        from keras_tuner.errors import FailedTrialError

        self.output, self.given = output, {"input_shape": input_shape, "num_outputs": num_outputs, **given}
        try:
            model = self._of_values(values or {})
        except FailedTrialError as error:  # a trial would have been refused before, when its values were drawn
            raise InputError(
                f"{self.__name__} refuses its default values: {error}; give defaults that it takes"
            ) from error
        return answering(model, num_outputs, output)

    def declare(self, hp: HyperParameters) -> keras.Model:
        """Let `build` draw its values, which tells Keras Tuner the space; `fit` draws its own in a trial."""
        return self._built(hp)

    def space(self, hp: HyperParameters) -> OwnSettings:
        """Settings of a trial: the values that the model draws, and how it is trained."""
        random.seed(self.seed)  # as before each trial: its network has the weights that this one has
        model = self._built(hp)
        after, training, fit = random.getstate(), self._training(model), self._fit(hp, model)
        values = {name: value for name, value in hp.values.items() if not name.startswith("tuner/")}
        own = "fit" in fit or (model.compiled and not training)
        training = {"fit": True} if own else training | fit
        self._latest = None if own else (values, model, after)
        if own and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.__name__}: trials are trained by their own fit, as the training loop here does not do all that "
                "it does; one that is cut begins anew",
                Notice,
                stacklevel=2,
            )
        return OwnSettings(model={"values": values}, training=training)

    def fitted(
        self,
        values: Mapping[str, Any],
        split: InnerSplit,
        *,
        epochs: int,
        checkpoint: Checkpoint,
        on_epoch: Callable[[int, int, float], None],
        deadline: float | None,
    ) -> tuple[keras.Model, History]:
        """A network that is trained by its own `fit`, and the history; see `tuning.own_fit.fit`."""
        from keras_tuner import HyperParameters

        from tuning import own_fit

        self._latest = None
        random.seed(self.seed)
        model, hp = self._of_values(values), HyperParameters()
        hp.values = dict(values)
        if not model.compiled:
            raise InputError(f"{self.__name__}: expected a compiled model, as its own fit trains it; compile it")
        fit = getattr(self.model, "fit", None) or _plain_fit
        network = lambda: answering(model, self.given["num_outputs"], self.output)  # noqa: E731 - after the training
        how = {"epochs": epochs, "checkpoint": checkpoint, "on_epoch": on_epoch, "deadline": deadline}
        examples = split.train if split.positions is None else tuple(each[split.positions] for each in split.train)
        return own_fit.fit(
            fit, hp, model, network, examples, split.validation, positions=self.positions, seed=self.seed, **how
        )

    def _of_values(self, values: Mapping[str, Any]) -> keras.Model:
        from keras_tuner import HyperParameters

        if self._latest is not None and self._latest[0] == values:
            _, model, state = self._latest
            self._latest = None
            random.setstate(state)
            return model
        hp = HyperParameters()
        hp.values = dict(values)
        return self._built(hp)

    def _built(self, hp: HyperParameters) -> keras.Model:
        import keras
        from keras_tuner.errors import FailedTrialError

        parameters = inspect.signature(self.build).parameters
        try:
            model = self.build(hp, **{name: value for name, value in self.given.items() if name in parameters})
        except FailedTrialError:
            raise
        except Exception as error:  # whatever a user's own function raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(f"{self.__name__} fails: {reason}; mend it") from error
        if not isinstance(model, keras.Model):
            raise InputError(f"{self.__name__}: expected it to return a Keras model, received {model!r}")
        if not model.built and "input_shape" in self.given:
            model.build((None, *self.given["input_shape"]))
        for several in ("inputs", "outputs"):
            if len(names := getattr(model, several, [model])) != 1:
                raise InputError(
                    f"{self.__name__}: expected a model with one of {several}, received {len(names)}; the data have "
                    "one target, and an exported model answers for it alone"
                )
        return model

    def _training(self, model: keras.Model) -> dict[str, Any]:
        """Settings of training from what the model is compiled with; none where the loop can't take it."""
        import keras

        if not model.compiled:
            return {}
        loss = model.loss
        if isinstance(loss, list | tuple | dict) and len(loss) == 1:
            (loss,) = loss.values() if isinstance(loss, dict) else loss
        if inspect.isfunction(loss) and vars(keras.losses).get(loss.__name__) is loss:
            loss = loss.__name__
        if not isinstance(loss, str | keras.losses.Loss):
            return {}
        if type(model).train_step is not keras.Model.train_step and (
            ends_in_logits(model) or is_sequences(model) or model.output_shape[-1] == 1
        ):
            return {}  # the network that answers would not have its step
        if ends_in_logits(model):  # `answering` adds what turns them into probabilities
            loss = type(loss).from_config(loss.get_config() | {"from_logits": False})
        try:
            weights = (model.get_compile_config() or {}).get("loss_weights")
            optimizer = optimizer_config(model.optimizer)
        except Exception:  # what no configuration holds is taken as it is
            return {}
        return {} if weights else {"optimizer": optimizer, "loss": loss}

    def _fit(self, hp: HyperParameters, model: keras.Model) -> dict[str, Any]:
        """What a `HyperModel.fit` of one's own sets; ``{"fit": True}`` if that is more than the loop takes."""
        import keras_tuner
        from keras_tuner.errors import FailedTrialError

        from tuning.own_fit import FitRecorder, inputs_for, targets_for

        fit = getattr(type(self.model), "fit", None)
        if fit is None or fit is keras_tuner.HyperModel.fit:
            return {}
        if self.examples is None or not model.compiled:
            return {"fit": True}
        inputs, targets = (each[:ROWS] for each in self.examples)
        given = inputs_for(inputs), targets_for(model, targets, self.positions)
        recorder = FitRecorder(model, *given)
        try:
            self.model.fit(hp, recorder, *given, **recorder.given)
        except FailedTrialError:
            raise
        except Exception as error:  # whatever a user's own fit does with its arrays
            if not recorder.calls:
                raise InputError(
                    f"{self.__name__}.fit can't be used: {type(error).__name__}: {error}; expected what Keras Tuner "
                    "takes, fit(self, hp, model, x, y, validation_data, **kwargs)"
                ) from error
        return recorder.settings()


def _plain_fit(hp: HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
    return model.fit(*args, **kwargs)
