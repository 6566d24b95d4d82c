"""Who is answered, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest

from pipeline.view.server import PageServer, RefusedError, Reply, Route
from transforms.errors import UserError


def _taken(name: str, body: bytes) -> Reply:
    if name == "user":
        raise UserError("x: not there.\nPut it there.")
    if name == "disk":
        raise OSError(28, "No space left on device")
    if name == "no":
        raise RefusedError(409, "no")
    return Reply(name.encode() + b"|" + body, "text/plain")


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    routes = {("GET", ""): Route(_taken), ("POST", "take"): Route(_taken, most_bytes=10)}
    with PageServer(routes, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _ask(
    server: PageServer,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers of the answer; TOKEN in the path is replaced."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    path = path.replace("TOKEN", server.token)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def test_the_address_has_a_token_that_nobody_guesses(server: PageServer) -> None:
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert len(server.token) == 43  # 32 bytes in base64
    with PageServer({}, port=0) as other:
        assert other.token != server.token


def test_only_loopback_is_listened_at(server: PageServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/TOKEN/", "/TOKEN/?a=b"])
def test_who_has_the_address_is_answered(server: PageServer, path: str) -> None:
    status, body, headers = _ask(server, path)
    assert (status, body) == (200, b"|")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/x/",
        "/TOKEN0/",
        "/?TOKEN",
        "//TOKEN/",
        "/../TOKEN/",
        "/x/../TOKEN/",
        "/%2e/TOKEN/",
    ],
)
def test_without_the_token_there_is_no_answer(server: PageServer, path: str) -> None:
    # A server of Python takes two slashes at the beginning for one.
    expected = 200 if path == "//TOKEN/" else 403
    assert _ask(server, path)[0] == expected


def test_half_a_token_is_none(server: PageServer) -> None:
    assert _ask(server, f"/{server.token[:-1]}/")[0] == 403


def test_a_link_without_its_last_slash_leads_to_the_page(server: PageServer) -> None:
    status, _, headers = _ask(server, "/TOKEN")
    assert (status, headers["Location"]) == (308, f"/{server.token}/")


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost.evil.org"])
def test_another_host_is_refused(server: PageServer, host: str) -> None:
    assert _ask(server, "/TOKEN/", headers={"Host": host})[0] == 403


def test_this_machine_has_two_names(server: PageServer) -> None:
    host = f"localhost:{server.server_port}"
    assert _ask(server, "/TOKEN/", headers={"Host": host})[0] == 200
    own = {"Host": host, "Origin": f"http://{host}"}
    assert _ask(server, "/TOKEN/", headers=own)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.org", "null", "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_origins_are_refused(server: PageServer, origin: str, method: str) -> None:
    path = "/TOKEN/" if method == "GET" else "/TOKEN/take/a"
    status, body, _ = _ask(server, path, method=method, headers={"Origin": origin})
    assert (status, json.loads(body)) == (
        403,
        {"error": "pages of other origins are not answered"},
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/TOKEN/take/a", 404),
        ("GET", "/TOKEN/etc/passwd", 404),
        ("POST", "/TOKEN/", 404),
        ("PUT", "/TOKEN/take/a", 501),
        ("DELETE", "/TOKEN/take/a", 501),
        ("OPTIONS", "/TOKEN/take/a", 501),
    ],
)
def test_what_is_not_offered(server: PageServer, method: str, path: str, status: int) -> None:
    assert _ask(server, path, method=method)[0] == status


def test_a_body_may_be_so_large_and_no_larger(server: PageServer) -> None:
    assert _ask(server, "/TOKEN/take/a", method="POST", body=b"0123456789")[1] == b"a|0123456789"
    status, body, _ = _ask(server, "/TOKEN/take/a", method="POST", body=b"0123456789a")
    assert (status, json.loads(body)) == (413, {"error": "expected at most 10 bytes"})


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: -1", 411),
        ("Content-Length: 1e1", 411),
        ("Content-Length: " + "9" * 5_000, 413),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_of_unknown_length_is_refused(server: PageServer, header: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
        host = f"Host: 127.0.0.1:{server.server_port}"
        head = f"POST /{server.token}/take/a HTTP/1.1\r\n{host}\r\n{header}\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(f"HTTP/1.0 {status} ".encode())


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("no", 409, "no"),
        ("user", 422, "x: not there. Put it there."),
        ("disk", 503, "No space left on device"),
    ],
)
def test_what_fails_is_one_line(server: PageServer, name: str, status: int, error: str) -> None:
    found, body, headers = _ask(server, f"/TOKEN/take/{name}", method="POST")
    assert (found, json.loads(body)) == (status, {"error": error})
    assert headers["Content-Type"] == "application/json"
