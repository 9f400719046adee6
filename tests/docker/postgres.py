"""A PostgreSQL server for a test."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docker.compose import lack


@contextmanager
def running_postgres(folder: Path, port: int, password: str) -> Iterator[None]:
    """Runs a server with the user and the database `airflow`."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        lack("PostgreSQL is not installed")
    data, user = folder / "postgres", "nobody"
    data.mkdir()
    secret = folder / "password"
    secret.write_text(password)
    if os.getuid() == 0:
        # PostgreSQL does not run as root.
        account = pwd.getpwnam(user)
        for path in (data, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
        for path in (folder, *folder.parents[:3]):
            path.chmod(path.stat().st_mode | 0o055)
    who = {"user": user} if os.getuid() == 0 else {}

    def run(program: str, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            [folders[-1] / program, *arguments],
            check=check,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PGPASSWORD": password},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **who,
        )

    files = ("--pgdata", str(data))
    run("initdb", *files, "--username=airflow", "--auth=scram-sha-256", f"--pwfile={secret}")
    # No socket: the path of one may be no longer than 107 bytes, which a folder for tests can be.
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''"
    run("pg_ctl", "start", "--wait", *files, "--options", options, f"--log={data}/log")
    try:
        run("createdb", "--host=127.0.0.1", f"--port={port}", "--username=airflow", "airflow")
        yield
    finally:
        run("pg_ctl", "stop", "--mode=fast", *files, check=False)
