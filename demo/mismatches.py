"""Why the worst mismatches of the labelled stamps are mismatches, and what each improvement mended.

Causes that a rule can tell are told by the rule; the others were judged by looking at the sheet,
and stand in `mismatch_causes.csv` by query and first hit: another hit is another mismatch.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from demo.labelled import LEVELS
from tasks.evaluation.labels import folder_labels
from tasks.explanation import explain, shrunk
from tasks.imaging.canvas import Image
from tasks.imaging.contact_sheet import Tile, draw_contact_sheet
from tasks.imaging.decode import DecodeLimits, decode_image
from tasks.imaging.draw import encode_png
from tasks.imaging.occlusion import Map, heated
from tasks.lake.store import Store
from tasks.release_evaluation import Evaluation, Judged, Mismatch, judge, release_names
from tasks.release_in_use import current_release
from tasks.release_ranking import read_mean
from tasks.release_vectorizer import ReleaseVectorizer
from tasks.run_plan import open_catalogue
from tasks.settings import Settings

WORST = 40
JUDGED = Path(__file__).with_name("mismatch_causes.csv")
# By looking: what made the network see two different things as one.
JUDGED_CAUSES = {
    "background": "the ground they stand on, or the empty paper around them",
    "label noise": "the hit shows the same, or as much of it; the folders say otherwise",
    "out of domain": "the query is nothing that the network was taught: a drawing, a symbol",
    "outline": "the same outline or pose filled with something else",
    "texture": "the same material or pattern in another shape",
}
_NOT_JUDGED = "not judged"

# A hub is among the ten first hits of this many times as many queries as the average image.
_HUB = 4.0
# How much longer than the other's one picture's aspect ratio is where stretching may be to blame.
_DISTORTED = 1.5


def read_evaluation(folder: Path) -> Evaluation:
    """Returns what `evaluate` left in a folder."""
    text = (folder / "evaluation.json").read_text(encoding="utf-8")
    return Evaluation.model_validate(json.loads(text))


def mended(before: Evaluation, after: Evaluation) -> tuple[int, int]:
    """Returns how many queries got a right first hit, and how many lost theirs."""
    wrong, still = ({mismatch.query for mismatch in found.mismatches} for found in (before, after))
    return len(wrong - still), len(still - wrong)


def hubs(judged: Judged, times: float = _HUB) -> set[str]:
    """Returns the images that are a hit of very many queries, whatever those show."""
    first = judged.answers.hits[:, :10]
    counts = np.bincount(first.ravel(), minlength=len(judged.names))
    return {judged.names[row] for row in np.flatnonzero(counts >= times * counts.mean())}


def judgements(file: Path = JUDGED) -> dict[tuple[str, str], str]:
    """Returns the causes that were judged, by query and first hit."""
    with file.open(encoding="utf-8", newline="") as lines:
        return {(row["query"], row["hit"]): row["cause"] for row in csv.DictReader(lines)}


class Causes:
    """Tells the cause of a mismatch of one lake.

    Args:
        lake: whose current release was evaluated.
        letterboxed: mismatches of the same catalogue where nothing is stretched.
    """

    def __init__(self, lake: Store, letterboxed: Sequence[Mismatch]) -> None:
        self._release = current_release(lake)
        self._catalogue = open_catalogue(lake, self._release.catalogue)
        self._limits = DecodeLimits(**self._release.limits)
        self._vectorizer = ReleaseVectorizer(lake, self._release, Settings(), few=False)
        self._mean = read_mean(lake, self._release)
        labels = folder_labels(release_names(lake, self._release), LEVELS)
        self._hubs = hubs(judge(lake, self._release, labels, Settings()))
        self._wrong_if_not_stretched = {mismatch.query for mismatch in letterboxed}
        self._judged = judgements()

    def cause(self, mismatch: Mismatch) -> str:
        """Returns the cause: aspect or hub by rule, else what was judged."""
        query, hit = mismatch.query, mismatch.hits[0]
        ratios = [image.shape[1] / image.shape[0] for image in map(self._picture, (query, hit))]
        if max(ratios) / min(ratios) >= _DISTORTED and query not in self._wrong_if_not_stretched:
            return "aspect"
        return "hub" if hit in self._hubs else self._judged.get((query, hit), _NOT_JUDGED)

    def line(self, mismatch: Mismatch, cause: str) -> list[Tile]:
        """Returns query, what counted of it, what counted of the hit, and the hit."""
        query, hit = mismatch.query, mismatch.hits[0]
        asked, found = self._picture(query), self._picture(hit)
        explanation = explain(
            [(mismatch.scores[0], hit)],
            asked,
            own_name=query,
            read=lambda _: found,
            embed=self._vectorizer.of_pictures,
            mean=self._mean,
        )
        return [
            Tile(asked, mismatch.label, query),
            Tile(_heated(asked, explanation.of_query()), cause, "heat of the query"),
            Tile(_heated(found, explanation.of_hit(hit)), "", "heat of the hit"),
            Tile(found, mismatch.hit_labels[0], f"{mismatch.scores[0]:.3f} {hit}", is_right=False),
        ]

    def _picture(self, name: str) -> Image:
        preprocessing = self._vectorizer.preprocessing
        size = (preprocessing.height, preprocessing.width)
        return shrunk(decode_image(self._catalogue.read(name), self._limits, size), preprocessing)


def _heated(image: Image, worth: Map | None) -> Image:
    return image if worth is None else heated(image, worth)


def show_mended(evaluations: Mapping[str, Evaluation]) -> None:
    """Prints what each way mended and broke against the first."""
    (first, original), *others = evaluations.items()
    print(f"\nwrong first hits of {original.queries} queries, against {first}")
    print(f"{'':42}{'wrong':>9}{'mended':>9}{'broken':>9}")
    print(f"{first:42}{len(original.mismatches):9}")
    for way, found in others:
        better, worse = mended(original, found)
        print(f"{way:42}{len(found.mismatches):9}{better:9}{worse:9}")


def show_causes(lake: Store, found: Evaluation, letterboxed: Evaluation, output: Path) -> None:
    """Prints the causes of the worst mismatches, and draws them with what the network saw."""
    causes = Causes(lake, letterboxed.mismatches)
    worst = found.mismatches[:WORST]
    told = [causes.cause(mismatch) for mismatch in worst]
    print(f"\ncauses of the {len(worst)} mismatches with the highest scores")
    for cause, count in Counter(told).most_common():
        print(f"{cause:42}{count:9}")
    output.mkdir(parents=True, exist_ok=True)
    with (output / "mismatches.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(_rows(worst, told))
    lines = [causes.line(mismatch, cause) for mismatch, cause in zip(worst, told, strict=True)]
    picture = output / "mismatches.png"
    picture.write_bytes(encode_png(draw_contact_sheet(lines)))
    print(f"what the network saw: {picture}")


def _rows(worst: Sequence[Mismatch], told: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield "query", "hit", "cause"
    for mismatch, cause in zip(worst, told, strict=True):
        yield mismatch.query, mismatch.hits[0], cause
