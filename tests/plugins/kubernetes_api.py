"""A small stand-in for a cluster: the calls of the API that running a pod takes, over HTTP.

What a pod's container would do, a child process does: the program that the test gives, with the
variables and arguments of the pod. So create, watch, logs, XCom and delete are the provider's own.
"""

import base64
import hashlib
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# The channels of an exec connection.
_STDOUT, _STATUS = 1, 3


@dataclass
class Cluster:
    """What the stand-in is to do, and what it was asked for."""

    program: str = "print('{}')"
    # How the container ends, where that is not the program's own end: a status and a reason.
    ends_as: dict[str, Any] = field(default_factory=dict)
    # Why the container does not start, if it does not.
    waits_for: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    port: int = 0

    def kubeconfig(self) -> dict[str, Any]:
        """Returns the configuration of a client, as a kubeconfig file holds it."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "test", "user": {}}],
        }

    def start(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Creates a pod and starts the process that stands for its container."""
        name = pod["metadata"]["name"]
        pod["metadata"].setdefault("resourceVersion", "1")
        self.created.append(json.loads(json.dumps(pod)))
        self.pods[name] = pod
        if not self.waits_for:
            container = pod["spec"]["containers"][0]
            self.processes[name] = subprocess.Popen(  # pylint: disable=consider-using-with
                [sys.executable, "-c", self.program, *container["args"]],
                env={it["name"]: it.get("value", "") for it in container.get("env", ())},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        return pod

    def seen(self, name: str) -> dict[str, Any]:
        """Returns a pod with its status of the moment."""
        pod = self.pods[name]
        pod["status"] = self._status(name)
        return pod

    def delete(self, name: str) -> dict[str, Any]:
        """Deletes a pod; its process ends."""
        process = self.processes.get(name)
        if process:
            process.kill()
            process.wait()
        return self.pods.pop(name)

    def _status(self, name: str) -> dict[str, Any]:
        base, sidecar = ({"name": it["name"]} for it in self.pods[name]["spec"]["containers"])
        for container in (base, sidecar):
            container |= {"image": "i", "imageID": "i", "ready": True, "restartCount": 0}
        if self.waits_for:
            base["state"] = {"waiting": self.waits_for}
            sidecar["state"] = {"waiting": {"reason": "ContainerCreating"}}
            return {"phase": "Pending", "containerStatuses": [base, sidecar]}
        sidecar["state"] = {"running": {}}
        status = self.processes[name].poll()
        if status is None:
            base["state"] = {"running": {}}
        else:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            ended = {
                "exitCode": status,
                "reason": "Error" if status else "Completed",
                "startedAt": now,
                "finishedAt": now,
            }
            if status:
                ended["message"] = self.pods[name].get("log", "")[-2048:]
            base["state"] = {"terminated": {**ended, **self.ends_as}}
        return {"phase": "Running", "containerStatuses": [base, sidecar]}


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def do_POST(self) -> None:  # pylint: disable=invalid-name  # what the server calls
        self._note("create")
        self._answer(self.cluster.start(self._body()), 201)

    def do_DELETE(self) -> None:  # pylint: disable=invalid-name
        self._body()
        self._note("delete")
        name = self._pod()
        if name in self.cluster.pods:
            self._answer(self.cluster.delete(name))
        else:
            self._answer({"kind": "Status", "code": 404}, 404)

    def do_PATCH(self) -> None:  # pylint: disable=invalid-name
        self._body()
        self._note("patch")
        self._answer(self.cluster.seen(self._pod()))

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        path = urlsplit(self.path).path
        if path.endswith("/events"):
            self._answer({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": []})
        elif path.endswith("/pods"):
            self._note("list")
            pods = [self.cluster.seen(name) for name in self.cluster.pods]
            self._answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
        elif path.endswith("/log"):
            self._note("logs")
            self._log()
        elif path.endswith("/exec"):
            self._note("exec")
            self._exec()
        elif self._pod() in self.cluster.pods:
            self._note("read")
            self._answer(self.cluster.seen(self._pod()))
        else:
            self._answer({"kind": "Status", "code": 404}, 404)

    def _pod(self) -> str:
        return urlsplit(self.path).path.split("/")[6]

    def _note(self, call: str) -> None:
        self.cluster.calls.append(call)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")

    def _answer(self, document: Any, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _log(self) -> None:
        """Follows the log, as the container writes it."""
        name = self._pod()
        process = self.cluster.processes[name]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pod = self.cluster.pods[name]
        with suppress(OSError):
            for line in process.stderr or ():
                pod["log"] = pod.get("log", "") + line
                self._chunk(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line}".encode())
            process.wait()
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _exec(self) -> None:
        """Answers a command to the sidecar: the result that the task left there, or its end."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        commands = parse_qs(urlsplit(self.path).query)["command"]
        process = self.cluster.processes[self._pod()]
        if "return.json" in commands[-1]:
            printed = (process.stdout.read() if process.stdout else "").splitlines()
            result = printed[-1] if printed else "__airflow_xcom_result_empty__"
            self._frame(2, bytes([_STDOUT]) + result.encode())
            self._frame(2, bytes([_STATUS]) + b'{"status": "Success"}')
        self._frame(8, struct.pack(">H", 1000))
        self.close_connection = True
        # Until the client has read it and gone.
        with suppress(OSError):
            self.connection.settimeout(5)
            while self.connection.recv(4096):
                pass

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([size]) if size < 126 else bytes([126]) + struct.pack(">H", size)
        self.wfile.write(bytes([0x80 | opcode]) + length + payload)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keeps quiet."""


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Runs the stand-in on a free port."""
    cluster = Cluster()
    handler = type("Api", (_Api,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        cluster.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield cluster
        finally:
            server.shutdown()
            for process in cluster.processes.values():
                process.kill()
                process.wait()
