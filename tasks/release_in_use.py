"""Which release a search uses. Loads nothing that searches."""

from tasks.errors import UserError
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.settings import Settings


def release_in_use(lake: Store, settings: Settings) -> Manifest:
    """Returns the release that search uses: in the vector database if one is set.

    Raises:
        UserError: there is none, or it is damaged.
        TransferError: the database does not answer.
    """
    if not settings.vector_database.uri:
        return current_release(lake)
    from tasks.vector_database import opened_database, release_to_search

    with opened_database(settings.vector_database) as database:
        return release_to_search(lake, database)


def current_release(lake: Store) -> Manifest:
    """Returns the release that search uses, as its files are.

    Raises:
        UserError: there is none, or it is damaged.
    """
    releases = Releases(lake)
    release = releases.current()
    if release is None and next(releases.newest_first(), None):
        raise UserError(
            f"every release in {lake} is damaged or held back; run image_reindex for another"
        )
    if release is None:
        raise UserError(f"there is no release in {lake} yet; run image_reindex first")
    return release
