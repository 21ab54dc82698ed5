"""The one place that prints to a terminal: characters that a terminal would act on, or can't show, are escaped."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from typing import Any


def safe(text: str, keep: str = "") -> str:
    r"""`text` that any terminal can show, with the escapes of Python: ``\x1b``, ``\n``, ``\u202e``, ``\udcff``.

    Names of files, classes and columns come from users. They may hold commands to the terminal, line breaks that
    imitate our lines, characters that turn the direction of writing or have no width, and bytes that are not UTF-8.
    The function is idempotent.

    Args:
        text: any text.
        keep: characters to leave as they are, such as line breaks in text of our own.
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
    """Print one line of JSON for machines. Names are exact; characters that the output can't encode are escaped.

    Args:
        value: to print.
        default: as `json.dumps` takes it, for values that JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, default=default)
    if safe(text) != text or not _encodable(text):
        text = json.dumps(value, default=default)
    print(text, flush=True)


def escape_unencodable() -> None:
    """Let standard output and standard error escape characters that their encoding lacks, instead of failing."""
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
