import errno
import os
from pathlib import Path

import pytest

from tasks.lake.local_store import LocalStore


def fail_to_link(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EIO", "ESTALE", "EROFS"])
def test_what_may_pass_is_not_taken_for_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fail_to_link(monkeypatch, getattr(errno, name))
    with pytest.raises(OSError) as caught:  # the number is what matters
        LocalStore(str(tmp_path)).create("a", b"x")
    assert caught.value.errno == getattr(errno, name)


@pytest.mark.parametrize("name", ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"])
def test_a_file_system_without_hard_links_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fail_to_link(monkeypatch, getattr(errno, name))
    with pytest.raises(NotImplementedError, match="no hard links"):
        LocalStore(str(tmp_path)).create("a", b"x")


def test_a_full_disk_is_named_and_nothing_is_left_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: .*/folder'") as caught:
        LocalStore(str(tmp_path)).write("folder/a", b"x")
    assert caught.value.filename == str(tmp_path / "folder")
    assert not list(tmp_path.rglob("*.part"))
