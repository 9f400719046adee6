import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.lake.store import Store
from tasks.parallel import cores
from tests.tasks.pipeline import CACHE, REPOSITORY, save_photo

ENVIRONMENT = {**os.environ, "IMAGE_SEARCH_CACHE": str(CACHE)}


def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks", *arguments],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_task_prints_one_json_object_as_its_last_line(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    done = run("plan", "--lake", str(lake), "--run", "r")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["added"] == 1


def test_a_whole_run_from_the_command_line(lake: Store, master: Path) -> None:
    for view in range(3):
        save_photo(master / f"cat_{view}.jpg", view=view)
    common = ("--lake", str(lake), "--run", "r")
    (shard,) = json.loads(run("plan", *common).stdout)["shards"]
    for task in ("etl", "feature_engineering", "build_model", "vectorize"):
        of_shard = () if task == "build_model" else ("--shard", shard["shard"])
        assert run(task, *common, *of_shard).returncode == 0
    assert json.loads(run("publish", *common).stdout)["images"] == 3
    assert run("prune", *common).returncode == 0
    report = run("report", *common).stdout
    assert "3 images indexed" in report
    assert all(stage in report for stage in ("etl", "vectorize", "publish"))


def test_a_search_leaves_its_answer_and_its_picture(indexed: Store, tmp_path: Path) -> None:
    common = ("--lake", str(indexed), "--run", "s")
    pictures = [tmp_path / "a" / "result.png", tmp_path / "b" / "result.png"]
    done = run("search", *common, "--query", "coffee_1.jpg", "--picture", str(pictures[0]))
    assert json.loads(done.stdout)["results"][0]["name"] == "coffee_1.jpg"
    assert "coffee_1.jpg" in run("report", *common, "--picture", str(pictures[1])).stdout
    stored = indexed.read("runs/s/result.png")
    assert [picture.read_bytes() for picture in pictures] == [stored, stored]


@pytest.mark.parametrize(("task", "threads"), [("etl", 1), ("search", 1), ("publish", cores())])
def test_numpy_has_threads_where_matrices_are_large(task: str, threads: int) -> None:
    program = (
        "import sys, typer.testing, tasks.command_line, threadpoolctl\n"
        "assert 'numpy' not in sys.modules\n"
        f"typer.testing.CliRunner().invoke(tasks.command_line.app, [{task!r}, '--help'])\n"
        "import numpy\n"
        "print(*(library['num_threads'] for library in threadpoolctl.threadpool_info()))"
    )
    environment = {
        name: ENVIRONMENT[name] for name in ENVIRONMENT if name != "OPENBLAS_NUM_THREADS"
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(threads)]


@pytest.mark.parametrize(
    ("task", "loaded"),
    [("plan", ""), ("prune", ""), ("etl", "cv2 numpy"), ("publish", "faiss numpy"), ("search", "")],
)
def test_a_task_begins_with_what_it_computes_with(task: str, loaded: str) -> None:
    program = (
        f"import sys, tasks.command_line, tasks.{task}\n"
        "heavy = {'cv2', 'faiss', 'fsspec', 'keras', 'numpy', 'onnxruntime', 'PIL', 'rich'}\n"
        "print(*sorted(heavy & {*sys.modules}))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == loaded


def test_a_command_looks_for_garbage_though_its_start_does_not() -> None:
    program = (
        "import gc, sys\n"
        "gc.disable()\n"
        "import typer.testing, tasks.command_line\n"
        "typer.testing.CliRunner().invoke(tasks.command_line.app, ['releases'])\n"
        "sys.exit(not gc.isenabled())"
    )
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)


