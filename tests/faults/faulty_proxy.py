"""A proxy between the tasks and a real S3 server that breaks what passes through, by rules."""

import http.client
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3_server import ACCESS_KEY, SECRET_KEY

ERRORS = {
    "internal error": (500, "InternalError"),
    "slow down": (503, "SlowDown"),
    "throttled": (429, "TooManyRequests"),
    "conflict": (409, "ConditionalRequestConflict"),
    "not implemented": (501, "NotImplemented"),
    "expired token": (400, "ExpiredToken"),
}
# Only an answer with a body can be broken in these ways.
BROKEN_BODIES = ("cut off", "slow body", "flipped bits", "shortened")
FAULTS = (
    "reset before",
    "reset after",
    "no answer",
    "internal error",
    "slow down",
    "throttled",
    *BROKEN_BODIES,
)
_NO_BODY = (204, 304)


@dataclass
class Rule:
    """Breaks the requests that it matches, at most `times` of them, each with a probability."""

    fault: str
    method: str = ".*"
    path: str = ""
    times: float = float("inf")
    probability: float = 1.0


@dataclass
class Seen:
    """A request that came: what, when, what was done to it, and bytes of the answer's body."""

    method: str
    path: str
    at: float
    fault: str | None
    answered: int = 0


@dataclass
class _Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    length: int = field(default=0)


class FaultyProxy:
    """Passes requests on with their headers untouched, and breaks those that a rule matches.

    Args:
        upstream: URL of the server.
        seed: of what is left to chance.
    """

    def __init__(self, upstream: str, seed: int = 0) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.random = random.Random(seed)
        self.rules: list[Rule] = []
        self.seen: list[Seen] = []
        self.silence = 3.0  # seconds without an answer
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def break_by(self, *rules: Rule) -> None:
        """Breaks by these rules from now on, and forgets what was seen."""
        with self._lock:
            self.rules, self.seen = list(rules), []

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()

    def broken(self) -> list[Seen]:
        """Returns the requests that were broken."""
        return [seen for seen in self.seen if seen.fault]

    def judge(self, method: str, path: str) -> Seen:
        """Notes a request, and the fault it is to meet."""
        with self._lock:
            rule = next((rule for rule in self.rules if self._hits(rule, method, path)), None)
            fault = rule.fault if rule else None
            if rule:
                rule.times -= 1
            if fault == "network down":
                fault, self.rules = "reset before", [Rule("reset before")]
            seen = Seen(method, path, time.monotonic(), fault)
            self.seen.append(seen)
        return seen

    def _hits(self, rule: Rule, method: str, path: str) -> bool:
        matches = re.fullmatch(rule.method, method) and re.search(rule.path, path)
        return bool(matches and rule.times > 0 and self.random.random() < rule.probability)

    def forward(self, request: _Request) -> _Answer:
        """Asks the server."""
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            connection.putrequest(
                request.method, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            body = response.read()
            return _Answer(response.status, response.getheaders(), body, len(body))
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # pylint: disable=redefined-builtin
        """Says nothing."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        request = _Request(self.command, self.path, self.headers.items(), body)
        proxy = self.server.proxy
        seen = proxy.judge(self.command, self.path)
        fault = seen.fault
        if fault in ("reset before", "reset after", "no answer"):
            self._stay_silent(request, fault)
        else:
            answer = _answer(proxy, request, fault)
            seen.answered = len(answer.body)
            self._send(answer, fault)

    def _stay_silent(self, request: _Request, fault: str) -> None:
        if fault == "reset after":
            self.server.proxy.forward(request)
        if fault == "no answer":
            time.sleep(self.server.proxy.silence)
        self._reset()

    def _reset(self) -> None:
        # Closing at once with data unsent or unread, as a dead machine would, is a reset.
        option = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.connection.close()
        self.close_connection = True

    def _send(self, answer: _Answer, fault: str | None) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if answer.status not in _NO_BODY:
            self.send_header("Content-Length", str(self._length(answer)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "slow body":
            for start in range(0, len(answer.body), max(1, len(answer.body) // 4)):
                time.sleep(0.05)
                self.wfile.write(answer.body[start : start + max(1, len(answer.body) // 4)])
        else:
            self.wfile.write(answer.body)
        if len(answer.body) < answer.length:
            self.close_connection = True

    def _length(self, answer: _Answer) -> int:
        announced = {name.lower(): value for name, value in answer.headers}
        is_head = self.command == "HEAD"
        return int(announced.get("content-length", 0)) if is_head else answer.length


def _answer(proxy: FaultyProxy, request: _Request, fault: str | None) -> _Answer:
    if fault in ERRORS:
        return _refusal(*ERRORS[fault])
    if fault == "ignored condition":
        request.headers = _signed_without(request, "if-none-match", proxy.upstream)
    if fault == "flipped upload" and request.body:
        request.body = _flip(request.body, proxy.random)
    answer = proxy.forward(request)
    if fault == "false refusal":
        return _refusal(412, "PreconditionFailed")
    if fault == "other tag":
        gone = ("etag", "x-amz-checksum-crc32", "x-amz-checksum-type")
        kept = [item for item in answer.headers if item[0].lower() not in gone]
        answer.headers = [*kept, ("ETag", '"0123456789abcdef0123456789abcdef"')]
    if fault in BROKEN_BODIES and answer.body:
        _break_body(answer, fault, proxy.random)
    return answer


def _signed_without(request: _Request, dropped: str, host: str) -> list[tuple[str, str]]:
    """Returns the headers without one of them: the signature covers it, so it is made anew."""
    gone = (dropped, "authorization", "x-amz-date", "expect")
    kept = {name: value for name, value in request.headers if name.lower() not in gone}
    signed = AWSRequest(request.method, f"http://{host}{request.path}", kept, request.body)
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(signed)
    return list(signed.headers.items())


def _break_body(answer: _Answer, fault: str, chance: random.Random) -> None:
    if fault == "flipped bits":
        answer.body = _flip(answer.body, chance)
    elif fault != "slow body":
        answer.body = answer.body[: len(answer.body) // 2]
    if fault == "shortened":
        answer.length = len(answer.body)


def _flip(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    changed[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _refusal(status: int, code: str) -> _Answer:
    body = f"<Error><Code>{code}</Code><Message>made up: {code}</Message></Error>".encode()
    return _Answer(status, [("Content-Type", "application/xml")], body, len(body))


@contextmanager
def running_proxy(upstream: str, seed: int = 0) -> Iterator[FaultyProxy]:
    """Runs a proxy in front of a server."""
    proxy = FaultyProxy(upstream, seed)
    try:
        yield proxy
    finally:
        proxy.close()
