"""load: brings the vector database to the release that search uses, and makes it current there."""

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.settings import VectorDatabaseSettings
from tasks.vector_database import Difference, compare, load_release, opened_database


def load(lake: Store, settings: VectorDatabaseSettings) -> Summary:
    """Loads the release that search uses: the pinned one, else the newest that is not held back.

    It may be killed at any moment and run again. The release before stays, for roll-back; what the
    database holds is noted in the lake, so that `prune` leaves it there.

    Args:
        lake: the data lake.
        settings: of the database.

    Returns:
        The release, what it took to get there, and whether it was there already.

    Raises:
        UserError: no database is set, there is no release, or what was loaded is not the release.
        TransferError: the database does not answer.
    """
    with timed() as summary, opened_database(settings) as database:
        releases = Releases(lake)
        release = releases.current()
        if release is None:
            raise UserError(f"there is no release in {lake} to load; run image_reindex first")
        held = database.held()
        releases.note_loaded({*held, release.version})
        there = release.version in held
        sent = Difference(0, 0) if there else load_release(lake, database, release)
        if problems := compare(lake, database, release):
            raise UserError(
                f"what the vector database holds is not release {release.version}: "
                f"{problems[0]}; drop its collection, then load again"
            )
        database.make_current(release.version)
        held = database.held()
        releases.note_loaded(held)
        summary |= {
            "release": release.version,
            "images": release.counts.images,
            "upserted": sent.upserted,
            "deleted": sent.deleted,
            "already_complete": there,
            "held": sorted(held),
        }
    return summary
