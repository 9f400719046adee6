"""One Airflow with a really reindexed catalogue for all tests, and a browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.running_airflow import REPOSITORY, RunningAirflow, running_airflow, seed
from tests.browser.visitor import WIDE, Visitor

REINDEX_RUN = "manual__second"
_CHROMIUM = "/usr/bin/chromium"

# No test fails because the machine has other things to do.
_PATIENCE = 60_000
expect.set_options(timeout=_PATIENCE)

Visit = Callable[..., Visitor]


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
        running_airflow(tmp_path_factory.mktemp("airflow"), lake) as airflow,
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


@pytest.fixture
def visit(browser: Browser, airflow: RunningAirflow) -> Iterator[Visit]:
    """Returns a function that gives somebody a browser of her own, signed in if she has a name.

    At the end nothing may have opened a dialog, and no script may have failed.
    """
    visitors: list[Visitor] = []

    def come(user: str | None = "admin", **options: Any) -> Visitor:
        context = browser.new_context(**{"viewport": WIDE, **options})
        context.set_default_timeout(_PATIENCE)
        visitors.append(Visitor(context.new_page(), airflow))
        if user:
            visitors[-1].sign_in(user)
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.page.context.close()
    assert [visitor.dialogs for visitor in visitors if visitor.dialogs] == []
    assert [visitor.errors for visitor in visitors if visitor.errors] == []


@pytest.fixture
def query_picture(airflow: RunningAirflow) -> Path:
    """A picture that is not in the catalogue: the right half of a stereo pair."""
    return airflow.lake / "queries" / "motorcycle.jpg"
