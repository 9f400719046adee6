"""Who may ask: everybody on this machine, and whoever has the token."""

import hmac
import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from tasks.errors import UserError

TOKEN = "IMAGE_SEARCH_TOKEN"  # noqa: S105  # the name of a variable, not what it holds


def tokens_for(host: str, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Returns the tokens of which one must be sent; none if none has to be.

    Args:
        host: the address to listen on.
        environment: where they may be, with white space between two: the next one is there beside
            the last one until all who ask know it.

    Raises:
        UserError: others could ask, and there is no token; or it can be in no header.
    """
    tokens = tuple(environment.get(TOKEN, "").split())
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise UserError(f"a token in {TOKEN} has other than ASCII characters; make another one")
    if not tokens and not _is_this_machine(host):
        raise UserError(f"listening on {host} takes a token; put one into {TOKEN}")
    return tokens


def is_allowed(tokens: tuple[str, ...], header: str) -> bool:
    """Tells whether a header `Authorization` holds a token; the time it takes tells nothing."""
    sent = header.encode()
    found = [hmac.compare_digest(sent, f"Bearer {token}".encode()) for token in tokens]
    return any(found) or not tokens


def is_meant_for_this_machine(header: str) -> bool:
    """Tells whether a header `Host` is an address of this machine for itself, or `localhost`.

    A web page that lets a name of its own lead here could otherwise search in a visitor's browser.
    """
    try:
        return _is_this_machine(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
