"""Errors of requests, with the status and the reason that are sent back."""

from __future__ import annotations


class RequestError(Exception):
    """The error of a request that is not answered.

    Args:
        status: of HTTP, 400 to 599.
        reason: what was expected and what was received, in a line.
        headers: of the reply.
    """

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        text = reason.encode(errors="backslashreplace").decode()  # a request may hold half of a surrogate pair
        self.status, self.reason, self.headers = status, " ".join(text.split())[:500], headers or {}


def bad_request(reason: str) -> RequestError:
    """The error of a request of the wrong form, 400."""
    return RequestError(400, reason)


def too_large(reason: str) -> RequestError:
    """The error of a request that is too large, 413."""
    return RequestError(413, reason)


def check_count(examples: int, most: int | None) -> None:
    """Check the number of examples, before they are converted.

    Raises:
        RequestError: 413, there are more than `most`.
    """
    if most is not None and examples > most:
        raise too_large(f"expected at most {most} examples a request, received {examples}")
