"""Searching on the page: by click, by name, by upload; answers and their links."""

import re
import time
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.running_airflow import RunningAirflow
from tests.browser.visitor import NARROW, tiles


def test_the_page_is_in_airflows_navigation(visit: Visit) -> None:
    visitor = visit("admin")
    visitor.page.goto(visitor.site.address)
    visitor.page.get_by_role("link", name=re.compile("Image Se")).click()
    expect(visitor.frame.get_by_role("heading", name="Search with a picture")).to_be_visible()
    expect(tiles(visitor.frame).first).to_be_visible()
    visitor.take_picture("search")


def test_a_click_on_an_image_finds_more_like_it_at_once(
    visit: Visit, airflow: RunningAirflow
) -> None:
    runs = airflow.count_runs("image_search")
    visitor = visit("uma")
    frame = visitor.open_in_airflow("browse", wanted="chelsea/", match="prefix")
    tiles(frame).first.hover()
    tiles(frame).first.get_by_role("link", name=re.compile("More like")).click()
    expect(tiles(frame)).to_have_count(12)
    expect(frame.locator(".asked .name")).to_contain_text("grey.png")
    expect(frame.locator(".caption .name").first).to_contain_text("chelsea/")
    visitor.take_picture("answer")
    assert airflow.count_runs("image_search") == runs


def test_a_search_by_name_answers_in_well_under_a_second(airflow: RunningAirflow) -> None:
    numbers = (1, 2, 4, 5)
    airflow.call("GET", "image-search/api/similar?name=moon/view_01.jpg&n=12")
    started = time.monotonic()
    for number in numbers:
        airflow.call("GET", f"image-search/api/similar?name=moon/view_0{number}.jpg&n=12")
    assert (time.monotonic() - started) / len(numbers) < 0.5


def test_an_uploaded_picture_is_a_run_whose_state_is_shown_and_whose_link_can_be_shared(
    visit: Visit, query_picture: Path, airflow: RunningAirflow
) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow()
    expect(frame.get_by_text("Choose a file")).to_be_visible()
    frame.locator("#file").set_input_files(query_picture)
    expect(frame.locator("#preview")).to_be_visible()
    frame.get_by_role("spinbutton", name="Results").fill("8")
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(frame.locator(".steps .now")).to_be_visible(timeout=20_000)
    expect(frame.locator(".asked img")).to_be_visible()
    visitor.take_picture("progress", settled=False)
    expect(tiles(frame)).to_have_count(8, timeout=90_000)
    expect(frame.locator(".caption .name").first).to_contain_text("motorcycle_left/")
    expect(frame.locator(".asked .name")).to_have_text("An uploaded picture")
    visitor.take_picture("answer-upload")
    found = frame.locator(".caption").all_inner_texts()

    link = visitor.page.url
    assert "run_id=" in link
    other = visit("vera")
    other.page.goto(link)
    expect(tiles(other.frame)).to_have_count(8)
    assert other.frame.locator(".caption").all_inner_texts() == found

    history = other.open_in_airflow("history")
    expect(history.locator(".runs li").first).to_contain_text("uma")
    other.take_picture("history")

    stored = list((airflow.lake / "runs").glob("*/query/*"))
    assert all(re.fullmatch(r"[0-9a-f]{32}\.(jpg|png)", path.name) for path in stored)
    assert stored


def test_a_result_is_enlarged_with_what_is_known_of_it_and_followed(visit: Visit) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow(name="coffee/view_00.jpg", release=2, n=6)
    tiles(frame).nth(1).locator(".open").click()
    dialog = frame.get_by_role("dialog")
    expect(dialog).to_contain_text("pixels, ")
    expect(dialog).to_contain_text("Release")
    expect(dialog).to_contain_text("/master/coffee/")
    visitor.take_picture("enlarged")
    name = dialog.locator("h2").inner_text()
    dialog.get_by_role("link", name="Search for more like it").click()
    expect(frame.locator(".asked .name")).to_contain_text(name.rsplit("/", 1)[1])
    expect(tiles(frame)).to_have_count(6)


def test_a_uri_of_the_lake_can_be_searched_with(visit: Visit, query_picture: Path) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow()
    frame.get_by_label("or name an image").fill(query_picture.as_uri())
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(frame.locator(".caption .name").first).to_contain_text(
        "motorcycle_left/", timeout=90_000
    )


def test_a_search_that_fails_says_why(visit: Visit) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow()
    frame.get_by_label("or name an image").fill("file:///etc/passwd")
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(frame.get_by_role("alert")).to_contain_text("is not under", timeout=90_000)
    visitor.take_picture("failed")


def test_a_name_that_is_not_there_is_told_with_the_one_that_may_be_meant(visit: Visit) -> None:
    frame = visit("uma").open_in_airflow(name="moon/view_1.jpg", release=2, n=6)
    expect(frame.get_by_role("alert")).to_contain_text("did you mean 'moon/view_0")


def test_a_narrow_screen_has_no_sideways_scrolling(visit: Visit) -> None:
    visitor = visit("admin", viewport=NARROW, color_scheme="dark")
    places = ("", "browse", "release", "history", "duplicates", "?name=moon/view_01.jpg&n=6")
    long_names = ("browse?match=prefix&wanted=hostile/", f"?name={'x' * 4000}&n=3")
    for place in (*places, *long_names):
        page = visitor.open(place)
        visitor.settle()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    visitor.open_in_airflow(name="moon/view_01.jpg", release=2, n=6)
    expect(tiles(visitor.frame).first).to_be_visible()
    visitor.take_picture("narrow")
