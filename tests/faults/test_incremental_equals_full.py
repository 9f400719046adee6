"""Whatever happens to a catalogue and to the runs over it: the release equals a full rebuild."""

import functools
import io
import itertools
import os
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

import tasks.vectorize
from tasks.build_model import build_model
from tasks.contract import file_result
from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.settings import RetentionSettings, Settings
from tasks.vectorize import vectorize
from tasks.verify import verify
from tests.faults.conftest import lake_in_bucket, local_lake
from tests.faults.equality import assert_equal, newest_sound, release_names
from tests.s3_server import S3Server
from tests.tasks.pipeline import PHOTOS, settings_for_tests

# All have the same number of bytes, so that no size gives a change away.
SIZE = 4096
NAMES = ["a.jpg", "b/a.jpg", "b/b.jpg", "b-.jpg", "c.jpg", "Z.jpg", "é.jpg", "z z.jpg"]
KINDS = ["add_or_change", "rename", "swap", "remove", "corrupt", "repair", "touch"]
HARSH = RetentionSettings(releases=1, landing_days=0, runs_days=0)


def photo(name: str) -> bytes:
    """Returns a small photograph, filled up to `SIZE`: what follows its end does no harm."""
    buffer = io.BytesIO()
    picture = Image.open(next(PHOTOS.glob(f"{name}.*"))).convert("RGB")
    picture.resize((80, 60)).save(buffer, "jpeg", quality=60)
    return buffer.getvalue().ljust(SIZE, b"\0")


CONTENTS = [photo(name) for name in ("chelsea", "coffee", "rocket", "astronaut", "camera")]
BROKEN = [content[:300].ljust(SIZE, b"\0") for content in CONTENTS]

EDITS = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(0, len(CONTENTS) - 1),
)

Run = dict[str, Any]


