import time
from pathlib import Path

from tasks.lake.catalogue import Image
from tasks.lake.lines import write_lines
from tasks.lake.store import Store
from tasks.page.image_table import open_image_table
from tasks.page.open_releases import OpenReleases
from tests.tasks.page.conftest import Publish

A, B, C = "a.jpg", "b.jpg", "c.jpg"


def test_images_are_paged_by_name_prefix_and_part(
    releases: OpenReleases, publish: Publish, photos: object
) -> None:
    names = ["x/1.jpg", "x/2.jpg", "x/3.jpg", "xa.jpg", "y_%.JPG", "z/\U0001f600.jpg"]
    publish(dict.fromkeys(names, (A, 1)) | {"x/broken": ("truncated", -1)})
    table = releases.get().table

    def page(wanted: str, match: object, offset: int = 0, limit: int = 9) -> tuple[int, list[str]]:
        total, images = table.page(wanted, match, offset, limit)  # type: ignore[arg-type]
        return total, [image["name"] for image in images]

    assert page("", "contains") == (6, names)
    assert page("", "contains", 4, 1) == (6, names[4:5])
    assert page("x/", "prefix") == (3, names[:3])
    assert page("x/", "prefix", 2, 9) == (3, names[2:3])
    assert page("x/", "prefix", 3, 9) == (3, [])
    assert page("z/\U0001f600", "prefix") == (1, names[5:])
    assert page("none", "prefix") == (0, [])
    assert page("\0", "contains") == page("\0", "prefix") == page("x\0", "contains") == (0, [])
    assert page("_%", "contains") == (1, names[4:5])
    assert page("JPG", "contains")[0] == 6
    assert table.rejected(0, 9) == (
        1,
        [{"name": "x/broken", "bytes": 9, "reason": "truncated"}],
    )
    assert table.folders() == [{"folder": "x/", "images": 3}, {"folder": "z/", "images": 1}]


def test_changes_are_those_against_the_release_before(
    releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish({"gone": (A, 1), "old": (B, 2), "other": (A, 3), "same": (A, 4)})
    publish({"come": (C, 1), "new": (B, 2), "other": (C, 3), "same": (A, 4)})
    changes = releases.get(2).table.changes(releases.get(1).table)
    assert changes.counts() == {"added": 1, "changed": 1, "renamed": 1, "removed": 1}
    assert changes.page("renamed", 0, 9) == (1, [{"name": "new", "was": "old"}])
    assert changes.page("removed", 0, 9) == (1, [{"name": "gone", "was": ""}])
    assert changes.page("changed", 0, 9) == (1, [{"name": "other", "was": ""}])
    first = releases.get(1).table.changes(None)
    assert first.counts() == {"added": 4, "changed": 0, "renamed": 0, "removed": 0}


def test_a_sample_is_spread_over_all_names(
    releases: OpenReleases, publish: Publish, photos: object, lake: Store
) -> None:
    publish({f"{number:03d}": (A, number) for number in range(100)})
    names = [image["name"] for image in releases.get().table.sample(4)]
    assert names == ["000", "025", "050", "075"]
    assert len(releases.get().table.sample(200)) == 100


def test_any_page_of_100_000_names_is_there_at_once(lake: Store, tmp_path: Path) -> None:
    images = (
        Image(name=f"f{row // 1000:03d}/{row:06d}.jpg", bytes=1, fingerprint="f", row=row)
        for row in range(100_000)
    )
    table = open_image_table(lake, write_lines(lake, "catalogue.jsonl", images), tmp_path)
    started = time.monotonic()
    assert table.page("", "contains", 99_950, 120)[1][-1]["name"] == "f099/099999.jpg"
    assert table.page("f050/", "prefix", 500, 1)[1][0]["name"] == "f050/050500.jpg"
    assert table.page("_", "contains", 0, 9)[0] == 0
    assert table.page("09999", "contains", 0, 99)[0] == 11
    assert time.monotonic() - started < 5
