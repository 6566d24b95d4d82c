"""Downloads over HTTP: time-outs, retries with back-off, limits, and no secrets in messages."""

from __future__ import annotations

import dataclasses
import email.utils
import functools
import http.client
import ipaddress
import logging
import random
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import IO, Any

from transforms.errors import UsageError, UserError
from transforms.storage.addresses import shown

_CHUNK_BYTES = 1 << 16
# Time-outs and faults of servers (RFC 9110), too early (8470), too many requests (6585).
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long to wait, how often to try and how much to accept.

    Attributes:
        attempts: how often a download is tried in all.
        connect_s: seconds to connect in one attempt, all addresses of the host together.
        stall_s: seconds that an attempt may wait for the next bytes.
        first_delay_s: longest wait before the second attempt; it doubles before each further one.
        max_delay_s: longest wait before any attempt, also where the server asks for a longer one.
        max_archive_bytes: largest file to accept, and the most that an archive may unpack to.
        max_tflite_bytes: largest tflite to accept. The largest published one has 4.3 MB.
    """

    attempts: int = 4
    connect_s: float = 5.0
    stall_s: float = 20.0
    first_delay_s: float = 1.0
    max_delay_s: float = 20.0
    max_archive_bytes: int = 512 << 20
    max_tflite_bytes: int = 64 << 20


class _TransientError(Exception):
    """An attempt failed in a way that may pass. The message is the reason, fit to be shown."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def check_url(url: str) -> None:
    """Refuses what must not or cannot be downloaded from.

    Raises:
        UsageError: `url` is malformed, carries a password, or is not https. Plain http is allowed
            for this machine itself only: whoever is on the way could exchange the file.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:  # not chained: its text may hold a password
        raise UsageError("malformed URL; expected https://HOST[:PORT]/PATH") from None
    if not parts.hostname or not re.fullmatch("[!-~]+", url):
        raise UsageError(
            f"malformed URL {shown(url)!r}; expected https://HOST[:PORT]/PATH in printable ASCII, "
            "other characters as %XX"
        )
    if "@" in parts.netloc:
        raise UsageError(f"{shown(url)}: a user or password in the URL is not supported")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise UsageError(
        f"{shown(url)} is refused: without https the file could be exchanged on its way; "
        "use https://, or download it by other means and pass its path"
    )


def download(url: str, sink: IO[bytes], *, limits: Limits, cure: str) -> None:
    """Writes what `url` serves into `sink`, from its beginning, retrying what may pass.

    Proxies are taken from the environment, except for plain http, which stays on this machine.

    Args:
        url: an https URL, or http on this machine (`check_url`).
        sink: an empty file, open for writing and seekable; holds rubbish if this raises.
        limits: time-outs, attempts and `max_archive_bytes`.
        cure: what the user can do when it fails, for the end of the message.

    Raises:
        UserError: the server refused, or every attempt failed, or the file is too large.
        UsageError: `url`, or where it redirects to, is refused.
    """
    check_url(url)
    for attempt in range(1, limits.attempts + 1):
        # From the start: an attempt that broke off may have left more than this one brings.
        sink.seek(0)
        sink.truncate()
        try:
            _receive(url, sink, limits, cure)
        except _TransientError as error:
            if attempt == limits.attempts:
                raise UserError(
                    f"cannot download {shown(url)}: {error} (attempt {attempt} of {attempt}); "
                    f"{cure}"
                ) from error
            delay_s = _delay_s(attempt, error.retry_after_s, limits)
            _log.info("%s: %s; next attempt in %.2f s", shown(url), error, delay_s)
            time.sleep(delay_s)
        else:
            return


def check_size(size: int, limits: Limits, *, what: str) -> None:
    """Stops a download that cannot be a model.

    Raises:
        UserError: `size`, in bytes, is over `limits.max_archive_bytes`.
    """
    if size > limits.max_archive_bytes:
        raise UserError(
            f"{what} has more than {limits.max_archive_bytes:,} bytes: no such model; check where "
            "it comes from"
        )


def write(sink: IO[bytes], chunk: bytes) -> None:
    """Writes to a temporary file; a failure is told from one of the network this way.

    Raises:
        UserError: there is no room for it, or the like.
    """
    try:
        sink.write(chunk)
    except OSError as error:
        raise temporary_file_error(error) from error


def temporary_file_error(error: OSError) -> UserError:
    """The error for a temporary file that cannot be made or written."""
    return UserError(
        f"cannot write a temporary file: {error.strerror}; free some room, or set TMPDIR to a "
        "folder that has it"
    )


def _receive(url: str, sink: IO[bytes], limits: Limits, cure: str) -> None:
    """One attempt."""
    request = urllib.request.Request(url, headers={"User-Agent": "quantlabel"})
    try:
        with _opener(limits).open(request, timeout=limits.stall_s) as response:
            _copy(response, sink, limits, what=shown(url))
    # Not chained: what it says of a redirection holds the whole URL, query included.
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, url, cure) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise UserError(
                f"cannot download {shown(url)}: its certificate is not trusted "
                f"({error.reason.verify_message}); if it was issued by your company, set "
                "SSL_CERT_FILE to the authority's certificate"
            ) from error
        raise _TransientError(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(_reason(error)) from error


def _copy(
    response: http.client.HTTPResponse, sink: IO[bytes], limits: Limits, *, what: str
) -> None:
    length = response.headers.get("Content-Length", "")
    expected = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    received = 0
    # By the header first, before a byte of it is taken.
    check_size(expected or 0, limits, what=what)
    while chunk := response.read(_CHUNK_BYTES):
        received += len(chunk)
        check_size(received, limits, what=what)
        write(sink, chunk)
    # http.client itself says nothing when a body of known length ends early.
    if expected is not None and received != expected:
        raise _TransientError(f"the connection ended after {received:,} of {expected:,} bytes")


def _refusal(error: urllib.error.HTTPError, url: str, cure: str) -> Exception:
    phrase = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
    if error.code in _RETRIED:
        return _TransientError(
            f"the server answered {phrase}", _retry_after_s(error.headers.get("Retry-After"))
        )
    return UserError(f"cannot download {shown(url)}: the server answered {phrase}; {cure}")


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return type(error).__name__  # its text can be anything that the server sent
    return getattr(error, "strerror", None) or str(error)


def _retry_after_s(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if re.fullmatch("[0-9]{1,18}", value.strip()):
        return float(value)
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _delay_s(attempt: int, retry_after_s: float | None, limits: Limits) -> float:
    """Seconds to wait after attempt number `attempt` (from 1), which failed.

    The jitter keeps machines that failed together from coming back together.
    """
    # Half of the wait is random, half certain.
    backoff_s = limits.first_delay_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)
    return min(max(backoff_s, retry_after_s or 0.0), limits.max_delay_s)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---- urllib, adapted ------------------------------------------------------------------------


def _opener(limits: Limits) -> urllib.request.OpenerDirector:
    proxies = {k: v for k, v in urllib.request.getproxies().items() if k == "https"}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), _Redirects(), _Http(limits), _Https(limits)
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Holds every hop to the rules of the first URL, and never goes from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_url(newurl)
        if req.type == "https" and not newurl.startswith("https:"):
            raise UsageError(
                f"{shown(req.full_url)} is refused: it redirects to {shown(newurl)}, without https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._connect_s = limits.connect_s

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connection(http.client.HTTPConnection, self._connect_s), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._connect_s = limits.connect_s

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        connection = _connection(http.client.HTTPSConnection, self._connect_s)
        return self.do_open(connection, req, context=ssl.create_default_context())


def _connection(
    kind: type[http.client.HTTPConnection], connect_s: float
) -> Callable[..., http.client.HTTPConnection]:
    """What `do_open` calls to make a connection of class `kind`, one that uses `_connect`."""

    def make(host: str, **options: Any) -> http.client.HTTPConnection:
        connection = kind(host, **options)
        # http.client's own place for this since Python 2.7, if not a documented one.
        connect = functools.partial(_connect, connect_s=connect_s)
        vars(connection)["_create_connection"] = connect
        return connection

    return make


def _connect(
    address: tuple[str, int],
    timeout: float,
    source_address: tuple[str, int] | None = None,
    *,
    connect_s: float,
) -> socket.socket:
    """Like `socket.create_connection`, but `connect_s` is for all addresses of the host together.

    The original allows it to each address in turn, and a large host has a dozen: behind a
    firewall that drops packets that adds up to minutes. Each address gets half of the time that is
    left, so that a dead first one (a broken IPv6 route) leaves some for the others.
    """
    deadline = time.monotonic() + connect_s
    failure = OSError("the host has no address")
    for *_, target in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        left_s = deadline - time.monotonic()
        if left_s < connect_s / 100:
            break
        try:
            host, port = str(target[0]), int(target[1])
            connection = socket.create_connection((host, port), left_s / 2, source_address)
        except OSError as error:
            failure = error
            continue
        connection.settimeout(timeout)
        return connection
    raise failure
