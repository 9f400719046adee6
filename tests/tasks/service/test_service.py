"""The service as those who ask see it: over HTTP, from a process of its own."""

import asyncio
import io
import signal
import socket
import threading
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import pytest
from fastapi import FastAPI
from PIL import Image

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.search import search
from tasks.service.access import is_allowed, is_meant_for_this_machine, tokens_for
from tasks.service.app import make_app
from tasks.service.current_searcher import CurrentSearcher
from tasks.service.slots import BusyError, Slots
from tasks.settings import ServiceSettings
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests
from tests.tasks.service.asking import Reply
from tests.tasks.service.conftest import Service, Start


def test_it_answers_names_and_pictures_as_search_does_and_ends_when_told(
    indexed: Store, master: Path, start: Start
) -> None:
    service = start()
    expected = search(indexed, "s", "coffee_0.jpg", 3, settings_for_tests())
    expected = {key: expected[key] for key in ("query", "release", "results", "warning")}
    assert service.ask("/search?query=coffee_0.jpg&n=3").json() == expected

    by_picture = service.ask("/search?n=2", (master / "coffee_0.jpg").read_bytes())
    names = [hit["name"] for hit in by_picture.json()["results"]]  # type: ignore[attr-defined]
    assert names == ["coffee_0.jpg", "coffee_1.jpg"]

    drawn = service.ask("/search?query=coffee_0.jpg&format=png")
    assert drawn.headers["content-type"] == "image/png"
    assert drawn.data.startswith(b"\x89PNG")

    assert service.ask("/healthz").status == 200
    assert service.ask("/readyz").json() == {"status": "ok", "release": 1}
    assert service.ask("/openapi.json").json()["paths"]
    assert b'image_search_requests_total{status="200"} 3.0' in service.ask("/metrics").data
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_what_cannot_be_answered_has_a_status_and_one_line(
    master: Path, tmp_path: Path, start: Start
) -> None:
    service = start(
        IMAGE_SEARCH_SERVICE__UPLOAD_MAX_BYTES="50000",
        IMAGE_SEARCH_SERVICE__UPLOAD_MAX_PIXELS="20000",
    )
    large = io.BytesIO()
    Image.new("RGB", (160, 126)).save(large, "PNG")
    (tmp_path / "outside.jpg").write_bytes((master / "coffee_0.jpg").read_bytes())
    for status, path, data, reason in (
        (400, "/search?query=nobody.jpg", None, "nobody.jpg"),
        (400, f"/search?query={quote(str(tmp_path / 'outside.jpg'))}", None, "is not under"),
        (400, "/search", b"no picture", "cannot be used"),
        (400, "/search?query=coffee_0.jpg&n=1000", None, "100 images at most"),
        (413, "/search", bytes(50_001), "larger than 50000 bytes"),
        (400, "/search", large.getvalue(), "claims 160 x 126 pixels, over the limit of 20000"),
        (422, "/search?query=coffee_0.jpg&n=0", None, "n: Input should be greater than or equal"),
        (422, "/search", None, "query: Field required"),
        (404, "/nowhere", None, "Not Found"),
        (405, "/healthz", b"", "Method Not Allowed"),
    ):
        reply = service.ask(path, data)
        assert reply.status == status
        assert reason in str(reply.json()["error"])
    assert service.ask("/search?query=coffee_0.jpg").status == 200


def test_what_is_declared_too_large_is_refused_before_it_comes(start: Start) -> None:
    service = start(IMAGE_SEARCH_SERVICE__UPLOAD_MAX_BYTES="50000")
    with connected(service) as asking:
        asking.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50001\r\n\r\n")
        assert asking.recv(1000).startswith(b"HTTP/1.1 413 ")
    # Nor is a size believed that nobody declares.
    many = iter([bytes(30_000)] * 3)
    assert service.ask("/search", many).status == 413  # type: ignore[arg-type]


def test_damage_is_told_and_counted(indexed: Store, start: Start) -> None:
    path = indexed.local_path(layout.release(1, layout.NPY_IMAGE_VECTORS))
    assert path
    data = path.read_bytes()
    path.unlink()  # a link: others have it, too
    path.write_bytes(data[:-4096] + bytes(4096))
    service = start()
    reply = service.ask("/search?query=coffee_0.jpg&n=6")
    assert reply.status == 503
    assert "image_reindex repairs it" in str(reply.json()["error"])
    assert b'image_search_requests_total{status="503"} 1.0' in service.ask("/metrics").data


def test_a_search_that_fails_is_told_in_one_line_and_counted(indexed: Store) -> None:
    app = make_app(CurrentSearcher(indexed, settings_for_tests()), ServiceSettings(), ())

    @app.put("/search")
    async def _fail() -> None:
        raise ZeroDivisionError

    said = _asked(app, "PUT", "/search")
    assert said.status == 500
    assert said.json() == {"error": "the search failed; the service's log says why"}
    assert b'image_search_requests_total{status="500"} 1.0' in _asked(app, "GET", "/metrics").data


def test_only_who_has_a_token_may_search(start: Start) -> None:
    service = start(IMAGE_SEARCH_TOKEN="the-next the-last\n")
    for header, status in (
        ("", 401),
        ("Bearer wrong", 401),
        ("Bearer the-next the-last", 401),
        ("Bearer the-next", 200),
        ("Bearer the-last", 200),
    ):
        assert service.ask("/search?query=coffee_0.jpg", Authorization=header).status == status
    named = {"Authorization": "Bearer the-next", "Host": "search.example.com"}
    assert service.ask("/search?query=coffee_0.jpg", None, **named).status == 200
    assert service.ask("/healthz").status == 200


