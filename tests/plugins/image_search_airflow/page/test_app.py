"""The routes of the page: who may, what comes back, and with which headers."""

import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from image_search_airflow.page.app import build_app
from image_search_airflow.page.uploads import UPLOADS_AT_ONCE
from image_search_airflow.page.worker import WorkerError
from tests.plugins.airflow_environment import PLUGINS

OWN = {"X-Image-Search": "1", "Sec-Fetch-Site": "same-origin"}
BEARER = {"Authorization": "Bearer token"}
GETS = (
    "/",
    "/browse",
    "/assets/page.css",
    "/api/state",
    "/api/images",
    "/api/image?name=x",
    "/api/thumbnail/256?name=x&release=1",
    "/api/answer?run_id=x",
    "/api/answer/thumbnail/256?run_id=x",
    "/api/reindex?run_id=x",
    "/api/changes/added",
    "/api/duplicates",
    "/api/duplicates/groups?threshold=0.9",
    "/api/similar?name=x&n=3",
    "/api/folders",
    "/api/sample",
    "/api/release",
)


class StandInWorker:
    """Answers like the worker, without a lake, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.received = b""
        self.uploads = self.most_uploads = 0

    async def ask(self, question: str, **given: Any) -> dict[str, Any]:
        """Answers a question."""
        self.asked.append((question, given))
        self.uploads += {"upload_begin": 1, "upload_finish": -1}.get(question, 0)
        self.most_uploads = max(self.most_uploads, self.uploads)
        await asyncio.sleep(0.001)
        match question:
            case "thumbnail" | "query_thumbnail":
                return {"data": base64.b64encode(b"\xff\xd8\xff<script>").decode()}
            case "upload_begin":
                return {"upload": "token"}
            case "upload_add":
                self.received += base64.b64decode(given["data"])
            case "upload_finish" if self.received.startswith(b"<"):
                raise WorkerError("user", "this cannot be used: not an image")
            case "upload_finish":
                return {"query_image": "file:///lake/runs/x/query/y.png"}
        return {"current": 1, "releases": []}


@pytest.fixture(scope="module", name="_database", autouse=True)
def _database() -> None:
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True)
    create_auth_manager().init()


@pytest.fixture
def worker() -> StandInWorker:
    return StandInWorker()


@pytest.fixture
def app(worker: StandInWorker) -> FastAPI:
    return build_app(worker)  # type: ignore[arg-type]


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://airflow.lab", follow_redirects=False) as client:
        yield client


def sign_in(app: FastAPI, role: str) -> None:
    user = SimpleAuthManagerUser(username=role, role=role)
    app.dependency_overrides[get_user] = lambda: user


def test_nothing_is_there_for_who_is_not_signed_in(app: FastAPI, client: TestClient) -> None:
    def nobody() -> None:
        raise HTTPException(401, "Not authenticated")

    app.dependency_overrides[get_user] = nobody
    for path in (*GETS, "/assets/none", "/none"):
        assert client.get(path).status_code == 401, path
    for path in ("/api/uploads", "/api/duplicates"):
        assert client.post(path, headers=OWN).status_code == 401, path
    led = client.get("/browse?wanted=x", headers={"Accept": "text/html"})
    assert led.status_code == 302
    assert led.headers["Location"] == "../api/v2/auth/login?next=%2Fbrowse%3Fwanted%3Dx"


def test_every_route_is_among_those_tested_here(app: FastAPI) -> None:
    written = {re.sub(r"\{\w+\}", "", path) for path in app.openapi()["paths"]}
    tested = {path.split("?", maxsplit=1)[0] for path in (*GETS, "/api/uploads")}
    assert all(any(one.startswith(path) for one in tested) for path in written)


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("user", True), ("admin", True)])
def test_a_viewer_may_look_and_who_may_trigger_may_search(
    app: FastAPI, client: TestClient, worker: StandInWorker, role: str, may: bool
) -> None:
    sign_in(app, role)
    for path in GETS:
        expected = 403 if "similar" in path and not may else 200
        assert client.get(path).status_code == expected, path
    assert client.get("/api/state").json()["may_search"] == may
    upload = client.post("/api/uploads", content=b"picture", headers=OWN)
    assert upload.status_code == (201 if may else 403)
    assert client.post("/api/duplicates", headers=OWN).status_code == (200 if may else 403)
    assert any(question == "upload_finish" for question, _ in worker.asked) == may


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 201),
        (BEARER, 201),
        ({"X-Image-Search": "1", "Origin": "http://airflow.lab"}, 201),
        ({"X-Image-Search": "1"}, 201),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({"X-Image-Search": "1", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Image-Search": "1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Image-Search": "1", "Sec-Fetch-Site": "none"}, 403),
        ({"X-Image-Search": "1", "Origin": "http://airflow.lab:81"}, 403),
        ({"X-Image-Search": "1", "Origin": "null"}, 403),
    ],
)
def test_what_another_site_makes_a_browser_send_is_refused(
    app: FastAPI, client: TestClient, headers: dict[str, str], status: int
) -> None:
    sign_in(app, "user")
    assert client.post("/api/uploads", content=b"picture", headers=headers).status_code == status


def test_a_large_upload_goes_on_in_parts_and_a_huge_one_not_at_all(
    app: FastAPI, client: TestClient, worker: StandInWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_PAGE__UPLOAD_MAX_BYTES", "1500000")
    sign_in(app, "user")
    data = bytes(range(256)) * 5000
    answer = client.post("/api/uploads", content=data, headers=OWN)
    assert answer.status_code == 201
    assert worker.received == data
    assert max(len(given.get("data", "")) for _, given in worker.asked) < 800_000
    run_id = answer.json()["run_id"]
    assert re.fullmatch(r"manual__[\d-]+T[\d-]+_[0-9a-f]{12}", run_id)
    assert worker.asked[-1][1]["run"] == run_id

    worker.asked.clear()
    assert client.post("/api/uploads", content=bytes(1_500_001), headers=OWN).status_code == 413
    assert worker.asked == []

    def endless() -> Iterator[bytes]:
        yield from (bytes(100_000) for _ in range(1000))

    # Without a length; no more than the limit is ever taken.
    worker.received = b""
    assert client.post("/api/uploads", content=endless(), headers=OWN).status_code == 413
    assert len(worker.received) <= 1_500_000


def test_of_many_uploads_at_once_some_wait_and_none_is_lost(
    app: FastAPI, worker: StandInWorker
) -> None:
    sign_in(app, "user")

    async def send_all() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow.lab") as client:
            sent = (client.post("/api/uploads", content=b"x", headers=OWN) for _ in range(40))
            return [answer.status_code for answer in await asyncio.gather(*sent)]

    assert asyncio.run(send_all()) == [201] * 40
    assert worker.most_uploads == UPLOADS_AT_ONCE


def test_an_upload_that_does_not_arrive_is_given_up(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_search_airflow.page.uploads._LONGEST_SECONDS", 0.0)
    sign_in(app, "user")
    answer = client.post("/api/uploads", content=b"x", headers=OWN)
    assert answer.status_code == 408
    assert "try again" in answer.json()["detail"]


def test_a_refused_upload_says_why(app: FastAPI, client: TestClient) -> None:
    sign_in(app, "user")
    answer = client.post("/api/uploads", content=b"<svg/>", headers=OWN)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "this cannot be used: not an image",
    )


def test_every_response_is_told_to_browsers_as_untrusted(app: FastAPI, client: TestClient) -> None:
    sign_in(app, "viewer")
    for path in (*GETS, "/none", "/assets/none", "/api/image"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Cache-Control" in headers
    picture = client.get("/api/thumbnail/256?name=x&release=1")
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert "sandbox" in picture.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2fapp.py",
        "/assets/%2e%2e%2f%2e%2e%2fsettings.py",
        "/assets/....//app.py",
        "/..%2f..%2fetc%2fpasswd",
        "/base",
        "/refused.html",
    ],
)
def test_no_path_leads_to_another_file(app: FastAPI, client: TestClient, path: str) -> None:
    sign_in(app, "admin")
    assert client.get(path).status_code == 404


def test_a_name_is_passed_on_as_it_is_and_a_run_id_as_the_lake_knows_it(
    app: FastAPI, client: TestClient, worker: StandInWorker
) -> None:
    sign_in(app, "user")
    name = "../<b>&?#%2f\n.jpg"
    client.get("/api/thumbnail/256", params={"name": name, "release": 1})
    client.get("/api/answer", params={"run_id": "../../manual__2026-01-31T02:00:00+00:00"})
    assert worker.asked[0][1]["name"] == name
    assert worker.asked[1][1]["run"] == "run..-..-manual__2026-01-31T02-00-00-00-00"


def test_what_airflow_loads_in_every_process_is_not_the_page(tmp_path: Path) -> None:
    program = (
        "import sys, json; from airflow import plugins_manager as it; it.ensure_plugins_loaded();"
        "plugins, errors = it._get_plugins();"
        "print(json.dumps([[p.name for p in plugins], errors, "
        "[n for n in ('numpy', 'cv2', 'faiss', 'image_search_airflow.page.app') "
        "if n in sys.modules]]))"
    )
    plugins = shutil.copytree(PLUGINS, tmp_path / "plugins")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": "",
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
    )
    names, errors, loaded = json.loads(done.stdout.splitlines()[-1])
    assert "image_search" in names
    assert errors == {}
    assert loaded == []
