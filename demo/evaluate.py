"""Every figure of docs/results.md on the quality of answers: each way on each labelled catalogue.

`python -m demo.evaluate --stamps FOLDER --output FOLDER` runs the tasks as anyone would, on a lake
for each catalogue, and prints a table. What has been embedded once is found there the next time.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import labelled
from tasks.lake.open_store import open_store

PLAIN = {"RANKING__CENTRE": "false", "RANKING__CANDIDATES": "0"}
ORIGINAL = {"INTERPOLATION": "bilinear", **PLAIN}

# Settings by name, each a difference from the defaults. The last is what is shipped.
WAYS: Mapping[str, Mapping[str, str]] = {
    "original: stretch, bilinear, cosine": ORIGINAL,
    "stretch, area": PLAIN,
    "stretch, bicubic": {"INTERPOLATION": "bicubic", **PLAIN},
    "letterbox, area": {"RESIZE": "letterbox", **PLAIN},
    "center_crop, area": {"RESIZE": "center_crop", **PLAIN},
    "multi_crop, area": {"RESIZE": "multi_crop", **PLAIN},
    "letterbox, area, ranked": {"RESIZE": "letterbox"},
    "multi_crop, area, ranked": {"RESIZE": "multi_crop"},
    "stretch, centred": {"RANKING__CANDIDATES": "0"},
    "stretch, candidates without centring": {"RANKING__CENTRE": "false"},
    "stretch, query expansion alone": {"RANKING__NEIGHBOURS": "1", "RANKING__POWER": "9"},
    "default: stretch, area, ranked": {},
}
_METRICS = ("precision_at_1", "precision_at_5", "mean_average_precision", "ndcg_at_10")


def measure(lake: str, way: str, labels: str, output: Path) -> dict[str, Any]:
    """Brings the release of a lake to some settings and returns its evaluation."""
    settings = {f"IMAGE_SEARCH_PIPELINE__{name}": value for name, value in WAYS[way].items()}
    environment = os.environ | settings | {"IMAGE_SEARCH_LAKE": lake, "IMAGE_SEARCH_CATALOGUE": ""}
    key = "".join(letter if letter.isalnum() else "-" for letter in way)

    def task(name: str, *options: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tasks", name, *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{way}: {name}: {done.stderr[-2000:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    run = f"{key}-{os.getpid()}"
    planned = task("plan", "--run", run)
    if planned["anything_to_do"]:
        task("build_model", "--run", run)
        for shard in planned["shards"]:
            for stage in ("etl", "feature_engineering", "vectorize"):
                task(stage, "--run", run, "--shard", shard["shard"])
        task("publish", "--run", run)
    return task("evaluate", "--labels", labels, "--output", str(output / key))


def main() -> None:
    """Measures every way on both catalogues."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stamps", type=Path, required=True, help="the unpacked stamps")
    parser.add_argument("--output", type=Path, required=True, help="for lakes and reports")
    parser.add_argument("--only", default="", help="ways whose name holds this")
    arguments = parser.parse_args()
    catalogues = {
        "stamps": (labelled.stamps(arguments.stamps), f"folders:{labelled.LEVELS}"),
        "photographs": (labelled.photographs(), "folders"),
    }
    for name, (files, labels) in catalogues.items():
        output = (arguments.output / name).absolute()
        (output / "lake").mkdir(parents=True, exist_ok=True)
        lake = (output / "lake").as_uri()
        count = labelled.fill(open_store(lake), files)
        print(f"\n{name}: {count} images\n{'':42}{'P@1':>8}{'P@5':>8}{'mAP':>8}{'nDCG@10':>9}")
        for way in (way for way in WAYS if arguments.only in way):
            found = measure(lake, way, labels, output)
            figures = "".join(f"{found[metric]:8.3f}" for metric in _METRICS)
            print(f"{way:42}{figures}  ({found['queries']} queries)", flush=True)


if __name__ == "__main__":
    main()
