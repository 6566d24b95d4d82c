from __future__ import annotations

import contextlib
import datetime
import email.utils
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.clock import FakeClock
from tests.helpers.http_server import Reply, Server, closed_port, serve
from transforms import outage
from transforms.failures import Reason
from transforms.storage import files, http_client, http_options


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server of this machine, which may be asked, and a process that knows no host."""
    monkeypatch.setattr(outage, "FIRST_DELAY_S", 0.01)
    http_options.use(user_agent=None, allow_private_hosts=True)
    outage.release()
    with serve() as server:
        yield server
    http_options.use(user_agent=None, allow_private_hosts=False)
    outage.release()


def _read(url: str) -> bytes:
    return files.read(url, max_bytes=1000).data


def _refusal(url: str) -> tuple[Reason, str]:
    with pytest.raises(OSError, match=r"\w") as raised:
        _read(url)
    assert url not in str(raised.value.strerror)
    return Reason.from_os_error(raised.value), str(raised.value.strerror)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("fec0::1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_addresses_of_the_internet_are_told_from_others(address: str, public: bool) -> None:
    assert http_client.is_public(address) is public


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
def test_a_private_address_is_refused_however_it_is_spelled(web: Server, host: str) -> None:
    http_options.use(user_agent=None, allow_private_hosts=False)
    port = web.url.rpartition(":")[2]
    reason, words = _refusal(f"http://{host}:{port}/a.jpg")
    assert reason is Reason.PERMISSION_DENIED
    assert "no address of the internet; --allow-private-hosts lets" in words
    assert web.requested == []


def test_the_address_is_judged_at_every_redirect(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public first: what counts is what is connected to."""
    look_up = socket.getaddrinfo
    monkeypatch.setattr(http_client, "is_public", lambda ip: ip == "127.0.0.1")
    http_options.use(user_agent=None, allow_private_hosts=False)
    there = web.url.replace("127.0.0.1", "127.0.0.2")
    url = web.on("/a.jpg", Reply(status=302, headers={"Location": f"{there}/b.jpg"}))
    assert _refusal(url)[0] is Reason.PERMISSION_DENIED
    assert web.requested == ["/a.jpg"]

    def rebound(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return look_up("127.0.0.1" if asked.count(host) == 1 else "127.0.0.2", *rest, **more)

    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    web.on("/c.jpg", Reply(b"c"))
    url = web.url.replace("127.0.0.1", "rebound.example") + "/c.jpg"
    assert _read(url) == b"c"
    assert asked.count("rebound.example") == 1
    port = web.url.rpartition(":")[2]
    assert web.headers[-1]["Host"] == f"rebound.example:{port}"


@pytest.mark.parametrize(
    ("error", "lookups"), [(socket.EAI_NONAME, 1), (socket.EAI_NODATA, 1), (socket.EAI_AGAIN, 3)]
)
def test_a_host_that_does_not_exist_is_looked_up_once(
    web: Server, monkeypatch: pytest.MonkeyPatch, error: int, lookups: int
) -> None:
    def look_up(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        if len(asked) == 3:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        raise socket.gaierror(error, "why")

    asked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert _refusal("http://gone.example/a.jpg") == (
        Reason.UNAVAILABLE,
        "no address of gone.example is known",
    )
    assert asked == ["gone.example"] * lookups
    assert web.requested == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_what_no_host_can_be_called_is_no_address(web: Server, host: str) -> None:
    assert _refusal(f"http://{host}/a.jpg") == (
        Reason.UNSUPPORTED_URI,
        "no host can have such a name",
    )
    assert web.requested == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web: Server, status: int) -> None:
    web.on("/d/b.jpg", Reply(b"b"))
    url = web.on("/a.jpg", Reply(status=status, headers={"Location": "d/b.jpg#x"}))
    assert _read(url) == b"b"


@pytest.mark.parametrize(
    ("location", "reason", "words"),
    [
        ("/a.jpg", Reason.NOT_FOUND, "more than 5 redirects"),
        ("ftp://127.0.0.1/a", Reason.UNSUPPORTED_URI, "expected http(s)://HOST[:PORT]/PATH"),
        ("file:///etc/passwd", Reason.UNSUPPORTED_URI, "expected http(s)://HOST[:PORT]/PATH"),
        ("http://[bad/", Reason.UNSUPPORTED_URI, "redirected to what is no address"),
        ("http://u:p@127.0.0.1/", Reason.UNSUPPORTED_URI, None),
    ],
)
def test_redirects_that_lead_nowhere(
    web: Server, location: str, reason: Reason, words: str | None
) -> None:
    url = web.on("/a.jpg", Reply(status=302, headers={"Location": location}))
    found, said = _refusal(url)
    assert found is reason
    assert words is None or said == words


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (404, Reason.NOT_FOUND, False),
        (410, Reason.NOT_FOUND, False),
        (401, Reason.PERMISSION_DENIED, True),
        (403, Reason.PERMISSION_DENIED, True),
        (418, Reason.IO_ERROR, True),
        (304, Reason.IO_ERROR, True),
    ],
)
def test_what_does_not_pass_is_asked_once(
    web: Server, status: int, reason: Reason, retryable: bool
) -> None:
    found, said = _refusal(web.on("/a.jpg", Reply(status=status)))
    assert (found, found.retryable) == (reason, retryable)
    assert said.startswith(f"the server answered {status}")
    assert web.requested == ["/a.jpg"]


