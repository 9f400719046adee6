import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
IMAGES, DIMENSIONS = 300, 64


def test_what_each_task_asks_of_the_server_is_counted(tmp_path: Path) -> None:
    output = tmp_path / "s3.json"
    options = (str(output), str(IMAGES), "--dimensions", str(DIMENSIONS))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.s3_requests", *options],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    points = json.loads(output.read_text(encoding="utf-8"))
    tasks = [(point["task"], point["night"]) for point in points]
    assert tasks[:3] == [("plan", "first"), ("publish", "first"), ("evaluate", "first")]
    assert tasks[-3:] == [("plan", "changed"), ("publish", "changed"), ("evaluate", "changed")]
    published = points[1]
    assert 0 < published["requests"] < IMAGES
    assert published["bytes_read"] > 3 * IMAGES * DIMENSIONS * 4
    assert f"| `publish` | first | 300 | {published['requests']} |" in done.stdout
