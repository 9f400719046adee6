"""The release that the service answers from, followed without a gap when a newer one comes."""

import logging
import threading

from tasks.errors import UserError
from tasks.lake.store import DamagedError, Store, TransferError
from tasks.release_in_use import release_in_use
from tasks.searcher import Searcher
from tasks.settings import Settings

logger = logging.getLogger(__name__)


class CurrentSearcher:
    """Holds the searcher of the release that search uses.

    Args:
        lake: the data lake.
        settings: of this machine.

    Raises:
        UserError: there is no release.
        DamagedError: it is damaged.
    """

    def __init__(self, lake: Store, settings: Settings) -> None:
        self._lake, self._settings = lake, settings
        self._ending = threading.Event()
        self._searcher = self._open()

    def get(self) -> Searcher:
        """Returns the searcher in use. Whoever holds it may finish with it after a newer comes."""
        return self._searcher

    def follow(self) -> None:
        """Looks for another release again and again, until `stop`; opens it, then switches to it.

        While none can be had the one in use stays. Nobody need wait for the end: what is fetched
        appears whole or not at all.
        """
        while not self._ending.wait(self._settings.service.look_seconds):
            try:
                self.look()
            except (UserError, DamagedError, TransferError) as error:
                logger.warning("release %s stays: %s", self._searcher.release.version, error)
            except Exception:  # pylint: disable=broad-exception-caught  # whatever it is, look again
                logger.exception("release %s stays", self._searcher.release.version)

    def look(self) -> None:
        """Switches to the release that search uses now, if it is another.

        Raises:
            UserError: there is none any more.
            DamagedError: it is damaged.
            TransferError: the store cannot be reached.
        """
        if release_in_use(self._lake, self._settings) != self._searcher.release:
            self._searcher = self._open()

    def stop(self) -> None:
        """Ends `follow`."""
        self._ending.set()

    def _open(self) -> Searcher:
        searcher = Searcher(self._lake, self._settings)
        searcher.warm_up()
        logger.info("answering from release %s", searcher.release.version)
        return searcher
