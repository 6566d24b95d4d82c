"""Downloads against a real server that fails in every way that a network does."""

from __future__ import annotations

import errno
import logging
import os
import socket
import traceback
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipeline.models.store.download import Limits, check_url, download
from tests.helpers.certificates import write_certificate
from tests.helpers.http_server import Reply, Server, closed_port, serve
from transforms.errors import UsageError, UserError
from transforms.storage.addresses import shown

FAST = Limits(attempts=3, connect_s=5, stall_s=5, first_delay_s=0, max_delay_s=0)
IMPATIENT = Limits(attempts=2, connect_s=0.2, stall_s=0.2, first_delay_s=0, max_delay_s=0)
BODY = bytes(range(256)) * 1000
SECRET = "".join(reversed("terces"))
"""Made at run time, because a traceback holds lines of this file."""


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def fetch(url: str, limits: Limits = FAST) -> bytes:
    sink = BytesIO()
    download(url, sink, limits=limits, cure="THE CURE")
    return sink.getvalue()


def refused(url: str, limits: Limits = FAST) -> str:
    with pytest.raises(UserError) as caught:
        fetch(url, limits)
    return str(caught.value)


def test_good(server: Server) -> None:
    assert fetch(server.on("/a", Reply(BODY))) == BODY
    assert server.requested == ["/a"]


def test_without_a_length(server: Server) -> None:
    assert fetch(server.on("/a", Reply(BODY, headers={"Content-Length": None}))) == BODY


def test_404_is_not_tried_again(server: Server) -> None:
    url = server.on("/a", Reply(status=404))
    expected = f"cannot download {url}: the server answered 404 Not Found; THE CURE"
    assert refused(url) == expected
    assert len(server.requested) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_tried_again(server: Server, status: int) -> None:
    url = server.on("/a", Reply(b"busy", status=status), Reply(BODY))
    assert fetch(url) == BODY
    assert len(server.requested) == 2


def test_a_busy_server_is_given_up_in_the_end(server: Server) -> None:
    url = server.on("/a", Reply(status=503))
    assert refused(url) == (
        f"cannot download {url}: the server answered 503 Service Unavailable (attempt 3 of 3); "
        "THE CURE"
    )
    assert len(server.requested) == 3


@pytest.mark.parametrize(
    ("header", "max_delay_s", "delay"),
    [
        ("0.5", 1.0, "0.00"),  # not a form that the standard knows
        ("nonsense", 1.0, "0.00"),
        ("0", 1.0, "0.00"),
        ("999999", 0.03, "0.03"),
        ("9" * 5000, 0.03, "0.00"),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.03, "0.00"),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 0.03, "0.03"),
        ("Fri, 31 Dec 99999999999999 23:59:59 GMT", 0.03, "0.00"),
    ],
)
def test_retry_after_is_honoured_within_reason(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    header: str,
    max_delay_s: float,
    delay: str,
) -> None:
    caplog.set_level(logging.INFO, logger="pipeline.models.store.download")
    url = server.on("/a", Reply(status=429, headers={"Retry-After": header}), Reply(BODY))
    limits = Limits(attempts=2, first_delay_s=0, max_delay_s=max_delay_s)
    assert fetch(url, limits) == BODY
    assert caplog.messages == [
        f"{url}: the server answered 429 Too Many Requests; next attempt in {delay} s"
    ]


