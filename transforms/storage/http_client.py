"""Requests to web servers: to which addresses, how many at a time, how often, and for how long.

urllib3 speaks the protocol. What it leaves to its caller is here: an address is looked up and
judged before it is connected to, at each redirect; and nobody is asked by too many at once or
against what a `Retry-After` says.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import errno
import functools
import http.client
import io
import ipaddress
import os
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import requests
import urllib3

from transforms import outage
from transforms.outage import QuietError, Try
from transforms.storage.addresses import without_credentials
from transforms.storage.http_options import settings

CONNECT_S = 5.0
STALL_S = 20.0
PATIENCE_S = 60.0
"""Seconds: for a connection, for any part of an answer, for a picture with all its attempts."""

_AT_ONCE = 8
"""Requests of one process to one host; a browser has six."""

_REDIRECTS = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass: RFC 9110, 15, and RFC 6585, 4."""

_MOST_HOSTS = 1000
"""Kept in mind; what is known of others is forgotten."""

_MAX_ADDRESSES = 3
_KNOWN_S = 60.0
"""How long an address that was looked up is used."""

_HIDDEN = re.compile(r"=\*\*\*[0-9a-f]{8}(?:[&;#]|$)")
"""What stands for a credential, see `transforms.storage.addresses.without_credentials`."""

_T = TypeVar("_T")


class Address(NamedTuple):
    """An address taken apart: `host` in ASCII, `target` with the query and without the fragment."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def parse(url: str) -> Address:
    """Takes an address apart.

    Raises:
        OSError: EPROTONOSUPPORT, it is no http(s) address that can be asked.
    """
    try:
        found = urllib3.util.parse_url(url)
        usual = {"http": 80, "https": 443}[found.scheme or ""]
        port = usual if found.port is None else found.port
        host = (found.host or "").strip("[]")
        if not host or not host.isascii() or not found.request_uri.isascii():
            raise ValueError(host)
    except (urllib3.exceptions.LocationParseError, ValueError, KeyError):
        expected = "expected http(s)://HOST[:PORT]/PATH"
        raise OSError(errno.EPROTONOSUPPORT, expected, url) from None
    if found.auth is not None:
        raise OSError(errno.EPROTONOSUPPORT, _SECRET, url)
    return Address(str(found.scheme), host, port, found.request_uri)


def require_no_secret(url: str) -> None:
    """Refuses an address whose query tells a secret: rows, messages and caches would hold it.

    A server may redirect to such a one: nobody keeps that.

    Raises:
        OSError: EPROTONOSUPPORT.
    """
    if _HIDDEN.search(url) or without_credentials(url) != url:
        raise OSError(errno.EPROTONOSUPPORT, _SECRET, url)


_SECRET = "addresses with a password or a signature are not read: rows would have to hold them"


# ---- addresses that may be connected to --------------------------------------------------------


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, and not of this machine or its networks."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or _nat64(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None or ip not in _IN_USE:
            return False
    return ip.is_global and not ip.is_multicast


_IN_USE = ipaddress.IPv6Network("2000::/3")
"""All that is given out for the internet: RFC 4291, 2.4. Among the rest are spellings of IPv4, such
as `::127.0.0.1`, for which `is_global` holds."""


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address behind a translator: RFC 6052, 2.1."""
    if ip not in ipaddress.IPv6Network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)


def _permitted(address: Address, allow_private: bool) -> list[str]:
    """The IP addresses of a host that may be connected to, a few at most.

    Raises:
        OSError: it has none.
    """
    found = _Lookups.of(address.host, address.port)
    permitted = [ip for ip in found if allow_private or is_public(ip)]
    if not permitted:
        raise PermissionError(
            errno.EACCES,
            f"{address.host} is at {found[0]}, no address of the internet; --allow-private-hosts "
            "lets quantlabel ask it",
        )
    return permitted[:_MAX_ADDRESSES]


_NO_SUCH_HOST = {socket.EAI_NONAME, socket.EAI_NODATA}