def test_without_a_token_no_other_name_than_this_machine_s_leads_here(start: Start) -> None:
    service = start()
    reply = service.ask("/search?query=coffee_0.jpg", Host="rebound.example.com")
    assert reply.status == 403
    assert "IMAGE_SEARCH_TOKEN" in str(reply.json()["error"])
    assert service.ask("/search?query=coffee_0.jpg", Host="localhost:8000").status == 200
    assert service.ask("/healthz", Host="rebound.example.com").status == 200


def test_who_comes_while_all_places_are_taken_is_told_to_come_again(
    master: Path, start: Start
) -> None:
    service = start(IMAGE_SEARCH_SERVICE__AT_ONCE="1", IMAGE_SEARCH_SERVICE__WAITING="0")
    with connected(service) as slow:
        slow.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        refused = _until(lambda: service.ask("/search?query=coffee_0.jpg"), status=503)
        assert refused.headers["retry-after"] == "1"
        assert service.ask("/readyz").status == 503
        assert service.ask("/healthz").status == 200
    answered = _until(lambda: service.ask("/search", (master / "coffee_0.jpg").read_bytes()), 200)
    assert answered.json()["results"]


def test_a_new_release_takes_over_while_requests_run_and_none_fails(
    indexed: Store, master: Path, start: Start
) -> None:
    service = start(IMAGE_SEARCH_SERVICE__LOOK_SECONDS="0.2")
    save_photo(master / "new.jpg", "rocket", view=7)
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(service.ask("/search?query=coffee_0.jpg").status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        reindex(indexed, "second")
        _until(lambda: service.ask("/search?query=new.jpg"), 200)
    finally:
        done.set()
        asking.join()
    assert service.ask("/readyz").json()["release"] == 2
    assert set(statuses) == {200}


def test_requests_under_way_are_answered_when_it_is_told_to_end(master: Path, start: Start) -> None:
    service = start()
    picture = (master / "coffee_0.jpg").read_bytes()
    head = f"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(picture)}\r\n\r\n"
    with connected(service) as slow, connected(service):  # another one that says nothing
        slow.sendall(head.encode() + picture[:1000])
        _until_in_flight(service, 1)
        service.process.send_signal(signal.SIGTERM)
        _until_refused(service)
        slow.sendall(picture[1000:])
        answer = b""
        while data := slow.recv(2**16):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"coffee_0.jpg"' in answer
    assert service.process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_others_than_this_machine_may_ask_only_with_a_token() -> None:
    for lacking in ({}, {"IMAGE_SEARCH_TOKEN": " \n"}):
        with pytest.raises(UserError, match="takes a token; put one into IMAGE_SEARCH_TOKEN"):
            tokens_for("0.0.0.0", lacking)  # noqa: S104
    assert tokens_for("0.0.0.0", {"IMAGE_SEARCH_TOKEN": "t\n"}) == ("t",)  # noqa: S104
    assert not tokens_for("127.0.0.1", {})
    assert not tokens_for("localhost", {})


def test_a_token_that_no_header_can_hold_is_refused() -> None:
    with pytest.raises(UserError, match="other than ASCII characters; make another one"):
        tokens_for("127.0.0.1", {"IMAGE_SEARCH_TOKEN": "schlüssel"})


def test_hosts_of_this_machine_are_told_from_others() -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"):
        assert is_meant_for_this_machine(host)
    for host in ("", "example.com", "localhost.example.com", "127.0.0.1.example.com", "[::1"):
        assert not is_meant_for_this_machine(host)


def test_a_header_is_compared_whole() -> None:
    assert is_allowed(("t",), "Bearer t")
    assert not is_allowed(("t",), "Bearer")
    assert not is_allowed(("t",), "bearer tt")
    assert not is_allowed(("t",), "Bearer \udcff".encode("utf-8", "replace").decode())
    assert is_allowed((), "")


def test_places_are_free_again_after_a_failure() -> None:
    slots = Slots(1)
    with pytest.raises(ZeroDivisionError), slots.one():
        raise ZeroDivisionError
    with slots.one(), pytest.raises(BusyError), slots.one():
        pass


def connected(service: Service) -> socket.socket:
    place = urlparse(service.url)
    assert place.hostname
    return socket.create_connection((place.hostname, place.port or 0), timeout=60)


def _asked(app: FastAPI, method: str, path: str) -> Reply:
    """Asks an application in this process."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": method, "path": path, "query_string": b""}
    scope |= {"headers": [(b"host", b"localhost")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    asyncio.run(app(scope, receive, send))
    return Reply(sent[0]["status"], {}, b"".join(it.get("body", b"") for it in sent))


def _until_in_flight(service: Service, count: int) -> None:
    end = time.monotonic() + 60
    while f"image_search_in_flight {count}.0".encode() not in service.ask("/metrics").data:
        assert time.monotonic() < end


def _until_refused(service: Service) -> None:
    """Waits until the service takes no connection any more."""
    end = time.monotonic() + 60
    while True:
        assert time.monotonic() < end
        try:
            connected(service).close()
        except ConnectionResetError:
            continue  # it was waiting to be accepted when the service ceased to
        except ConnectionRefusedError:
            return


def _until(ask, status: int):  # type: ignore[no-untyped-def]
    """Asks again until the status comes: what a test waits for has no event of its own."""
    end = time.monotonic() + 60
    while (reply := ask()).status != status:
        assert time.monotonic() < end, reply
    return reply
