"""A picture that is dropped on the page, or pasted into it."""

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, expect

from tests.browser.conftest import Visit
from tests.browser.running_airflow import RunningAirflow
from tests.browser.visitor import Visitor, tiles

_DROP = """(target, dropped) => {
  const transfer = new DataTransfer();
  if (dropped.text) transfer.setData("text/plain", dropped.text);
  if (dropped.file) {
    const bytes = Uint8Array.from(atob(dropped.file), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], dropped.name));
  }
  for (const type of dropped.events) {
    const event = new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true});
    target.dispatchEvent(event);
  }
}"""
_COPY = """async (_, data) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const blob = new Blob([bytes], {type: "image/png"});
  await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
}"""


@pytest.fixture
def cat(airflow: RunningAirflow) -> Path:
    return airflow.lake / "master" / "chelsea" / "grey.png"


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def drag(frame: FrameLocator, *events: str, **dropped: Any) -> None:
    frame.locator("#drop").evaluate(_DROP, {"events": events, **dropped})


def preview_width(frame: FrameLocator) -> int:
    return int(
        frame.locator("#preview").evaluate("image => image.decode().then(() => image.width)")
    )


def search_and_find(frame: FrameLocator, name: str) -> None:
    frame.get_by_role("spinbutton", name="Results").fill("4")
    frame.get_by_role("button", name="Search", exact=True).click()
    expect(tiles(frame)).to_have_count(4, timeout=90_000)
    expect(frame.locator(".asked .name")).to_have_text("An uploaded picture")
    expect(frame.locator(".caption .name").first).to_contain_text(name)


def ready(visitor: Visitor) -> FrameLocator:
    frame = visitor.open_in_airflow()
    expect(frame.get_by_role("heading", name="Search with a picture")).to_be_visible()
    return frame


def test_a_picture_that_is_dropped_is_searched_with(visit: Visit, query_picture: Path) -> None:
    frame = ready(visit("uma"))
    drag(frame, "dragover")
    expect(frame.locator("#drop.over")).to_be_visible()
    drag(frame, "drop", name="my photo.jpg", file=encoded(query_picture))
    expect(frame.locator("#drop.over")).to_have_count(0)
    expect(frame.locator("#preview")).to_be_visible()
    assert preview_width(frame) > 0
    search_and_find(frame, "motorcycle_left/")


def test_a_picture_that_is_pasted_is_searched_with(visit: Visit, cat: Path) -> None:
    visitor = visit("uma", permissions=["clipboard-read", "clipboard-write"])
    frame = ready(visitor)
    frame.locator("#n").focus()  # a page without the focus has no clipboard
    frame.locator("#n").evaluate(_COPY, encoded(cat))
    visitor.page.keyboard.press("Control+V")
    expect(frame.locator("#preview")).to_be_visible()
    assert preview_width(frame) > 0
    search_and_find(frame, "chelsea/grey.png")


def test_what_is_dropped_or_pasted_and_is_no_file_is_told_so(visit: Visit) -> None:
    visitor = visit("uma", permissions=["clipboard-read", "clipboard-write"])
    frame = ready(visitor)
    drag(frame, "drop", text="https://example.com/cat.jpg")
    expect(frame.get_by_role("alert")).to_contain_text("no picture file")
    frame.locator("#uri").focus()
    frame.locator("#uri").evaluate("() => navigator.clipboard.writeText('moon/view_01.jpg')")
    visitor.page.keyboard.press("Control+V")
    expect(frame.locator("#uri")).to_have_value("moon/view_01.jpg")
    expect(frame.get_by_role("alert")).to_have_count(0)


def test_who_may_not_search_cannot_drop_either(visit: Visit, query_picture: Path) -> None:
    frame = ready(visit("vera"))
    expect(frame.get_by_text("Searching takes the right to trigger")).to_be_visible()
    drag(frame, "dragover", "drop", name="a.jpg", file=encoded(query_picture))
    expect(frame.locator("#preview")).not_to_be_visible()
