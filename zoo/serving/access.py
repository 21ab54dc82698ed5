"""Who may ask: who bears the token; where there is none, whoever asks for this machine by a name that is its own."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection, Sequence

from zoo.serving.refusals import Refused, bad

ANY = "*"  # of host names: no check
OPEN_PATHS = ("/", "/v2/health/live", "/v2/health/ready")  # no token is asked for here

Headers = Sequence[tuple[bytes, bytes]]


def refusal(path: str, headers: Headers, token: str | None, hosts: Collection[str]) -> Refused | None:
    """Why a request of HTTP may not be answered; None where it may.

    Args:
        path: of the request.
        headers: names in small letters.
        token: that requests bear; None for no such check.
        hosts: names of this server, beside those of `is_own`; with `ANY` in it any will do.
    """
    if token is None:
        return _host_refusal([value for name, value in headers if name == b"host"], hosts)
    if path in OPEN_PATHS:
        return None
    return token_refusal([value for name, value in headers if name == b"authorization"], token)


def token_refusal(given: Sequence[bytes], token: str | None) -> Refused | None:
    """Why `given`, the values of all headers ``Authorization``, do not bear `token`; None where they do.

    Source: RFC 6750, section 2.1, and RFC 9110, section 11.1: the scheme's name is in any case.
    """
    if token is None:
        return None
    if len(given) > 1:
        return bad(f"expected one header Authorization, received {len(given)}")
    scheme, _, value = (given[0] if given else b"").partition(b" ")
    if scheme.lower() == b"bearer" and hmac.compare_digest(value.strip(), token.encode()):
        return None
    reason = "expected the header Authorization: Bearer TOKEN, with the token of this server"
    return Refused(401, reason, {"WWW-Authenticate": "Bearer"})


def is_own(name: str) -> bool:
    """Whether no page of somebody else's can bring a browser here under `name`: localhost, or an IP address.

    Of another name its owner may say, from one moment to the next, that it is this machine ("DNS rebinding").
    """
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: it is this machine everywhere
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _host_refusal(given: Sequence[bytes], hosts: Collection[str]) -> Refused | None:
    if ANY in hosts or not given:  # browsers name a host
        return None
    if len(given) > 1:
        return bad(f"expected one header Host, received {len(given)}")
    text = given[0].decode("latin-1").strip().lower()
    name, colon, port = text.rpartition(":")
    name = (name if colon and port.isdigit() else text).removesuffix(".")
    if is_own(name) or name in hosts:
        return None
    return Refused(403, f"this server is not known as {name[:100]!r}; start it with --allowed-hosts {name[:100]}")
