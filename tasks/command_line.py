"""The command line: `python -m tasks <task> …`, one sub-command a task."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from tasks.contract import (
    Summary,
    emit,
    file_result,
    one_line_errors,
    parse_outputs,
    set_up_logging,
    write_outputs,
)
from tasks.errors import UserError
from tasks.imports import importing, look_for_garbage
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.settings import Settings, load_settings

app = typer.Typer(
    help="The tasks of the image search pipeline. Each logs to stderr, prints one JSON object as "
    "its last line on stdout, and on failure one line on stderr. Settings are in "
    "config/settings.toml; IMAGE_SEARCH_… in the environment wins over them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Lake = Annotated[
    str,
    typer.Option(
        help="Root of the lake: file:///path or s3://bucket/prefix. Default: the setting `lake`."
    ),
]
Run = Annotated[str, typer.Option(help="Id of the run; all tasks of one run are given the same.")]
Shard = Annotated[str, typer.Option(help="Id of the shard, as `plan` printed it.")]


# Tasks that multiply matrices of all images.
_MULTIPLYING = ("publish", "evaluate", "load")

# Which fields of the result go to which files, besides stdout.
_outputs: ContextVar[Mapping[str, Path]] = ContextVar("_outputs")


@app.callback()
def for_all_tasks(
    context: typer.Context,
    result_file: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=PATH",
            help="Also write this field of the result to a local file, for orchestrators that read "
            "files; may be given again.",
        ),
    ] = None,
) -> None:
    """Takes what stands before the name of a task."""
    look_for_garbage()  # see `tasks/__main__.py`
    if context.invoked_subcommand not in _MULTIPLYING:
        # NumPy, not loaded yet, starts a thread a core, which spin: a third of a task's start.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with one_line_errors():
        _outputs.set(parse_outputs(result_file or ()))


@app.command("plan")
def plan_command(
    run: Run,
    lake: Lake = "",
    full_rebuild: Annotated[
        bool, typer.Option("--full-rebuild", help="Work on every image, changed or not.")
    ] = False,
    prefix: Annotated[
        str,
        typer.Option(help="Look only into this folder of the catalogue; the rest stays as it is."),
    ] = "",
) -> None:
    """Find what changed in the catalogue since the latest release and cut it into shards."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.plan import plan

        return plan(store, run, settings, full_rebuild=full_rebuild, prefix=prefix)

    _do("plan", work, lake, run)


@app.command("etl")
def etl_command(run: Run, shard: Shard, lake: Lake = "") -> None:
    """Fetch, decode and resize the images of a shard."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.etl import etl

        return etl(store, run, shard, settings.threads)

    _do("etl", work, lake, run, shard)


@app.command("feature_engineering")
def feature_engineering_command(run: Run, shard: Shard, lake: Lake = "") -> None:
    """Preprocess the resized images of a shard for the network."""

    def work(store: Store, _: Settings) -> Summary:
        from tasks.feature_engineering import feature_engineering

        return feature_engineering(store, run, shard)

    _do("feature_engineering", work, lake, run, shard)


@app.command("build_model")
def build_model_command(run: Run, lake: Lake = "") -> None:
    """Build the network with its trained weights, unless the lake has it (needs TensorFlow)."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.build_model import build_model

        return build_model(store, run, settings)

    _do("build_model", work, lake, run)


@app.command("vectorize")
def vectorize_command(run: Run, shard: Shard, lake: Lake = "") -> None:
    """Embed the images of a shard: one vector an image."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.vectorize import vectorize

        return vectorize(store, run, shard, settings)

    _do("vectorize", work, lake, run, shard)


@app.command("publish")
def publish_command(
    run: Run,
    lake: Lake = "",
    held: Annotated[
        bool, typer.Option("--held", help="Search is to wait until `evaluate` accepts it.")
    ] = False,
) -> None:
    """Make the next release of the run's shards and of what did not change."""

    def work(store: Store, _: Settings) -> Summary:
        from tasks.publish import publish

        return publish(store, run, held=held)

    _do("publish", work, lake, run)


