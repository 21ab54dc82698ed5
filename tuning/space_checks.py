"""Search spaces by name, and checks of their return values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tuning.spaces import SPACES, Settings
from zoo.builders.registry import BUILDERS
from zoo.errors import InputError
from zoo.settings import suggestion
from zoo.training.own_code import import_file

# Arguments of training that the search sets, so no space may.
RESERVED = ("data", "builder", "model", "seed", "run", "epochs", "callbacks", "validation", "tensorboard")


class OwnSettings(dict[str, Any]):
    """Settings that a model of Keras Tuner's convention brings itself: there is no argument to check."""


def space_of(model_name: str, space: Callable[..., Settings] | str | None = None) -> Callable[..., Settings]:
    """The search space of the builder `model_name`, or of ``fine_tune``; or `space`, a function or FILE.py:function.

    Raises:
        InputError: the builder has no space, or the file or function does not exist or can't be used.
    """
    if model_name in BUILDERS and BUILDERS[model_name].adapts:
        raise InputError(
            f"{model_name} learns in one step from normal examples, by which no configuration can be chosen: there "
            "is no search for it; compare with zoo train and --set"
        )
    if callable(space):
        return space
    if space is None:
        if model_name not in SPACES:
            raise InputError(
                f"expected a model with a search space, one of {', '.join(SPACES)}; received {model_name!r}"
                f"{suggestion(model_name, SPACES)}; or give a space of your own as FILE.py:function, or a model that "
                "draws its values, as FILE.py:build_model, whose first argument is hp"
            )
        return SPACES[model_name]
    path, _, name = space.rpartition(":") if isinstance(space, str) else ("", "", "")
    if not (path and name):
        raise InputError(f"expected a search space as FILE.py:function, or a function of hp; received {space!r}")
    module = import_file(path, "a search space")
    if not hasattr(module, name):
        raise InputError(f"expected a function {name} in {path}, which has none; define it there, or name another")
    if not callable(function := getattr(module, name)):
        raise InputError(f"expected {name} in {path} to be a function of hp, received {function!r}; name another")
    return function


def check(settings: Any, model: Callable[..., Any] | None, training: Callable[..., Any], *, name: str) -> None:
    """Check the return value of a space.

    Args:
        settings: the return value.
        model: the builder; its arguments that are keyword-only or have a default may be set. None for no check.
        training: the training function, as `zoo.train`, likewise; but nothing in `RESERVED`.
        name: of the space, for the message.

    Raises:
        InputError: anything but a dict each for ``model`` and ``training``, or an argument that can't be set.
    """
    if isinstance(settings, OwnSettings):
        return
    expected = f'{name}: expected a space to return {{"model": {{...}}, "training": {{...}}}}, received'
    halves = {"model": model, "training": training}
    if not isinstance(settings, dict):
        raise InputError(f"{expected} {settings!r}; return such a dict")
    for key in settings:
        if key not in halves:
            raise InputError(f"{expected} the key {key!r}{suggestion(key, halves)}; leave out all but these two")
    for key, function in halves.items():
        half = settings.get(key)
        if not isinstance(half, dict):
            raise InputError(f"{expected} {half!r} for {key!r}; give {{}} where there is nothing to set")
        reserved = RESERVED if key == "training" else ()
        for argument, value in half.items():
            if argument in ("optimizer", "loss") and not isinstance(value, str):
                raise InputError(f"{name}: expected the name of {argument!r} in a search, received {value!r}")
            if argument in reserved:
                raise InputError(f"{name}: {argument!r} in 'training' is set by the search itself; leave it out")
            allowed = None if function is None else _keywords(function)
            if allowed is not None and argument not in allowed:
                names = [word for word in allowed if word not in reserved]
                raise InputError(
                    f"{name}: expected arguments of {getattr(function, '__name__', 'the function')} in {key!r}, out of "
                    f"{', '.join(names)}; received {argument!r}{suggestion(argument, names)}"
                )


def _keywords(function: Callable[..., Any]) -> list[str] | None:
    """Arguments that are keyword-only or have a default, not the input shape; None if any keyword is taken."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [
        p.name
        for p in parameters
        if p.kind is p.KEYWORD_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty)
    ]
