"""What the tasks of a run have left behind, and how long each stage took."""

from typing import Any

from tasks.contract import Summary
from tasks.lake import layout
from tasks.lake.store import Store

STAGES = (
    "plan",
    "etl",
    "feature_engineering",
    "build_model",
    "vectorize",
    "publish",
    "evaluate",
    "prune",
)


def run_results(lake: Store, run: str) -> dict[str, list[Summary]]:
    """Returns the summaries that the tasks of a run have left, by task."""
    folder = layout.run(run, "results")
    found: dict[str, list[Summary]] = {}
    for item in lake.objects(folder):
        task = item.path.removeprefix(f"{folder}/").split("/")[0].removesuffix(".json")
        found.setdefault(task, []).append(lake.read_json(item.path))
    return found


def stage_figures(summaries: list[Summary]) -> dict[str, Any]:
    """Returns of one stage: tasks, images, seconds in all, images per second (None if none)."""
    seconds = sum(summary["seconds"] for summary in summaries)
    images = sum(summary.get("images", 0) for summary in summaries)
    return {
        "tasks": len(summaries),
        "images": images,
        "seconds": seconds,
        "images_per_second": images / seconds if images and seconds else None,
    }
