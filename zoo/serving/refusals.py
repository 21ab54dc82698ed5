"""Requests that are refused, with the status and the reason that go back."""

from __future__ import annotations


class Refused(Exception):
    """A request that gets no answer.

    Args:
        status: of HTTP, 400 to 599.
        reason: what was expected and what came, in a line.
        headers: that go with it.
    """

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        text = reason.encode(errors="backslashreplace").decode()  # what came may hold half of a surrogate pair
        self.status, self.reason, self.headers = status, " ".join(text.split())[:500], headers or {}


def bad(reason: str) -> Refused:
    """What came is not what was expected."""
    return Refused(400, reason)


def too_large(reason: str) -> Refused:
    """What came is more than is taken."""
    return Refused(413, reason)


def enough(examples: int, most: int | None) -> None:
    """See that there are no more than `most`, before anything is made of them.

    Raises:
        Refused: 413.
    """
    if most is not None and examples > most:
        raise too_large(f"expected at most {most} examples a request, received {examples}")
