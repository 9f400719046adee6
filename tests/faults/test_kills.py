"""Tasks killed at any moment: the run goes on from what is complete, and nobody sees a part."""

import logging
import os
import random
from pathlib import Path

import pytest

from tasks import prune as prune_module
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.prune import prune
from tasks.verify import verify
from tests.faults.child_tasks import TaskFailedError, Tasks
from tests.faults.conftest import local_lake
from tests.faults.equality import assert_equal
from tests.faults.watcher import watching
from tests.tasks.pipeline import NOTHING_STAYS, attempt, save_photo, settings_for_tests

KILLS_A_TASK = 4
LEAST_KILLS = 50  # on each of two stores


def put_photo(lake: Store, name: str, photo: str, view: int, folder: Path) -> None:
    file = folder / "photo.jpg"
    save_photo(file, photo, view)
    lake.write(f"{layout.MASTER}/{name}", file.read_bytes())


class Killer:
    """Kills each task a few times before it lets it come to its end."""

    def __init__(self, tasks: Tasks, seed: int) -> None:
        self.tasks = tasks
        self.kills: dict[str, int] = {}
        self._chance = random.Random(seed)

    def run(self, task: str, *arguments: str) -> dict[str, object]:
        """Kills a task, then runs it as Airflow would: once more, the same."""
        for number in range(KILLS_A_TASK):
            if self._kill(number, task, *arguments):
                self.kills[task] = self.kills.get(task, 0) + 1
        return self.tasks.run_slowly(task, *arguments)

    def _kill(self, number: int, task: str, *arguments: str) -> bool:
        """Kills a task twice at a step of its work, then twice at any time, its start included."""
        if number < KILLS_A_TASK / 2:
            return self.tasks.kill_at_step(self._chance.uniform(0, 1), task, *arguments)
        return self.tasks.kill(self._chance.uniform(0.1, 1), task, *arguments)

    def reindex(self, run: str) -> None:
        """Brings a run to its end."""
        planned = self.run("plan", "--run", run)
        complete: dict[str, str] = {}
        for part in planned["shards"]:  # type: ignore[attr-defined]
            shard = part["shard"]
            for task, output in (
                ("etl", layout.landing(shard, layout.NPY_RESIZED_RGB)),
                ("feature_engineering", layout.features(shard)),
                ("vectorize", layout.shard_vectors(str(planned["model"]), shard)),
            ):
                self.run(task, "--run", run, "--shard", shard)
                complete[output] = self.stamp(output)
        self.run("publish", "--run", run)
        assert complete == {path: self.stamp(path) for path in complete}, "work was done again"
        self.run("prune", "--run", run)

    def stamp(self, path: str) -> str:
        found = self.tasks.lake.stat(attempt(self.tasks.lake, path))
        return f"{found.fingerprint} {found.modified}"


def test_a_run_goes_on_wherever_its_tasks_were_killed(
    lake: Store,
    model_once: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # shown if the test fails
    tasks = Tasks(lake, PIPELINE__SHARD_SIZE="4")
    killer = Killer(tasks, seed)
    for view in range(4):
        put_photo(lake, f"cat {view}.jpg", "chelsea", view, tmp_path)
        put_photo(lake, f"cups/{view}.jpg", "coffee", view, tmp_path)
    lake.write(f"{layout.MASTER}/broken.jpg", b"\xff\xd8\xff not really")
    with watching(lake):
        killer.reindex("first")
        put_photo(lake, "new.jpg", "rocket", 0, tmp_path)
        lake.delete(f"{layout.MASTER}/cat 0.jpg")
        killer.reindex("second")
        put_photo(lake, "cups/0.jpg", "rocket", 1, tmp_path)
        killer.reindex("third")
    print(killer.kills)
    assert sum(killer.kills.values()) >= LEAST_KILLS
    assert_equal(lake, rebuilt(lake, model_once, tmp_path / "full"))

    monkeypatch.setattr(prune_module, "_UNFINISHED_DAYS", 0.0)
    announced = _said_by_prune(lake, caplog, dry_run=True)
    removed = _said_by_prune(lake, caplog, dry_run=False)
    assert announced == removed
    left = {item.path.split("/")[0] for item in lake.objects()}
    assert left <= {layout.MASTER, layout.MODEL, layout.RELEASES}
    assert not [item for zone in layout.ZONES for item in lake.unfinished(zone)]
    assert verify(lake, settings_for_tests())["sound"]


def _said_by_prune(lake: Store, caplog: pytest.LogCaptureFixture, *, dry_run: bool) -> list[str]:
    """Prunes with no retention; returns one line for each thing that goes, or would."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "tasks.prune"):
        prune(lake, NOTHING_STAYS, dry_run=dry_run)
    verb = "would remove " if dry_run else "removed "
    return sorted(record.getMessage().removeprefix(verb) for record in caplog.records)


def rebuilt(lake: Store, model_once: Path, folder: Path) -> Store:
    """Returns a lake of its own with the same catalogue, indexed in one undisturbed run."""
    fresh = local_lake(folder, model_once)
    for item in lake.objects(layout.MASTER):
        fresh.write(item.path, lake.read(item.path))
    Tasks(fresh).reindex("full")
    return fresh


def test_a_killed_builder_of_the_model_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    save_photo(tmp_path / "master" / "cat.jpg")
    tasks = Tasks(open_store(tmp_path.as_uri()))
    tasks.run("plan", "--run", "r")
    tasks.seconds["build_model"] = 20.0  # it takes half of that at least
    for kill, share in ((tasks.kill, 0.2), (tasks.kill_at_step, 0.0), (tasks.kill_at_step, 0.6)):
        assert kill(share, "build_model", "--run", "r")
        with pytest.raises(TaskFailedError, match="there is no model"):
            tasks.run("publish", "--run", "r")
    assert tasks.run("build_model", "--run", "r")["cosine"] > 0.99999
