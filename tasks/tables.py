"""What people read on a terminal: hits, releases and the report of a run as tables."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store

_WIDTH_WITHOUT_TERMINAL = 120
_STAGES = ("plan", "etl", "feature_engineering", "build_model", "vectorize", "publish", "prune")


def open_console(*, stderr: bool = False) -> Console:
    """Returns a console as wide as the terminal, or wide enough for the tables where there is none."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def show_results(console: Console, query: str, release: int, results: list[dict[str, Any]]) -> None:
    """Prints the hits of a search, best first."""
    console.print(Text(f"Most similar to {query} (release {release})"), soft_wrap=True)
    table = Table()
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("name", overflow="fold")
    for hit in results:
        # Text, for a name may hold square brackets, which mean style to rich.
        table.add_row(str(hit["rank"]), f"{hit['score']:.4f}", Text(hit["name"]))
    console.print(table)


def show_releases(
    console: Console, releases: Iterable[Manifest], current: int | None, pinned: bool
) -> None:
    """Prints the releases, and which of them search uses."""
    table = Table()
    for column in (
        "version",
        "made",
        "images",
        "added",
        "changed",
        "renamed",
        "removed",
        "rejected",
    ):
        table.add_column(column, justify="left" if column == "made" else "right")
    table.add_column("model")
    table.add_column("size", justify="right")
    table.add_column("")
    for release in releases:
        counts = release.counts
        mark = ("pinned" if pinned else "current") if release.version == current else ""
        table.add_row(
            str(release.version),
            release.created,
            *(
                str(count)
                for count in (
                    counts.images,
                    counts.added,
                    counts.changed,
                    counts.renamed,
                    counts.removed,
                    counts.rejected,
                )
            ),
            str(release.model["id"]),
            f"{release.size / 1e6:.1f} MB",
            mark,
        )
    console.print(table)


def show_run(console: Console, lake: Store, run: str) -> None:
    """Prints what a reindex run found, made and rejected, and how long each stage took."""
    results = _results(lake, run)
    plan = results.get("plan", [{}])[0]
    changes = ", ".join(
        f"{plan[key]} {key}"
        for key in ("added", "changed", "renamed", "removed", "unchanged")
        if key in plan
    )
    console.print(f"Run {run}: {plan.get('catalogue', 0)} files in the catalogue, {changes}")
    published = results.get("publish", [None])[0]
    if published is None:
        console.print(
            "Nothing changed: the latest release stands."
            if not plan.get("anything_to_do")
            else "Not published."
        )
    else:
        console.print(
            f"Release {published['version']}: {published['images']} images indexed, {published['rejected']} rejected"
        )
        for rejection in published["rejections"]:
            console.print(Text(f"  rejected {rejection['name']}: {rejection['reason']}"))
    table = Table()
    for column in ("stage", "tasks", "images", "seconds", "images/s"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in _STAGES:
        if stage in results:
            table.add_row(stage, *_stage_figures(results[stage]))
    console.print(table)


def _results(lake: Store, run: str) -> dict[str, list[dict[str, Any]]]:
    """Returns the summaries that the tasks of a run have left, by task."""
    folder = layout.run(run, "results")
    found: dict[str, list[dict[str, Any]]] = {}
    for item in lake.objects(folder):
        task = item.path.removeprefix(f"{folder}/").split("/")[0].removesuffix(".json")
        found.setdefault(task, []).append(lake.read_json(item.path))
    return found


def _stage_figures(summaries: list[dict[str, Any]]) -> tuple[str, str, str, str]:
    seconds = sum(summary["seconds"] for summary in summaries)
    images = sum(summary.get("images", 0) for summary in summaries)
    speed = f"{images / seconds:.1f}" if images and seconds else ""
    return str(len(summaries)), str(images or ""), f"{seconds:.1f}", speed