class Catalogue(RuleBasedStateMachine):
    """The life of a catalogue, and of the runs that index it."""

    lake: Store
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, bytes] = {}
        self.clock = itertools.count(1_700_000_000)
        self.numbers = itertools.count(1)
        self.newest = 0

    def make_lake(self) -> Store:
        """Returns an empty lake."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Starts with a release of three images and a broken one."""
        self.lake = self.make_lake()
        for name, content in zip(NAMES, (*CONTENTS[:3], BROKEN[3]), strict=False):
            self.put(name, content)
        self.reindex(2, False)

    def put(self, name: str, content: bytes | None) -> None:
        """Makes the catalogue hold an image, or not hold it."""
        path = f"{layout.MASTER}/{name}"
        if content is None:
            self.content.pop(name, None)
            self.lake.delete(path)
            return
        self.content[name] = content
        self.lake.write(path, content)
        if file := self.lake.local_path(path):
            os.utime(file, (next(self.clock),) * 2)

    # What happens to the images.

    @rule(edits=st.lists(EDITS, min_size=1, max_size=4))
    def edit(self, edits: list[tuple[str, str, str, int]]) -> None:
        """Changes a few images before anybody looks."""
        for kind, name, other, number in edits:
            getattr(self, kind)(name, other, CONTENTS[number])

    def add_or_change(self, name: str, _: str, content: bytes) -> None:
        """Puts an image where there was one, or none."""
        self.put(name, content)

    def rename(self, name: str, to: str, _: bytes) -> None:
        """Moves an image, over another one if need be."""
        if name in self.content and name != to:
            content = self.content[name]
            self.put(name, None)
            self.put(to, content)

    def swap(self, name: str, other: str, _: bytes) -> None:
        """Lets two images change their names."""
        if name in self.content and other in self.content:
            one, two = self.content[name], self.content[other]
            self.put(name, two)
            self.put(other, one)

    def remove(self, name: str, *_: Any) -> None:
        """Removes an image, unless it is the last."""
        if len(self.content) > 1:
            self.put(name, None)

    def corrupt(self, name: str, *_: Any) -> None:
        """Cuts an image short."""
        if self.content.get(name) in CONTENTS:
            self.put(name, BROKEN[CONTENTS.index(self.content[name])])

    def repair(self, *_: Any) -> None:
        """Makes all images whole again."""
        for name, content in list(self.content.items()):
            if content in BROKEN:
                self.put(name, CONTENTS[BROKEN.index(content)])

    def touch(self, name: str, *_: Any) -> None:
        """Writes an image once more, as it is."""
        if name in self.content:
            self.put(name, self.content[name])

    # What happens to the runs.

    @rule(target=runs, shard_size=st.integers(1, 4), full_rebuild=st.booleans())
    def start(self, shard_size: int, full_rebuild: bool) -> Any:
        """Plans a run; its tasks come later, if ever."""
        if not self.usable():
            return multiple()
        run = f"run-{next(self.numbers)}"
        chosen = settings_for_tests(pipeline={"shard_size": shard_size})
        planned = plan(self.lake, run, chosen, full_rebuild=full_rebuild)
        return {"run": run, "settings": chosen, **planned, "steps": self.steps(planned, chosen)}

    @rule(run=runs, count=st.integers(1, 6))
    def go_on(self, run: Run, count: int) -> None:
        """Does some of the tasks of a run: other runs may come in between."""
        self.advance(run, count)

    @rule(run=runs, seed=st.integers(0, 999))
    def retry(self, run: Run, seed: int) -> None:
        """Does a task of a run once more, though it is done, as far as its input is there."""
        tasks_of_run = list(self.steps(run, run["settings"]))
        # It may need a task that has not been done, or whose output nobody needs any more.
        with suppress(UserError, FileNotFoundError):
            random.Random(seed).choice(tasks_of_run or [lambda: None])()

    @rule(run=consumes(runs))
    def finish(self, run: Run) -> None:
        """Brings a run to its end, whatever became of the catalogue meanwhile."""
        self.complete(run)

    @rule(shard_size=st.integers(1, 4), full_rebuild=st.booleans())
    def reindex(self, shard_size: int, full_rebuild: bool) -> None:
        """Runs from beginning to end, undisturbed."""
        if self.usable():
            self.complete(self.start(shard_size, full_rebuild))
            assert self.names() == sorted(self.usable())

    @rule()
    def tidy_up(self) -> None:
        """Prunes all that may go."""
        prune(self.lake, HARSH)

    @rule(seed=st.integers(0, 999))
    def rot(self, seed: int) -> None:
        """Flips a bit of the release in use; somebody notices."""
        chance = random.Random(seed)
        release = Releases(self.lake).latest()
        if release is None:
            return
        path = chance.choice(list(release.artifacts.values())).path
        data = bytearray(self.lake.read(path))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        self.lake.write(path, bytes(data))
        assert not verify(self.lake, settings_for_tests(), version=release.version)["sound"]

    @invariant()
    def versions_never_go_back(self) -> None:
        """Of the releases ever made, the newest is still there."""
        if hasattr(self, "lake"):
            newest = next(Releases(self.lake).newest_first(), None)
            assert (newest.version if newest else 0) >= self.newest
            self.newest = newest.version if newest else 0

    def teardown(self) -> None:
        """The last run sees all, and its release equals a full rebuild in an empty lake."""
        if not hasattr(self, "lake"):
            return
        if not self.usable():
            self.put("a.jpg", CONTENTS[0])
        self.complete(self.start(3, False))
        fresh = self.make_lake()
        for name, content in self.content.items():
            fresh.write(f"{layout.MASTER}/{name}", content)
        for step in self.steps(
            plan(fresh, "full", settings_for_tests()), settings_for_tests(), fresh
        ):
            step()
        assert_equal(self.lake, fresh)

    def usable(self) -> list[str]:
        return [name for name, content in self.content.items() if content in CONTENTS]

    def names(self) -> list[str]:
        return release_names(self.lake, newest_sound(self.lake))

    def complete(self, run: Run) -> None:
        self.advance(run, None)

    def advance(self, run: Run, count: int | None) -> None:
        """Does the next tasks of a run, or all that are left."""
        try:
            for step in itertools.islice(run["steps"], count):
                step()
        except UserError as error:
            # Its base has rotted since it was planned, or all its images have gone.
            assert "start a new run" in str(error) or "no image of the catalogue" in str(error)

    def steps(self, planned: Run, chosen: Settings, lake: Store | None = None) -> Any:
        """Yields the tasks of a run after its plan, each ready to be called."""
        lake, run = lake or self.lake, planned["run"]
        if not planned["anything_to_do"]:
            return
        yield functools.partial(build_model, lake, run, chosen)
        for shard in (part["shard"] for part in planned["shards"]):
            yield functools.partial(etl, lake, run, shard, 2)
            yield functools.partial(feature_engineering, lake, run, shard)
            yield functools.partial(vectorize, lake, run, shard, chosen)
        yield lambda: file_result(lake, run, "publish", None, publish(lake, run))


@pytest.fixture
def _model_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads the real network once, not once a shard."""
    load = tasks.vectorize.open_vectorizer
    loaded: dict[str, Any] = {}

    def load_once(lake: Store, card: Any, *rest: Any) -> Any:
        if card.id not in loaded:
            loaded[card.id] = load(lake, card, *rest)
        return loaded[card.id]

    monkeypatch.setattr(tasks.vectorize, "open_vectorizer", load_once)


def check(machine: type[Catalogue], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("_model_loaded_once")
def test_in_a_folder(model_once: Path, tmp_path: Path) -> None:
    class InFolder(Catalogue):
        """Lakes in folders."""

        def make_lake(self) -> Store:
            return local_lake(Path(tempfile.mkdtemp(dir=tmp_path)) / "lake", model_once)

    check(InFolder, 30)


@pytest.mark.usefixtures("_model_loaded_once")
def test_in_a_bucket(s3_server: S3Server, model_in_bucket: str) -> None:
    class InBucket(Catalogue):
        """Lakes in a bucket of a real S3 server."""

        def make_lake(self) -> Store:
            return lake_in_bucket(s3_server, model_in_bucket)

    check(InBucket, 4)
