"""`Evaluation` of a release: figures of its answers, and how they are had from what is stored."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.evaluation.calibration import Calibration, calibrate
from tasks.evaluation.labels import csv_labels, folder_labels, folder_levels
from tasks.evaluation.leave_one_out import METRICS, Answers, leave_one_out
from tasks.evaluation.metrics import bootstrap_interval
from tasks.index.centre import CentredRows
from tasks.lake import layout
from tasks.lake.arrays import WIDE_GAP, read_npy_batches
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.query import read_query
from tasks.release_arrays import open_rows
from tasks.release_ranking import ranking_of, read_mean
from tasks.settings import Settings
from tasks.uris import shown

# What is held in memory at once: their vectors, and how similar a few are to all.
MOST_LABELLED = 10_000
_LARGEST_LABELS = 64 * 2**20
_NAMES = 4096

logger = logging.getLogger(__name__)


class Mismatch(BaseModel):
    """A query whose first hit is wrong, and what came back."""

    query: str
    label: str
    hits: list[str]
    hit_labels: list[str]
    scores: list[float]


class Evaluation(BaseModel):
    """How well a release answers, measured on its labelled images; stored as `evaluation.json`.

    Attributes:
        release: version.
        model: id of its model.
        ranking: settings of its ranking.
        labels: where the labels came from.
        images: how many labelled images there are.
        queries: how many of them have another one of their label, and so asked.
        intervals: 95 % bootstrap interval of each figure.
        by_label: queries and figures of each label.
        calibration: from the score of a first hit to the probability that it is right.
        mismatches: queries whose first hit is wrong, those with the highest score first.
    """

    model_config = ConfigDict(extra="forbid")

    release: int
    model: str
    ranking: dict[str, Any]
    labels: str
    images: int
    queries: int
    precision_at_1: float
    precision_at_5: float
    mean_average_precision: float
    recall_at_10: float
    ndcg_at_10: float
    intervals: dict[str, tuple[float, float]]
    by_label: dict[str, dict[str, float]]
    calibration: Calibration
    mismatches: list[Mismatch]


@dataclass(frozen=True)
class Judged:
    """The labelled images of a release, and what each got back."""

    names: list[str]
    labels: list[str]
    answers: Answers


def read_labels(source: str, names: list[str]) -> dict[str, str]:
    """Returns label by name: from folders, or from a CSV file that a path or URI names.

    Args:
        source: "folders", "folders:N", or a path or URI that whoever runs the machine has given.
        names: of the images there are. Labels of others are left out, and told.

    Raises:
        UserError: the file cannot be read.
    """
    levels = folder_levels(source)
    if levels is not None:
        return folder_labels(names, levels)
    labels = csv_labels(read_query(source, (source,), _LARGEST_LABELS), shown(source))
    known = {name: labels[name] for name in names if name in labels}
    if others := [name for name in labels if name not in known]:
        logger.warning(
            "%d of %d labels are of images that the release does not have, such as %r; names are "
            "those of the catalogue, such as %r",
            len(others),
            len(labels),
            others[0],
            names[0],
        )
    return known


def can_be_judged(labels: dict[str, str]) -> bool:
    """Tells whether any two images have the same label, so that one can be asked for the other."""
    return len(set(labels.values())) < len(labels)


def release_names(lake: Store, release: Manifest) -> list[str]:
    """Returns the names of a release's images, in row order."""
    stored = release.artifacts[layout.NPY_IMAGE_NAMES]
    return [str(name) for batch in read_npy_batches(lake, stored, _NAMES) for name in batch]


def judge(lake: Store, release: Manifest, labels: dict[str, str], settings: Settings) -> Judged:
    """Lets each labelled image of a release ask for those like it.

    Args:
        lake: the data lake.
        release: the one to judge.
        labels: label by name of an image.
        settings: cache of this machine.

    Raises:
        UserError: no two images of the release have the same label.
        DamagedError: the release is damaged.
    """
    names = release_names(lake, release)
    rows = np.array([row for row, name in enumerate(names) if name in labels], np.int64)
    if len(rows) > MOST_LABELLED:
        logger.info(
            "%d images are labelled; every %d-th or so is taken",
            len(rows),
            len(rows) // MOST_LABELLED,
        )
        rows = rows[np.linspace(0, len(rows) - 1, MOST_LABELLED).astype(np.int64)]
    known = [names[row] for row in rows]
    theirs = [labels[name] for name in known]
    if not can_be_judged(dict(zip(known, theirs, strict=True))):
        raise UserError(
            f"{len(known)} of {len(names)} images of release {release.version} have a label, and "
            "no two of them the same; give labels to images by the names of the catalogue, such "
            f"as {names[0]!r}"
        )
    stored, _ = open_rows(lake, release, settings, WIDE_GAP)
    vectors = CentredRows(stored, read_mean(lake, release)).read_rows(rows)
    return Judged(known, theirs, leave_one_out(vectors, theirs, ranking_of(release)))


def summarize(release: Manifest, source: str, judged: Judged) -> Evaluation:
    """Returns the figures of what the labelled images got back."""
    answers = judged.answers
    means = {metric: float(np.mean(figures)) for metric, figures in answers.figures.items()}
    return Evaluation(
        release=release.version,
        model=str(release.model["id"]),
        ranking=ranking_of(release).model_dump(),
        labels=source,
        images=len(judged.names),
        queries=len(answers.queries),
        intervals={metric: bootstrap_interval(answers.figures[metric]) for metric in METRICS},
        by_label=_by_label(judged),
        calibration=calibrate(
            answers.scores[:, 0].astype(np.float64), answers.figures["precision_at_1"] == 1
        ),
        mismatches=_mismatches(judged),
        **means,
    )


def read_evaluation(lake: Store, version: int) -> Evaluation | None:
    """Returns what was measured of a release, or None if nothing was or it cannot be read."""
    try:
        return Evaluation.model_validate(lake.read_json(layout.release(version, layout.EVALUATION)))
    except (FileNotFoundError, ValueError):
        return None


def _by_label(judged: Judged) -> dict[str, dict[str, float]]:
    labels = np.asarray(judged.labels)[judged.answers.queries]
    found = {}
    for label in np.unique(labels):
        of_label = labels == label
        found[str(label)] = {"queries": float(of_label.sum())} | {
            metric: float(figures[of_label].mean())
            for metric, figures in judged.answers.figures.items()
        }
    return found


def _mismatches(judged: Judged) -> list[Mismatch]:
    answers = judged.answers
    wrong = np.flatnonzero(answers.figures["precision_at_1"] == 0)
    worst_first = wrong[np.argsort(-answers.scores[wrong, 0], kind="stable")]
    return [_mismatch(judged, position) for position in worst_first]


def _mismatch(judged: Judged, position: int | np.int64) -> Mismatch:
    hits: npt.NDArray[np.int64] = judged.answers.hits[position, :5]
    query = judged.answers.queries[position]
    return Mismatch(
        query=judged.names[query],
        label=judged.labels[query],
        hits=[judged.names[hit] for hit in hits],
        hit_labels=[judged.labels[hit] for hit in hits],
        scores=[float(score) for score in judged.answers.scores[position, :5]],
    )
