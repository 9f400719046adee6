"""A real S3 server on this machine (SeaweedFS, one process), for as long as tests need it."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import s3fs

from tests.certificates import Certificate
from tests.ports import free_ports

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
BUCKET = "images"
_PORTS = 8
_TRIES, _PORT_TAKEN = 5, "address already in use"
_FILER = """
[filer.options]
s3.empty_folder_cleanup_delay = "1s"
[leveldb2]
enabled = true
dir = "{folder}/meta/filerldb2"
"""


class S3Server:
    """A server, its address and its users: one who may do everything, and others.

    Args:
        folder: where it keeps its data.
        others: names of users who may do what a bucket policy allows them; see `environment_of`.
        certificate: to be reached by TLS.
        roomy: it may take memory and files for gigabytes. Else it looks for garbage all the time
            and begins new files now and then, which takes as long as its work.
    """

    def __init__(
        self,
        folder: Path,
        others: Iterable[str] = (),
        certificate: Certificate | None = None,
        *,
        roomy: bool = False,
    ) -> None:
        self._folder = folder
        self._others = list(others)
        self._certificate = certificate
        self._roomy = roomy
        self._port = free_ports(_PORTS)[0]
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = f"http{'s' if certificate else ''}://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a task needs in its environment to reach the server."""
        access = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }
        if self._certificate:
            access["AWS_CA_BUNDLE"] = str(self._certificate.authority)
        return access

    def environment_of(self, other: str) -> dict[str, str]:
        """What a task needs in its environment to reach the server as another user."""
        key = {"AWS_ACCESS_KEY_ID": f"{other}-access-key", "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        return {**self.environment, **key}

    @property
    def files(self) -> s3fs.S3FileSystem:
        """The content of the server, to look at it past the code under test."""
        return s3fs.S3FileSystem(
            key=ACCESS_KEY,
            secret=SECRET_KEY,
            endpoint_url=self.endpoint,
            client_kwargs={"verify": str(self._certificate.authority)} if self._certificate else {},
            use_listings_cache=False,
        )

    def new_root(self) -> str:
        """Returns the URI of a prefix that nobody has used yet."""
        if not self.files.exists(BUCKET):
            self.files.mkdir(BUCKET)
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"

    def start(self) -> None:
        """Starts the server on what it has stored, and waits until it answers."""
        for part in ("data", "meta"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        identities = [
            _identity("admin", ACCESS_KEY, "Admin", "Read", "Write", "List", "Tagging"),
            *(
                _identity(other, self.environment_of(other)["AWS_ACCESS_KEY_ID"])
                for other in self._others
            ),
        ]
        (self._folder / "s3.json").write_text(json.dumps({"identities": identities}))
        (self._folder / "filer.toml").write_text(_FILER.format(folder=self._folder))
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with  # `stop` ends it
                [Path(sys.executable).with_name("weed"), *self._options()],
                cwd=self._folder,
                env={
                    **os.environ,
                    "GOMEMLIMIT": "2GiB" if self._roomy else "300MiB",
                    "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
                },
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the server on the spot; what it stored stays."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _options(self) -> list[str]:
        port = self._port
        options = {
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "dir": self._folder / "data",
            "master.dir": self._folder / "meta",
            "master.port": port + 2,
            "master.port.grpc": port + 3,
            "master.peers": "none",
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 4096 if self._roomy else 256,
            "volume.port": port + 4,
            "volume.port.grpc": port + 5,
            "volume.max": 0,
            "volume.preStopSeconds": 0,
            "filer": "true",
            "filer.port": port + 6,
            "filer.port.grpc": port + 7,
            "s3": "true",
            "s3.port": port,
            "s3.port.grpc": port + 1,
            "s3.config": self._folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
        }
        if self._certificate:
            options["s3.cert.file"] = self._certificate.certificate
            options["s3.key.file"] = self._certificate.key
        flags = [f"-{name}={value}" for name, value in options.items()]
        return ["-logtostderr=true", "server", *flags]

    def _answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            status = _get(f"http://127.0.0.1:{self._port + 2}/dir/status")
            authority = self._certificate.authority if self._certificate else None
            healthy = _get(f"{self.endpoint}/healthz", authority) is not None
            return healthy and b'"PublicUrl"' in status
        return False


def _identity(name: str, key: str, *actions: str) -> dict[str, Any]:
    credentials = [{"accessKey": key, "secretKey": SECRET_KEY}]
    return {"name": name, "credentials": credentials, "actions": actions}


@contextmanager
def running_s3_server(
    folder: Path,
    others: Iterable[str] = (),
    certificate: Certificate | None = None,
    *,
    roomy: bool = False,
) -> Iterator[S3Server]:
    """Runs a server that keeps its data in a folder; see `S3Server`."""
    server = _started(lambda: S3Server(folder, others, certificate, roomy=roomy))
    try:
        yield server
    finally:
        server.stop()


def _started(made: Callable[[], S3Server]) -> S3Server:
    """Starts a server; if somebody has taken one of its ports meanwhile, another one."""
    for tries_left in reversed(range(_TRIES)):
        server = made()
        with ExitStack() as stack:
            stack.callback(server.stop)
            try:
                server.start()
            except RuntimeError as error:
                if not tries_left or _PORT_TAKEN not in str(error):
                    raise
            else:
                stack.pop_all()
                return server
    raise AssertionError


def _get(url: str, authority: Path | None = None) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    if authority:
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=5, context=context)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise OSError(response.status)
        return response.read()
    finally:
        connection.close()
