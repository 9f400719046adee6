"""What the page costs Airflow's API server: memory, and none of the heavy libraries."""

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from tests.browser.api_server import ApiServer, loaded, memory, running_api_server
from tests.browser.running_airflow import RunningAirflow

HEAVY = ("cv2", "onnxruntime", "tensorflow", "faiss", "numpy")
MOST_MB = 50
NAMES = [quote(f"folder 050/{row:06d}.jpg") for row in range(50_000, 50_005)]
# Airflow's own first, then the page as somebody opens it, looks around and searches.
PATHS = (
    "",
    "api/v2/plugins",
    "api/v2/dags",
    "api/v2/dags/image_search/dagRuns",
    *(f"image-search/{view}" for view in ("", "browse", "duplicates", "release", "history")),
    "image-search/assets/page.css",
    *(f"image-search/api/{data}" for data in ("state", "sample", "folders", "duplicates")),
    "image-search/api/images?limit=500&offset=90000",
    "image-search/api/images?limit=500&wanted=99",
    "image-search/api/changes/added",
    *(f"image-search/api/image?name={name}" for name in NAMES),
    *(
        f"image-search/api/thumbnail/{side}?release=1&name={name}"
        for name in NAMES
        for side in (256, 1280)
    ),
    *(f"image-search/api/similar?n=50&name={name}" for name in NAMES),
)
TIMES = 5
UPLOAD = bytes(1_900_000)


@pytest.fixture
def bare_site(
    airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[ApiServer]:
    """An API server without the plugin."""
    nothing = {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path_factory.mktemp("plugins"))}
    with running_api_server(tmp_path, airflow.home, airflow.lake_uri, nothing) as server:
        yield server


def ask_all(server: ApiServer) -> list[int]:
    """Asks a server for everything, several times; returns with what status it answered."""
    token = server.token()
    return [ask(server, "GET", path, token) for path in PATHS * TIMES]


def ask(server: ApiServer, method: str, path: str, token: str, body: bytes | None = None) -> int:
    try:
        server.fetch(method, path, body, token)
    except HTTPError as error:
        return error.code
    return 200


def test_the_api_server_s_memory_hardly_grows_with_the_page(
    large_site: ApiServer, bare_site: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_all(bare_site)
    assert set(ask_all(large_site)) == {200}
    token = large_site.token()
    refused = {
        ask(large_site, "POST", "image-search/api/uploads", token, UPLOAD) for _ in range(TIMES)
    }
    assert refused == {400}  # it is no picture
    without, with_page = (memory(site.processes()) for site in (bare_site, large_site))
    said = (
        f"API server: {without:.0f} MB without the page, {with_page:.0f} MB with it; "
        f"the page's worker, which ends when nobody looks: {memory(large_site.workers()):.0f} MB"
    )
    with capsys.disabled():
        print(said)
    assert without > MOST_MB, said  # or this is not the server
    assert with_page - without < MOST_MB, said
    assert bare_site.workers() == []


def test_no_process_of_the_api_server_loads_what_only_the_worker_needs(
    large_site: ApiServer,
) -> None:
    ask_all(large_site)
    assert loaded(large_site.processes(), *HEAVY) == set()
    # So this would be seen. TensorFlow and ONNX Runtime are for runs alone.
    assert loaded(large_site.workers(), *HEAVY) == {"cv2", "faiss", "numpy"}
