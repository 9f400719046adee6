"""Somebody who looks at the page: signs in, goes to a place, looks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame, FrameLocator, Locator, Page

from tests.browser.running_airflow import REPOSITORY, Site, until

PICTURES = REPOSITORY / "var" / "browser" / "pictures"
NARROW = {"width": 400, "height": 800}
WIDE = {"width": 1280, "height": 860}
_SETTLED = """
document.readyState === "complete"
&& !document.querySelector('[aria-busy="true"], #content:empty, #trouble:empty ~ #grid > ul:empty')
&& [...document.images].every(image => image.complete
    || image.getBoundingClientRect().top > innerHeight || !image.checkVisibility())
"""


class Visitor:
    """A signed-in browser tab."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page, self.site = page, site
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        # A script that got in through a name or a file would open one.
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def sign_in(self, user: str) -> None:
        """Signs in as people do."""
        self.page.goto(f"{self.site.address}/auth/login")
        self.page.fill("input[name=username]", user)
        self.page.fill("input[name=password]", user)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "/auth/login" not in url)

    def open_in_airflow(self, place: str = "", **params: Any) -> FrameLocator:
        """Opens the page within Airflow's UI; returns what is in its frame."""
        query = f"?{urlencode(params)}" if params else ""
        self.page.goto(f"{self.site.address}/plugin/image-search/image-search/{place}{query}")
        return self.frame

    @property
    def frame(self) -> FrameLocator:
        """What is in the frame of the page."""
        return self.page.frame_locator('iframe[title="Image Search"], iframe[title="Images"]')

    def open(self, place: str = "", **params: Any) -> Page:
        """Opens the page by itself, without Airflow's UI around it."""
        query = f"?{urlencode(params)}" if params else ""
        self.page.goto(f"{self.site.address}/image-search/{place}{query}")
        return self.page

    def settle(self) -> None:
        """Waits until nothing is under way, and all pictures in sight are there."""
        self.wait_until(lambda: all(map(_is_settled, self.page.frames)))

    def wait_until(self, ask: Callable[[], bool]) -> None:
        """Waits until something is so, while the browser goes on."""
        until(lambda: self.page.wait_for_timeout(100) or ask())

    def take_picture(self, name: str, *, settled: bool = True) -> None:
        """Saves what is to be seen, as soon as nothing is under way, or just now."""
        if settled:
            self.settle()
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=82)

    def serious_findings(self) -> list[str]:
        """Returns what axe-core finds that keeps people out, on a page opened by itself."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{finding['id']}: {[node['html'] for node in finding['nodes']][:3]}"
            for finding in found
            if finding["impact"] in ("serious", "critical")
        ]


def _is_settled(frame: Frame) -> bool:
    # Not `wait_for_function`: it evaluates in the page, whose policy forbids that.
    return bool(frame.evaluate(_SETTLED))


def tiles(place: FrameLocator | Page | Locator) -> Locator:
    """Returns the images shown."""
    return place.locator(".tile")


def save_picture(path: Path, data: bytes) -> Path:
    """Saves a file to upload."""
    path.write_bytes(data)
    return path
