"""Every figure of docs/results.md on the quality of answers: each way on each labelled catalogue.

`python -m demo.evaluate --stamps FOLDER --output FOLDER` runs the tasks as anyone would, on a lake
for each catalogue, and prints a table. What has been embedded once is found there the next time.
"""

import argparse
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from demo import labelled, mismatches, models
from tasks.lake.open_store import open_store

PLAIN = {"RANKING__CENTRE": "false", "RANKING__CANDIDATES": "0"}
ORIGINAL = {"INTERPOLATION": "bilinear", **PLAIN}

# Settings by name, each a difference from the defaults. The last is what is shipped.
WAYS: Mapping[str, Mapping[str, str]] = {
    "original: stretch, bilinear, cosine": ORIGINAL,
    "stretch, area": PLAIN,
    "stretch, bicubic": {"INTERPOLATION": "bicubic", **PLAIN},
    "letterbox, bilinear": {"RESIZE": "letterbox", "INTERPOLATION": "bilinear", **PLAIN},
    "letterbox, area": {"RESIZE": "letterbox", **PLAIN},
    "center_crop, bilinear": {"RESIZE": "center_crop", "INTERPOLATION": "bilinear", **PLAIN},
    "center_crop, area": {"RESIZE": "center_crop", **PLAIN},
    "multi_crop, bilinear": {"RESIZE": "multi_crop", "INTERPOLATION": "bilinear", **PLAIN},
    "multi_crop, area": {"RESIZE": "multi_crop", **PLAIN},
    "letterbox, area, ranked": {"RESIZE": "letterbox"},
    "center_crop, area, ranked": {"RESIZE": "center_crop"},
    "multi_crop, area, ranked": {"RESIZE": "multi_crop"},
    "stretch, centred": {"RANKING__CANDIDATES": "0"},
    "stretch, candidates without centring": {"RANKING__CENTRE": "false"},
    "stretch, 200 candidates": {"RANKING__CANDIDATES": "200"},
    "stretch, area, in int8": {"PRECISION": "int8", **PLAIN},
    "stretch, ranked, in int8": {"PRECISION": "int8"},
    "default: stretch, area, ranked": {},
}
_MISMATCHES, _MODELS = "mismatches", "models"

# What is looked at mismatch by mismatch: each a step from the first to the last.
_ORIGINAL, _LETTERBOXED, _DEFAULT = (
    "original: stretch, bilinear, cosine",
    "letterbox, area, ranked",
    "default: stretch, area, ranked",
)
_STEPS = (_ORIGINAL, "stretch, area", "stretch, centred", _LETTERBOXED, _DEFAULT)
_PARTS: Mapping[str, Sequence[str]] = {
    _MISMATCHES: _STEPS,
    _MODELS: (),
    "resizing": [_ORIGINAL, *(way for way in WAYS if " area" in way or "bi" in way), _DEFAULT],
}
_COLUMNS = ("P@1", "P@5", "mAP", "nDCG@10", "held out")  # the last: mAP of labels not chosen on
_METRICS = ("precision_at_1", "precision_at_5", "mean_average_precision", "ndcg_at_10")


def measure(
    lake: str, labels: str, output: Path, way: str, changes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Brings the release of a lake to some settings and returns its `evaluation.json`.

    Args:
        lake: URI of the lake.
        labels: as `evaluate` takes them.
        output: for the report.
        way: name of the settings, and of the report.
        changes: of the settings of the pipeline; by default those of `WAYS`.
    """
    changes = WAYS[way] if changes is None else changes
    settings = {f"IMAGE_SEARCH_PIPELINE__{name}": value for name, value in changes.items()}
    environment = os.environ | settings | {"IMAGE_SEARCH_LAKE": lake, "IMAGE_SEARCH_CATALOGUE": ""}
    report = report_of(way, output)

    def task(name: str, *options: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tasks", name, *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{way}: {name}: {done.stderr[-2000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    run = f"{report.name}-{uuid.uuid4().hex}"  # a run of an earlier call has a plan already
    planned = task("plan", "--run", run)
    if planned["anything_to_do"]:
        task("build_model", "--run", run)
        for shard in planned["shards"]:
            for stage in ("etl", "feature_engineering", "vectorize"):
                task(stage, "--run", run, "--shard", shard["shard"])
        task("publish", "--run", run)
    task("evaluate", "--labels", labels, "--output", str(report))
    return dict(json.loads((report / "evaluation.json").read_text(encoding="utf-8")))


def report_of(way: str, output: Path) -> Path:
    """Returns the folder of the report on a way."""
    return output / "".join(letter if letter.isalnum() else "-" for letter in way)


def held_out(by_label: Mapping[str, Mapping[str, float]], metric: str) -> float:
    """Returns a figure over the queries of the labels that no parameter was chosen on.

    Those are every second one of the alphabet, the second the first of them.
    """
    labels = [by_label[label] for label in sorted(by_label)[1::2]]
    queries = sum(label["queries"] for label in labels)
    return sum(label["queries"] * label[metric] for label in labels) / queries


def main() -> None:
    """Measures every way on both catalogues."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stamps", type=Path, required=True, help="the unpacked stamps")
    parser.add_argument("--output", type=Path, required=True, help="for lakes and reports")
    parser.add_argument("--only", default="", help="ways whose name holds this; or a part")
    parser.add_argument("--packages", type=Path, help="of requirements/models.txt")
    arguments = parser.parse_args()
    catalogues = {
        "stamps": (labelled.stamps(arguments.stamps), f"folders:{labelled.LEVELS}"),
        "photographs": (labelled.photographs(), "folders"),
    }
    if arguments.only in (_MISMATCHES, _MODELS):
        del catalogues["photographs"]  # there, the default makes no mistakes
    for name, (files, labels) in catalogues.items():
        output = (arguments.output / name).absolute()
        (output / "lake").mkdir(parents=True, exist_ok=True)
        lake = (output / "lake").as_uri()
        count = labelled.fill(open_store(lake), files)
        print(f"\n{name}: {count} images\n{'':42}{''.join(f'{it:>9}' for it in _COLUMNS)}")
        for way in _chosen(arguments.only):
            found = measure(lake, labels, output, way)
            figures = "".join(f"{found[metric]:9.3f}" for metric in _METRICS)
            apart = held_out(found["by_label"], "mean_average_precision")
            print(f"{way:42}{figures}{apart:9.3f}  ({found['queries']} queries)", flush=True)

        if name == "stamps" and arguments.only in ("", _MISMATCHES):
            _show_mismatches(lake, output)
        if name == "stamps" and arguments.packages and arguments.only in ("", _MODELS):
            models.show(
                lake,
                arguments.packages.absolute(),
                output / _MODELS,
                partial(measure, lake, labels, output),
                held_out,
            )


def _chosen(only: str) -> Sequence[str]:
    return _PARTS[only] if only in _PARTS else [way for way in WAYS if only in way]


def _show_mismatches(lake: str, output: Path) -> None:
    found = {way: mismatches.read_evaluation(report_of(way, output)) for way in _STEPS}
    mismatches.show_mended(found)
    mismatches.show_causes(
        open_store(lake), found[_DEFAULT], found[_LETTERBOXED], output / _MISMATCHES
    )


if __name__ == "__main__":
    main()
