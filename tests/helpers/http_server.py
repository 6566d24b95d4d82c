"""A real HTTP server on a real socket that answers as a test tells it to, faults included."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        body: what is sent.
        status: HTTP status.
        headers: further headers; a Content-Length here replaces the true one, None leaves it out.
        then: what follows the body: "close", "stall" (until the server stops) or "reset"; "drip"
            sends the body byte by byte.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    then: str = "close"


class Server:
    """Answers GET from `replies`: by path, in turn, the last one again and again.

    Attributes:
        url: of the server, without a slash at the end.
        requested: the paths, with query, that were asked for, in order.
        headers: of these requests.
        out_after: how many requests are answered before all others get a 503; None for all.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.requested: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.out_after: int | None = None
        self.stopped = threading.Event()
        self._replies: dict[str, list[Reply]] = {}

    def on(self, path: str, *replies: Reply) -> str:
        """Sets the answers for `path`; returns its URL."""
        self._replies[path] = list(replies)
        return self.url + path

    def put(self, path: str, content: bytes, **headers: str | None) -> str:
        """Serves a file, in parts where they are asked for; returns its URL."""
        self._replies[path] = [Reply(content, headers={"Accept-Ranges": "bytes", **headers})]
        return self.url + path

    def take(self, path: str) -> Reply:
        """The answer to the next request for `path`."""
        self.requested.append(path)
        if self.out_after is not None and len(self.requested) > self.out_after:
            return Reply(status=503)
        replies = self._replies.get(path.partition("?")[0], [Reply(status=404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextlib.contextmanager
def serve(*, certificate: Path | None = None) -> Iterator[Server]:
    """Runs a server, with TLS if there is a certificate (PEM, with its key)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.headers.append(dict(self.headers))
            _answer(self, server.take(self.path), server.stopped)

        def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        server = Server(httpd.server_port, "https" if certificate else "http")
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            httpd.shutdown()
            thread.join()


def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _part(reply: Reply, span: str | None) -> Reply:
    """What a server that knows ranges says to one of the kind `bytes=0-9`."""
    found = re.fullmatch("bytes=([0-9]+)-([0-9]+)", span or "")
    if found is None or "Accept-Ranges" not in reply.headers:
        return reply
    start, end, size = int(found[1]), int(found[2]), len(reply.body)
    said = {"Content-Range": f"bytes */{size}"}
    if start >= size:
        return Reply(status=416, headers=said)
    part = reply.body[start : end + 1]
    said = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}"}
    return dataclasses.replace(reply, body=part, status=206, headers={**reply.headers, **said})


def _answer(handler: BaseHTTPRequestHandler, reply: Reply, stopped: threading.Event) -> None:
    reply = _part(reply, handler.headers.get("Range"))
    handler.send_response(reply.status)
    for key, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
        if value is not None:
            handler.send_header(key, value)
    handler.end_headers()
    if reply.then == "drip":
        for byte in reply.body:
            handler.wfile.write(bytes([byte]))
            if stopped.wait(0.02):
                return
    else:
        handler.wfile.write(reply.body)
    handler.wfile.flush()
    if reply.then == "stall":
        stopped.wait()
    if reply.then == "reset":
        # Closing a socket that may not linger sends RST; the file made of it has to go first.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.rfile.close()
        handler.connection.close()
