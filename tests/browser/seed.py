"""Makes the catalogue that the browser looks at. Run in the tasks' environment, in three steps."""

import argparse
import io
from pathlib import Path

from PIL import Image

import demo.catalogue
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.tasks import pipeline

VIEWS = 6
RUN = "seed"

HOSTILE_NAMES = (
    "hostile/<img src=x onerror=alert(document.domain)>.jpg",
    'hostile/"onmouseover="alert(1)" x=".jpg',
    "hostile/%2e%2e%2f%2e%2e%2fetc%2fpasswd.jpg",
    f"hostile/a&b?c#d;e=f {'very long ' * 20}.jpg",
    "hostile/\u202egnp.exe.jpg",
    "hostile/line\nbreak\ttab.jpg",
)
DISGUISED = {
    "hostile/vector.jpg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "hostile/page.png": b"<!doctype html><script>alert(1)</script>",
    "hostile/polyglot.gif": b"GIF89a/*\x00\x00*/=1;alert(1)//",
}
MARKUP = b"<html><script>alert(document.domain)</script></html>"


def first(lake: Store) -> None:
    """Makes the sample, and all of a release but that one can see it."""
    demo.catalogue.VIEWS = VIEWS
    demo.catalogue.make_catalogue(lake)
    pipeline.reindex_up_to_publish(lake, RUN)


def second(lake: Store) -> None:
    """Changes the catalogue in every way there is, hostile files among them."""
    master = Path(lake.root) / "master"
    for number in range(3):
        next(master.glob(f"brick/view_{number:02d}.*")).unlink()
    (master / "moon/view_00.jpg").rename(master / "moon/renamed.jpg")
    Image.open(master / "coins/view_00.jpg").rotate(90, expand=True).save(
        master / "coins/view_00.jpg"
    )
    buffer = io.BytesIO()
    Image.open(master / "rocket/view_01.jpg").save(buffer, "jpeg", quality=80)
    for number, name in enumerate(HOSTILE_NAMES):
        # A picture that is a page, too: what follows the picture, decoders do not look at.
        lake.write(f"master/{name}", buffer.getvalue() + MARKUP * (number + 1))
    for name, data in DISGUISED.items():
        lake.write(f"master/{name}", data)


def main() -> None:
    """Does one step on the lake named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("first", "publish", "second"))
    parser.add_argument("lake", type=Path)
    arguments = parser.parse_args()
    arguments.lake.mkdir(parents=True, exist_ok=True)
    lake = open_store(arguments.lake.as_uri())
    if arguments.step == "publish":
        pipeline.publish(lake, RUN)
    else:
        {"first": first, "second": second}[arguments.step](lake)


if __name__ == "__main__":
    main()
