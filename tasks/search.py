"""search: a query image and a release -> the most similar images, result.json and result.png."""

from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasks.contract import Summary, timed
from tasks.imports import importing
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.model import SoundForm, release_form
from tasks.parallel import begun
from tasks.query import is_written_as_place
from tasks.release_in_use import release_in_use
from tasks.settings import Settings

# What searches is loaded while the model is compared.
if TYPE_CHECKING:
    from tasks.explanation import Explanation
    from tasks.searcher import Answer


def search(  # pylint: disable=too-many-arguments  # a run, a question and how to answer it
    lake: Store,
    run: str,
    query: str,
    n: int,
    settings: Settings,
    *,
    allowed: tuple[str, ...] = (),
    picture: bool = True,
    explained: bool = False,
) -> Summary:
    """Searches once and leaves the answer with the run, as data and as a picture.

    Args:
        lake: the data lake.
        run: id of the run.
        query: see `Searcher.search`.
        n: how many images to return.
        settings: threads, cache and allowed prefixes of this machine; model and preprocessing are
            the release's.
        allowed: further folders that pictures may come from.
        picture: whether to draw the answer, too.
        explained: whether to say, and to draw, which regions made query and hits similar.

    Raises:
        UserError: there is no release, or the query cannot be answered.
    """
    release = release_in_use(lake, settings)
    form = _form_soon(lake, release, query, settings)
    with importing():
        import_module("tasks.tables")  # for `_show`
        from tasks.searcher import Searcher
    with timed() as summary:
        opened = Searcher(lake, settings, release, few=not explained, form=form)
        answer = opened.search(query, n, allowed)
        summary |= _leave(lake, run, answer, picture=picture, explained=explained)
    _show(answer)
    return summary


def _form_soon(
    lake: Store, release: Manifest, query: str, settings: Settings
) -> Future[SoundForm] | None:
    """Begins to compare the model with its digests, if a picture is asked for.

    Python does other things meanwhile. From a bucket it is fetched when the picture turns out to be
    one.
    """
    if not is_written_as_place(query) or lake.local_path(layout.MODEL) is None:
        return None
    return begun(lambda: release_form(lake, release.model, settings))


def _leave(lake: Store, run: str, answer: "Answer", *, picture: bool, explained: bool) -> Summary:
    """Writes an answer to the files of a run; returns it as JSON has it, with their URIs."""
    places = {"result_json": layout.run(run, "result.json"), "result_png": ""}
    explanation = answer.explain() if explained else None
    if explanation:
        places["explanation_json"] = layout.run(run, "explanation.json")
        lake.write_json(places["explanation_json"], _document(answer, explanation))
    if picture:
        places["result_png"] = layout.run(run, "result.png")
        lake.write(places["result_png"], answer.draw(explanation))
    uris = {name: place and lake.uri(place) for name, place in places.items()}
    result = answer.document() | uris
    lake.write_json(places["result_json"], result)
    return result


def _show(answer: "Answer") -> None:
    from tasks.tables import open_console, show_results

    console = open_console(stderr=True)
    show_results(console, answer.query, answer.release, answer.results)
    if answer.warning:
        console.print(answer.warning, markup=False)


def _document(answer: "Answer", explanation: "Explanation") -> dict[str, Any]:
    hits = [hit.document() for hit in explanation.hits]
    return {"query": answer.query, "release": answer.release, "results": hits}
