"""Requests to web servers: to which addresses, how many at a time, how often, and for how long.

urllib3 speaks the protocol. What it leaves to its caller is here: an address is looked up and
judged before it is connected to, at each redirect; nobody is asked by too many at once or against
what a `Retry-After` says; and a host that is down is not found out anew for every picture.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import errno
import functools
import ipaddress
import os
import random
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import requests
import urllib3

from transforms.storage.addresses import without_credentials
from transforms.storage.content import ChangedError
from transforms.storage.http_options import Settings, settings

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

_FIRST_DELAY_S, _MAX_DELAY_S = 0.5, 10.0
_MAX_QUIET_S = 600.0
"""For how long a `Retry-After` is believed."""

_FAILURES, _FAILING_S, _PAUSE_S = 10, 10.0, 60.0
"""A host that has failed so often in a row, and for so long, is left alone for a while."""

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
        port = found.port or {"http": 80, "https": 443}[found.scheme or ""]
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
            # of attempts for each would hold up all other pictures.
            if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
                raise QuietError(errno.EIO, unknown) from None
            raise ConnectionError(errno.EIO, unknown) from None
        found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        kept = cls._known if len(cls._known) < _MOST_HOSTS else {}
        cls._known = {**kept, (host, port): (time.monotonic() + _KNOWN_S, found)}
        return found


# ---- hosts --------------------------------------------------------------------------------------

_MOST_HOSTS = 1000
"""Kept in mind; what is known of others is forgotten."""


class _Host:
    """What a process knows of a host.

    Attributes:
        slots: of requests at a time.
    """

    def __init__(self) -> None:
        self.slots = threading.BoundedSemaphore(_AT_ONCE)
        self._failures = 0
        self._failing_since = 0.0
        self._left_alone_until = 0.0
        self._quiet_until = 0.0

    def succeeded(self) -> None:
        """Notes that the host has answered."""
        self._failures = 0

    def failed(self) -> None:
        """Notes that the host has not answered, or not as it should."""
        now = time.monotonic()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if self._failures >= _FAILURES and now - self._failing_since >= _FAILING_S:
            self._left_alone_until = now + _PAUSE_S

    def quiet_for(self, seconds: float) -> None:
        """Notes for how long the host wants to be asked nothing."""
        until = time.monotonic() + min(seconds, _MAX_QUIET_S)
        self._quiet_until = max(self._quiet_until, until)

    def wait(self, deadline: float) -> None:
        """Returns when the host may be asked.

        Raises:
            QuietError: that is after the deadline, or nobody knows when.
        """
        now = time.monotonic()
        if self._left_alone_until > now:
            words = f"the host has failed {self._failures} times in a row, and is left alone now"
            raise QuietError(errno.EIO, words)
        if self._quiet_until >= deadline:
            raise QuietError(errno.EIO, "the server wants to be asked later (Retry-After)")
        time.sleep(max(self._quiet_until - now, 0.0))


class QuietError(ConnectionError):
    """The host is not asked now; trying again at once has no sense."""


_lock = threading.Lock()


def _host(name: str) -> _Host:
    with _lock:
        return _host_of(os.getpid(), name)


@functools.lru_cache(maxsize=_MOST_HOSTS)
def _host_of(process: int, name: str) -> _Host:  # noqa: ARG001  # a key
    return _Host()


# ---- requests -----------------------------------------------------------------------------------


class Try(NamedTuple):
    """One attempt: until when it may last, and what it asks with."""

    deadline: float
    settings: Settings


def attempts(url: str, attempt: Callable[[Try], _T]) -> _T:
    """Calls `attempt` until it succeeds or `PATIENCE_S` are over; what may pass is tried again.

    Raises:
        OSError: as the attempt does; QuietError where the host shall not be asked.
    """
    require_no_secret(url)
    deadline = time.monotonic() + PATIENCE_S
    asked = settings()
    delay_s = _FIRST_DELAY_S
    # Held while it waits for the next attempt too: a host in need is asked by fewer. And who has
    # been given memory for a picture must not wait for somebody who waits for memory.
    with _host(parse(url).authority).slots:
        while True:
            try:
                return attempt(Try(deadline, asked))
            except (QuietError, ChangedError):
                raise
            except (ConnectionError, TimeoutError):
                wait_s = delay_s * random.uniform(0.5, 1.0)
                if time.monotonic() + wait_s >= deadline:
                    raise
            time.sleep(wait_s)
            delay_s = min(2 * delay_s, _MAX_DELAY_S)


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
    sent = {"User-Agent": each.settings.user_agent, "Accept-Encoding": "identity", **headers}
    for _ in range(_REDIRECTS + 1):
        address = parse(url)
        host = _host(address.authority)
        host.wait(each.deadline)
        with _noted(host), contextlib.closing(_request(address, sent, each)) as response:
            location = response.headers.get("Location")
            if response.status // 100 == 2 or response.status in accept:
                with _translated():
                    yield response
                return
            if response.status not in _REDIRECTING or location is None:
                if (seconds := retry_after_s(response.headers.get("Retry-After"))) is not None:
                    host.quiet_for(seconds)
                raise status_error(response.status)
        url = _redirected(url, location)
    raise OSError(errno.ELOOP, f"more than {_REDIRECTS} redirects")


@contextlib.contextmanager
def _noted(host: _Host) -> Iterator[None]:
    """Keeps in mind whether a host answers."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        host.failed()
        raise
    except OSError:  # it has answered, if only with a refusal
        host.succeeded()
        raise
    host.succeeded()


def _redirected(url: str, location: str) -> str:
    try:
        # Headers are Latin-1 by the book, and UTF-8 where they hold addresses.
        raw = location.encode("latin-1", "replace")
        return urllib.parse.urljoin(url, raw.decode("utf-8", "replace"))
    except ValueError:
        words = "redirected to what is no address"
        raise OSError(errno.EPROTONOSUPPORT, words) from None


def _request(address: Address, headers: Mapping[str, str], each: Try) -> Any:
    """The first answer that one of the addresses of a host gives; its body is not read yet."""
    error: OSError | None = None
    for ip in _permitted(address, each.settings.allow_private_hosts):
        left_s = max(each.deadline - time.monotonic(), 0.1)
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
    return urllib3.PoolManager(
        num_pools=64,
        maxsize=_AT_ONCE,
        cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("REQUESTS_CA_BUNDLE") or requests.utils.DEFAULT_CA_BUNDLE_PATH,
    )


def retry_after_s(header: str | None) -> float | None:
    """Seconds from now that a `Retry-After` asks for, a number or a date; None if for nothing."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    try:
        when = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max((when - datetime.datetime.now(datetime.UTC)).total_seconds(), 0.0)


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
