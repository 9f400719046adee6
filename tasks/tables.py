"""What people read on a terminal: hits, releases and the report of a run as tables."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.errors import UserError
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.stages import STAGES, run_results, stage_figures

_WIDTH_WITHOUT_TERMINAL = 160
_COUNTS = ("images", "added", "changed", "renamed", "removed", "rejected")


def open_console(*, stderr: bool = False) -> Console:
    """Returns a console as wide as the terminal; where there is none, as wide as the tables."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def show_results(console: Console, query: str, release: int, results: list[dict[str, Any]]) -> None:
    """Prints the hits of a search, best first."""
    console.print(_plain(f"Most similar to {query} (release {release})"), soft_wrap=True)
    table = Table()
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("name", overflow="fold")
    for hit in results:
        table.add_row(str(hit["rank"]), f"{hit['score']:.4f}", _plain(hit["name"]))
    console.print(table)


def show_releases(console: Console, releases: Iterable[tuple[Manifest, str]]) -> None:
    """Prints the releases, each with what is to be said of it: pinned, current, damaged."""
    table = Table()
    for column in ("version", "made", *_COUNTS):
        table.add_column(column, justify="left" if column == "made" else "right")
    table.add_column("model")
    table.add_column("size", justify="right")
    table.add_column("")
    for release, mark in releases:
        counts = release.counts
        table.add_row(
            str(release.version),
            release.created,
            *(str(getattr(counts, kind)) for kind in _COUNTS),
            str(release.model["id"]),
            f"{release.size / 1e6:.1f} MB",
            mark,
        )
    console.print(table)


def show_reindex(console: Console, lake: Store, run: str) -> None:
    """Prints what a reindex run found, made and rejected, and how long each stage took."""
    results = run_results(lake, run)
    if "plan" not in results:
        raise UserError(
            f"there is no run {run} in {lake}; the folders under runs/ are those there are"
        )
    _show_changes(console, run, results["plan"][0])
    if "publish" in results:
        _show_release(console, results["publish"][0])
    table = Table()
    for column in ("stage", "tasks", "images", "seconds", "images/s"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in STAGES:
        if stage in results:
            table.add_row(stage, *_stage_figures(results[stage]))
    console.print(table)


def _show_changes(console: Console, run: str, plan: dict[str, Any]) -> None:
    kinds = ("added", "changed", "renamed", "removed", "unchanged")
    changes = ", ".join(f"{plan[kind]} {kind}" for kind in kinds)
    console.print(f"Run {run}", soft_wrap=True)
    console.print(f"Catalogue: {plan['catalogue']} files, {changes}")
    if damaged := plan.get("damaged"):
        numbers = ", ".join(map(str, damaged))
        origin = f"from release {plan['base']}" if plan["base"] else "from all images"
        console.print(
            f"Damaged: release {numbers}. Made anew {origin}: the changes are since then."
        )
    if not plan["anything_to_do"]:
        console.print("Nothing changed: the latest release stands.")
    if plan.get("held"):
        console.print(f"Release {plan['base']} was held back from search.")
    if plan.get("model_to_build") and plan["base"]:
        console.print(f"The model {plan['model']} was missing or damaged: built again.")


def _show_release(console: Console, release: dict[str, Any]) -> None:
    console.print(
        f"Release {release['version']}: {release['images']} images indexed, "
        f"{release['rejected']} rejected"
    )
    for rejection in release["rejections"]:
        text = f"  rejected {rejection['name']}: {rejection['reason']}"
        console.print(_plain(text), soft_wrap=True)


def _stage_figures(summaries: list[dict[str, Any]]) -> tuple[str, str, str, str]:
    figures = stage_figures(summaries)
    speed = figures["images_per_second"]
    return (
        str(figures["tasks"]),
        str(figures["images"] or ""),
        f"{figures['seconds']:.1f}",
        f"{speed:.1f}" if speed else "",
    )


def _plain(text: str) -> Text:
    """Returns a text as it stands: no markup, and no control characters, which a name may hold."""
    return Text("".join(letter if letter.isprintable() else "?" for letter in text))
