"""evaluate: a release and labels -> figures, a report; and whether search may use the release."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.evaluation.leave_one_out import METRICS
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.release_drift import least_cosine, neighbours_changed
from tasks.release_evaluation import (
    Judged,
    can_be_judged,
    judge,
    read_labels,
    release_names,
    summarize,
)
from tasks.run_plan import open_catalogue
from tasks.settings import GateSettings, Settings
from tasks.uris import shown

# Between two vectors of one image from one model. Other versions of the runtime stay above it.
_LEAST_COSINE = 0.999

logger = logging.getLogger(__name__)


def evaluate(
    lake: Store,
    settings: Settings,
    *,
    labels: str = "",
    version: int = 0,
    output: Path | None = None,
) -> Summary:
    """Measures how well a release answers, and leaves that with it as `evaluation.json`.

    Args:
        lake: the data lake.
        settings: of this machine; the labels, unless given.
        labels: "folders", "folders:N" for the first N folders, or the path or URI of a CSV file.
        version: of the release; 0 for the newest.
        output: local folder for the report.

    Returns:
        The figures.

    Raises:
        UserError: there are no labels, no such release, or no two images with the same label.
    """
    source = labels or settings.gate.labels
    if not source:
        raise UserError("no labels; give --labels folders or the URI of a CSV file: name,label")
    release = _release(lake, version)
    with timed() as summary:
        known = read_labels(source, release_names(lake, release))
        judged = judge(lake, release, known, settings)
        found = summarize(release, shown(source), judged)
        lake.write_json(layout.release(release.version, layout.EVALUATION), found.model_dump())
        if output:
            from tasks.evaluation_report import write_report

            catalogue = open_catalogue(lake, release.catalogue)
            write_report(output, catalogue, release, found, judged)
        summary |= {
            "release": found.release,
            "images": found.images,
            "queries": found.queries,
            **{metric: getattr(found, metric) for metric in METRICS},
            "mismatches": len(found.mismatches),
            "usually_wrong_below": found.calibration.usually_wrong_below,
        }
    return summary


def gate(lake: Store, settings: Settings, version: int = 0, run: str = "") -> Summary:
    """Lets search use a release that was published held back, unless it answers worse.

    An image that did not change must have the vector that it had, unless the model changed. With
    labels set, the mean average precision must not fall by more than `largest_drop` against
    the release that search uses now. Without, no more than `largest_drift` of the nearest
    neighbours of unchanged images may have changed, unless the model has.

    Args:
        lake: the data lake.
        settings: labels and thresholds.
        version: of the release to judge; 0 for the one that the run has published.
        run: id of the run.

    Returns:
        What was measured.

    Raises:
        UserError: the release stays held back.
    """
    releases = Releases(lake)
    version = version or _published(lake, run)
    release, current = _release(lake, version), releases.current()
    with timed() as summary:
        summary |= {"release": version, "compared_with": current.version if current else None}
        if current and current.version < version:
            reason, measured = _compare(lake, settings, current, release)
            summary |= measured
            if reason:
                releases.hold(version, reason)
                raise UserError(
                    f"release {version} is held back: {reason}. Search stays on release "
                    f"{current.version}; mend the cause and reindex, or let search use it with "
                    f"`releases --accept {version}`"
                )
        if settings.gate.labels and release.counts.images > 1:
            evaluate(lake, settings, version=version)
        releases.accept(version)
    return summary


def _published(lake: Store, run: str) -> int:
    try:
        return int(lake.read_json(layout.task_result(run, "publish"))["version"])
    except FileNotFoundError as error:
        raise UserError(f"run {run} has not published; run its task publish first") from error


def _release(lake: Store, version: int) -> Manifest:
    releases = Releases(lake)
    release = releases.get(version) if version else releases.latest()
    if release is None:
        raise UserError(f"there is no release {version or ''}; `releases` lists those there are")
    return release


def _compare(
    lake: Store, settings: Settings, old: Manifest, new: Manifest
) -> tuple[str, dict[str, Any]]:
    """Returns why the new release must not be used, if so, and what was measured."""
    cosine = None
    if old.model["id"] == new.model["id"]:
        cosine = least_cosine(lake, old, new, settings)
    reason, measured = _compare_answers(lake, settings, old, new)
    reasons = [reason] if reason else []
    if cosine is not None and cosine < _LEAST_COSINE:
        reasons.append(
            f"an image that did not change has another vector (cosine {cosine:.4f}), though the "
            "model did not change: pictures are decoded or prepared in another way"
        )
    return "; ".join(reasons), {"least_cosine": cosine, **measured}


def _compare_answers(
    lake: Store, settings: Settings, old: Manifest, new: Manifest
) -> tuple[str, dict[str, Any]]:
    if settings.gate.labels:
        return _compare_by_labels(lake, settings, old, new)
    return _compare_by_neighbours(lake, settings, old, new)


def _compare_by_labels(
    lake: Store, settings: Settings, old: Manifest, new: Manifest
) -> tuple[str, dict[str, Any]]:
    names = [release_names(lake, release) for release in (old, new)]
    known = read_labels(settings.gate.labels, names[1])
    # The same queries among the same images: what is new may be harder, and is no fault of it.
    common = {name: known[name] for name in set(names[0]) & known.keys()}
    if can_be_judged(known) and not can_be_judged(common):
        logger.warning("the labels are of images that are new: compared by neighbours this once")
        return _compare_by_neighbours(lake, settings, old, new)
    before, now = (_precision(judge(lake, release, common, settings)) for release in (old, new))
    measured = {"mean_average_precision": now, "mean_average_precision_before": before}
    drop = before - now
    if drop > settings.gate.largest_drop:
        return (
            f"mean average precision fell from {before:.3f} to {now:.3f}, by more than "
            f"{settings.gate.largest_drop}",
            measured,
        )
    return "", measured


def _precision(judged: Judged) -> float:
    return float(np.mean(judged.answers.figures["mean_average_precision"]))


def _compare_by_neighbours(
    lake: Store, settings: Settings, old: Manifest, new: Manifest
) -> tuple[str, dict[str, Any]]:
    changed = neighbours_changed(lake, old, new, settings)
    measured = {"neighbours_changed": changed}
    limit: GateSettings = settings.gate
    if changed is None or changed <= limit.largest_drift:
        return "", measured
    if old.model["id"] != new.model["id"] or old.pipeline != new.pipeline:
        logger.warning("%.0f %% of neighbours changed, as did model or settings", 100 * changed)
        return "", measured
    return (
        f"{changed:.0%} of the nearest neighbours of unchanged images changed, more than "
        f"{limit.largest_drift:.0%}",
        measured,
    )
