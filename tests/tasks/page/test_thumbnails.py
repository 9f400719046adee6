from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.page.answers import query_thumbnail
from tasks.page.missing import MissingError
from tasks.page.open_releases import OpenReleases
from tasks.page.thumbnails import SIDES, image_thumbnail
from tasks.settings import Settings
from tests.tasks.page.conftest import Publish
from tests.tasks.pipeline import save_photo


def test_a_thumbnail_is_made_once_small_and_of_pixels_alone(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    original = Path(lake.root) / "master" / "big.jpg"
    save_photo(original)
    image = cv2.resize(cv2.imread(str(original)), (900, 300))
    markup = b"<script>alert(1)</script>"
    original.write_bytes(cv2.imencode(".jpg", image)[1].tobytes() + markup)
    publish({"big.jpg": ("big.jpg", 1)})
    made = image_thumbnail(lake, releases.get(), "big.jpg", SIDES[0])
    shape = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR).shape
    assert max(shape[:2]) == 256
    assert shape[0] in (85, 86)
    assert made.startswith(b"\xff\xd8\xff")
    assert markup not in made
    original.unlink()
    assert image_thumbnail(lake, releases.get(), "big.jpg", SIDES[0]) == made


def test_a_small_picture_does_not_grow(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish({"a.jpg": ("a.jpg", 1)})
    made = image_thumbnail(lake, releases.get(), "a.jpg", SIDES[1])
    assert cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)


def test_what_is_not_in_the_release_is_not_read_whatever_it_is_named(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish({"a.jpg": ("a.jpg", 1)})
    for name in ("../runs/x", "/etc/passwd", "b.jpg", "a.jpg/../b.jpg", "..%2f..%2fetc%2fpasswd"):
        with pytest.raises(MissingError, match="has no image"):
            image_thumbnail(lake, releases.get(), name, SIDES[0])


def test_a_name_in_a_release_that_leads_out_is_not_followed(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object, tmp_path: Path
) -> None:
    save_photo(tmp_path / "secret.jpg", view=7)
    (Path(lake.root) / "master" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    publish({"link.jpg": ("link.jpg", 1), "../../secret.jpg": ("a.jpg", 2)})
    for name in ("link.jpg", "../../secret.jpg"):
        with pytest.raises(MissingError, match="no longer in the catalogue"):
            image_thumbnail(lake, releases.get(), name, SIDES[0])


def test_another_picture_under_the_same_name_is_not_shown_for_it(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish({"a.jpg": ("a.jpg", 1)})
    save_photo(Path(lake.root) / "master" / "a.jpg", view=9)
    with pytest.raises(MissingError, match="has changed since"):
        image_thumbnail(lake, releases.get(), "a.jpg", SIDES[0])


def test_only_two_sizes_are_made(
    lake: Store, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish({"a.jpg": ("a.jpg", 1)})
    with pytest.raises(UserError, match="256 or 1280"):
        image_thumbnail(lake, releases.get(), "a.jpg", 100)


def test_an_uploaded_picture_is_shown_before_its_run_has_an_answer(
    lake: Store, settings: Settings, releases: OpenReleases, photos: tuple[str, ...]
) -> None:
    with pytest.raises(MissingError, match="nothing is known yet"):
        query_thumbnail(lake, settings, releases, "run-1", SIDES[0])
    lake.write(layout.query_picture("run-1", "random.jpg"), lake.read(f"master/{photos[0]}"))
    made = query_thumbnail(lake, settings, releases, "run-1", SIDES[0])
    assert made.startswith(b"\xff\xd8\xff")