@app.command("evaluate")
def evaluate_command(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # options of a command line
    lake: Lake = "",
    run: Annotated[str, typer.Option(help="Id of the run that evaluates, if one does.")] = "",
    release: Annotated[int, typer.Option(help="Version; default: the newest.")] = 0,
    labels: Annotated[
        str,
        typer.Option(
            help="folders (the folder of an image is its label), folders:N (the first N), or a CSV "
            "file: name,label. Default: the setting `gate.labels`."
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="Local folder for report, charts and contact sheet.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Compare with the release in use, and accept or hold.")
    ] = False,
) -> None:
    """Measure how well a release answers: precision, recall, and by label, with a report."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks import evaluate

        if gate:
            return evaluate.gate(store, settings, release, run)
        return evaluate.evaluate(store, settings, labels=labels, version=release, output=output)

    _do("evaluate", work, lake, run)


@app.command("load")
def load_command(
    lake: Lake = "",
    run: Annotated[str, typer.Option(help="Id of the run that loads, if one does.")] = "",
) -> None:
    """Bring the vector database, if one is set, to the release that search uses."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.load import load

        return load(store, settings.vector_database)

    _do("load", work, lake, run)


@app.command("prune")
def prune_command(
    lake: Lake = "",
    run: Annotated[str, typer.Option(help="Id of the run that prunes, if one does.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop what no kept release and no unfinished run needs."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.prune import prune

        searched = bool(settings.vector_database.uri)
        return prune(store, settings.retention, with_loaded=searched, dry_run=dry_run)

    _do("prune", work, lake, run)


@app.command("verify")
def verify_command(
    lake: Lake = "",
    release: Annotated[int, typer.Option(help="Version to check; default: the newest.")] = 0,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Do not mark a damaged release as such.")
    ] = False,
) -> None:
    """Read a release end to end and name each damaged, missing or extra object."""

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.verify import verify

        return verify(store, settings, version=release, read_only=read_only)

    summary = _do("verify", work, lake, run="")
    with one_line_errors():
        if not summary["sound"]:
            raise UserError(_advice(summary))
        if problems := summary.get("vector_database", {}).get("problems"):
            raise UserError(
                f"the vector database does not hold release {summary['release']} as it is: "
                f"{problems[0]}; drop the collection of that release, then run `load`"
            )


def _advice(summary: Summary) -> str:
    """Says what to do about a release that `verify` has found damaged."""
    release, other = summary["release"], summary["search_may_use"]
    damaged_model = not summary["model_sound"]
    if damaged_model and not summary["release_sound"]:
        return f"release {release} and its model are damaged; run image_reindex to make them again"
    if damaged_model:
        return f"the model of release {release} is damaged; run image_reindex to build it again"
    if other and other > release:
        return f"release {release} is damaged; the newer release {other} is sound, so use that one"
    meanwhile = f"search goes on with release {other}; " if other else ""
    return f"release {release} is damaged; {meanwhile}run image_reindex to make another"


@app.command("search")
def search_command(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # options of a command line
    query: Annotated[
        str,
        typer.Option(
            help="Name of an image of the catalogue, or URI or path of a picture. A name wins."
        ),
    ] = "",
    top_n: Annotated[int, typer.Option(help="How many images to find.")] = 5,
    lake: Lake = "",
    run: Annotated[str, typer.Option(help="Id of the run; default: search- and the time.")] = "",
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A further folder that pictures may come from; may be given again."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also write the picture to this local file.")
    ] = None,
    no_picture: Annotated[
        bool, typer.Option("--no-picture", help="Only names and scores: draw nothing.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also show which regions made query and hits similar, in the picture and as "
            "explanation.json. Takes as long as embedding fifty pictures a hit: seconds.",
        ),
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", help="Load once, then ask for queries until CTRL-C or CTRL-D."
        ),
    ] = False,
    batch: Annotated[
        typer.FileText | None,
        typer.Option(
            encoding="utf-8",
            help="Load once, then answer each query of this file (- is stdin), one a line, with a "
            "line of JSON on stdout. One that cannot be answered has its `error` there.",
        ),
    ] = None,
) -> None:
    """Find the images most similar to a picture, with names, scores and a picture of the answer."""
    run = run or f"search-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    allowed = tuple(allow or ())

    def work(store: Store, settings: Settings) -> Summary:
        from tasks.search import search

        drawn = picture is not None or not no_picture
        summary = search(
            store, run, query, top_n, settings, allowed=allowed, picture=drawn, explained=explain
        )
        if picture:
            from tasks.report import save_picture

            save_picture(store, run, picture)
        return summary

    if batch:
        with one_line_errors():
            if query or interactive or picture or explain:
                raise UserError("--batch takes --top-n and --allow only; leave the rest out")
        _search_batch(batch, top_n, lake, allowed)
        return
    if not interactive:
        _do("search", work, lake, run)
        return
    with one_line_errors():
        from tasks.interactive import ask_and_answer

        settings = load_settings()
        # Whoever sits at the terminal may read what is theirs to read.
        store = open_store(lake or settings.lake)
        ask_and_answer(store, settings, top_n, ("/", *allowed), picture, explained=explain)


