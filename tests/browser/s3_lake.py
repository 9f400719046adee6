"""A copy of a lake in a bucket of a real S3 server, for as long as stdin is open.

Run in the tasks' environment with a folder and the URI of its copy; the first line on stdout tells
the endpoint and the keys.
"""

import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import s3fs

from tasks.lake import layout
from tests.s3_server import ACCESS_KEY, SECRET_KEY, running_s3_server

# What a search needs, and no thumbnail: those are to be made.
ZONES = (layout.MASTER, layout.MODEL, layout.RELEASES, "queries")


def copy(lake: Path, files: s3fs.S3FileSystem, prefix: str) -> None:
    """Copies what of a lake is there to look at and to search."""
    for zone in ZONES:
        for file in sorted((lake / zone).rglob("*")):
            if file.is_file() and "vectors" not in file.parts and file.suffix != ".keras":
                files.put_file(str(file), f"{prefix}/{file.relative_to(lake)}")


def main() -> None:
    """Serves a copy of a lake: the folder and the URI are named on the command line."""
    with tempfile.TemporaryDirectory() as folder, running_s3_server(Path(folder)) as server:
        source, target = Path(sys.argv[1]), urlsplit(sys.argv[2])
        server.files.mkdir(target.netloc)
        copy(source, server.files, target.netloc + target.path)
        access = {"endpoint": server.endpoint, "key": ACCESS_KEY, "secret": SECRET_KEY}
        print(json.dumps(access), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
