"""A Label Studio server on loopback, with SQLite, in an environment and a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VERSION = "1.23.2"

_TOKEN = "0123456789abcdef0123456789abcdef01234567"
_PATIENCE_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        url: of it.
    """

    url: str

    def get(self, path: str) -> bytes:
        """What an address gives to its owner."""
        return self._answer(path, None)

    def post(self, path: str, content: Any) -> Any:
        """What it says of what it is told."""
        return json.loads(self._answer(path, json.dumps(content).encode()))

    def _answer(self, path: str, data: bytes | None) -> bytes:
        headers = {"Authorization": f"Token {_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            content: bytes = reply.read()
        return content


@contextlib.contextmanager
def label_studio_server(folder: Path) -> Iterator[Server]:
    """Installs it, starts it and stops it; skips the test where it cannot be installed.

    Args:
        folder: for its environment and its data.
    """
    program = _installed(folder / "environment")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "HOME": str(folder),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": "/",
        "LABEL_STUDIO_USERNAME": "ann@example.org",
        "LABEL_STUDIO_PASSWORD": "a-password-of-tests",
        "LABEL_STUDIO_USER_TOKEN": _TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "PYTHONPATH": "",
    }
    words = [
        str(program),
        "start",
        "--no-browser",
        "--internal-host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        try:
            server = Server(f"http://127.0.0.1:{port}")
            _wait(server, process, log)
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _installed(environment: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", f"label-studio=={VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["pip says nothing"]
        pytest.skip(f"label-studio {VERSION} cannot be installed: {said[-1]}")
    return environment / "bin/label-studio"


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            server.get("/api/projects/")
            return
        time.sleep(0.5)
    raise AssertionError(f"Label Studio does not answer: {log.read_text('utf-8')[-2000:]}")