class _Lookups:
    """Answers of the name service, remembered for a minute."""

    _known: Mapping[tuple[str, int], tuple[float, list[str]]] = {}

    @classmethod
    def of(cls, host: str, port: int) -> list[str]:
        until, found = cls._known.get((host, port), (0.0, []))
        if time.monotonic() < until:
            return found
        unknown = f"no address of {host} is known"
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            words = "no host can have such a name"
            raise OSError(errno.EPROTONOSUPPORT, words) from None
        except OSError as error:
            # An answer, not a silence. Lists of the web are full of hosts that are gone: a minute
            # of attempts for each would hold up all other pictures. Of a host that had an address
            # before it is the name service that is out.
            is_gone = isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST
            if is_gone and (host, port) not in cls._known:
                raise QuietError(errno.EIO, unknown) from None
            raise ConnectionError(errno.EIO, unknown) from None
        found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        kept = cls._known if len(cls._known) < _MOST_HOSTS else {}
        cls._known = {**kept, (host, port): (time.monotonic() + _KNOWN_S, found)}
        return found


# ---- requests -----------------------------------------------------------------------------------


def _host(address: Address) -> outage.Host:
    return outage.host(address.authority, is_web=True)


_lock = threading.Lock()


def _slots(authority: str) -> threading.BoundedSemaphore:
    """Of the requests to a host at a time."""
    with _lock:
        return _slots_of(os.getpid(), authority)


@functools.lru_cache(maxsize=_MOST_HOSTS)
def _slots_of(process: int, authority: str) -> threading.BoundedSemaphore:  # noqa: ARG001  # a key
    return threading.BoundedSemaphore(_AT_ONCE)


def attempts(url: str, attempt: Callable[[Try], _T]) -> _T:
    """Calls `attempt` until it succeeds or `PATIENCE_S` are over; what may pass is tried again.

    Raises:
        OSError: as the attempt does; QuietError where the host shall not be asked.
        StorageOutError: see `transforms.outage.Host`.
    """
    require_no_secret(url)
    # Held while it waits for the next attempt too: a host in need is asked by fewer. And who has
    # been given memory for a picture must not wait for somebody who waits for memory.
    with _slots(parse(url).authority):
        return outage.attempts(url, attempt, patience_s=PATIENCE_S)


@contextlib.contextmanager
def answer(url: str, each: Try, *, accept: tuple[int, ...] = (), **headers: str) -> Iterator[Any]:
    """The answer to a GET, redirects followed; leaving it closes what is unread.

    Args:
        url: whose.
        each: the attempt, of `attempts`.
        accept: statuses besides 2xx that are an answer.
        headers: of the request.

    Raises:
        OSError: there is none.
    """
    asked = settings()
    sent = {"User-Agent": asked.user_agent, "Accept-Encoding": "identity", **headers}
    for _ in range(_REDIRECTS + 1):
        address = parse(url)
        host = _host(address)
        with (
            each.asking(host),
            contextlib.closing(
                _request(address, sent, each, asked.allow_private_hosts)
            ) as response,
        ):
            location = response.headers.get("Location")
            if response.status // 100 == 2 or response.status in accept:
                with _translated():
                    yield response
                return
            if response.status not in _REDIRECTING or location is None:
                seconds = retry_after_s(response.headers.get("Retry-After"))
                if seconds is not None and response.status in _PASSING:  # else it is of one picture
                    host.quiet_for(seconds)
                raise status_error(response.status)
        url = _redirected(url, location)
    raise OSError(errno.ELOOP, f"more than {_REDIRECTS} redirects")


def _redirected(url: str, location: str) -> str:
    try:
        # Headers are Latin-1 by the book, and UTF-8 where they hold addresses.
        raw = location.encode("latin-1", "replace")
        return urllib.parse.urljoin(url, raw.decode("utf-8", "replace"))
    except ValueError:
        words = "redirected to what is no address"
        raise OSError(errno.EPROTONOSUPPORT, words) from None


def _request(address: Address, headers: Mapping[str, str], each: Try, allow_private: bool) -> Any:
    """The first answer that one of the addresses of a host gives; its body is not read yet."""
    error: OSError | None = None
    _asking.attempt = each
    for ip in _permitted(address, allow_private):
        left_s = each.left_s
        try:
            with _translated():
                return _pool(address, ip).urlopen(
                    "GET",
                    address.target,
                    headers={**headers, "Host": address.authority},
                    timeout=urllib3.Timeout(
                        connect=min(CONNECT_S, left_s), read=min(STALL_S, left_s)
                    ),
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                )
        except (ConnectionError, TimeoutError) as failed:
            error = failed
    raise error or ConnectionError(errno.EIO, "the host has no address")


