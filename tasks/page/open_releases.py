"""The releases that the page looks at, opened once and kept open while they are in use."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import DamagedError, Store
from tasks.page.image_table import ImageTable, open_image_table
from tasks.page.missing import MissingError
from tasks.release_in_use import release_in_use
from tasks.searcher import Searcher
from tasks.settings import Settings

# A new release may be seen that much later: finding out costs an object store several requests.
_FRESH_SECONDS = 3.0
_KEPT_OPEN = 3


@dataclass
class OpenRelease:
    """One release: its manifest, its images, and an engine as soon as somebody searches."""

    lake: Store
    settings: Settings
    manifest: Manifest

    @cached_property
    def table(self) -> ImageTable:
        """The images of the release."""
        catalogue = self.manifest.artifacts[layout.CATALOGUE]
        with self._unless_gone():
            return open_image_table(self.lake, catalogue, self.settings.cache)

    @cached_property
    def searcher(self) -> Searcher:
        """The release opened for searching."""
        with self._unless_gone():
            return Searcher(self.lake, self.settings, self.manifest)

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        """Tells a release that was pruned while people looked at it from one that is damaged."""
        try:
            yield
        except (DamagedError, FileNotFoundError) as error:
            if Releases(self.lake).get(self.manifest.version) is None:
                raise _gone(self.manifest.version) from error
            raise


class OpenReleases:
    """Opens releases by version; safe to use from many threads."""

    def __init__(self, lake: Store, settings: Settings) -> None:
        self._lake, self._settings = lake, settings
        self._lock = threading.Lock()
        self._opened: dict[int, OpenRelease] = {}
        self._current: tuple[float, int] | None = None

    def get(self, version: int = 0) -> OpenRelease:
        """Returns a release; 0 stands for the one that search uses.

        Raises:
            UserError: there is no release yet, or all are damaged.
            MissingError: there is none of that version any longer.
        """
        with self._lock:
            return self._known(version) if version else self._newest()

    def _newest(self) -> OpenRelease:
        if self._current and time.monotonic() - self._current[0] < _FRESH_SECONDS:
            return self._known(self._current[1])
        manifest = release_in_use(self._lake, self._settings)
        self._current = time.monotonic(), manifest.version
        return self._keep(manifest)

    def _known(self, version: int) -> OpenRelease:
        if found := self._opened.get(version):
            return found
        manifest = Releases(self._lake).get(version)
        if manifest is None:
            raise _gone(version)
        return self._keep(manifest)

    def _keep(self, manifest: Manifest) -> OpenRelease:
        found = self._opened.pop(manifest.version, None)
        if found is None or found.manifest != manifest:
            found = OpenRelease(self._lake, self._settings, manifest)
        self._opened[manifest.version] = found
        for version in list(self._opened)[:-_KEPT_OPEN]:
            del self._opened[version]
        return found


def _gone(version: int) -> MissingError:
    return MissingError(f"release {version} is gone; look at the current one")
