"""Somebody who looks at a lake all the time and wants all that is visible to be complete."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.seals import read_seal
from tasks.lake.store import DamagedError, Store
from tasks.landing import read_landing


class Watcher:
    """Looks at releases and shards, and remembers what was wrong."""

    def __init__(self, lake: Store) -> None:
        self._lake = lake
        self._releases = Releases(lake)
        self._newest = 0
        self._checked: set[str] = set()
        self.looks = 0
        self.wrong: list[str] = []

    def look(self) -> None:
        """Looks once at everything that is visible."""
        self.looks += 1
        self._look_at_releases()
        for shard in self._lake.folders(layout.FEATURE_STORE):
            self._look_at_artifact(layout.features(shard))
        for model in self._lake.folders(layout.MODEL):
            for shard in self._lake.folders(f"{layout.MODEL}/{model}/vectors"):
                self._look_at_artifact(layout.shard_vectors(model, shard))
        for shard in self._lake.folders(layout.LANDING):
            self._look_at_landing(shard)

    def _look_at_releases(self) -> None:
        newest = 0
        for release in self._releases.newest_first():
            newest = max(newest, release.version)
            manifest = layout.release(release.version, layout.MANIFEST)
            for artifact in release.artifacts.values():
                if artifact.sha256 not in self._checked:
                    self._check(lambda item=artifact: self._lake.verify(item), manifest)
                    self._checked.add(artifact.sha256)
                elif not self._lake.is_whole(artifact) and self._lake.exists(manifest):
                    self.wrong.append(f"{artifact.path} is gone from a release")
        if newest < self._newest:
            self.wrong.append(f"release {newest} came after {self._newest}")
        self._newest = newest

    def _look_at_artifact(self, path: str) -> None:
        if found := read_seal(self._lake, path):
            self._check(lambda: self._lake.verify(found.artifact), path + layout.SEAL)

    def _look_at_landing(self, shard: str) -> None:
        if report := read_landing(self._lake, shard):
            for artifact in report.artifacts:
                self._check(
                    lambda item=artifact: self._lake.verify(item),
                    layout.landing(shard, layout.REJECTED),
                )

    def _check(self, verify, marker: str) -> None:  # type: ignore[no-untyped-def]
        try:
            verify()
        except DamagedError as error:
            # What tells that it is complete goes first when it is pruned.
            if self._lake.exists(marker):
                self.wrong.append(str(error))


@contextmanager
def watching(lake: Store) -> Iterator[Watcher]:
    """Looks at a lake over and over while the block runs; fails if anything was wrong."""
    watcher, done = Watcher(lake), threading.Event()

    def look() -> None:
        while not done.is_set():
            watcher.look()
            done.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watcher
    finally:
        done.set()
        thread.join()
    assert not watcher.wrong
    assert watcher.looks