def test_comparing_the_model_of_a_folder_imports_nothing(indexed: Store) -> None:
    program = (
        "import sys, tasks.command_line, tasks.search\n"
        "from tasks.lake.open_store import open_store\n"
        "from tasks.release_in_use import current_release\n"
        "from tasks.settings import load_settings\n"
        f"lake, settings = open_store({str(indexed)!r}), load_settings()\n"
        "release, before = current_release(lake), {*sys.modules}\n"
        "tasks.search.release_form(lake, release.model, settings)\n"
        "print(*{*sys.modules} - before)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(("query", "loaded"), [("coffee_1.jpg", ""), ("its file", "onnxruntime")])
def test_a_search_in_a_folder_loads_what_it_needs(
    query: str, loaded: str, indexed: Store, master: Path
) -> None:
    place = query.replace("its file", (master / "coffee_1.jpg").as_uri())
    program = (
        "import sys, typer.testing, tasks.command_line\n"
        f"asked = ['search', '--lake', {str(indexed)!r}, '--no-picture', '--query', {place!r}]\n"
        "done = typer.testing.CliRunner().invoke(tasks.command_line.app, asked)\n"
        "assert done.exit_code == 0, done.output\n"
        "print(*sorted({'fsspec', 'onnxruntime', 'openvino', 's3fs', 'keras'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == loaded


def run_with(start: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with a module that is imported before all others."""
    (folder / "sitecustomize.py").write_text(start)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**ENVIRONMENT, "PYTHONPATH": str(folder), "IMAGE_SEARCH_LAKE": folder.as_uri()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("asked", "status"), [("--help", 0), ("report --run=none", 2)])
def test_a_process_ends_when_its_threads_and_exit_functions_are_done(
    asked: str, status: int, tmp_path: Path
) -> None:
    start = (
        "import atexit, os, sys, threading\n"
        "def in_a_thread():\n"
        "    threading.main_thread().join()\n"
        "    os.write(2, b'thread ended, ')\n"
        "def when_imported(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'tasks.contract':\n"
        "        atexit.register(os.write, 2, b'exit function called')\n"
        "threading.Thread(target=in_a_thread).start()\n"
        "sys.addaudithook(when_imported)\n"
    )
    done = run_with(start, tmp_path, "-m", "tasks", *asked.split())
    assert done.returncode == status
    assert done.stderr.endswith("thread ended, exit function called")
    assert ("vectorize" in done.stdout) == (not status)


KEEP = (
    "import os\n"
    "class Kept:\n"
    "    def __del__(self, write=os.write):\n"
    "        write(2, b'taken apart')\n"
    "kept = Kept()\n"
)
REGISTER = "import atexit, os\natexit.register(os.write, 2, b'called')\n"


@pytest.mark.parametrize(
    ("start", "way", "told"),
    [
        (KEEP, "-m tasks", ""),
        (KEEP, "-X utf8 -m tasks", "taken apart"),
        (KEEP + REGISTER, "-m tasks", "calledtaken apart"),
    ],
)
def test_what_was_imported_is_taken_apart_only_where_another_program_has_things_to_do(
    start: str, way: str, told: str, tmp_path: Path
) -> None:
    done = run_with(start, tmp_path, *way.split(), "--help")
    assert (done.returncode, done.stderr) == (0, told)


def test_ctrl_c_while_it_starts_ends_it_by_that_signal(tmp_path: Path) -> None:
    start = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may have been ignored
        "def when_imported(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'tasks.contract':\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "sys.addaudithook(when_imported)\n"
    )
    assert run_with(start, tmp_path, "-m", "tasks", "--help").returncode == -signal.SIGINT


def test_a_query_may_begin_with_a_dash(indexed: Store) -> None:
    done = run("search", "--lake", str(indexed), "--query", "-x.jpg")
    assert "no image is named '-x.jpg'" in done.stderr


def test_a_failure_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    done = run("plan", "--lake", f"file://{tmp_path}/nothing", "--run", "r")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "does not exist or is no folder; create it" in line


def test_an_unexpected_failure_ends_with_one_line_after_its_traceback(
    lake: Store, master: Path
) -> None:
    save_photo(master / "a.jpg")
    (master.parent / "landing").symlink_to("landing")  # leads round in a circle
    done = run("plan", "--lake", str(lake), "--run", "r")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: OSError: ")


def test_a_shard_that_the_run_does_not_have_is_said_so(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    run("plan", "--lake", str(lake), "--run", "r")
    done = run("etl", "--lake", str(lake), "--run", "r", "--shard", "unknown")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: run r has no shard unknown; ")


def test_without_a_command_the_help_is_shown() -> None:
    help_text = run("--help").stdout
    for command in ("plan", "etl", "feature_engineering", "build_model", "vectorize", "publish"):
        assert command in help_text


@pytest.mark.parametrize("command", ["plan", "search", "releases"])
def test_every_option_is_explained(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "--lake" in done.stdout


def test_releases_are_listed_pinned_and_unpinned(indexed: Store) -> None:
    lake = ("--lake", str(indexed))
    assert "current" in run("releases", *lake).stdout
    assert "pinned" in run("releases", *lake, "--pin", "1").stdout
    listed = json.loads(run("releases", *lake, "--unpin", "--json").stdout)
    assert (listed["current"], listed["pinned"]) == (1, None)
    assert listed["releases"][0]["counts"]["images"] == 6
    missing = run("releases", *lake, "--pin", "9")
    assert missing.returncode == 2
    assert "there is no release 9" in missing.stderr


def test_a_lake_without_releases_says_so(lake: Store) -> None:
    assert "no release" in run("releases", "--lake", str(lake)).stdout


def test_interactive_search_answers_until_the_end_of_input(
    indexed: Store, master: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "result.png"
    done = run(
        "search",
        "--lake",
        str(indexed),
        "--interactive",
        "--top-n",
        "2",
        "--picture",
        str(picture),
        text=f"coffee_0.jpg\nnothing.jpg\n{master / 'coffee_1.jpg'}\n",
    )
    assert done.returncode == 0
    assert done.stdout.count("Most similar to") == 2
    assert "error: no image is named 'nothing.jpg'" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_interactive_search_ends_at_control_c_on_a_terminal(indexed: Store, tmp_path: Path) -> None:
    # A terminal of its own for the command, so that the key arrives as a signal.
    starter = (
        "import os, pty, select, signal, sys; "
        # Whoever runs these tests in the background ignores the key, and so would the command.
        "signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "pid, terminal = pty.fork(); "
        "pid or os.execv(sys.executable, [sys.executable, '-m', 'tasks', *sys.argv[1:]]); "
        "shown = b''\n"
        "while b'Query image' not in shown: shown += os.read(terminal, 1024)\n"
        "closed = False\n"
        # Python may lose a signal that comes while it collects garbage: then press the key again.
        "while not closed:\n"
        "    os.write(terminal, b'\\x03')\n"
        "    while not closed and select.select([terminal], [], [], 5)[0]:\n"
        "        try: os.read(terminal, 1024)\n"
        "        except OSError: closed = True\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter, "search", "--lake", str(indexed), "--interactive"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_fields_of_the_result_go_to_files_where_an_orchestrator_reads_them(
    lake: Store, master: Path, tmp_path: Path
) -> None:
    save_photo(master / "a.jpg")
    files = {name: tmp_path / "new" / name for name in ("shards", "anything_to_do", "model")}
    options = [it for name, path in files.items() for it in ("--result-file", f"{name}={path}")]
    done = run(*options, "plan", "--lake", str(lake), "--run", "r")
    printed = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(files["shards"].read_text()) == printed["shards"]
    assert files["anything_to_do"].read_text() == "true"
    assert files["model"].read_text() == printed["model"]


@pytest.mark.parametrize(
    ("output", "reason"),
    [("shards", "takes FIELD=PATH, not 'shards'"), ("no_such={}", "has no field no_such; it has")],
)
def test_a_field_that_there_is_not_is_named(
    lake: Store, master: Path, tmp_path: Path, output: str, reason: str
) -> None:
    save_photo(master / "a.jpg")
    option = output.format(tmp_path / "file")
    done = run("--result-file", option, "plan", "--lake", str(lake), "--run", "r")
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr.splitlines()[-1]
