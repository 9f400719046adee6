"""Colours, keyboard, screen readers."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import REINDEX_RUN, Visit
from tests.browser.visitor import NARROW, WIDE, tiles

PAGES = (
    "",
    "browse",
    "duplicates",
    "release",
    "history",
    "?name=moon/view_01.jpg&release=2&n=6",
    "?name=nothing&release=2&n=6",
    f"run?dag_id=image_reindex&run_id={REINDEX_RUN}",
    "run?dag_id=another&run_id=x",
)


def test_the_page_is_as_light_or_dark_as_airflow_and_follows_it(visit: Visit) -> None:
    visitor = visit("uma", color_scheme="light")
    frame = visitor.open_in_airflow(name="coffee/view_00.jpg", release=2, n=12)
    root = frame.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    visitor.page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(tiles(frame).first).to_be_visible()
    visitor.take_picture("answer-dark")
    # What the user chooses in Airflow's menu is kept so, and counts more than the system.
    visitor.page.evaluate("localStorage.setItem('theme', 'light')")
    expect(root).to_have_attribute("data-theme", "light")


def test_all_can_be_done_with_the_keyboard(visit: Visit) -> None:
    visitor = visit("uma")
    page = visitor.open()
    expect(tiles(page).first).to_be_visible()
    press = page.keyboard.press
    press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    press("Tab")
    press("Tab")
    expect(page.get_by_role("link", name="Browse", exact=True)).to_be_focused()
    press("Enter")
    page.wait_for_url("**/browse")
    expect(tiles(page).first).to_be_visible()
    tiles(page).first.locator(".open").focus()
    press("ArrowRight")
    press("ArrowDown")
    focused = page.locator(".open:focus")
    expect(focused).to_have_count(1)
    press("End")
    expect(page.locator(".tile:last-child .open")).to_be_focused()
    press("Home")
    expect(page.locator('.tile[data-at="0"] .open')).to_be_focused()
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    name = page.locator(".lightbox h2").inner_text()
    press("ArrowRight")
    expect(page.locator(".lightbox h2")).not_to_have_text(name)
    press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    expect(page.locator('.tile[data-at="0"] .open')).to_be_focused()
    press("Tab")
    press("Enter")
    page.wait_for_url("**name=*")
    expect(tiles(page).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out_who_see_or_move_otherwise(visit: Visit, scheme: str) -> None:
    visitor = visit("admin", color_scheme=scheme)
    found = []
    for viewport in (WIDE, NARROW):
        visitor.page.set_viewport_size(viewport)
        for place in PAGES:
            visitor.open(place)
            visitor.settle()
            found += [f"{place}: {finding}" for finding in visitor.serious_findings()]
    assert found == []


def test_an_enlarged_image_keeps_nobody_out(visit: Visit) -> None:
    visitor = visit("admin")
    page = visitor.open("browse")
    tiles(page).first.locator(".open").click()
    expect(page.get_by_role("dialog")).to_contain_text("pixels")
    assert visitor.serious_findings() == []
