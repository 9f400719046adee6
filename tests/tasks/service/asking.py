"""How to ask a service over HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    data: bytes

    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.data)
        return found


def ask(url: str, data: bytes | None = None, **headers: str) -> Reply:
    """Asks, with POST if there is data; an answer is one whatever its status."""
    request = urllib.request.Request(url, data, headers)  # noqa: S310  # ours
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return Reply(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, dict(error.headers), error.read())


def answers(url: str) -> bool:
    """Tells whether there is one who answers."""
    try:
        return ask(url).status == 200
    except OSError:
        return False
