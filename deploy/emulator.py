"""Cloud Storage on this machine: gcp-storage-emulator behind a proxy that can be slow and fail.

The proxy also adds what the emulator leaves out and the real service has: pages of listings with
their offsets, the generation among the headers of an object, uploads that are refused if there is
another generation than the client knows, and generations that are gone once they are replaced: the
emulator itself answers a question for one with bytes of another.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import http.client
import json
import random
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

BUCKET = "bkt"


_STALL_S = 70.0
"""Longer than any client waits."""


@dataclasses.dataclass
class Fault:
    """What happens to requests instead of an answer.

    Attributes:
        pattern: searched for in `METHOD path?query`, the path as it was sent.
        what: an HTTP status, "reset", "cut" (half of the answer, then the end), "stall" (no
            answer for as long as the client waits), "lost" (it is done, but no answer comes),
            "long" (the answer says more bytes than come) or "odd" (a length that is no number).
        times: how often; None for ever.
        share: of the requests that fit, those that it happens to, by chance.
    """

    pattern: str
    what: int | Literal["reset", "cut", "stall", "lost", "long", "odd"]
    times: int | None = None
    share: float = 1.0


class Cloud:
    """The server that tests and benchmarks talk to.

    Attributes:
        url: of the proxy.
        requests: `METHOD path?query` of each request, in order.
        sent: bytes of content that each GET was answered with, by its path and query.
        delay_s: added to every GET.
        faults: the first that fits a request applies.
        page: most names a page of a listing.
        remembers: whether the proxy keeps what it has served once: the emulator is slow.
    """

    def __init__(self, url: str, emulator: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.sent: collections.Counter[str] = collections.Counter()
        self.delay_s = 0.0
        self.faults: list[Fault] = []
        self.page = 1000
        self.remembers = False
        self.remembered: dict[str, tuple[dict[str, str], bytes]] = {}
        self._lock = threading.Lock()
        self.writing = threading.Lock()
        self._chance = random.Random(0)
        self._client = storage.Client(
            project="test",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": emulator},
        )

    def reset(self) -> None:
        """As it was in the beginning."""
        self.requests.clear()
        self.sent.clear()
        self.faults.clear()
        self.delay_s, self.page = 0.0, 1000
        for name in self.names():
            self.delete(name)

    def put(self, name: str, data: bytes, *, encoding: str | None = None) -> str:
        """Makes an object, past the proxy; returns its uri."""
        blob = self._client.bucket(BUCKET).blob(name)
        blob.content_encoding = encoding
        with self.writing:
            blob.upload_from_string(data)
        return f"gs://{BUCKET}/{name}"

    def content(self, name: str) -> bytes:
        """The bytes of an object."""
        data: bytes = self._client.bucket(BUCKET).blob(name).download_as_bytes()
        return data

    def names(self, prefix: str = "") -> list[str]:
        """Names of objects, sorted."""
        return sorted(blob.name for blob in self._client.list_blobs(BUCKET, prefix=prefix))

    def generation(self, name: str) -> str:
        """Of an object."""
        return str(self._client.bucket(BUCKET).get_blob(name).generation)

    def delete(self, name: str) -> None:
        """Removes an object."""
        with self.writing:
            self._client.bucket(BUCKET).blob(name).delete()

    def fail(self, pattern: str, what: Any, times: int | None = None) -> None:
        """Adds a fault."""
        self.faults.append(Fault(pattern, what, times))

    def count(self, pattern: str) -> int:
        """How many requests fit."""
        return sum(bool(re.search(pattern, request)) for request in self.requests)

    def note(self, path: str, size: int) -> None:
        """Notes what is sent."""
        with self._lock:
            self.sent[path] += size

    def fault(self, request: str) -> Fault | None:
        """Notes a request; what is to happen to it."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                chosen = fault.share == 1 or self._chance.random() < fault.share
                if fault.times != 0 and chosen and re.search(fault.pattern, request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


@contextlib.contextmanager
def run_cloud() -> Iterator[Cloud]:
    """Runs emulator and proxy; there is one empty bucket."""
    emulator_port = free_port()
    emulator = create_server("127.0.0.1", emulator_port, in_memory=True, default_bucket=BUCKET)
    emulator.start()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
            return

        def _handle(self) -> None:
            _answer(self, cloud, emulator_port)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815

    with Server(("127.0.0.1", 0), Handler) as httpd:
        cloud = Cloud(f"http://127.0.0.1:{httpd.server_port}", f"http://127.0.0.1:{emulator_port}")
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield cloud
        finally:
            httpd.shutdown()
            emulator.stop()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server(ThreadingHTTPServer):
    """A server of one thread for each connection, which minds no client that goes away."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


def _answer(handler: BaseHTTPRequestHandler, cloud: Cloud, port: int) -> None:
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    fault = cloud.fault(f"{handler.command} {handler.path}")
    if handler.command == "GET" and cloud.delay_s:
        time.sleep(cloud.delay_s)
    if fault is not None and fault.what == "stall":
        time.sleep(_STALL_S)
    if fault is not None and fault.what in ("reset", "stall"):
        reset(handler)
        return
    if fault is not None and isinstance(fault.what, int):
        send(handler, fault.what, {}, b"the proxy says no")
        return
    if cloud.remembers and handler.path in cloud.remembered:
        send(handler, 200, *cloud.remembered[handler.path])
        return
    writes = handler.command in ("POST", "PUT", "DELETE")
    # Content and generation are asked for one after the other.
    alone = writes or "alt=media" in handler.path
    with cloud.writing if alone else contextlib.nullcontext():
        if writes and not _may_write(handler.path, body, port):
            send(handler, 412, {}, b"another generation")
            return
        status, headers, content = forward(port, handler, body)
        if status in (200, 206) and handler.command == "GET":
            status, more, content = _completed(handler.path, status, content, cloud, port)
            headers |= more
    if handler.command == "GET":
        cloud.note(handler.path, len(content))
    if cloud.remembers and "alt=media" in handler.path and status == 200:
        cloud.remembered[handler.path] = headers, content
    send(handler, status, headers, content, fault=fault)


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    content: bytes,
    *,
    fault: Fault | None = None,
) -> None:
    """Sends an answer, with what a fault does to it."""
    what = fault.what if fault else None
    if what == "lost":
        reset(handler)
        return
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    length = len(content) + 10 * (what == "long")
    handler.send_header("Content-Length", "x" if what == "odd" else str(length))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2] if what == "cut" else content)
    handler.wfile.flush()
    handler.close_connection |= what is not None


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Ends a connection without an answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.rfile.close()
    handler.connection.close()
    handler.close_connection = True


def forward(
    port: int, handler: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """The answer of the server behind the proxy."""
    upstream = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.closing(upstream):
        upstream.request(handler.command, handler.path, body, dict(handler.headers))
        answer = upstream.getresponse()
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "connection", "server", "date")
        }
        return answer.status, kept, answer.read()


def _may_write(path: str, body: bytes, port: int) -> bool:
    """Whether the object has the generation that the client wants to replace; 0 means none."""
    parts = urllib.parse.urlsplit(path)
    wanted = urllib.parse.parse_qs(parts.query).get("ifGenerationMatch")
    if wanted is None:
        return True
    described_at = parts.path
    if parts.path.startswith("/upload/"):
        name = re.search(rb'"name": *"([^"]+)"', body)
        assert name is not None
        quoted = urllib.parse.quote(name[1].decode(), safe="")
        described_at = f"{parts.path.removeprefix('/upload')}/{quoted}"
    upstream = http.client.HTTPConnection("127.0.0.1", port)
    with contextlib.closing(upstream):
        upstream.request("GET", described_at)
        answer = upstream.getresponse()
        described = json.loads(answer.read()) if answer.status == 200 else {"generation": "0"}
    return wanted == [str(described["generation"])]


def _completed(
    path: str, status: int, content: bytes, cloud: Cloud, port: int
) -> tuple[int, dict[str, str], bytes]:
    """What the real service says besides, or instead."""
    parts = urllib.parse.urlsplit(path)
    query = dict(urllib.parse.parse_qsl(parts.query))
    if re.fullmatch("/storage/v1/b/[^/]+/o", parts.path):
        return status, {}, json.dumps(_page(json.loads(content), query, cloud.page)).encode()
    if query.get("alt") == "media":
        upstream = http.client.HTTPConnection("127.0.0.1", port)
        with contextlib.closing(upstream):
            upstream.request("GET", parts.path.removeprefix("/download"))
            described = json.loads(upstream.getresponse().read())
        generation = str(described["generation"])
        if query.get("generation", generation) != generation:
            return 404, {}, b"no such generation"
        more = {"X-Goog-Generation": generation}
        if "contentEncoding" in described:
            more["Content-Encoding"] = described["contentEncoding"]
        return status, more, content
    return status, {}, content


def _page(listing: dict[str, Any], query: dict[str, str], most: int) -> dict[str, Any]:
    start = max(query.get("startOffset", ""), query.get("pageToken", ""))
    end = query.get("endOffset")
    entries = [(item["name"], item) for item in listing["items"]]
    entries += [(prefix, prefix) for prefix in listing["prefixes"]]
    entries = sorted(
        (entry for entry in entries if entry[0] >= start and (end is None or entry[0] < end)),
        key=lambda entry: entry[0],
    )
    most = min(most, int(query.get("maxResults", most)))
    page = {
        "kind": listing["kind"],
        "items": [value for _, value in entries[:most] if isinstance(value, dict)],
        "prefixes": [value for _, value in entries[:most] if isinstance(value, str)],
    }
    return page | ({"nextPageToken": entries[most][0]} if len(entries) > most else {})
