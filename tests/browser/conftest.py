"""One Airflow with a really reindexed catalogue for all tests, and a browser."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from tests.browser.api_server import ApiServer, running_api_server
from tests.browser.running_airflow import (
    REPOSITORY,
    TASKS,
    RunningAirflow,
    Site,
    running_airflow,
    seed,
)
from tests.browser.visitor import WIDE, Visitor

REINDEX_RUN = "manual__second"
LARGE = 100_000
_CHROMIUM = "/usr/bin/chromium"

# No test fails because the machine has other things to do.
_PATIENCE = 60_000
expect.set_options(timeout=_PATIENCE)

Visit = Callable[..., Visitor]
VisitSite = Callable[..., Visitor]
SignedIn = dict[tuple[str, str], StorageState]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # --no-sandbox: the tests may run as root, and visit nobody but this machine.
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def before_the_first_release() -> dict[str, str]:
    """What the page says as long as there is no release; filled by `airflow`."""
    return {}


@pytest.fixture(scope="session")
def airflow(
    browser: Browser,
    before_the_first_release: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningAirflow]:
    """Airflow, two releases, the second one made by a run of `image_reindex`."""
    lake = REPOSITORY / "var" / "browser" / "lake"
    for zone in ("master", "runs", "landing", "releases", "thumbnails", "near_duplicates"):
        shutil.rmtree(lake / zone, ignore_errors=True)  # the model stays: it takes a while
    with (
        seed("first", lake) as making,
        running_airflow(tmp_path_factory.mktemp("airflow"), lake.as_uri()) as airflow,
    ):
        making.wait()
        assert making.returncode == 0
        for place in ("", "browse", "release", "duplicates"):
            before_the_first_release[place] = _look(browser, airflow, place)
        for step in ("publish", "second"):
            with seed(step, lake) as making:
                making.wait()
            assert making.returncode == 0
        assert airflow.run_dag("image_reindex", REINDEX_RUN) == "success"
        yield airflow


@pytest.fixture(scope="session")
def large_site(
    airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """An API server alone, whose lake has 100,000 images under `tests.made_release.large_name`."""
    lake = tmp_path_factory.mktemp("large") / "lake"
    home = tmp_path_factory.mktemp("api-server")
    command = [str(TASKS), "-m", "tests.made_release", str(lake), str(LARGE)]
    with (
        subprocess.Popen(command, cwd=REPOSITORY) as making,
        running_api_server(home, airflow.home, lake.as_uri()) as server,
    ):
        assert making.wait() == 0
        yield server
    shutil.rmtree(lake)


def _look(browser: Browser, airflow: RunningAirflow, place: str) -> str:
    context = browser.new_context(viewport=WIDE)
    visitor = Visitor(context.new_page(), airflow)
    visitor.sign_in("admin")
    page = visitor.open(place)
    page.locator(".empty").wait_for()
    visitor.take_picture(f"empty-{place or 'search'}")
    text = page.locator(".empty").inner_text()
    context.close()
    return text


@pytest.fixture(scope="session")
def signed_in() -> SignedIn:
    """The cookies of who has signed in before, by address and name: that takes a while."""
    return {}


@pytest.fixture
def visit_site(browser: Browser, signed_in: SignedIn) -> Iterator[VisitSite]:
    """Returns a function that gives somebody a browser of her own, signed in if she has a name.

    At the end nothing may have opened a dialog, and no script may have failed.
    """
    visitors: list[Visitor] = []

    def come(site: Site, user: str | None = "admin", **options: Any) -> Visitor:
        known = signed_in.get((site.address, user or ""))
        context = browser.new_context(**{"viewport": WIDE, "storage_state": known, **options})
        context.set_default_timeout(_PATIENCE)
        visitors.append(Visitor(context.new_page(), site))
        if user and not known:
            visitors[-1].sign_in(user)
            signed_in[site.address, user] = context.storage_state()
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.page.context.close()
    assert [visitor.dialogs for visitor in visitors if visitor.dialogs] == []
    assert [visitor.errors for visitor in visitors if visitor.errors] == []


@pytest.fixture
def visit(airflow: RunningAirflow, visit_site: VisitSite) -> Visit:
    """Returns a function that gives somebody a browser of her own, at `airflow`."""
    return partial(visit_site, airflow)


@pytest.fixture
def query_picture(airflow: RunningAirflow) -> Path:
    """A picture that is not in the catalogue: the right half of a stereo pair."""
    return airflow.lake / "queries" / "motorcycle.jpg"