def _pool(address: Address, ip: str) -> Any:
    """Connections to an IP address, for a name: the certificate must be that of the name."""
    named: dict[str, Any] = {}
    if address.scheme == "https":
        named = {"assert_hostname": address.host, "server_hostname": address.host}
    return _pools(os.getpid()).connection_from_host(
        ip, address.port, address.scheme, pool_kwargs=named
    )


@functools.lru_cache(maxsize=1)
def _pools(process: int) -> urllib3.PoolManager:  # noqa: ARG001  # a key
    manager = urllib3.PoolManager(
        num_pools=64,
        maxsize=_AT_ONCE,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("REQUESTS_CA_BUNDLE") or requests.utils.DEFAULT_CA_BUNDLE_PATH,
    )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


class _Asking(threading.local):
    """The attempt that this thread makes; urllib3 has no way to hand it on."""

    attempt: Try


_asking = _Asking()


class _Bounded(io.RawIOBase):
    """What a server sends, as long as there is time for it.

    Each wait for bytes has a limit of its own, which a server keeps to that sends one now and then:
    of a header, of the length of a chunk, or of `100 Continue` again and again.
    """

    def __init__(self, raw: io.RawIOBase, attempt: Try) -> None:
        self._raw = raw
        self._attempt = attempt
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._attempt.is_over:
            raise TimeoutError(errno.ETIMEDOUT, "the answer came too slowly")
        count: int | None = self._raw.readinto(buffer)
        self.has_ended |= count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._sent = _Bounded(self.fp.detach(), _asking.attempt)
        self.fp = io.BufferedReader(self._sent)

    def begin(self) -> None:
        """Reads the headers, which the inherited one takes for whole wherever they end."""
        super().begin()
        if self._sent.has_ended:
            raise http.client.IncompleteRead(b"")


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def retry_after_s(header: str | None) -> float | None:
    """Seconds from now that a `Retry-After` asks for, a number or a date; None if for nothing."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    when = date(header)
    if when is None:
        return None
    return max((when - datetime.datetime.now(datetime.UTC)).total_seconds(), 0.0)


def date(header: str | None) -> datetime.datetime | None:
    """The time in a header; None if there is none, or it makes no sense."""
    try:
        when = email.utils.parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def status_error(status: int) -> OSError:
    """The error for an HTTP status that is no success."""
    said = f"the server answered {status}"
    if status in (404, 410):
        return FileNotFoundError(errno.ENOENT, f"{said}, {_STATUS_WORDS[status]}")
    if status in (401, 403, 407, 451):
        return PermissionError(errno.EACCES, f"{said}, {_STATUS_WORDS[status]}")
    if status in (408, 504):
        return TimeoutError(errno.ETIMEDOUT, said)
    if status in _PASSING:
        return ConnectionError(errno.EIO, said)
    return OSError(errno.EIO, said)


_STATUS_WORDS = {
    401: "it wants a password; quantlabel sends none",
    403: "forbidden",
    404: "not found",
    407: "it wants a password; quantlabel sends none",
    410: "gone for good",
    451: "not available for legal reasons",
}


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turns the errors of urllib3 into `OSError`s; none of them says more than what went wrong.

    Raises:
        OSError: ConnectionError and TimeoutError may pass, others do not.
    """
    try:
        yield
    # Not chained: what they say holds whole addresses.
    except urllib3.exceptions.SSLError:
        raise OSError(errno.EIO, "the server's certificate is not trusted") from None
    except urllib3.exceptions.NewConnectionError:  # which is a TimeoutError too
        raise ConnectionError(errno.EIO, "the server takes no connection") from None
    except urllib3.exceptions.TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, "the server did not answer in time") from None
    except urllib3.exceptions.HTTPError:
        words = "the connection failed, or the answer makes no sense"
        raise ConnectionError(errno.EIO, words) from None
