"""What people see when a request fails, and that the page goes on by itself or with one click."""

import json
import re
from pathlib import Path

from playwright.sync_api import FrameLocator, Page, Route, expect

from tests.browser.conftest import Visit
from tests.browser.running_airflow import RunningAirflow
from tests.browser.visitor import tiles

RUN = re.compile(r"/api/v2/dags/image_search/dagRuns/[^/]+$")
TASK = re.compile(r"/taskInstances/search$")


def refuse(route: Route) -> None:
    route.abort("connectionrefused")


def no_answer(place: FrameLocator | Page) -> None:
    expect(place.get_by_role("alert")).to_contain_text("Airflow does not answer")


def test_a_list_that_does_not_come_is_asked_for_again_with_a_click(visit: Visit) -> None:
    visitor = visit("vera")
    for place, wanted in (
        ("browse", "**/api/images?**"),
        ("release", "**/api/changes/**"),
        ("history", "**/api/v2/dags/image_search/dagRuns?**"),
        ("", "**/api/state"),
    ):
        visitor.page.route(wanted, refuse)
        page = visitor.open(place)
        no_answer(page)
        page.unroute(wanted)
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_have_count(0)
        visitor.settle()


def test_a_search_is_followed_again_when_airflow_is_back(
    visit: Visit, airflow: RunningAirflow
) -> None:
    name, run = "coffee/view_02.jpg", "manual__followed"
    assert airflow.run_dag("image_search", run, query_image=name, top_n=3) == "success"
    visitor = visit("vera")
    page = visitor.page
    page.route(RUN, refuse)
    visitor.open(run_id=run)
    expect(page.get_by_role("heading", name="Trying again")).to_be_visible()
    expect(page.locator("#answer")).to_contain_text("The search goes on meanwhile")
    page.unroute(RUN)

    def second_attempt(route: Route) -> None:
        state = "running" if RUN.search(route.request.url) else "up_for_retry"
        route.fulfill(body=json.dumps({"state": state, "try_number": 1}))

    page.route(RUN, second_attempt)
    page.route(TASK, second_attempt)
    expect(page.locator("#answer")).to_contain_text("The first attempt failed; Airflow tries again")
    page.unroute(RUN)
    page.unroute(TASK)
    expect(tiles(page)).to_have_count(3)


def test_what_is_gone_is_told_so(visit: Visit) -> None:
    page = visit("vera").open(run_id="manual__never")
    expect(page.get_by_role("heading", name="This run is gone")).to_be_visible()
    page.goto(f"{page.url.split('?')[0]}release?release=77")
    expect(page.get_by_role("heading", name="Release 77 is gone")).to_be_visible()
    page.get_by_role("link", name="Look at release 2").click()
    expect(page.get_by_role("heading", name="Release 2")).to_be_visible()


def test_a_link_to_a_release_that_is_gone_leads_to_the_current_one(visit: Visit) -> None:
    page = visit("uma").open(name="moon/view_01.jpg", release=77, n=3)
    expect(page.get_by_role("alert")).to_contain_text("Release 77 is gone")
    page.get_by_role("link", name="Ask release 2 instead").click()
    expect(tiles(page)).to_have_count(3)


def test_a_number_that_is_out_of_bounds_is_told_with_the_bounds(visit: Visit) -> None:
    page = visit("uma").open(name="moon/view_01.jpg", release=2, n=10_000)
    expect(page.get_by_role("alert")).to_contain_text(
        "N: Input should be less than or equal to 200"
    )
    page.get_by_role("spinbutton", name="Results").fill("1")
    page.get_by_role("button", name="Update").click()
    expect(tiles(page)).to_have_count(1)


def test_a_picture_that_cannot_be_sent_is_kept_to_be_sent_again(
    visit: Visit, query_picture: Path
) -> None:
    page = visit("uma").open()
    page.route("**/api/uploads", refuse)
    page.locator("#file").set_input_files(query_picture)
    expect(page.locator("#preview")).to_be_visible()
    page.get_by_role("button", name="Search", exact=True).click()
    no_answer(page)
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_enabled()
    expect(page.locator("#preview")).to_be_visible()


def test_who_was_signed_out_meanwhile_is_told_so(visit: Visit) -> None:
    visitor = visit("vera")
    page = visitor.open("browse")
    expect(tiles(page).first).to_be_visible()
    page.context.clear_cookies()
    page.get_by_label("Part of the name").fill("moon")
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended. Sign in")


def test_an_answer_that_is_usually_wrong_is_warned_of(visit: Visit) -> None:
    warning = "No close match: answers below 0.60 are usually wrong."

    def with_warning(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"warning": warning})

    visitor = visit("uma")
    visitor.page.route("**/api/similar?**", with_warning)
    page = visitor.open(name="moon/view_01.jpg", n=3)
    expect(page.get_by_role("note")).to_have_text(warning)
    page.unroute("**/api/similar?**")
    visitor.open(name="coffee/view_01.jpg", n=3)
    expect(tiles(page)).to_have_count(3)
    expect(page.get_by_role("note")).to_have_count(0)
