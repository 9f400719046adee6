"""Looking around: the catalogue, near-duplicates, releases, the views on the runs."""

from playwright.sync_api import expect

from tests.browser.conftest import REINDEX_RUN, Visit
from tests.browser.running_airflow import RunningAirflow
from tests.browser.visitor import tiles


def test_before_the_first_release_every_page_says_what_to_do(
    airflow: object, before_the_first_release: dict[str, str]
) -> None:
    assert len(before_the_first_release) == 4
    for text in before_the_first_release.values():
        assert "No release yet" in text
        assert "Trigger image_reindex" in text


def test_the_catalogue_is_filtered_by_name_by_prefix_and_by_folder(visit: Visit) -> None:
    visitor = visit("vera")
    frame = visitor.open_in_airflow("browse")
    expect(tiles(frame).first).to_be_visible()
    visitor.take_picture("browse")
    frame.get_by_label("Part of the name").fill("COFFEE")
    expect(frame.locator("#count")).to_contain_text("7 images")
    frame.get_by_label("Part of the name").fill("nothing is named so")
    expect(frame.get_by_text("No image of that name")).to_be_visible()
    frame.get_by_role("button", name="moon/").click()
    expect(frame.locator("#count")).to_contain_text("6 images")
    expect(frame.locator(".caption .name").last).to_contain_text("moon/view_05")


def test_no_more_tiles_than_are_in_sight_are_ever_there(visit: Visit) -> None:
    visitor = visit("vera", viewport={"width": 400, "height": 400})
    page = visitor.open("browse")
    expect(tiles(page).first).to_be_visible()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".caption .name").last).to_contain_text("rocket/")
    assert tiles(page).count() < 30


def test_near_duplicates_are_found_and_grouped(visit: Visit) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow("duplicates")
    expect(frame.locator(".group, .empty").first).to_be_visible()
    if frame.get_by_role("button", name="Compare all images").count():
        frame.get_by_role("button", name="Compare all images").click()
    # The hostile files are one picture under six names, and those of the rocket look like it.
    expect(frame.locator(".group").first).to_contain_text("images", timeout=60_000)
    visitor.take_picture("near-duplicates")
    frame.get_by_label("Similarity of at least").fill("1")
    expect(frame.locator("#count")).to_contain_text("6 images")
    expect(frame.locator(".group")).to_have_count(1)


def test_a_release_tells_what_it_changed_and_rejected(visit: Visit) -> None:
    visitor = visit("vera")
    frame = visitor.open_in_airflow("release")
    expect(frame.get_by_role("heading", name="Release 2")).to_be_visible()
    for kind, name in (
        ("Changed 1", "coins/view_00.jpg"),
        ("Renamed 1", "was moon/view_00.jpg"),
        ("Removed 3", "brick/view_00.jpg"),
        ("Rejected 4", "hostile/page.png"),
    ):
        frame.get_by_role("tab", name=kind).click()
        expect(frame.get_by_role("tabpanel")).to_contain_text(name)
    expect(frame.get_by_role("tabpanel")).to_contain_text("truncated, corrupt or unsupported")
    visitor.take_picture("release")


def test_a_reindex_run_shows_what_it_did(visit: Visit) -> None:
    visitor = visit("vera")
    visitor.page.goto(f"{visitor.site.address}/dags/image_reindex/runs/{REINDEX_RUN}/plugin/images")
    frame = visitor.frame
    expect(frame.get_by_role("heading", name="Published release 2")).to_be_visible()
    expect(frame.get_by_role("row", name="vectorize")).to_be_visible()
    expect(frame.get_by_role("tab", name="Added 9")).to_be_visible()
    frame.get_by_role("tab", name="Rejected 4").click()
    expect(frame.get_by_role("tabpanel")).to_contain_text("hostile/vector.jpg")
    visitor.take_picture("reindex-run")


def test_a_reindex_run_is_shown_while_it_is_at_work(visit: Visit) -> None:
    visitor = visit("vera")
    page = visitor.page
    known, state = "**/image-search/api/reindex?**", "**/api/v2/dags/image_reindex/dagRuns/*"
    page.route(known, lambda route: route.fulfill(status=404, body="{}"))
    page.route(state, lambda route: route.fulfill(body='{"state": "running"}'))
    visitor.open("run", dag_id="image_reindex", run_id=REINDEX_RUN)
    expect(page.get_by_role("heading", name="This run has just begun")).to_be_visible()
    page.unroute(known)
    page.unroute(state)
    expect(page.get_by_role("heading", name="Published release 2")).to_be_visible()


def test_a_search_run_shows_its_answer(visit: Visit, airflow: RunningAirflow) -> None:
    visitor = visit("vera")
    name = "coffee/view_01.jpg"
    state = airflow.run_dag("image_search", "manual__by-name", query_image=name, top_n=4)
    assert state == "success"
    visitor.page.goto(
        f"{visitor.site.address}/dags/image_search/runs/manual__by-name/plugin/images"
    )
    expect(tiles(visitor.frame)).to_have_count(4)
    visitor.take_picture("search-run")
