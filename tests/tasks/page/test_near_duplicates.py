import time

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.lake.store import Store
from tasks.page.near_duplicates import PAIR, NearDuplicates, group
from tasks.page.open_releases import OpenReleases
from tasks.settings import Settings
from tests.tasks.page.conftest import Publish


def test_images_that_look_nearly_the_same_are_grouped(
    lake: Store, settings: Settings, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish(
        {f"{number}/{copy}": ("a.jpg", number) for number in range(5) for copy in range(number)}
    )
    found = NearDuplicates(lake, settings)
    release = releases.get()
    assert found.state(release)["state"] == "missing"
    with pytest.raises(UserError, match="start it"):
        found.groups(release, 0.95, 0, 9)
    found.start(release)
    deadline = time.monotonic() + 30
    while found.state(release)["state"] == "running" and time.monotonic() < deadline:
        pass
    groups = found.groups(release, 0.95, 0, 9)
    assert [(one["size"], one["names"][0]) for one in groups["groups"]] == [
        (4, "4/0"),
        (3, "3/0"),
        (2, "2/0"),
    ]
    assert (groups["total"], groups["images"]) == (3, 9)
    assert found.groups(release, 0.95, 1, 1)["groups"] == groups["groups"][1:2]
    assert found.groups(release, 1.0, 0, 9)["total"] == 0
    with pytest.raises(UserError, match="the threshold must be"):
        found.groups(release, 0.5, 0, 9)
    assert NearDuplicates(lake, settings).state(release)["state"] == "ready"


def test_a_long_chain_is_one_group() -> None:
    pairs = np.empty(999, PAIR)
    pairs["first"], pairs["second"] = np.arange(999), np.arange(1, 1000)
    shuffled = np.random.default_rng(0).permutation(pairs)
    assert group(shuffled) == [list(range(1000))]
    assert group(np.empty(0, PAIR)) == []
