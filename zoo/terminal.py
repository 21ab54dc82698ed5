"""The one place where text goes to a terminal: what a terminal would act on, or cannot show, is escaped."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from typing import Any


def safe(text: str, keep: str = "") -> str:
    r"""`text` as it can be shown anywhere, with the escapes of Python: ``\x1b``, ``\n``, ``\u202e``, ``\udcff``.

    Names of files, classes and columns are not ours: they may hold commands to the terminal, line breaks that look
    like our lines, marks that turn the direction of writing or have no width, and bytes that are no UTF-8. Escaping
    twice is as once.

    Args:
        text: anything.
        keep: characters to leave as they are, as line breaks in text of our own.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep or unicodedata.category(char) == "Zs" else _escaped(char)
        for char in text
    )


def say(text: object, *, error: bool = False) -> None:
    """Print lines for people on standard output, or on standard error."""
    print(safe(str(text), keep="\n"), file=sys.stderr if error else sys.stdout, flush=True)


def say_json(value: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Print one line of JSON for machines: each name exact, characters escaped where the output can't hold them.

    Args:
        value: what JSON takes.
        default: of what it does not take, what to write instead.
    """
    text = json.dumps(value, ensure_ascii=False, default=default)
    if safe(text) != text or not _encodable(text):
        text = json.dumps(value, default=default)
    print(text, flush=True)


def forgive() -> None:
    """Let standard output and standard error escape what their encoding lacks, rather than fail over it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _encodable(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
