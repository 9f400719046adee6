"""Who may do what, and what strangers try."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.running_airflow import RunningAirflow
from tests.browser.visitor import save_picture, tiles
from tests.ports import free_port


def test_who_is_not_signed_in_is_led_to_do_so_and_back(visit: Visit) -> None:
    visitor = visit(None)
    page = visitor.open("browse")
    page.wait_for_url("**/auth/login**")
    page.fill("input[name=username]", "vera")
    page.fill("input[name=password]", "vera")
    page.click("button[type=submit]")
    page.wait_for_url("**/image-search/browse**")
    expect(tiles(page).first).to_be_visible()


def test_a_viewer_looks_but_does_not_search(visit: Visit, airflow: RunningAirflow) -> None:
    visitor = visit("vera")
    frame = visitor.open_in_airflow()
    expect(frame.get_by_text("Searching takes the right to trigger")).to_be_visible()
    expect(frame.get_by_role("button", name="Search", exact=True)).to_be_disabled()
    expect(tiles(frame).first).to_be_visible()
    visitor.take_picture("viewer")
    frame = visitor.open_in_airflow(name="moon/view_01.jpg", release=2, n=6)
    expect(frame.get_by_text("Searching is not for you yet")).to_be_visible()
    page = visitor.open()
    for path in ("api/uploads", "api/duplicates"):
        status = page.evaluate(
            "path => fetch(path, {method: 'POST', body: 'x', headers: {'X-Image-Search': '1'}})"
            ".then(response => response.status)",
            path,
        )
        assert status == 403, path
    assert (
        page.evaluate("fetch('api/similar?name=moon/view_01.jpg&n=3').then(r => r.status)") == 403
    )


def test_hostile_names_are_shown_as_they_are_and_do_nothing(visit: Visit) -> None:
    visitor = visit("uma")
    frame = visitor.open_in_airflow("browse", wanted="hostile/", match="prefix")
    expect(tiles(frame)).to_have_count(6)
    expect(frame.get_by_text("<img src=x onerror=alert(document.domain)>.jpg")).to_be_visible()
    expect(frame.get_by_text("\ufffdgnp.exe.jpg")).to_be_visible()
    visitor.settle()
    assert frame.locator(".tile img").count() == 6
    visitor.take_picture("hostile")
    for index in range(6):
        frame.locator(".open").nth(index).click()
        expect(frame.get_by_role("dialog")).to_contain_text("pixels, JPEG")
        visitor.page.keyboard.press("Escape")
    frame.locator(".tile .more").nth(0).focus()
    visitor.page.keyboard.press("Enter")
    expect(frame.locator(".asked .mat img")).to_be_visible()
    expect(tiles(frame).first).to_be_visible()


def test_what_is_no_picture_or_too_large_is_refused_with_a_reason(
    visit: Visit, tmp_path: Path, airflow: RunningAirflow
) -> None:
    runs = airflow.count_runs("image_search")
    visitor = visit("uma")
    frame = visitor.open_in_airflow()
    svg = save_picture(
        tmp_path / "v.png", b'<svg xmlns="http://www.w3.org/2000/svg" onload="a()"/>'
    )
    expect(frame.get_by_text("Choose a file")).to_be_visible()
    frame.locator("#file").set_input_files(svg)
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(frame.get_by_role("alert")).to_contain_text("This cannot be used")
    visitor.take_picture("rejected-upload")
    huge = save_picture(tmp_path / "huge.png", b"\x89PNG\r\n\x1a\n" + bytes(2_000_001))
    frame.locator("#file").set_input_files(huge)
    expect(frame.get_by_role("alert")).to_contain_text("at most 2 MB are taken")
    assert airflow.count_runs("image_search") == runs


def test_another_site_can_make_the_browser_do_nothing(
    visit: Visit, airflow: RunningAirflow
) -> None:
    # Another port of the same host: browsers send the cookie along, as it is the same site.
    visitor = visit("uma")
    page = visitor.page
    other = f"http://localhost:{free_port()}/"
    page.route(
        f"{other}**", lambda route: route.fulfill(body="<p>evil</p>", content_type="text/html")
    )
    runs = airflow.count_runs("image_search")
    stored = set((airflow.lake / "runs").iterdir())
    page.goto(other)
    sent = page.evaluate(
        """address => Promise.allSettled([
            fetch(`${address}/image-search/api/uploads`,
                  {method: "POST", credentials: "include", body: "x"}),
            fetch(`${address}/image-search/api/uploads`,
                  {method: "POST", credentials: "include", mode: "no-cors", body: "x"}),
            fetch(`${address}/image-search/api/uploads`, {method: "POST", credentials: "include",
                  headers: {"X-Image-Search": "1"}, body: "x"}),
            fetch(`${address}/api/v2/dags/image_search/dagRuns`, {method: "POST", mode: "no-cors",
                  credentials: "include",
                  body: '{"logical_date": null, "conf": {"query_image": "x"}}'}),
        ]).then(all => all.map(one => one.value ? one.value.type : "blocked"))""",
        airflow.address,
    )
    assert set(sent) <= {"blocked", "opaque"}
    assert (
        page.evaluate(
            """address => new Promise(done => {
            const image = new Image();
            image.onload = () => done("shown");
            image.onerror = () => done("refused");
            image.src = `${address}/image-search/api/thumbnail/256?release=2&name=moon/view_01.jpg`;
        })""",
            airflow.address,
        )
        == "refused"
    )
    assert airflow.count_runs("image_search") == runs
    assert set((airflow.lake / "runs").iterdir()) == stored
