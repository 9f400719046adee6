"""serve: answers searches over HTTP until it is told to end."""

import json
import socket

import uvicorn

from tasks.errors import UserError
from tasks.lake.store import Store
from tasks.service.access import tokens_for
from tasks.service.app import make_app
from tasks.service.connection import TimedConnection
from tasks.service.current_searcher import CurrentSearcher
from tasks.settings import Settings

# Of all connections, those that only look or wait for a place included; past it uvicorn refuses.
_CONNECTIONS = 512
# That long those who are being answered may take when the service ends.
GRACE_SECONDS = 20


def serve(lake: Store, settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT; prints where, once it can answer.

    Args:
        lake: the data lake.
        settings: of this machine.
        host: address to listen on.
        port: to listen on; 0 is any free one.

    Raises:
        UserError: there is no release, no token where one is needed, or the port is not to be had.
    """
    tokens = tokens_for(host)
    current = CurrentSearcher(lake, settings)
    with _listening(host, port) as place:
        url = f"http://{host}:{place.getsockname()[1]}"
        print(json.dumps({"url": url, "release": current.get().release.version}), flush=True)
        config = uvicorn.Config(
            make_app(current, settings.service, tokens),
            http=TimedConnection,
            ws="none",
            log_config=None,
            access_log=False,  # queries are nobody else's business
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        uvicorn.Server(config).run([place])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error}; choose another") from error
