"""The grid of a catalogue with 100,000 images."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.api_server import ApiServer
from tests.browser.conftest import VisitSite
from tests.browser.visitor import Visitor, tiles

# An empty page has some hundred elements, a tile a dozen.
MOST_ELEMENTS = 1500
MOST_TILES = 80
PATIENCE_SECONDS = 10
# How far down, and what is there.
PLACES = ((0.505, "folder 050/"), (0.255, "folder 025/"), (0.755, "folder 075/"), (1, "099999.jpg"))

VisitLarge = Callable[[], Visitor]
_SHOWN = "image => image.complete && image.naturalWidth > 0"


@pytest.fixture
def visit_large(large_site: ApiServer, visit_site: VisitSite) -> VisitLarge:
    return lambda: visit_site(large_site, "vera")


def scroll(page: Page, share: float) -> None:
    page.evaluate("share => scrollTo(0, share * document.body.scrollHeight)", share)


def last_name(page: Page, name: str) -> None:
    expect(page.locator(".caption .name").last).to_have_text(name)


def is_bounded(page: Page) -> bool:
    elements = int(page.evaluate("document.querySelectorAll('*').length"))
    return tiles(page).count() < MOST_TILES and elements < MOST_ELEMENTS


def test_any_place_of_100_000_images_is_there_at_once_and_nothing_else_is(
    visit_large: VisitLarge,
) -> None:
    visitor = visit_large()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    page = visitor.open("browse")
    expect(page.locator("#count")).to_contain_text("100,000 images")
    expect(tiles(page).first).to_be_visible()
    started = time.monotonic()
    for share, name in PLACES:
        scroll(page, share)
        expect(page.locator(".caption .name").last).to_contain_text(name)
        assert is_bounded(page)
    last_name(page, "folder 099/099999.jpg")
    picture = tiles(page).last.locator("img")
    visitor.wait_until(lambda: picture.evaluate(_SHOWN))
    assert time.monotonic() - started < PATIENCE_SECONDS
    assert len([url for url in asked if "/api/images?" in url]) <= 12
    visitor.take_picture("browse-large")


def test_100_000_images_are_filtered_by_folder_and_by_part_of_the_name(
    visit_large: VisitLarge,
) -> None:
    page = visit_large().open("browse")
    page.get_by_role("button", name="folder 042/").click()
    expect(page.locator("#count")).to_contain_text("1,000 images")
    expect(page.locator(".caption .name").first).to_have_text("folder 042/042000.jpg")
    scroll(page, 1)
    last_name(page, "folder 042/042999.jpg")
    assert is_bounded(page)
    page.get_by_label("How to compare names").select_option("contains")
    page.get_by_label("Part of the name").fill("0999")
    expect(page.locator("#count")).to_contain_text("120 images")
    scroll(page, 1)
    last_name(page, "folder 099/099999.jpg")


def test_the_keyboard_goes_to_the_end_and_back(visit_large: VisitLarge) -> None:
    page = visit_large().open("browse")
    tiles(page).first.locator(".open").focus()
    page.keyboard.press("End")
    expect(page.locator('.tile[data-at="99999"] .open')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageUp")
    expect(page.locator(".open:focus")).to_have_count(1)
    page.keyboard.press("Home")
    expect(page.locator('.tile[data-at="0"] .open')).to_be_focused()
    assert is_bounded(page)


def test_a_grid_that_is_scrolled_while_airflow_is_away_fills_when_it_is_back(
    visit_large: VisitLarge,
) -> None:
    page = visit_large().open("browse")
    expect(tiles(page).first).to_be_visible()

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/api/images?**", refuse)
    scroll(page, 0.6)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Airflow does not answer")
    expect(alert).to_contain_text("Trying again")
    expect(alert).to_be_in_viewport()
    page.unroute("**/api/images?**")
    expect(page.locator(".caption .name").first).to_contain_text("folder 05")
    expect(page.get_by_role("alert")).to_have_count(0)
