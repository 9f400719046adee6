#!/usr/bin/env python3
"""Stands in for the interpreter of the tasks' environment: `stand_in_tasks.py -m tasks <task> …`.

It keeps the task contract without doing the work, so that the flow of the DAGs is tested in
seconds; the end-to-end test runs the real tasks. The lake is a folder: `plan` answers with its
`plan.json`, `publish` with its `publish.json` besides, every call is added to its `calls.jsonl`,
and the tasks named in its `fails.txt` fail.
"""

import json
import sys
from pathlib import Path

_, _, task, *options = sys.argv[1:]
lake = Path(options[options.index("--lake") + 1])

with (lake / "calls.jsonl").open("a", encoding="utf-8") as calls:
    calls.write(json.dumps([task, *options]) + "\n")
if task in (lake / "fails.txt").read_text(encoding="utf-8").split():
    sys.exit(f"error: {task} was told to fail")

plan = json.loads((lake / "plan.json").read_text(encoding="utf-8"))
publish = json.loads((lake / "publish.json").read_text(encoding="utf-8"))
changes = {kind: plan[kind] for kind in ("added", "changed", "renamed", "removed")}
printed = {
    "plan": plan,
    "publish": {"version": 8, "images": plan["catalogue"], **changes, "rejected": 1, **publish},
    "search": {"release": 7, "results": [{"rank": 1, "name": "a.jpg", "score": 1.0}]},
}
print("loading")
print(json.dumps(printed.get(task, {"seconds": 0.1})))
