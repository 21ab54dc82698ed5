"""What people type, as what functions take."""

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
    """``NAME=VALUE`` texts as keyword arguments of `function`.

    A value is a Python literal, or numbers with commas between (``64,32``, a tuple; ``64`` alone is one too where the
    default is a tuple), or else a text.

    Raises:
        InputError: a text without ``=``, or a name that `function` does not take.
    """
    known = keywords(function)
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise InputError(f"expected NAME=VALUE, received {setting!r}")
        check_name(function, name)
        value = _value(text.strip())
        if isinstance(known[name], tuple) and not isinstance(value, tuple):
            value = (value,)
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only arguments of `function`: name -> default."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def check_name(function: Callable[..., Any], name: str) -> None:
    """Raise InputError where `function` has no keyword-only argument of that name."""
    known = keywords(function)
    if name not in known:
        hint = near(name, known) or f"; it takes {', '.join(known)}"
        raise InputError(f"{function.__name__} has no argument {name!r}{hint}")


def near(word: object, known: Iterable[str]) -> str:
    """What somebody who typed `word` may have meant, to end an error with: "; did you mean adam?", or nothing.

    Args:
        word: that is none of them.
        known: words that would have been right.
    """
    names = list(known)
    found = get_close_matches(str(word), names, n=1) or get_close_matches(str(word).lower(), names, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def numbers(text: str) -> tuple[int | None, ...]:
    """A shape, as ``28,28,1`` or ``None,12``.

    Raises:
        InputError: no such text.
    """
    values = tuple(_value(part.strip()) for part in text.strip("(), ").split(","))
    if not all(each is None or (isinstance(each, int) and each > 0) for each in values):
        raise InputError(f"expected a shape as 28,28,1, received {text!r}")
    return values


def whole(name: str, value: Any, least: int = 0, most: int = 2**31 - 1) -> int:
    """A whole number of any type, NumPy's too, as Python's: libraries want that one.

    Raises:
        InputError: it is none, or outside of [`least`, `most`].
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"expected a whole number for {name}, received {value!r}") from None
    if not least <= number <= most:
        raise InputError(f"expected {name} of at least {least} and at most {most}, received {number}")
    return number


def mark(*identity: Any) -> str:
    """Ten hexadecimal digits that are the same for the same `identity`, as JSON writes it."""
    return sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:10]


def _value(text: str) -> Any:
    lowered = {"true": True, "false": False, "none": None}
    if text.lower() in lowered:
        return lowered[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
