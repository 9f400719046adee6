"""The worker as the web server uses it: a process, lines in, lines out."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.page.asks import Asks
from tasks.page.missing import MissingError
from tasks.settings import Settings
from tests.tasks.page.conftest import Publish
from tests.tasks.pipeline import REPOSITORY


def ask(lake: str, *questions: dict[str, Any] | str) -> dict[Any, dict[str, Any]]:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in questions]
    done = subprocess.run(
        [sys.executable, "-m", "tasks", "page", "--lake", lake],
        cwd=REPOSITORY,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {said["id"]: said for said in map(json.loads, done.stdout.splitlines())}


def test_it_answers_each_question_whatever_became_of_the_others(
    lake: Store, publish: Publish, photos: object
) -> None:
    publish({"a.jpg": ("a.jpg", 1), "b.jpg": ("b.jpg", 1), "c.jpg": ("c.jpg", 2)})
    said = ask(
        str(lake),
        {"id": 1, "ask": "similar", "with": {"version": 0, "name": "a.jpg", "n": 2}},
        {"id": 2, "ask": "similar", "with": {"version": 0, "name": "d.jpg", "n": 2}},
        {"id": 3, "ask": "similar", "with": {"version": 9, "name": "a.jpg", "n": 2}},
        {"id": 4, "ask": "_lake", "with": {}},
        {"id": 5, "ask": "__init__", "with": {}},
        {"id": 6, "ask": "releases", "with": {"unknown": 1}},
        "no JSON",
        {"id": 7, "ask": "answer", "with": {"run": "../.."}},
        {"id": 8, "ask": "image", "with": {"version": 1, "name": "c.jpg"}},
    )
    assert [hit["name"] for hit in said[1]["answer"]["results"]] == ["b.jpg", "c.jpg"]
    kinds = {number: answer.get("kind") for number, answer in said.items()}
    assert kinds == {
        1: None,
        2: "missing",
        3: "missing",
        4: "missing",
        5: "missing",
        6: "unexpected",
        None: "unexpected",
        7: "user",
        8: None,
    }
    assert said[8]["answer"]["width"] == 160


def test_an_answer_that_is_usually_wrong_comes_with_a_warning(
    lake: Store, publish: Publish, photos: object, settings: Settings
) -> None:
    publish({"a.jpg": ("a.jpg", 1), "b.jpg": ("b.jpg", 1)})
    for threshold, warned in ((2.0, True), (-1.0, False)):
        calibration = {"calibration": {"usually_wrong_below": threshold}}
        lake.write_json(layout.release(1, layout.EVALUATION), calibration)
        warning = Asks(str(lake), settings).similar(1, "a.jpg", 1)["warning"]
        assert warning.startswith("No close match") == warned


def test_without_a_lake_or_a_release_it_says_so(tmp_path: Any) -> None:
    question = {"id": 1, "ask": "releases", "with": {}}
    assert "does not exist" in ask((tmp_path / "none").as_uri(), question)[1]["error"]
    assert ask(tmp_path.as_uri(), question)[1]["answer"] == {
        "current": None,
        "pinned": False,
        "releases": [],
    }


def test_a_lake_that_has_gone_is_not_an_empty_one_and_is_not_made_anew(
    lake: Store, publish: Publish, photos: tuple[str, ...], settings: Settings
) -> None:
    publish({"a.jpg": ("a.jpg", 1)})
    picture = lake.read("master/a.jpg")
    asks = Asks(str(lake), settings)
    assert asks.releases()["current"] == 1
    upload = asks.upload_begin()["upload"]
    asks.upload_add(upload, base64.b64encode(picture).decode())
    shutil.rmtree(lake.root)
    with pytest.raises(UserError, match="does not exist"):
        asks.releases()
    with pytest.raises(UserError, match="does not exist"):
        asks.upload_finish(upload, "run-1")
    assert not Path(lake.root).exists()


def test_a_release_that_is_pruned_while_people_look_at_it_is_gone_and_not_damaged(
    lake: Store, publish: Publish, photos: tuple[str, ...], settings: Settings
) -> None:
    for _ in range(2):
        publish({"a.jpg": ("a.jpg", 1), "b.jpg": ("b.jpg", 2)})
    asks = Asks(str(lake), settings)
    assert asks.images(1, wanted="", match="contains", offset=0, limit=9)["total"] == 2
    shutil.rmtree(Path(lake.root) / "releases" / "000001")
    assert asks.images(1, wanted="", match="contains", offset=0, limit=9)["total"] == 2
    with pytest.raises(MissingError, match="release 1 is gone; look at the current one"):
        asks.similar(1, "a.jpg", 1)
    assert asks.similar(2, "a.jpg", 1)["release"] == 2
