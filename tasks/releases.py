"""releases: which releases there are, and which of them search uses."""

import json
import logging
import sys
from typing import Any

from tasks.errors import UserError
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.tables import open_console, show_releases

logger = logging.getLogger(__name__)


def list_releases(
    lake: Store,
    *,
    pin: int | None = None,
    unpin: bool = False,
    accept: int = 0,
    as_json: bool = False,
) -> None:
    """Prints the releases, newest first, after changing which of them search uses if asked to.

    Args:
        lake: the data lake.
        pin: the version to hold search at; None for no change.
        unpin: let search follow the newest release again.
        accept: let search use this version although it was held back; 0 for none.
        as_json: print one JSON object, not a table.

    Raises:
        UserError: there is no sound release `pin`, or both `pin` and `unpin` are given.
    """
    releases = Releases(lake)
    if pin is not None and unpin:
        raise UserError("--pin and --unpin contradict each other; give one")
    if pin is not None:
        releases.pin(pin)
    if unpin:
        releases.unpin()
    if accept:
        releases.accept(accept)
    pinned, current = _choice(releases)
    listed = [(release, releases.is_sound(release)) for release in releases.newest_first()]
    if as_json:
        documents = [_document(releases, release, sound) for release, sound in listed]
        json.dump({"current": current, "pinned": pinned, "releases": documents}, sys.stdout)
        print()
    elif not listed:
        print(f"There is no release in {lake} yet; run image_reindex first.")
    else:
        held = {release.version: releases.held(release.version) for release, _ in listed}
        marked = [
            (release, _mark(release, sound, bool(held[release.version]), current, pinned))
            for release, sound in listed
        ]
        show_releases(open_console(), marked)
        for version, reason in held.items():
            if reason:
                print(f"Release {version} is held back from search: {reason}.")


def _choice(releases: Releases) -> tuple[int | None, int | None]:
    """Returns the version that is pinned and the one that search uses, None where there is none."""
    try:
        pinned = releases.pinned()
    except UserError as error:
        logger.warning("%s", error)
        return None, None
    try:
        current = releases.current()
    except UserError as error:
        logger.warning("%s", error)
        return pinned, None
    return pinned, current.version if current else None


def _document(releases: Releases, release: Manifest, sound: bool) -> dict[str, Any]:
    document = release.model_dump(mode="json") | {"held": releases.held(release.version)}
    if sound:
        return document
    found = releases.damage(release.version) or ["an object is missing or has another size"]
    return {**document, "state": "damaged", "damage": found}


def _mark(
    release: Manifest, sound: bool, held: bool, current: int | None, pinned: int | None
) -> str:
    used = "pinned" if release.version == pinned else ""
    used = used or ("current" if release.version == current else "")
    faults = ("" if sound else "damaged", "held back" if held else "")
    return ", ".join(filter(None, (*faults, used)))
