from demo.catalogue import BROKEN, QUERY, photo_of
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.searcher import Searcher
from tests.end_to_end.conftest import RunDag
from tests.tasks.pipeline import settings_for_tests


def test_the_sample_is_indexed_and_the_broken_file_put_aside(demo_lake: Store) -> None:
    release = Releases(demo_lake).latest()
    assert release
    assert release.counts.images >= 200
    assert [rejection.name for rejection in release.rejections] == [BROKEN]


def test_nearly_every_image_finds_another_view_of_its_photo_first(demo_lake: Store) -> None:
    engine = Searcher(demo_lake, settings_for_tests()).engine
    release = Releases(demo_lake).latest()
    assert release
    names = [name for _, name in engine.most_similar_to_name("moon/view_00.jpg", 1000)]
    assert len(names) == release.counts.images
    right = [
        photo_of(engine.most_similar_to_name(name, 2)[1][1]) == photo_of(name) for name in names
    ]
    assert sum(right) / len(right) >= 0.95


def test_a_picture_from_outside_finds_its_photo_through_airflow(
    demo_lake: Store, run_dag: RunDag
) -> None:
    run = run_dag("image_search", demo_lake, query_image=demo_lake.uri(QUERY), top_n=3)
    answer = demo_lake.read_json(f"runs/{run}/result.json")
    assert [photo_of(hit["name"]) for hit in answer["results"]] == ["motorcycle_left"] * 3
    assert demo_lake.read(f"runs/{run}/result.png").startswith(b"\x89PNG")
