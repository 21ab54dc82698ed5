"""Typed texts to arguments of functions, and checks of values that several functions share."""

from __future__ import annotations

import ast
import inspect
import json
import operator
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from zoo.errors import InputError


def arguments(function: Callable[..., Any], settings: Iterable[str]) -> dict[str, Any]:
    """Keyword arguments of `function` from ``NAME=VALUE`` texts.

    A value is a Python literal, or numbers with commas between (``64,32``, a tuple; ``64`` alone becomes a tuple if
    the default is one), or else a string.

    Raises:
        InputError: a text without ``=``, or a name that `function` does not take.
    """
    defaults = keywords(function)
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise InputError(f"expected NAME=VALUE, received {setting!r}")
        check_name(function, name)
        value = _value(text.strip())
        if isinstance(defaults[name], tuple) and not isinstance(value, tuple):
            value = (value,)
        values[name] = list(value) if isinstance(value, tuple) else value
    return values


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only arguments of `function`: name -> default."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def check_name(function: Callable[..., Any], name: str) -> None:
    """Raise InputError if `function` has no keyword-only argument of that name."""
    names = keywords(function)
    if name not in names:
        hint = suggestion(name, names) or f"; it takes {', '.join(names)}"
        raise InputError(f"{function.__name__} has no argument {name!r}{hint}")


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """The end of an error message for a mistyped `word`: "; did you mean adam?", or "" if nothing is similar.

    Args:
        word: that is not allowed.
        allowed: the words to choose from.
    """
    names = list(allowed)
    matches = get_close_matches(str(word), names, n=1) or get_close_matches(str(word).lower(), names, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def shape_of(text: str) -> tuple[int | None, ...]:
    """The shape that a text such as ``28,28,1`` or ``None,12`` stands for.

    Raises:
        InputError: the text is no shape.
    """
    values = tuple(_value(part.strip()) for part in text.strip("(), ").split(","))
    if not all(each is None or (isinstance(each, int) and each > 0) for each in values):
        raise InputError(f"expected a shape as 28,28,1, received {text!r}")
    return values


def integer(name: str, value: Any, least: int = 0, most: int = 2**31 - 1) -> int:
    """`value` as an int of Python, which libraries require; it may be of another integer type, as NumPy's.

    Raises:
        InputError: `value` is no integer, or outside of [`least`, `most`].
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"expected a whole number for {name}, received {value!r}") from None
    if not least <= number <= most:
        raise InputError(f"expected {name} of at least {least} and at most {most}, received {number}")
    return number


def short_hash(*identity: Any) -> str:
    """Ten hexadecimal digits of the sha256 of `identity`, written as JSON."""
    return sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:10]


def _value(text: str) -> Any:
    lowered = {"true": True, "false": False, "none": None}
    if text.lower() in lowered:
        return lowered[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
