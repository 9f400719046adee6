"""URIs that let whoever has them in: they are refused where they would be kept, and shown bare."""

from urllib.parse import parse_qsl, urlsplit

# Query parameters of signed URIs, and tokens.
_KEYS_TO_A_DOOR = ("signature", "sig", "token", "credential", "secret", "password", "key")


def require_no_secret(uri: str) -> str:
    """Returns a URI that may be kept in plans, manifests and logs.

    Raises:
        ValueError: it may not; the message does not tell it.
    """
    if any(map(_gives_access, uri.split("::"))):
        raise ValueError(
            "the URI holds a password, a token or a signature, which plans and logs would show; "
            "name a bucket, a folder or a file there that needs none in its URI"
        )
    return uri


def shown(uri: str) -> str:
    """Returns a URI as it may be told: without user and password, and without a query.

    `?` and `#` are part of a name in a folder or a bucket, and so they stay there, unless what
    follows looks like a key.
    """
    return "::".join(map(_bare, uri.split("::")))


def _bare(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    if not mark or not (scheme.startswith("http") or _gives_access(uri)):
        return uri
    if not _makes_sense(uri):
        return f"{scheme}://…"
    place, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def _gives_access(uri: str) -> bool:
    scheme, mark, rest = uri.partition("://")
    if not mark or scheme in ("file", "local"):
        return False
    # It does not matter what a server would take for a fragment.
    place, _, query = rest.replace("#", "&").partition("?")
    names = (name.lower() for name, _ in parse_qsl(query, keep_blank_values=True))
    keys = any(name.endswith(_KEYS_TO_A_DOOR) for name in names)
    return keys or "@" in place.partition("/")[0] or not _makes_sense(uri)


def _makes_sense(uri: str) -> bool:
    """Tells whether what should be a port is one: else it may be the first part of a password."""
    try:
        return urlsplit(uri).port != -1
    except ValueError:
        return False
