"""`Releases`: immutable, numbered versions of the index, and which of them search uses.

How a version is won (the idea is that of Delta Lake and Iceberg: an exclusive create decides):

1. A publisher *claims* the next free number by creating `releases/<version>/claim.json`. The folder
   is then its own.
2. It writes its artifacts there.
3. It *commits*: it closes every lower number that is claimed but undecided by creating that
   number's manifest as abandoned, then creates its own manifest. If one of the lower numbers turns
   out complete, or its own number has been closed by a higher one, it has lost and starts over from
   the new latest.

So complete versions follow each other in order, each made in knowledge of the one before, nobody
waits for a publisher that died, and no two publishers ever write to one folder.
"""

import json
import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.papers import encode_paper, read_paper, write_paper
from tasks.lake.store import DamagedError, Store, require_exclusive_create

_ABANDONED = "abandoned"

logger = logging.getLogger(__name__)


class Releases:
    """The releases of one lake."""

    def __init__(self, lake: Store) -> None:
        self._lake = lake

    def numbers(self) -> list[int]:
        """Returns every number taken, ascending, whatever became of it."""
        return sorted(int(name) for name in self._lake.folders(layout.RELEASES) if name.isdecimal())

    def get(self, version: int) -> Manifest | None:
        """Returns a complete release, or None if there is none of that number, or it is damaged."""
        try:
            return self._read(version)
        except FileNotFoundError:
            return None
        except ValueError:
            path = self._lake.uri(layout.release(version, layout.MANIFEST))
            logger.warning("%s is damaged; passing that release over", path)
            return None

    def _read(self, version: int) -> Manifest | None:
        """Returns a complete release, or None if the number has been closed without one.

        Raises:
            FileNotFoundError: there is no manifest of that number.
            ValueError: it is damaged, or that of another number.
        """
        document = read_paper(self._lake, layout.release(version, layout.MANIFEST))
        if document.get("version") != version:
            raise ValueError(f"the manifest of release {version} is that of another one")
        return None if document.get("state") == _ABANDONED else Manifest.model_validate(document)

    def unreadable(self, after: int = 0) -> list[int]:
        """Returns the releases above a number whose manifest has been damaged or lost."""
        return [version for version in self.numbers() if version > after and self._is_lost(version)]

    def _is_lost(self, version: int) -> bool:
        try:
            self._read(version)
        except ValueError:
            return True
        except FileNotFoundError:
            return self._was_published(version)
        return False

    def _was_published(self, version: int) -> bool:
        """Tells whether the run that claimed a number says that it has made it a release."""
        try:
            run = self._lake.read_json(layout.release(version, layout.CLAIM))["run"]
            published = self._lake.read_json(layout.task_result(run, "publish"))
            return bool(published["version"] == version)
        except (FileNotFoundError, ValueError, KeyError, TypeError, UserError):
            return False

    def is_sound(self, release: Manifest) -> bool:
        """Tells whether all artifacts of a release are there, and nobody has found one damaged."""
        return self._papers_of_sound(release) is not None

    def _papers_of_sound(self, release: Manifest) -> set[str] | None:
        """Returns what lies in the folder of a release, or None if it is not sound: one look."""
        folder = layout.release(release.version, "")
        sizes = {item.path: item.bytes for item in self._lake.objects(folder.rstrip("/"))}
        artifacts = release.artifacts.values()
        whole = all(sizes.get(artifact.path) == artifact.bytes for artifact in artifacts)
        damaged = layout.release(release.version, layout.DAMAGE) in sizes
        return set(sizes) if whole and not damaged else None

    def damage(self, version: int) -> list[str] | None:
        """Returns what was found damaged in a release, or None if nothing was."""
        try:
            found = self._lake.read_json(layout.release(version, layout.DAMAGE))
        except FileNotFoundError:
            return None
        except ValueError:
            return ["unknown"]
        return [str(problem) for problem in found]

    def note_damage(self, version: int, problems: list[str]) -> None:
        """Marks a release as damaged: nobody uses or builds on it any longer."""
        self._lake.write_json(layout.release(version, layout.DAMAGE), problems)

    def clear_damage(self, version: int) -> None:
        """Takes the mark back: the release has turned out sound."""
        self._lake.delete(layout.release(version, layout.DAMAGE))

    @contextmanager
    def noting_damage(self, release: Manifest) -> Iterator[None]:
        """Marks a release as damaged if reading it in this block shows that it is."""
        try:
            yield
        except DamagedError as error:
            logger.warning("release %d is damaged: %s", release.version, error)
            self.note_damage(release.version, [str(error)])
            raise

    def newest_first(self) -> Iterator[Manifest]:
        """Yields the complete releases, newest first, reading each only when asked for."""
        for version in reversed(self.numbers()):
            if manifest := self.get(version):
                yield manifest

    def lineage(self, release: Manifest | None, base: int | None) -> Iterator[Manifest]:
        """Yields a release and those it was made from, newest first, down to but without a base.

        Raises:
            UserError: one of them is gone or damaged, so that what it changed is not known.
        """
        while release and release.version > (base or 0):
            yield release
            previous = release.previous or 0
            release = self.get(previous) if previous > (base or 0) else None
            if previous > (base or 0) and release is None:
                raise UserError(
                    f"release {previous}, made since this run was planned, is gone or damaged; "
                    "start a new run"
                )

    def latest(self) -> Manifest | None:
        """Returns the newest complete release that is sound: what the next one builds on."""
        return next(filter(self.is_sound, self.newest_first()), None)

    def held(self, version: int) -> str | None:
        """Returns why search must not use a release yet, or None if it may."""
        try:
            return str(self._lake.read_json(layout.release(version, layout.HELD))["reason"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return "unknown"

    def hold(self, version: int, reason: str) -> None:
        """Keeps search from a release, until it is accepted. What follows may build on it."""
        self._lake.write_json(layout.release(version, layout.HELD), {"reason": reason})

    def accept(self, version: int) -> None:
        """Lets search use a release that was held back.

        Raises:
            UserError: there is no such release.
        """
        if self.get(version) is None:
            raise UserError(f"there is no release {version}; `releases` lists those there are")
        self._lake.delete(layout.release(version, layout.HELD))

    def usable(self) -> Manifest | None:
        """Returns the newest release that is sound and not held back."""
        for release in self.newest_first():
            papers = self._papers_of_sound(release)
            held = layout.release(release.version, layout.HELD)
            if papers is not None and held not in papers:
                return release
        return None

    def current(self) -> Manifest | None:
        """Returns the release that search uses: the pinned one, else the newest usable one.

        Raises:
            UserError: the pinned release is gone or damaged.
        """
        pinned = self.pinned()
        if pinned is None:
            return self.usable()
        release = self.get(pinned)
        if release is None or not self.is_sound(release):
            raise UserError(
                f"search is pinned to release {pinned}, which is gone or damaged; pin another "
                "with `releases --pin`, or `releases --unpin`"
            )
        return release

    def pinned(self) -> int | None:
        """Returns the version that search is held at, or None where it follows the newest."""
        try:
            version = read_paper(self._lake, layout.PIN)["version"]
            return None if version is None else int(version)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self._lake.uri(layout.PIN)} is damaged; set it anew with `releases --pin`"
            ) from error

    def pin(self, version: int) -> None:
        """Holds search at a version until `unpin`.

        Raises:
            UserError: there is no such release, or it is damaged.
        """
        release = self.get(version)
        if release is None:
            raise UserError(f"there is no release {version}; `releases` lists those there are")
        if not self.is_sound(release):
            raise UserError(
                f"release {version} is damaged and cannot be searched; pin one that `releases` "
                "does not mark so"
            )
        before = self._lake.read(layout.PIN) if self._lake.exists(layout.PIN) else None
        card = layout.model(str(release.model["id"]), layout.MODEL_CARD)
        has_model = self._lake.exists(card)
        write_paper(self._lake, layout.PIN, {"version": version})
        # What prune had begun to remove, it brings back where it sees the pin; see there.
        if self.get(version) is None or (has_model and not self._lake.exists(card)):
            if before is None:
                self.unpin()
            else:
                self._lake.write(layout.PIN, before)
            raise UserError(f"release {version} has been pruned just now; pin another")

    def unpin(self) -> None:
        """Lets search follow the newest release again."""
        if self._lake.exists(layout.PIN):
            # It stays, as it tells when that was.
            write_paper(self._lake, layout.PIN, {"version": None})

    def pin_changed(self) -> float:
        """Returns when search was last pinned or let go, in seconds since 1970; 0 if never."""
        try:
            return self._lake.stat(layout.PIN).modified
        except FileNotFoundError:
            return 0.0

    def loaded(self) -> set[int]:
        """Returns the versions that a vector database holds, as `load` has noted them last.

        Raises:
            UserError: the note is damaged.
        """
        try:
            return set(map(int, read_paper(self._lake, layout.LOADED)["releases"]))
        except FileNotFoundError:
            return set()
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self._lake.uri(layout.LOADED)} is damaged; run `load`, which writes it anew"
            ) from error

    def note_loaded(self, versions: Iterable[int]) -> None:
        """Notes which versions a vector database holds, as searches there need their papers."""
        write_paper(self._lake, layout.LOADED, {"releases": sorted(versions)})

    def claim(self, run: str) -> int:
        """Takes the next free number for a release in the making.

        Args:
            run: who claims it, for whoever looks into the folder.

        Returns:
            The number; nobody else writes to its folder.

        Raises:
            UserError: this store cannot tell who was first.
        """
        require_exclusive_create(self._lake, layout.RELEASES)
        numbers = self.numbers()
        version = numbers[-1] + 1 if numbers else 1
        # Two attempts of one run may race each other, too.
        note = json.dumps({"run": run, "attempt": uuid.uuid4().hex}).encode()
        while not self._lake.create(layout.release(version, layout.CLAIM), note):
            version += 1
        return version

    def commit(self, manifest: Manifest) -> bool:
        """Makes a claimed version visible, if it still follows the release it was made from.

        Args:
            manifest: of the version claimed; its `previous` is the latest release it knows of.

        Returns:
            True if the release now stands; False if another publisher was first.
        """
        for version in self.numbers():
            if (manifest.previous or 0) < version < manifest.version:
                self._abandon(version)
                if (other := self.get(version)) and self.is_sound(other):
                    return False
        path = layout.release(manifest.version, layout.MANIFEST)
        return self._lake.create(path, encode_paper(manifest.model_dump(mode="json")))

    def _abandon(self, version: int) -> None:
        document = encode_paper({"state": _ABANDONED, "version": version})
        self._lake.create(layout.release(version, layout.MANIFEST), document)