@pytest.mark.parametrize(
    "bad",
    [
        *(Reply(status=status) for status in (408, 425, 429, 500, 502, 503, 504)),
        Reply(b"12345", then="reset", headers={"Content-Length": "10"}),
        Reply(b"12345", headers={"Content-Length": "10"}),
        Reply(b"12345", headers={"Content-Length": "x"}),
        Reply(b"12345", headers={"Content-Length": "-5"}),
        Reply(b"zz\r\n", headers={"Content-Length": None, "Transfer-Encoding": "chunked"}),
        Reply(status=503, headers={"Retry-After": "0"}),
        Reply(status=503, headers={"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        Reply(status=503, headers={"Retry-After": "soon"}),
        Reply(status=503, headers={"Retry-After": "Thu, 01 Jan 99999999999999 00:00:00 GMT"}),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(web: Server, bad: Reply) -> None:
    assert _read(web.on("/a.jpg", bad, bad, Reply(b"good"))) == b"good"
    assert web.requested == ["/a.jpg"] * 3


def test_retry_after_may_be_a_number_or_a_date() -> None:
    assert http_client.retry_after_s("120") == 120
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    seconds = http_client.retry_after_s(email.utils.format_datetime(later, usegmt=True))
    assert seconds is not None
    assert 3500 < seconds <= 3600
    assert http_client.retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert [http_client.retry_after_s(odd) for odd in (None, "-1", "9" * 30, "x")] == [None] * 4


def test_a_server_that_wants_to_be_left_alone_is(web: Server) -> None:
    busy = Reply(status=429, headers={"Retry-After": "3600"})
    url, other = web.on("/a.jpg", busy), web.on("/b.jpg", Reply(b"b"))
    for each in (url, other):
        reason, words = _refusal(each)
        assert reason is Reason.UNAVAILABLE
        assert words == "the server wants to be asked later (Retry-After)"
    assert web.requested == ["/a.jpg"]


def test_what_is_not_there_does_not_silence_its_host(web: Server) -> None:
    gone = Reply(status=404, headers={"Retry-After": "3600"})
    assert _refusal(web.on("/a.jpg", gone))[0] is Reason.NOT_FOUND
    assert _read(web.on("/b.jpg", Reply(b"b"))) == b"b"


def test_retry_after_is_waited_for(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(outage, "CLOCK", clock)
    began = clock.now()
    busy = Reply(status=503, headers={"Retry-After": "7"})
    assert _read(web.on("/a.jpg", busy, Reply(b"good"))) == b"good"
    assert 6.9 < clock.now() - began < 7.1


def test_a_host_that_is_down_is_not_found_out_for_each_picture(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "FAILING_S", 0.0)
    monkeypatch.setattr(outage, "FAILURES", 3)
    url = f"http://127.0.0.1:{closed_port()}/a.jpg"
    for _ in range(3):
        reason, words = _refusal(url)
        assert reason is Reason.UNAVAILABLE
        assert words == "the host has failed 3 times in a row, and is left alone now"
    assert _read(web.on("/a.jpg", Reply(b"a"))) == b"a"  # another host
    assert "left alone" in _refusal(url)[1]
    url = web.on("/b.jpg", *[Reply(status=503)] * 3, Reply(b"b"))
    assert _read(url) == b"b"  # one picture of a host that has answered
    assert web.requested[1:] == ["/b.jpg"] * 4


def test_few_ask_a_host_at_a_time(web: Server) -> None:
    slots = http_client._slots(http_client.parse(web.url).authority)
    taken = 0
    while slots.acquire(blocking=False):
        taken += 1
    assert taken == 8


def test_a_server_that_drips_or_stalls_is_given_up(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE_S", 0.5)
    for reply in (Reply(bytes(500), then="drip"), Reply(b"", then="stall", headers=_LONGER)):
        reason, _ = _refusal(web.on("/a.jpg", reply))
        assert reason is Reason.TIMEOUT


_LONGER = {"Content-Length": "10"}


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    ],
    ids=["a header", "100 Continue", "the length of a chunk"],
)
def test_an_answer_that_never_begins_is_given_up(
    monkeypatch: pytest.MonkeyPatch, start: bytes, again: bytes
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_send, args=(listener, start, again))
        thread.start()
        reason, _ = _refusal(f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg")
        thread.join()
    assert reason is Reason.TIMEOUT


@pytest.mark.usefixtures("web")
def test_headers_that_break_off_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_DELAY_S", 4 * http_client.PATIENCE_S)  # asked once
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_send, args=(listener, b"HTTP/1.1 200 OK\r\nConte", b""))
        thread.start()
        reason, _ = _refusal(f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg")
        thread.join()
    assert reason is Reason.UNAVAILABLE


def _send(listener: socket.socket, start: bytes, again: bytes) -> None:
    """Sends the same again and again, until the other side has gone; or nothing more."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(1000)
        connection.sendall(start)
        while again:
            connection.sendall(again)
            time.sleep(0.01)


def test_what_cannot_be_asked_is_no_address() -> None:
    for url in (
        "http://[bad/x.jpg",
        "http:///x.jpg",
        "http://h:99999/x.jpg",
        "http://h:-1/x.jpg",
        "http://user:***@h/x.jpg",
        "http://h\0/x.jpg",
    ):
        with pytest.raises(OSError, match=r"expected http|are not read") as raised:
            http_client.parse(url)
        assert Reason.from_os_error(raised.value) is Reason.UNSUPPORTED_URI
    assert http_client.parse("http://h:0/x.jpg").port == 0
    assert http_client.parse("HTTP://Bücher.example/ä b.jpg?x=1#y") == (
        "http",
        "xn--bcher-kva.example",
        80,
        "/%C3%A4%20b.jpg?x=1",
    )


@pytest.mark.parametrize("query", ["sig=***0123abcd", "a=b&X-Amz-Signature=5ec2e7", "token=x"])
def test_signed_addresses_are_not_asked_but_redirected_to(web: Server, query: str) -> None:
    web.on("/b.jpg", Reply(b"b"))
    location = {"Location": f"/b.jpg?{query}"}
    assert _read(web.on("/a.jpg", Reply(status=302, headers=location))) == b"b"
    web.requested.clear()
    reason, words = _refusal(f"{web.url}/b.jpg?{query}")
    assert reason is Reason.UNSUPPORTED_URI
    assert words.startswith("addresses with a password or a signature are not read")
    assert web.requested == []


def test_no_cookie_and_no_proxy_of_the_environment(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    cookie = {"Set-Cookie": "a=b", "Location": "/b.jpg"}
    web.on("/b.jpg", Reply(b"b"))
    http_options.use(user_agent="me (me@example.org)", allow_private_hosts=True)
    assert _read(web.on("/a.jpg", Reply(status=302, headers=cookie))) == b"b"
    assert [each["User-Agent"] for each in web.headers] == ["me (me@example.org)"] * 2
    assert not any({"Cookie", "Authorization", "Referer"} & each.keys() for each in web.headers)
