"""Access control: requests need the token; without one, the header Host must name this server."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection, Sequence

from zoo.serving.request_errors import RequestError, bad_request

ANY = "*"  # of host names: no check
OPEN_PATHS = ("/", "/v2/health/live", "/v2/health/ready")  # need no token

Headers = Sequence[tuple[bytes, bytes]]


def check(path: str, headers: Headers, token: str | None, hosts: Collection[str]) -> RequestError | None:
    """The error for an HTTP request without access; None if it has access.

    Args:
        path: of the request.
        headers: with names in lower case.
        token: that requests must have; None for no such check.
        hosts: names of this server, besides those that `is_own` accepts; `ANY` allows all.
    """
    if token is None:
        return _host_refusal([value for name, value in headers if name == b"host"], hosts)
    if path in OPEN_PATHS:
        return None
    return check_token([value for name, value in headers if name == b"authorization"], token)


def check_token(values: Sequence[bytes], token: str | None) -> RequestError | None:
    """The error if `values`, those of all headers ``Authorization``, lack `token`; else None.

    Source: RFC 6750, section 2.1, and RFC 9110, section 11.1: the name of the scheme is case-insensitive.
    """
    if token is None:
        return None
    if len(values) > 1:
        return bad_request(f"expected one header Authorization, received {len(values)}")
    scheme, _, value = (values[0] if values else b"").partition(b" ")
    if scheme.lower() == b"bearer" and hmac.compare_digest(value.strip(), token.encode()):
        return None
    reason = "expected the header Authorization: Bearer TOKEN, with the token of this server"
    return RequestError(401, reason, {"WWW-Authenticate": "Bearer"})


def is_own(name: str) -> bool:
    """Whether `name` is safe from DNS rebinding: localhost, or an IP address.

    The owner of any other name can let it point to this machine, and so let a browser send requests here.
    """
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: always this machine
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _host_refusal(values: Sequence[bytes], hosts: Collection[str]) -> RequestError | None:
    if ANY in hosts or not values:  # browsers always send the header
        return None
    if len(values) > 1:
        return bad_request(f"expected one header Host, received {len(values)}")
    text = values[0].decode("latin-1").strip().lower()
    name, colon, port = text.rpartition(":")
    name = (name if colon and port.isdigit() else text).removesuffix(".")
    if is_own(name) or name in hosts:
        return None
    if not name:
        return RequestError(403, "expected the name of this server in the header Host")
    return RequestError(403, f"this server is not known as {name[:100]!r}; start it with --allowed-hosts {name[:100]}")
