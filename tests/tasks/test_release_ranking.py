from tasks.index.ranking import PLAIN, Ranking
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.release_ranking import ranking_of, read_mean


def test_a_release_ranks_as_its_manifest_says(indexed: Store) -> None:
    release = Releases(indexed).latest()
    assert release
    pinned = release.pipeline | {"ranking": {"candidates": 7, "cosine_weight": 0.5}}
    found = ranking_of(release.model_copy(update={"pipeline": pinned}))
    assert found == Ranking(candidates=7, cosine_weight=0.5)


def test_one_that_ranks_in_a_way_unknown_here_is_ranked_by_centred_similarity(
    indexed: Store,
) -> None:
    release = Releases(indexed).latest()
    assert release
    former = {"centre": True, "candidates": 150, "neighbours": 10, "power": 2.0}
    release = release.model_copy(update={"pipeline": release.pipeline | {"ranking": former}})
    assert ranking_of(release) == Ranking(candidates=0)
    assert read_mean(indexed, release) is not None


def test_one_made_before_there_were_rankings_is_ranked_by_similarity(indexed: Store) -> None:
    release = Releases(indexed).latest()
    assert release
    pipeline = {name: value for name, value in release.pipeline.items() if name != "ranking"}
    assert ranking_of(release.model_copy(update={"pipeline": pipeline})) == PLAIN
