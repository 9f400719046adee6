"""The page on a lake in a bucket, which it reaches with a connection of Airflow."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, expect

from tests.browser.conftest import VisitSite
from tests.browser.running_airflow import (
    REPOSITORY,
    TASKS,
    RunningAirflow,
    copy_database,
    running_airflow,
)
from tests.browser.visitor import tiles

LAKE = "s3://images/lake"
CONNECTION = "lake"
SETTING = {"IMAGE_SEARCH_AIRFLOW__CONNECTION": CONNECTION}
_SHOWN = "images => images.length > 0 && images.every(image => image.naturalWidth > 0)"


Bucket = dict[str, str]


@pytest.fixture(scope="module")
def s3_airflow(
    airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningAirflow, Bucket]]:
    """An Airflow whose lake is a copy in a bucket; the server's endpoint and the keys."""
    home = tmp_path_factory.mktemp("airflow")
    copy_database(airflow.home, home)
    command = [str(TASKS), "-m", "tests.browser.s3_lake", str(airflow.lake), LAKE]
    with (
        subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server,
        running_airflow(home, LAKE, SETTING) as site,
    ):
        assert server.stdout
        yield site, json.loads(server.stdout.readline())
        server.communicate(b"")


def connect(site: RunningAirflow, bucket: Bucket) -> None:
    """Adds the connection as an administrator does: it is in Airflow's database alone."""
    extra = {"endpoint_url": bucket["endpoint"], "region_name": "us-east-1"}
    given = {"login": bucket["key"], "password": bucket["secret"], "extra": json.dumps(extra)}
    body: dict[str, Any] = {"connection_id": CONNECTION, "conn_type": "aws", **given}
    site.call("POST", "api/v2/connections", body)


def all_pictures_are_shown(frame: FrameLocator) -> bool:
    return bool(frame.locator(".tile img").evaluate_all(_SHOWN))


def test_the_page_works_on_a_bucket_with_the_keys_of_a_connection(
    s3_airflow: tuple[RunningAirflow, Bucket], visit_site: VisitSite, query_picture: Path
) -> None:
    site, bucket = s3_airflow
    visitor = visit_site(site, "uma")
    frame = visitor.open_in_airflow("browse")
    expect(frame.get_by_text("The catalogue cannot be reached")).to_be_visible()
    expect(frame.get_by_text("does not exist; add it")).to_be_visible()
    connect(site, bucket)

    frame = visitor.open_in_airflow("browse", wanted="coffee/", match="prefix")
    expect(tiles(frame)).to_have_count(7)
    visitor.wait_until(lambda: all_pictures_are_shown(frame))
    frame.locator(".open").first.click()
    expect(frame.get_by_role("dialog")).to_contain_text(f"{LAKE}/master/coffee/")
    expect(frame.get_by_role("dialog")).to_contain_text("pixels, ")

    frame = visitor.open_in_airflow(name="coffee/view_01.jpg", release=2, n=5)
    expect(tiles(frame)).to_have_count(5)
    expect(frame.locator(".caption .name").first).to_contain_text("coffee/")
    visitor.wait_until(lambda: all_pictures_are_shown(frame))

    frame = visitor.open_in_airflow()
    expect(frame.get_by_text("Choose a file")).to_be_visible()
    frame.locator("#file").set_input_files(query_picture)
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(frame.locator(".caption .name").first).to_contain_text("motorcycle_left/")
    visitor.wait_until(lambda: all_pictures_are_shown(frame))
    query = frame.locator(".asked img")
    visitor.wait_until(lambda: bool(query.evaluate("image => image.naturalWidth > 0")))

    logs = [file for file in site.home.rglob("*") if file.suffix == ".log"]
    assert any("page" in log.read_text(errors="replace") for log in logs)
    assert not any(bucket["secret"] in log.read_text(errors="replace") for log in logs)
