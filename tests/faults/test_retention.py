"""What is left when as little stays as may be: the release, and all that another model needs."""

from pathlib import Path

from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.prune import prune
from tests.faults.conftest import local_lake
from tests.tasks.pipeline import NOTHING_STAYS, reindex, save_photo, settings_for_tests


def test_another_model_embeds_the_catalogue_from_the_original_images_alone(
    model_once: Path, tmp_path: Path
) -> None:
    lake = local_lake(tmp_path / "lake", model_once)
    for view in range(3):
        save_photo(tmp_path / "lake" / "master" / f"cat_{view}.jpg", "chelsea", view)
    reindex(lake, "first")
    prune(lake, NOTHING_STAYS)
    zones = {item.path.split("/")[0] for item in lake.objects()}
    assert zones == {layout.MASTER, layout.MODEL, layout.RELEASES}

    # The same weights by another way are another model.
    (weights,) = model_once.glob(f"{layout.MODEL}/*/{layout.TF_VECTORIZER_MODEL}")
    another = settings_for_tests(pipeline={"weights": weights.as_uri()})
    assert reindex(lake, "second", another)["images"] == 3
    first, second = Releases(lake).get(1), Releases(lake).latest()
    assert first
    assert second
    assert first.model["id"] != second.model["id"]