def _search_batch(file: Iterable[str], top_n: int, lake: str, allowed: tuple[str, ...]) -> None:
    """Answers the queries of a file on stdout; ends with status 2 if one could not be answered."""
    set_up_logging()
    with one_line_errors():
        from tasks.batch_search import read_queries, search_batch

        settings = load_settings()
        store = open_store(lake or settings.lake)
        tally = search_batch(store, settings, read_queries(file), top_n, allowed, sys.stdout)
        if tally.failed:
            failed = f"{tally.failed} of {tally.queries} queries"
            raise UserError(f"{failed} could not be answered; their lines say why")


@app.command("serve")
def serve_command(
    lake: Lake = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than this machine's takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.")] = 8000,
) -> None:
    """Answer searches over HTTP until SIGTERM; /docs describes how to ask.

    With IMAGE_SEARCH_TOKEN in the environment, whoever asks must send it: Authorization: Bearer.
    """
    set_up_logging()
    with one_line_errors():
        from tasks.serve import serve

        settings = load_settings()
        serve(open_store(lake or settings.lake), settings, host, port)


@app.command("releases")
def releases_command(
    lake: Lake = "",
    pin: Annotated[
        int | None,
        typer.Option(help="Let search use this version until --unpin. Nothing is deleted."),
    ] = None,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Let search follow the newest release.")
    ] = False,
    accept: Annotated[
        int, typer.Option(help="Let search use this version although it was held back.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the releases, and choose the one that search uses."""
    with one_line_errors():
        from tasks.releases import list_releases

        list_releases(
            open_store(lake or load_settings().lake),
            pin=pin,
            unpin=unpin,
            accept=accept,
            as_json=as_json,
        )


@app.command("report")
def report_command(
    run: Run,
    lake: Lake = "",
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture of a search to this local file.")
    ] = None,
) -> None:
    """Show what a run did: of a reindex changes and seconds by stage, of a search the answer."""
    with one_line_errors():
        from tasks.report import report

        report(open_store(lake or load_settings().lake), run, picture)


@app.command("page")
def page_command(lake: Lake = "") -> None:
    """Answer what Airflow's Image Search page asks: JSON lines on stdin and stdout, until EOF."""
    set_up_logging()
    with one_line_errors():
        from tasks.page.worker import serve

        settings = load_settings()
        serve(lake or settings.lake, settings)


def _do(
    task: str,
    work: Callable[[Store, Settings], Summary],
    lake: str,
    run: str,
    shard: str | None = None,
) -> Summary:
    """Does one task under the contract; returns what it printed."""
    set_up_logging()
    with one_line_errors():
        settings = load_settings()
        store = open_store(lake or settings.lake)
        with importing():
            import_module(f"tasks.{task}")
        summary = work(store, settings)
        if run:
            file_result(store, run, task, shard, summary)
        write_outputs(summary, _outputs.get({}))
        emit(summary)
    return summary
