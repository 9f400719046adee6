import fsspec
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.open_store import absolute_path

STARTS = ("", "/", "//", "file://", "file:///", "file:/", "local:///", "~/", "./", "s3://")
PARTS = st.lists(
    st.sampled_from(
        ["a", "ä b", "..", ".", "", "%20", "a:b", "x::y", "s3://b", "?v=1", "#", "~", "\\", "*"]
    ),
    max_size=4,
)


@given(st.sampled_from(STARTS), PARTS)
def test_a_path_that_is_spelt_out_is_the_one_that_fsspec_finds(
    start: str, parts: list[str]
) -> None:
    uri = start + "/".join(parts)
    path = absolute_path(uri)
    assert not path or path == fsspec.core.url_to_fs(uri)[1]


def test_only_what_is_on_this_machine_and_starts_at_its_root_is_spelt_out() -> None:
    assert absolute_path("/data/lake/") == absolute_path("file:///data/lake") == "/data/lake"
    assert absolute_path("/") == "/"
    for other in ("s3://bucket/data", "data", "./data", "~/data", "file://data", "zip::/data.zip"):
        assert not absolute_path(other)
