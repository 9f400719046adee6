"""releases: which releases there are, and which of them search uses."""

import json
import sys

from tasks.errors import UserError
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.tables import open_console, show_releases


def list_releases(lake: Store, *, pin: int = 0, unpin: bool = False, as_json: bool = False) -> None:
    """Prints the releases, newest first, after changing which of them search uses if asked to.

    Args:
        lake: the data lake.
        pin: the version to hold search at; 0 for no change.
        unpin: let search follow the newest release again.
        as_json: print one JSON object, not a table.

    Raises:
        UserError: there is no release `pin`, or both `pin` and `unpin` are given.
    """
    releases = Releases(lake)
    if pin and unpin:
        raise UserError("--pin and --unpin contradict each other; give one")
    if pin:
        releases.pin(pin)
    if unpin:
        releases.unpin()
    pinned = releases.pinned()
    current = releases.current()
    version = current.version if current else None
    if as_json:
        listed = [release.model_dump(mode="json") for release in releases.newest_first()]
        json.dump({"current": version, "pinned": pinned, "releases": listed}, sys.stdout)
        print()
    elif current is None:
        print(f"There is no release in {lake} yet; run image_reindex first.")
    else:
        show_releases(open_console(), releases.newest_first(), version, pinned is not None)
