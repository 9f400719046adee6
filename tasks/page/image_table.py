"""The images of a release as a local SQLite file, so that any page of any list is there at once.

Made once a release and machine from `catalogue.jsonl`, in the cache folder. Names sort by code
point here as everywhere, so the images under a prefix are consecutive rows.
"""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.store import Artifact, Store

Match = Literal["contains", "prefix"]
Found = tuple[int, list[dict[str, Any]]]

_KEPT_FILES = 8
_LAST = "\U0010ffff"  # sorts after every other character
_FOLDERS = 60

_TABLE = """
CREATE TABLE image (
    name TEXT PRIMARY KEY, row INTEGER, bytes INTEGER, sha256 TEXT, rejected TEXT
) WITHOUT ROWID;
"""
_INDEXES = """
CREATE UNIQUE INDEX image_by_row ON image (row) WHERE row IS NOT NULL;
CREATE INDEX rejected_by_name ON image (name) WHERE rejected != '';
"""
# An image that was renamed has the content of one that is gone; of equal ones the first name.
_CHANGES = """
CREATE TABLE change (place INTEGER PRIMARY KEY, kind TEXT, name TEXT, was TEXT);
CREATE TEMP TABLE gone AS
    SELECT name, sha256 FROM old.image WHERE name NOT IN (SELECT name FROM new.image);
CREATE INDEX temp.gone_by_content ON gone (sha256, name);
CREATE TEMP TABLE come AS
    SELECT name, (SELECT min(gone.name) FROM gone
                  WHERE image.sha256 != '' AND gone.sha256 = image.sha256) AS was
    FROM new.image AS image WHERE name NOT IN (SELECT name FROM old.image);
INSERT INTO change (kind, name, was) SELECT 'added', name, '' FROM come WHERE was IS NULL
    ORDER BY name;
INSERT INTO change (kind, name, was) SELECT 'renamed', name, was FROM come WHERE was IS NOT NULL
    ORDER BY name;
INSERT INTO change (kind, name, was) SELECT 'changed', new.name, '' FROM new.image AS new
    JOIN old.image AS old USING (name) WHERE new.sha256 != old.sha256 ORDER BY new.name;
INSERT INTO change (kind, name, was) SELECT 'removed', name, '' FROM gone
    WHERE name NOT IN (SELECT was FROM come WHERE was IS NOT NULL) ORDER BY name;
CREATE INDEX change_by_kind ON change (kind, place);
"""


