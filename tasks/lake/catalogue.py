"""The catalogue: what a run finds of the original images, and how that differs from a release.

Names sort by code point everywhere. The comparison happens in a SQLite file, so that memory does
not grow with the catalogue.
"""

import errno
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.lake.store import StoredObject

# Why an image is put aside that may not be read. Its fingerprint stays the same when it may, so
# whoever compares the catalogue has to try.
ACCESS_DENIED = "access to it is denied, or it is archived"


class Image(BaseModel):
    """One line of a catalogue: an image, as a run found it or as a release holds it.

    Attributes:
        name: path below the catalogue's root.
        bytes: size of the file.
        fingerprint: changes when the file does (see `StoredObject`).
        sha256: of the file's content; empty where nobody has read it yet.
        row: its row in the release, if it has one there.
        rejected: why it cannot be used; empty if it can.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bytes: int
    fingerprint: str
    sha256: str = ""
    row: int | None = None
    rejected: str = ""

    @property
    def is_new(self) -> bool:
        """Tells whether nothing is known yet of its content."""
        return self.row is None and not self.rejected


class Changes(BaseModel):
    """How a listing differs from a release, in images.

    Each name of the listing is added, changed, renamed or unchanged. One that holds what had
    another name, which is still there with something else, counts as added or changed, and an old
    name that is gone as removed; nothing of that is embedded again either.
    """

    model_config = ConfigDict(frozen=True)

    catalogue: int
    added: int
    changed: int
    renamed: int
    removed: int
    unchanged: int

    @property
    def anything(self) -> bool:
        """Tells whether the listing differs from the release at all."""
        return bool(self.added or self.changed or self.renamed or self.removed)


_TABLES = """
CREATE TABLE found (name TEXT PRIMARY KEY, bytes INTEGER, fingerprint TEXT) WITHOUT ROWID;
CREATE TABLE known (name TEXT PRIMARY KEY, bytes INTEGER, fingerprint TEXT, sha256 TEXT, row
INTEGER, rejected TEXT)
    WITHOUT ROWID;
CREATE TABLE same (name TEXT PRIMARY KEY, known_name TEXT, sha256 TEXT, row INTEGER, rejected TEXT)
    WITHOUT ROWID;
"""
_MOVED = """
CREATE TABLE moved AS
    SELECT known.* FROM known LEFT JOIN found USING (name)
    WHERE known.sha256 != '' AND found.fingerprint IS NOT known.fingerprint;
CREATE INDEX moved_by_size ON moved (bytes);
CREATE INDEX moved_by_content ON moved (sha256, name);
"""
_CANDIDATES = """
SELECT found.name, found.bytes, found.fingerprint FROM found LEFT JOIN known USING (name)
WHERE found.fingerprint IS NOT known.fingerprint AND found.bytes IN (SELECT bytes FROM moved)
ORDER BY found.name
"""


class Comparison:
    """A listing of the catalogue held against the images of a release."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(_TABLES)

    def add_found(self, objects: Iterable[StoredObject]) -> None:
        """Takes in what is in the catalogue now."""
        rows = ((item.path, item.bytes, item.fingerprint) for item in objects)
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", rows)

    def add_known(self, images: Iterable[Image]) -> None:
        """Takes in what the release knows.

        Of two of one name either one stays: that there are is damage, which only whoever has read
        the list to its end can tell.
        """
        rows = (
            (image.name, image.bytes, image.fingerprint, image.sha256, image.row, image.rejected)
            for image in images
        )
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def denied(self) -> list[str]:
        """Returns the names of known images that could not be read for want of access."""
        query = """
        SELECT name FROM known JOIN found USING (name, fingerprint) WHERE known.rejected = ?
        """
        return [name for (name,) in self._database.execute(query, (ACCESS_DENIED,))]

    def forget(self, name: str) -> None:
        """Lets a known image count as changed."""
        with self._database:
            self._database.execute("UPDATE known SET fingerprint = '' WHERE name = ?", (name,))

    def candidates(self) -> Iterator[Image]:
        """Yields the new and changed images that might be known ones, renamed or touched.

        Those have the size of an image that is no longer what its name stands for. Whether they
        are the same only their content tells, see `find_same`.
        """
        self._database.executescript(_MOVED)
        for values in self._database.execute(_CANDIDATES):
            yield _image(values)

    def find_same(self, name: str, sha256: str) -> Image | None:
        """Returns the known image that a candidate is, by its content: of its name, or moved."""
        query = """
        SELECT * FROM known WHERE name = ? AND sha256 = ?
        UNION ALL SELECT * FROM (SELECT * FROM moved WHERE sha256 = ? ORDER BY name LIMIT 1)
        """
        values = self._database.execute(query, (name, sha256, sha256)).fetchone()
        return _image(values) if values else None

    def mark_same(self, name: str, known: Image) -> None:
        """Notes that the image found as `name` has the content of a known one and keeps its row."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO same VALUES (?, ?, ?, ?, ?)",
                (name, known.name, known.sha256, known.row, known.rejected),
            )

    def images(self) -> Iterator[Image]:
        """Yields every image found, by name: with its row or rejection if known, bare if new."""
        query = """
        SELECT found.name, found.bytes, found.fingerprint,
               coalesce(same.sha256, known.sha256, ''), coalesce(same.row, known.row),
               coalesce(same.rejected, known.rejected, '')
        FROM found
        LEFT JOIN known ON known.name = found.name AND known.fingerprint = found.fingerprint
        LEFT JOIN same ON same.name = found.name
        ORDER BY found.name
        """
        for values in self._database.execute(query):
            yield _image(values)

    def changes(self) -> Changes:
        """Counts how the listing differs from the release."""
        catalogue = self._count("SELECT count(*) FROM found")
        gone = self._count("SELECT count(*) FROM known WHERE name NOT IN (SELECT name FROM found)")
        new = self._count("SELECT count(*) FROM found WHERE name NOT IN (SELECT name FROM known)")
        renamed = self._count(
            """SELECT count(DISTINCT known_name) FROM same
            WHERE known_name NOT IN (SELECT name FROM found)
                AND name NOT IN (SELECT name FROM known)"""
        )
        changed = self._count(
            """SELECT count(*) FROM found JOIN known USING (name) LEFT JOIN same USING (name)
            WHERE known.fingerprint != found.fingerprint AND same.known_name IS NOT known.name"""
        )
        return Changes(
            catalogue=catalogue,
            added=new - renamed,
            changed=changed,
            renamed=renamed,
            removed=gone - renamed,
            unchanged=catalogue - new - changed,
        )

    def _count(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


@contextmanager
def open_comparison() -> Iterator[Comparison]:
    """Opens an empty comparison in a temporary file, which goes when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "comparison.sqlite")
        try:
            # Nothing here outlives the block, so nothing needs to reach the disk.
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            yield Comparison(database)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            raise OSError(errno.ENOSPC, str(error), folder) from error
        finally:
            database.close()


def _image(values: tuple[Any, ...]) -> Image:
    """Makes an image of a row of the database, its columns in the order of `known`."""
    columns = ("name", "bytes", "fingerprint", "sha256", "row", "rejected")
    return Image.model_validate(dict(zip(columns, values, strict=False)))
