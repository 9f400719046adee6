import threading

import pytest

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tests.made_manifest import made_manifest


def manifest(version: int, previous: int | None, run: str = "r") -> Manifest:
    return made_manifest(version, previous=previous, run=run, look=1)


def publish(releases: Releases, run: str = "r") -> int:
    latest = releases.latest()
    version = releases.claim(run)
    assert releases.commit(manifest(version, latest.version if latest else None, run))
    return version


def test_a_new_lake_has_no_release(lake: Store) -> None:
    releases = Releases(lake)
    assert releases.latest() is None
    assert releases.current() is None
    assert releases.pinned() is None


def test_releases_are_numbered_from_one(lake: Store) -> None:
    releases = Releases(lake)
    assert [publish(releases), publish(releases)] == [1, 2]
    assert [release.version for release in releases.newest_first()] == [2, 1]


def test_a_claimed_version_is_not_visible_before_its_commit(lake: Store) -> None:
    releases = Releases(lake)
    version = releases.claim("r")
    lake.write(layout.release(version, layout.IMAGE_INDEX), b"half")
    assert releases.latest() is None
    assert releases.get(version) is None


def test_every_publisher_gets_a_folder_of_its_own(lake: Store) -> None:
    releases = Releases(lake)
    assert len({releases.claim("r") for _ in range(5)}) == 5


def test_of_two_publishers_the_second_to_commit_loses(lake: Store) -> None:
    releases = Releases(lake)
    first, second = releases.claim("a"), releases.claim("b")
    assert releases.commit(manifest(first, None))
    assert not releases.commit(manifest(second, None))
    assert releases.latest() == manifest(first, None)


def test_the_loser_wins_after_starting_over(lake: Store) -> None:
    releases = Releases(lake)
    first, second = releases.claim("a"), releases.claim("b")
    releases.commit(manifest(second, None))
    assert not releases.commit(manifest(first, None))
    again = releases.claim("a")
    assert releases.commit(manifest(again, second))
    assert releases.latest() == manifest(again, second)


def test_a_publisher_that_died_holds_up_nobody(lake: Store) -> None:
    releases = Releases(lake)
    dead = releases.claim("dead")
    assert publish(releases) > dead
    assert not releases.commit(manifest(dead, None))


def test_a_version_is_committed_once(lake: Store) -> None:
    releases = Releases(lake)
    version = releases.claim("a")
    assert releases.commit(manifest(version, None))
    assert not releases.commit(manifest(version, None, run="other"))
    assert releases.latest() == manifest(version, None)


def test_releases_that_race_follow_each_other_in_order(lake: Store) -> None:
    start = threading.Barrier(6)

    def publisher(run: str) -> None:
        releases = Releases(lake)
        start.wait()
        for _ in range(4):
            committed = False
            while not committed:
                latest = releases.latest()
                version = releases.claim(run)
                previous = latest.version if latest else None
                committed = releases.commit(manifest(version, previous, run))

    threads = [threading.Thread(target=publisher, args=(f"r{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = list(Releases(lake).newest_first())
    assert len(chain) == 24
    # Each was made from the one right before it: no change of any publisher is lost.
    assert [release.previous for release in chain] == [release.version for release in chain[1:]] + [
        None
    ]


def test_search_follows_the_newest_release_unless_one_is_pinned(lake: Store) -> None:
    releases = Releases(lake)
    publish(releases)
    publish(releases)
    releases.pin(1)
    publish(releases)
    assert [release.version for release in [releases.current()] if release] == [1]
    assert [release.version for release in [releases.latest()] if release] == [3]
    releases.unpin()
    assert [release.version for release in [releases.current()] if release] == [3]


def test_a_release_that_does_not_exist_cannot_be_pinned(lake: Store) -> None:
    with pytest.raises(UserError, match="no release 7"):
        Releases(lake).pin(7)


def test_a_damaged_manifest_is_passed_over_with_a_warning(
    lake: Store, caplog: pytest.LogCaptureFixture
) -> None:
    releases = Releases(lake)
    publish(releases)
    version = publish(releases)
    lake.write(layout.release(version, layout.MANIFEST), b'{"state": "complete"')
    latest = releases.latest()
    assert latest
    assert latest.version == 1
    assert "releases/000002/manifest.json is damaged" in caplog.text
    assert publish(releases) == 3


def test_a_damaged_pin_is_an_error_that_names_it(lake: Store) -> None:
    lake.write(layout.PIN, b"[]")
    with pytest.raises(UserError, match=r"pin\.json is damaged"):
        Releases(lake).current()


def test_a_flipped_bit_anywhere_in_a_manifest_is_noticed(lake: Store) -> None:
    releases = Releases(lake)
    path = layout.release(publish(releases), layout.MANIFEST)
    stored, sound = lake.read(path), releases.get(1)
    for position in range(len(stored)):
        damaged = bytearray(stored)
        damaged[position] ^= 1 << position % 8
        lake.write(path, bytes(damaged))
        assert releases.get(1) in (None, sound)  # sound where only the white space is another
    lake.write(path, stored.replace(b'"look": 1', b'"look": 9'))
    assert releases.get(1) is None


def test_unpinning_what_was_never_pinned_changes_nothing(lake: Store) -> None:
    Releases(lake).unpin()
    assert not lake.exists(layout.PIN)
    assert Releases(lake).pin_changed() == 0


@pytest.mark.parametrize("before", [None, 2])
def test_a_release_that_is_pruned_while_it_is_pinned_leaves_the_pin_as_it_was(
    before: int | None, lake: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = Releases(lake)
    publish(releases)
    publish(releases)
    if before:
        releases.pin(before)
    write = lake.write

    def prune_first(path: str, data: bytes) -> object:
        lake.delete(layout.release(1, layout.MANIFEST))
        return write(path, data)

    monkeypatch.setattr(lake, "write", prune_first)
    with pytest.raises(UserError, match="release 1 has been pruned just now"):
        releases.pin(1)
    assert releases.pinned() == before
