import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from demo.catalogue import BROKEN, QUERY, main, make_catalogue, photo_of
from tasks.lake.open_store import open_store
from tasks.lake.store import Store


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Store:
    lake = open_store(str(tmp_path_factory.mktemp("lake")))
    make_catalogue(lake)
    return lake


def pictures(lake: Store) -> Iterator[Image.Image]:
    for item in lake.objects("master"):
        if item.path != f"master/{BROKEN}":
            yield Image.open(io.BytesIO(lake.read(item.path)))


def test_there_are_at_least_200_photographs_of_several_kinds(lake: Store) -> None:
    found = list(pictures(lake))
    assert len(found) >= 200
    assert {picture.format for picture in found} == {"JPEG", "PNG"}
    assert len({picture.size for picture in found}) > 100
    assert len({round(picture.width / picture.height, 1) for picture in found}) > 5


def test_one_is_turned_by_exif_one_grey_one_has_alpha(lake: Store) -> None:
    turned, grey, alpha = (
        Image.open(io.BytesIO(lake.read(f"master/{name}")))
        for name in (
            "chelsea/turned_by_exif.jpg",
            "chelsea/grey.png",
            "coffee/cut_out_with_alpha.png",
        )
    )
    assert turned.getexif()[0x0112] == 6
    assert turned.width < turned.height  # the photo itself is wide
    assert grey.mode == "L"
    assert alpha.mode == "RGBA"


def test_one_is_broken(lake: Store) -> None:
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(lake.read(f"master/{BROKEN}"))).load()


def test_there_is_a_picture_to_search_with_outside_the_catalogue(lake: Store) -> None:
    assert Image.open(io.BytesIO(lake.read(QUERY))).size == (741, 500)
    assert not QUERY.startswith("master/")


def test_making_it_again_leaves_every_file_as_it_is(lake: Store) -> None:
    before = sorted(item.fingerprint for item in lake.objects())
    make_catalogue(lake)
    assert sorted(item.fingerprint for item in lake.objects()) == before


def test_making_it_elsewhere_gives_the_same_files(lake: Store, tmp_path: Path) -> None:
    other = open_store(str(tmp_path))
    assert make_catalogue(other) == sum(1 for _ in lake.objects("master"))
    for item in other.objects():
        assert other.digest(item.path) == lake.digest(item.path)


def test_the_folder_names_the_photo() -> None:
    assert photo_of("moon/view_00.jpg") == "moon"


def test_a_mistake_in_the_lake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["catalogue", "--lake", "s3://"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: s3:// names no bucket")
    assert error.count("\n") == 1
