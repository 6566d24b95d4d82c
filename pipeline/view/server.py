"""A server for the browsers of this machine: who may ask, for what, and how it is answered.

Whoever knows the token in the address may ask. Pages of other origins cannot read the address, and
are refused besides: by `Origin`, and by `Host` where a name of theirs leads to this machine (DNS
rebinding).
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple

from transforms.errors import UserError, one_line

_LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
"""This machine, and no other."""

_TOKEN_BYTES = 32

_IDLE_S = 60.0
"""A browser that sends nothing for so long has gone."""

_CHUNK = 1024 * 1024

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Reply(NamedTuple):
    """What is answered.

    Attributes:
        content: the body.
        type: its media type.
        headers: besides those of all answers.
        status: of HTTP.
    """

    content: bytes
    type: str
    headers: Mapping[str, str] = {}
    status: int = 200


class RefusedError(Exception):
    """Why there is no answer.

    Args:
        status: of HTTP.
        message: one line, for whoever looks at the page.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Route(NamedTuple):
    """What stands at an address.

    Attributes:
        answer: takes what follows in the address, and the body.
        most_bytes: of the body.
    """

    answer: Callable[[str, bytes], Reply]
    most_bytes: int = 0


Routes = Mapping[tuple[str, str], Route]
"""By method and first word of the address behind the token; the empty word is the page."""


def as_json(data: Any, *, status: int = 200) -> Reply:
    """An answer for a script."""
    # A picture's page may be opened by hand: nothing of an answer is ever run.
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Reply(json.dumps(data).encode(), "application/json", headers, status)


class PageServer(ThreadingHTTPServer):
    """Listens on loopback as soon as it is made; answers while it is told to.

    Args:
        routes: what can be asked for.
        port: to listen at; 0 for one that is free.

    Raises:
        UserError: the port cannot be had.
    """

    daemon_threads = True  # no browser keeps the command from ending

    def __init__(self, routes: Routes, *, port: int) -> None:
        self.routes = routes
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UserError(
                f"--port {port}: {error.strerror}. Take another, or 0 for one that is free."
            ) from error
        self.hosts = (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}")

    @property
    def address(self) -> str:
        """Of the page, with the token."""
        return f"http://{self.hosts[0]}/{self.token}/"

    def server_bind(self) -> None:
        """Takes the port without asking name servers what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A browser that has gone is no trouble; what is one stands in the log."""
        _LOG.info("a request was not answered", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = _IDLE_S
    server_version, sys_version = "quantlabel", ""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a line for each picture is no news, and would show the token."""

    def _answer(self, method: str) -> None:
        try:
            reply = self._reply(method)
        except RefusedError as refusal:
            reply = _refused(refusal.status, str(refusal))
        except UserError as error:
            reply = _refused(422, str(error))
        except OSError as error:  # the storage has failed, or the disk is full
            reply = _refused(503, error.strerror or type(error).__name__)
        self.send_response(reply.status)
        headers = {"Content-Type": reply.type, "Content-Length": str(len(reply.content))}
        for name, value in {**headers, **_HEADERS, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def _reply(self, method: str) -> Reply:
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise RefusedError(403, f"expected the host {self.server.hosts[0]}")
        if origin is not None and origin != f"http://{host}":
            raise RefusedError(403, "pages of other origins are not answered")
        token, slash, rest = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise RefusedError(403, "open the address that quantlabel view has printed")
        if not slash:  # some terminals leave the last one out of a link
            return Reply(b"", "text/plain", {"Location": f"/{token}/"}, 308)
        word, _, name = rest.partition("/")
        route = self.server.routes.get((method, word))
        if route is None:
            raise RefusedError(404, "there is nothing at this address")
        return route.answer(name, self._body(route.most_bytes))

    def _body(self, most: int) -> bytes:
        said = self.headers.get("Content-Length", "0")
        if not (said.isascii() and said.isdigit()) or "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "expected a body of known length")
        size = int(said) if len(said) < 20 else most + 1
        if size > most:
            raise RefusedError(413, f"expected at most {most:,} bytes")
        body = bytearray()
        while len(body) < size:
            chunk = self.rfile.read(min(size - len(body), _CHUNK))
            if not chunk:
                raise RefusedError(400, "the body breaks off")
            body += chunk
        return bytes(body)


def _refused(status: int, message: str) -> Reply:
    return as_json({"error": one_line(message)}, status=status)
