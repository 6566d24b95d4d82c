"""S3 on this machine: moto's server behind a proxy that can fail as that of Cloud Storage does."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from deploy.emulator import Fault, Server, forward, reset, send

BUCKET = "bkt"


class Bucket:
    """The bucket `bkt`, past the proxy.

    Attributes:
        url: of the proxy.
        requests: `METHOD path?query` of each request to the proxy, in order.
        faults: the first that fits a request applies.
    """

    def __init__(self, url: str, moto: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self._bodies: dict[int, bytes] = {}
        self._lock = threading.Lock()
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self._client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **keys)
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, name: str, content: bytes) -> str:
        """Makes an object; returns its uri."""
        self._client.put_object(Bucket=BUCKET, Key=name, Body=content)
        return f"s3://{BUCKET}/{name}"

    def content(self, name: str) -> bytes:
        """The bytes of an object."""
        data: bytes = self._client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        return data

    def names(self, prefix: str = "") -> list[str]:
        """Names of objects, sorted."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return sorted(item["Key"] for item in found)

    def clear(self) -> None:
        """As it was in the beginning."""
        self.faults.clear()
        self.requests.clear()
        # Of a thousand, the most that are listed and deleted at once.
        while names := self.names():
            objects = [{"Key": name} for name in names]
            self._client.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    def fail(self, pattern: str, what: Any, times: int | None = None, body: bytes = b"") -> None:
        """Adds a fault; `body` is what an answer with a status holds."""
        fault = Fault(pattern, what, times)
        self._bodies[id(fault)] = body
        self.faults.append(fault)

    def body(self, fault: Fault) -> bytes:
        """What the answer of a fault with a status holds."""
        return self._bodies.get(id(fault), b"")

    def fault(self, request: str) -> Fault | None:
        """Notes a request; what is to happen to it."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.pattern, request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


def environment(url: str) -> dict[str, str]:
    """What leads processes to the server at a url, and to no credentials of this machine."""
    return {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
    }


@contextlib.contextmanager
def run_s3() -> Iterator[Bucket]:
    """Runs server and proxy; there is one empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
            return

        def _handle(self) -> None:
            _answer(self, bucket, port)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    with Server(("127.0.0.1", 0), Handler) as httpd:
        bucket = Bucket(f"http://127.0.0.1:{httpd.server_port}", f"http://127.0.0.1:{port}")
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield bucket
        finally:
            httpd.shutdown()
            moto.stop()


def _answer(handler: BaseHTTPRequestHandler, bucket: Bucket, port: int) -> None:
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    fault = bucket.fault(f"{handler.command} {handler.path}")
    if fault is not None and fault.what == "reset":
        reset(handler)
        return
    if fault is not None and isinstance(fault.what, int):
        send(handler, fault.what, {}, b"" if handler.command == "HEAD" else bucket.body(fault))
        return
    if handler.command == "HEAD":
        _head(handler, port)
        return
    status, headers, content = forward(port, handler, body)
    send(handler, status, headers, content, fault=fault)


def _head(handler: BaseHTTPRequestHandler, port: int) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", port)) as upstream:
        upstream.request("HEAD", handler.path, headers=dict(handler.headers))
        answer = upstream.getresponse()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "server", "date"):
                handler.send_header(name, value)
        handler.end_headers()