def test_waits_grow_up_to_the_limit(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pipeline.models.store.download")
    limits = Limits(attempts=8, first_delay_s=0.01, max_delay_s=0.05)
    refused(server.on("/a", Reply(status=500)), limits)
    waits = [float(message.split()[-2]) for message in caplog.messages]
    assert len(waits) == 7
    for wait, longest in zip(waits, [0.01, 0.02, 0.04, 0.05, 0.05, 0.05, 0.05], strict=True):
        assert longest / 2 <= wait <= longest
    assert waits[4:] == [0.05, 0.05, 0.05]


def test_truncated(server: Server) -> None:
    url = server.on("/a", Reply(BODY, headers={"Content-Length": "999999"}))
    assert "the connection ended after 256,000 of 999,999 bytes (attempt 3 of 3)" in refused(url)


@pytest.mark.parametrize(
    "broken",
    [
        Reply(BODY[::-1], headers={"Content-Length": "999999"}),
        Reply(BODY[::-1], headers={"Content-Length": "999999"}, then="reset"),
        Reply(BODY[::-1], headers={"Content-Length": None, "Transfer-Encoding": "chunked"}),
    ],
    ids=["truncated", "reset", "broken chunks"],
)
def test_a_second_attempt_starts_over(server: Server, broken: Reply) -> None:
    assert fetch(server.on("/a", broken, Reply(b"short"))) == b"short"
    assert len(server.requested) == 2


def test_stalled(server: Server) -> None:
    url = server.on("/a", Reply(BODY, headers={"Content-Length": "999999"}, then="stall"))
    assert refused(url, IMPATIENT) == (
        f"cannot download {url}: timed out (attempt 2 of 2); THE CURE"
    )


def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{closed_port()}/a"
    assert "Connection refused (attempt 3 of 3); THE CURE" in refused(url)


def test_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
        assert "timed out" in refused(url, IMPATIENT)


def point(monkeypatch: pytest.MonkeyPatch, ports: Iterator[int]) -> None:
    """Gives `localhost` an address for each of `ports`, on this machine."""
    real: Any = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: object, **named: object) -> Iterator[Any]:
        if host != "localhost":
            return iter(real(host, *rest, **named))
        return ((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", at)) for at in ports)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_connecting_is_limited_for_all_addresses_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full backlog drops packets as a firewall does, and the host has a thousand addresses."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        port = listener.getsockname()[1]
        left = iter([port] * 1000)
        point(monkeypatch, left)
        assert "timed out (attempt 2 of 2)" in refused(f"http://localhost:{port}/a", IMPATIENT)
        assert len(list(left)) > 950


def test_the_second_address_serves(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(server.url.rpartition(":")[2])
    server.on("/a", Reply(BODY))
    point(monkeypatch, iter([closed_port(), port]))
    assert fetch(f"http://localhost:{port}/a", Limits(attempts=1)) == BODY


def test_redirect(server: Server) -> None:
    server.on("/b", Reply(BODY))
    assert fetch(server.on("/a", Reply(status=302, headers={"Location": "/b"}))) == BODY


@pytest.mark.parametrize(
    "target", ["http://models.example/b?sig=", "file:///etc/passwd?sig=", "gopher://h/?sig=", "/a?"]
)
def test_bad_redirect(server: Server, target: str) -> None:
    url = server.on("/a", Reply(status=302, headers={"Location": target + SECRET}))
    with pytest.raises(UserError) as caught:
        fetch(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert len(server.requested) < 15


def test_redirect_without_https_says_why(server: Server) -> None:
    url = server.on("/a", Reply(status=301, headers={"Location": "http://models.example/b"}))
    assert refused(url) == (
        "http://models.example/b is refused: without https the file could be exchanged on its "
        "way; use https://, or download it by other means and pass its path"
    )


@pytest.mark.parametrize("length", ["256000", None])
def test_too_large(server: Server, length: str | None) -> None:
    url = server.on("/a", Reply(BODY, headers={"Content-Length": length}))
    limits = Limits(max_archive_bytes=255_999)
    assert (
        refused(url, limits) == f"{url} has more than 255,999 bytes: no such model; check "
        "where it comes from"
    )
    assert len(server.requested) == 1
    assert fetch(url, Limits(max_archive_bytes=256_000)) == BODY


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=403),
        Reply(status=503),
        Reply(b"x", headers={"Content-Length": "2"}),
        Reply(b"x" * 300_000),
    ],
    ids=["403", "503", "truncated", "large"],
)
def test_the_query_is_never_shown(
    server: Server, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.on("/a", reply)
    with pytest.raises(UserError) as caught:
        fetch(f"{url}?sig={SECRET}", Limits(2, first_delay_s=0, max_archive_bytes=200_000))
    assert url in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))  # as --verbose prints
    assert SECRET not in caplog.text
    assert server.requested[0] == f"/a?sig={SECRET}"


def test_shown() -> None:
    assert shown("https://user:password@host:8443/a/b?sig=x#y") == "https://host:8443/a/b"


@pytest.mark.parametrize(
    "url",
    ["https://host/a?b", "http://localhost/a", "http://127.8.9.10:80/a", "http://[::1]:80/a"],
)
def test_allowed(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://models.example/a?SECRET", "http://models.example/a is refused: without https"),
        ("http://localhost.models.example/a", "is refused: without https"),
        ("http://2130706433/a", "is refused: without https"),
        ("ftp://models.example/a", "ftp://models.example/a is refused"),
        ("file:///etc/passwd", "malformed URL"),
        ("https:///a", "malformed URL"),
        ("https://host/a b?SECRET", "malformed URL 'https://host/a b'"),
        ("https://host/a\r\nHost: b", "malformed URL"),
        ("https://host:SECRET/a", "malformed URL; expected"),
        ("https://[host/a", "malformed URL; expected"),
        ("https://user:SECRET@host/a", "https://host/a: a user or password"),
    ],
)
def test_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_url(url)
    assert message in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_too_large_by_its_own_account(server: Server) -> None:
    url = server.on("/a", Reply(b"", headers={"Content-Length": "9" * 12}))
    assert "has more than 536,870,912 bytes" in refused(url)
    assert len(server.requested) == 1


class FullDisk(BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_not_the_network(server: Server) -> None:
    with pytest.raises(UserError) as caught:
        download(server.on("/a", Reply(BODY)), FullDisk(), limits=FAST, cure="THE CURE")
    assert str(caught.value) == (
        "cannot write a temporary file: No space left on device; free some room, or set TMPDIR to "
        "a folder that has it"
    )
    assert len(server.requested) == 1


def test_plain_http_stays_on_this_machine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert fetch(server.on("/a", Reply(BODY))) == BODY


# ---- TLS ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that only itself vouches for, with its key."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "certificate.pem")


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    with serve(certificate=certificate) as running:
        yield running


def test_untrusted_certificate(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    message = refused(secure.on("/a", Reply(BODY)))
    assert "its certificate is not trusted (self" in message
    assert "set SSL_CERT_FILE to the authority's certificate" in message
    assert secure.requested == []


def test_trusted_certificate(
    secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetch(secure.on("/a", Reply(BODY))) == BODY


def test_no_way_from_https_to_http(
    secure: Server, server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    target = server.on("/b", Reply(BODY)) + "?SECRET"
    url = secure.on("/a", Reply(status=302, headers={"Location": target}))
    message = refused(url)
    assert message == f"{url} is refused: it redirects to {server.url}/b, without https"
    assert server.requested == []


def test_https_goes_through_the_proxy(
    secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    assert "Connection refused" in refused(secure.on("/a", Reply(BODY)))
    assert secure.requested == []