@dataclass(frozen=True)
class ImageTable:
    """The images of one release, those that were rejected too. Safe to use from many threads."""

    file: Path

    def get(self, name: str) -> Image | None:
        """Returns one image, or None if the release knows no such name."""
        query = "SELECT name, row, bytes, sha256, rejected FROM image WHERE name = ?"
        found = self._rows(query, name)
        return _image(found[0]) if found else None

    def count(self) -> int:
        """Returns how many images can be searched."""
        return int(self._rows("SELECT count(row) FROM image")[0][0])

    def names_of(self, rows: list[int]) -> dict[int, str]:
        """Returns the names at some rows of the release."""
        marks = ",".join("?" * len(rows))
        # Only question marks are pasted in.
        query = f"SELECT row, name FROM image WHERE row IN ({marks})"  # noqa: S608
        return dict(self._rows(query, *rows))

    def page(self, wanted: str, match: Match, offset: int, limit: int) -> Found:
        """Lists images by name.

        Args:
            wanted: what the name contains or begins with; empty for all.
            match: which of the two. Of letters outside ASCII, case counts.
            offset: how many to pass over.
            limit: how many to return at most.

        Returns:
            How many there are in all, and the page.
        """
        if "\0" in wanted:  # in no name, and SQLite's LIKE would read no further
            return 0, []
        if wanted and match == "contains":
            pattern = "%" + "".join(f"\\{c}" if c in "%_\\" else c for c in wanted) + "%"
            where = "FROM image WHERE row IS NOT NULL AND name LIKE ? ESCAPE '\\'"
            total = int(self._rows(f"SELECT count(*) {where}", pattern)[0][0])
            query = f"SELECT name, bytes {where} ORDER BY name LIMIT ? OFFSET ?"
            return total, _listed(self._rows(query, pattern, limit, offset))
        first, end = self._range(wanted)
        query = "SELECT name, bytes FROM image WHERE row >= ? AND row < ? ORDER BY row"
        start = first + offset
        return end - first, _listed(self._rows(query, start, min(end, start + limit)))

    def sample(self, count: int) -> list[dict[str, Any]]:
        """Returns some images, evenly spread."""
        total = self.count()
        rows = [total * number // count for number in range(min(count, total))]
        if total <= count:
            rows = list(range(total))
        return [{"name": name} for _, name in sorted(self.names_of(rows).items())]

    def folders(self) -> list[dict[str, Any]]:
        """Returns the largest folders at the top, with how many images each holds."""
        query = """
        SELECT substr(name, 1, instr(name, '/')) AS folder, count(*) AS images FROM image
        WHERE row IS NOT NULL AND instr(name, '/') > 0
        GROUP BY folder ORDER BY images DESC, folder LIMIT ?
        """
        found = self._rows(query, _FOLDERS)
        return [{"folder": folder, "images": images} for folder, images in sorted(found)]

    def rejected(self, offset: int, limit: int) -> Found:
        """Lists the images that could not be used, with the reason."""
        where = "FROM image WHERE rejected != ''"
        total = int(self._rows(f"SELECT count(*) {where}")[0][0])
        query = f"SELECT name, bytes, rejected {where} ORDER BY name LIMIT ? OFFSET ?"
        found = self._rows(query, limit, offset)
        return total, [
            {"name": name, "bytes": size, "reason": reason} for name, size, reason in found
        ]

    def changes(self, old: "ImageTable | None") -> "ChangeTable":
        """Compares this release with an older one, or with nothing; kept beside the tables."""
        folder = self.file.parent
        name = f"changes-{old.file.stem if old else 'none'}-{self.file.stem}.sqlite"

        def fill(database: sqlite3.Connection) -> None:
            database.execute("ATTACH ? AS new", (str(self.file),))
            database.execute("ATTACH ? AS old", (str(old.file) if old else ":memory:",))
            if old is None:
                database.executescript(_TABLE.replace("TABLE image", "TABLE old.image"))
            database.executescript(_CHANGES)

        return ChangeTable(_made_once(folder / name, fill))

    def _range(self, prefix: str) -> tuple[int, int]:
        """Returns the first row whose name has a prefix, and the row after the last one."""
        if not prefix:
            return 0, self.count()
        where = "FROM image WHERE name >= ? AND name < ? AND row IS NOT NULL ORDER BY name"
        ends = [
            self._rows(f"SELECT row {where} {order} LIMIT 1", prefix, prefix + _LAST)
            for order in ("ASC", "DESC")
        ]
        return (ends[0][0][0], ends[1][0][0] + 1) if ends[0] else (0, 0)

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return _rows(self.file, query, *values)


@dataclass(frozen=True)
class ChangeTable:
    """What one release has changed against another."""

    file: Path

    def counts(self) -> dict[str, int]:
        """Returns how many images were added, changed, renamed and removed."""
        found = dict(_rows(self.file, "SELECT kind, count(*) FROM change GROUP BY kind"))
        return {kind: found.get(kind, 0) for kind in ("added", "changed", "renamed", "removed")}

    def page(self, kind: str, offset: int, limit: int) -> Found:
        """Lists the images of one kind of change, by name."""
        query = "SELECT name, was FROM change WHERE kind = ? ORDER BY place LIMIT ? OFFSET ?"
        found = _rows(self.file, query, kind, limit, offset)
        return self.counts().get(kind, 0), [{"name": name, "was": was} for name, was in found]


def open_image_table(lake: Store, catalogue: Artifact, cache: Path) -> ImageTable:
    """Opens the table of a release, and makes it if this machine has none yet.

    Args:
        lake: the data lake.
        catalogue: the release's `catalogue.jsonl`.
        cache: folder for what is made once; several processes may share it.

    Raises:
        DamagedError: the catalogue is missing or not what was stored.
    """

    def fill(database: sqlite3.Connection) -> None:
        database.executescript(_TABLE)
        rows = (
            (image.name, image.row, image.bytes, image.sha256, image.rejected)
            for image in read_lines(lake, catalogue, Image)
        )
        with database:
            database.executemany("INSERT INTO image VALUES (?, ?, ?, ?, ?)", rows)
        database.executescript(_INDEXES)

    file = cache.expanduser() / "catalogues" / f"{catalogue.sha256[:24]}.sqlite"
    return ImageTable(_made_once(file, fill))


def _made_once(file: Path, fill: Callable[[sqlite3.Connection], None]) -> Path:
    """Returns a SQLite file, and makes it under another name first if it is not there."""
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in _oldest(file.parent):
        old.unlink(missing_ok=True)
    temporary = file.with_name(f"{uuid.uuid4().hex}.part")
    try:
        with closing(sqlite3.connect(temporary)) as database:
            # Who finds no finished file makes it again: nothing here has to survive a crash.
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            fill(database)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return file


def _oldest(folder: Path) -> Iterator[Path]:
    """Yields what makes room for another file; a reader that has one open keeps it."""
    ages: list[tuple[float, Path]] = []
    for file in folder.glob("*.sqlite"):
        with suppress(FileNotFoundError):
            ages.append((file.stat().st_mtime, file))
    return (file for _, file in sorted(ages, reverse=True)[_KEPT_FILES - 1 :])


def _rows(file: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(query, values).fetchall()


def _listed(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [{"name": name, "bytes": size} for name, size in rows]


def _image(values: tuple[Any, ...]) -> Image:
    name, row, size, sha256, rejected = values
    return Image(name=name, row=row, bytes=size, fingerprint="", sha256=sha256, rejected=rejected)
