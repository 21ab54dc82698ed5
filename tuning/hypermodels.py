"""Models as Keras Tuner takes them, `build_model(hp)` and `HyperModel`, as builder and space of a search."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuning.space_checks import OwnSettings
from zoo.errors import InputError
from zoo.training.given import optimizer_config
from zoo.training.own_code import import_file

if TYPE_CHECKING:
    import keras
    from keras_tuner import HyperModel, HyperParameters

FIT = ("batch_size", "epochs", "shuffle", "verbose", "callbacks", "validation_data")  # arguments that a fit may have
SHAPES = ("input_shape", "num_outputs")  # arguments that a function may ask for


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

    Args:
        model: a function from `hp` to a Keras model, or a `keras_tuner.HyperModel`. The function may have arguments
            ``input_shape``, that of one prepared input, and ``num_outputs``.
    """

    def __init__(self, model: Callable[..., keras.Model] | HyperModel) -> None:
        self.model = model
        self.build = model.build if callable(getattr(model, "build", None)) else model
        self.__name__ = getattr(model, "__name__", None) or type(model).__name__
        self.shapes: dict[str, Any] = {}

    def __call__(
        self, input_shape: tuple[int, ...], num_outputs: int, *, values: Mapping[str, Any] | None = None
    ) -> keras.Model:
        """The model of some values, by default those of the space."""
        from keras_tuner import HyperParameters

        self.shapes = dict(zip(SHAPES, (input_shape, num_outputs), strict=True))
        hp = HyperParameters()
        hp.values = dict(values or {})
        return self._built(hp)

    def space(self, hp: HyperParameters) -> OwnSettings:
        """Settings of a trial: the values that the model draws, and how it is trained."""
        model = self._built(hp)
        training = self._compiled(model) | self._fit(hp, model)
        values = {name: value for name, value in hp.values.items() if not name.startswith("tuner/")}
        return OwnSettings(model={"values": values}, training=training)

    def _built(self, hp: HyperParameters) -> keras.Model:
        import keras

        parameters = inspect.signature(self.build).parameters
        model = self.build(hp, **{name: value for name, value in self.shapes.items() if name in parameters})
        if not isinstance(model, keras.Model):
            raise InputError(f"{self.__name__}: expected it to return a Keras model, received {model!r}")
        if not model.built and "input_shape" in self.shapes:
            model.build((None, *self.shapes["input_shape"]))
        for several, names in (("inputs", model.inputs), ("outputs", model.outputs)):
            if len(names) != 1:
                raise InputError(f"{self.__name__}: expected a model with one of {several}, received {len(names)}")
        return model

    def _compiled(self, model: keras.Model) -> dict[str, Any]:
        if not model.compiled:
            return {}
        loss = model.loss
        if isinstance(loss, list | tuple | dict) and len(loss) == 1:
            (loss,) = loss.values() if isinstance(loss, dict) else loss
        return {"optimizer": optimizer_config(model.optimizer), "loss": loss}

    def _fit(self, hp: HyperParameters, model: keras.Model) -> dict[str, Any]:
        """What a `HyperModel.fit` of one's own sets: the size of the batches."""
        import keras_tuner

        fit = getattr(type(self.model), "fit", None)
        if fit is None or fit is keras_tuner.HyperModel.fit:
            return {}
        recorded = _Recorder(model)
        try:
            self.model.fit(hp, recorded, None, None, validation_data=None, epochs=1, callbacks=[])
        except Exception as error:  # whatever a user's own fit does with its arrays
            raise InputError(
                f"{self.__name__}.fit can't be used: {type(error).__name__}: {error}; expected it to end in "
                "model.fit(*args, batch_size=..., **kwargs)"
            ) from error
        other = {name for name, value in recorded.how.items() if name not in FIT or (name == "epochs" and value != 1)}
        if other:
            raise InputError(
                f"{self.__name__}.fit: expected it to set batch_size alone, received {other.pop()!r}; the search sets "
                "the rest, as epochs="
            )
        return {"batch_size": recorded.how["batch_size"]} if recorded.how.get("batch_size") else {}


class _Recorder:
    """A model for `HyperModel.fit` that is not trained: it remembers what its `fit` is called with."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self.how = model, dict[str, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def fit(self, *_: Any, **how: Any) -> None:
        """Remember the arguments by name."""
        self.how = how
