"""What goes over the wire to S3."""

from typing import Any

import pytest

from tasks.lake.s3_store import S3Store
from tasks.lake.store import Store


@pytest.mark.parametrize(("size", "asks"), [(10, False), (2 * 2**20, True)])
def test_only_what_is_large_is_sent_once_it_is_welcome(
    bucket: Store, monkeypatch: pytest.MonkeyPatch, size: int, *, asks: bool
) -> None:
    assert isinstance(bucket, S3Store)
    # pylint: disable-next=protected-access  # there is no other way to see a request
    session = bucket._files.connect()._endpoint.http_session
    send, sent = session.send, []

    async def recording(request: Any) -> Any:
        sent.append(request)
        return await send(request)

    monkeypatch.setattr(session, "send", recording)
    bucket.write("a.bin", bytes(size))
    assert [("Expect" in request.headers) for request in sent if request.method == "PUT"] == [asks]
    assert bucket.read("a.bin") == bytes(size)
