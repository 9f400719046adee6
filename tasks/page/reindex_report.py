"""What a reindex run did: the summaries of its tasks, for the page."""

from typing import Any

from tasks.lake.store import Store
from tasks.page.missing import MissingError
from tasks.stages import STAGES, run_results, stage_figures

_CHANGES = ("catalogue", "added", "changed", "renamed", "removed", "unchanged")


def reindex_report(lake: Store, run: str) -> dict[str, Any]:
    """Returns what a run found, made and rejected, and how long each stage took.

    Raises:
        MissingError: there is no such run, it has not planned yet, or it was pruned.
    """
    results = run_results(lake, run)
    if "plan" not in results:
        raise MissingError(f"run {run} has left nothing in the lake")
    plan = results["plan"][0]
    published = results["publish"][0] if "publish" in results else None
    return {
        "anything_to_do": plan["anything_to_do"],
        "base": plan["base"],
        "model": plan["model"],
        "found": {kind: plan[kind] for kind in _CHANGES},
        "release": published["version"] if published else None,
        "images": published["images"] if published else None,
        "rejected": published["rejected"] if published else None,
        "rejections": published["rejections"] if published else [],
        "stages": [
            {"stage": stage, **stage_figures(results[stage])}
            for stage in STAGES
            if stage in results
        ],
    }
