"""The pages themselves: HTML without data, and what it is made of. The scripts fetch the rest."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response, status
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from image_search_airflow.page.access import may_look

_HERE = Path(__file__).parent
ASSETS = _HERE / "assets"
TEMPLATES = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True)

# What is in the navigation of the page, in order.
VIEWS = {
    "search": "Search",
    "browse": "Browse",
    "duplicates": "Near-duplicates",
    "release": "Release",
    "history": "History",
}

# A module script of any other type is refused, and not every system has this one in its table.
mimetypes.add_type("text/javascript", ".js")

router = APIRouter(dependencies=[may_look])


def render(view: str, **given: str) -> HTMLResponse:
    """Returns a page made of the template of a view."""
    template = TEMPLATES.get_template(f"{view}.html")
    return HTMLResponse(template.render(view=view, views=VIEWS, **given))


@router.get("/")
def show_search() -> HTMLResponse:
    """Shows where to search, and answers."""
    return render("search")


@router.get("/{view}")
def show(view: str) -> HTMLResponse:
    """Shows one of the other pages; `run` is the one on the runs in Airflow's UI."""
    if view not in VIEWS and view != "run":
        raise HTTPException(status.HTTP_404_NOT_FOUND, "there is no such page")
    return render(view)


@router.get("/assets/{name}")
def asset(name: str, request: Request) -> Response:
    """Returns a script, a style sheet or an icon."""
    if name not in _assets():
        raise HTTPException(status.HTTP_404_NOT_FOUND, "there is no such file")
    data = (ASSETS / name).read_bytes()
    # The next version of this plugin must not meet scripts of the last one.
    headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:16]}"', "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(data, media_type=mimetypes.guess_type(name)[0], headers=headers)


@cache
def _assets() -> frozenset[str]:
    """Returns the names that there are: no path that somebody sends is ever opened."""
    return frozenset(file.name for file in ASSETS.iterdir())
