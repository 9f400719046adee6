import pytest

from tasks.uris import require_no_secret, shown

KEYS = [
    "http://user:hunter2@host/a",
    "http://user:hun#ter2@host/a",
    "http://user:hun/ter2@host/a",
    "http://user:hun?ter2@host/a",
    "s3://KEY:hunter2@bucket/a",
    "https://host/a?X-Amz-Signature=hunter2",
    "https://host/a?v=1#&sig=hunter2",
    "simplecache::https://host/a?token=hunter2",
]


@pytest.mark.parametrize("uri", KEYS)
def test_a_uri_that_is_a_key_is_refused_and_never_told(uri: str) -> None:
    with pytest.raises(ValueError, match="password, a token or a signature") as caught:
        require_no_secret(uri)
    told = str(caught.value) + shown(uri)
    assert "ter2" not in told
    assert "hun" not in told


@pytest.mark.parametrize(
    "uri",
    [
        "file:///photos/a?b#c.jpg",
        "s3://bucket/photos/a?b#c@d.jpg",
        "/photos/who?token=me.jpg",
        "file:///photos/me@home?key=1.jpg",
        "name?of#an image.jpg",
    ],
)
def test_a_name_may_hold_what_means_something_elsewhere(uri: str) -> None:
    assert require_no_secret(uri) == uri
    assert shown(uri) == uri


def test_the_query_of_an_address_in_the_web_is_not_told() -> None:
    assert shown("https://host:80/a/b.jpg?any=thing") == "https://host:80/a/b.jpg"
