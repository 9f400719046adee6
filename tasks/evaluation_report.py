"""The report of an evaluation as files: figures, page with charts, contact sheet of mismatches."""

import base64
from pathlib import Path

from tasks.evaluation import charts
from tasks.evaluation.leave_one_out import METRICS
from tasks.evaluation.page import render_page
from tasks.imaging.canvas import Image
from tasks.imaging.contact_sheet import Tile, draw_contact_sheet
from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tasks.imaging.draw import encode_png
from tasks.lake.local_store import LocalStore
from tasks.lake.manifest import Manifest
from tasks.lake.store import NotAnObjectError, Store
from tasks.release_evaluation import Evaluation, Judged, Mismatch

_WORST = 25


def write_report(
    folder: Path, catalogue: Store, release: Manifest, found: Evaluation, judged: Judged
) -> None:
    """Writes `evaluation.json`, `mismatches.png` and `report.html` into a local folder.

    Each replaces one that is there in a single step, however many evaluations write it.

    Args:
        folder: made if need be.
        catalogue: the original images.
        release: that was evaluated.
        found: its figures.
        judged: its answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = LocalStore(str(folder.absolute()))
    files.write("evaluation.json", found.model_dump_json(indent=1).encode())
    limits = DecodeLimits(**release.limits)
    lines = [_line(catalogue, limits, mismatch) for mismatch in found.mismatches[:_WORST]]
    sheet = encode_png(draw_contact_sheet(lines))
    files.write("mismatches.png", sheet)
    scores, right = (
        judged.answers.scores[:, 0],
        judged.answers.figures["precision_at_1"] == 1,
    )
    sections = [
        ("Precision by label", charts.precision_by_label(found.by_label)),
        ("Scores of right and wrong first hits", charts.score_distributions(scores, right)),
        ("From score to probability", charts.calibration(scores, right, found.calibration)),
        _worst(len(found.mismatches), sheet),
    ]
    page = render_page(
        f"Release {found.release}",
        f"{found.queries} queries among {found.images} labelled images, each left out in turn; "
        f"model {found.model}; labels from {found.labels}",
        {metric: (getattr(found, metric), *found.intervals[metric]) for metric in METRICS},
        sections,
    )
    files.write("report.html", page.encode())


def _worst(mismatches: int, sheet: bytes) -> tuple[str, str]:
    if not mismatches:
        return "Mismatches", "<p>The first hit of every query is right.</p>"
    shown = min(mismatches, _WORST)
    return (
        f"The {shown} worst of {mismatches} mismatches",
        "<p>The query on the left; hits with its label are framed in green, others in red.</p>"
        f'<img alt="Queries and their hits, with labels and scores" '
        f'src="data:image/png;base64,{base64.b64encode(sheet).decode()}">',
    )


def _line(catalogue: Store, limits: DecodeLimits, mismatch: Mismatch) -> list[Tile]:
    tiles = [Tile(_picture(catalogue, limits, mismatch.query), mismatch.label, mismatch.query)]
    for name, label, score in zip(mismatch.hits, mismatch.hit_labels, mismatch.scores, strict=True):
        picture = _picture(catalogue, limits, name)
        tiles.append(Tile(picture, label, f"{score:.3f} {name}", label == mismatch.label))
    return tiles


def _picture(catalogue: Store, limits: DecodeLimits, name: str) -> Image | None:
    try:
        return decode_image(catalogue.read(name), limits, (150, 150))
    except (FileNotFoundError, NotAnObjectError, RejectedImage):
        return None
