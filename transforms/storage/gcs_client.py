"""The process's connection to Cloud Storage, and its errors as Python's own `OSError`s.

Imported only where a gs:// path is used: the Google packages come with the extra `gcp`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import socket
import threading
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import google.auth
import google.auth.transport.requests
import google.auth.transport.urllib3
import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, InvalidOperation, TransportError
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse

from transforms import outage
from transforms.errors import UserError, clause, one_line

CONNECT_S = 5.0
STALL_S = 20.0
WAIT = (CONNECT_S, STALL_S)
"""Seconds for a connection, and for any part of an answer."""

CHUNK_BYTES = 8 << 20
"""What a stream reads and writes at a time; a multiple of 256 KiB, as uploads must have it."""

PATIENCE_S = 60.0
"""How long one request is tried again and again; also the deadline of a picture."""

_EMULATOR = "STORAGE_EMULATOR_HOST"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
# Kept open at most; more than any pool of readers in a process has threads.
_CONNECTIONS = 256

# How long a machine outside Google's cloud waits to find out that it is. Inside the metadata server
# answers in a millisecond; google-auth alone waits 12 to 25 s.
_METADATA_S = 1.0

_BUCKET = re.compile("[a-zA-Z0-9._-]+")
"""Every name that a bucket can have, and more: https://cloud.google.com/storage/docs/buckets."""

_TIMEOUTS = frozenset({408, 504})
# HTTP statuses that may pass: https://cloud.google.com/storage/docs/retry-strategy.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})

_lock = threading.Lock()


class Connection(NamedTuple):
    """What a process needs to talk to Cloud Storage.

    Attributes:
        client: lists, describes, writes and deletes.
        reader: reads.
    """

    client: Any
    reader: Reader


class Reader:
    """GET requests, with credentials, over connections that stay open.

    `download_as_bytes` of the client takes 1.3 ms of processor time a picture, half as much as
    labelling it, and this 0.4 ms.

    Args:
        url: of the service.
        credentials: of google-auth.
    """

    def __init__(self, url: str, credentials: Any) -> None:
        pools = _pools()
        self._pool = pools.connection_from_url(url)
        self._credentials = credentials
        self._renew: Any = google.auth.transport.urllib3.Request(pools)  # type: ignore[no-untyped-call]

    def get(self, path: str, *, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Any:
        """The answer, whatever its status; its body has not been read yet.

        Args:
            path: of the URL, with its query.
            headers: of the request.
            timeout: to connect, and for each wait for bytes.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer.
            google.auth.exceptions.GoogleAuthError: there are no valid credentials.
        """
        response = self._get(path, headers, timeout)
        if response.status == 401:  # revoked, or the clock is wrong; what expires is renewed before
            response.close()
            with contextlib.suppress(InvalidOperation):  # there is nothing to renew
                self._credentials.refresh(self._renew)
            response = self._get(path, headers, timeout)
        return response

    def is_known(self, bucket: str) -> bool:
        """Whether the service takes the credentials: what it says of an object that nobody has.

        Args:
            bucket: that it is asked for in.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer.
            google.auth.exceptions.GoogleAuthError: there are no valid credentials.
        """
        timeout = urllib3.Timeout(connect=CONNECT_S, read=STALL_S)
        with self._get(f"/storage/v1/b/{bucket}/o/{uuid.uuid4().hex}", {}, timeout) as response:
            return bool(response.status != 401)

    def _get(self, path: str, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Any:
        authorized = dict(headers)
        self._credentials.before_request(self._renew, "GET", path, authorized)
        return self._pool.urlopen(
            "GET",
            path,
            headers=authorized,
            timeout=timeout,
            # `gcs_read` tries again, with its own patience.
            retries=False,
            preload_content=False,
            decode_content=False,
        )


def connection() -> Connection:
    """The connection of this process, made at the first call; safe for any number of threads.

    Raises:
        UserError: there are no credentials.
    """
    with _lock:  # a forked or spawned process has another id, so it makes its own
        return _connection(os.getpid(), os.environ.get(_EMULATOR))


@functools.lru_cache(maxsize=1)
def _connection(process: int, emulator: str | None) -> Connection:  # noqa: ARG001  # a key
    credentials = AnonymousCredentials() if emulator else _credentials()  # type: ignore[no-untyped-call]
    client = storage.Client(project=None, credentials=credentials)
    return Connection(client, Reader(client.api_endpoint, credentials))


def _pools() -> urllib3.PoolManager:
    settings: dict[str, Any] = {
        "maxsize": _CONNECTIONS,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or requests.utils.DEFAULT_CA_BUNDLE_PATH,
    }
    proxy = urllib.request.getproxies().get("https")
    return urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)


def _credentials() -> Any:
    try:
        found, _ = google.auth.default([_SCOPE], _quick_request)  # type: ignore[arg-type]
    except GoogleAuthError as error:
        raise _no_credentials(one_line(str(error))) from error
    return found


def _quick_request(url: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Requests for google-auth that do not wait for a metadata server where there is none."""
    if any(name.lower() == "metadata-flavor" for name in headers or {}):
        parts = urllib.parse.urlsplit(url)
        try:
            socket.create_connection((parts.hostname, parts.port or 80), _METADATA_S).close()
        except OSError:
            raise _no_credentials("none were found") from None
    return google.auth.transport.requests.Request()(url, headers=headers, **options)


def _no_credentials(reason: str) -> UserError:
    return UserError(
        f"gs:// needs Google credentials: {clause(reason)}. Log in with "
        "'gcloud auth application-default login', or let GOOGLE_APPLICATION_CREDENTIALS name a "
        "key file."
    )


class Location(NamedTuple):
    """A place in Cloud Storage: the name is empty for a whole bucket."""

    bucket: str
    name: str


def parse(uri: str) -> Location:
    """Takes `gs://BUCKET/NAME` apart.

    Raises:
        FileNotFoundError: no object can be called so.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    try:
        uri.encode()
    except UnicodeEncodeError:  # an input list that is not UTF-8
        raise FileNotFoundError(errno.ENOENT, "names in Cloud Storage are UTF-8", uri) from None
    if _BUCKET.fullmatch(bucket) is None:
        raise FileNotFoundError(errno.ENOENT, "expected gs://BUCKET/OBJECT", uri)
    return Location(bucket, name)


def blob(uri: str) -> Any:
    """The client's handle for an object; asks nothing."""
    bucket, name = parse(uri)
    return connection().client.bucket(bucket).blob(name)


def host() -> outage.Host:
    """Cloud Storage, as long as it answers."""
    return outage.host("Cloud Storage")


def described(uri: str, patience_s: float) -> Any:
    """The handle with size, generation and times.

    Raises:
        OSError: as `translated` says.
    """
    with translated(uri):
        found = blob(uri)

    def attempt(each: outage.Try) -> None:
        with each.asking(host()), translated(uri):
            found.reload(retry=None, timeout=WAIT)

    outage.attempts(uri, attempt, patience_s=patience_s)
    return found


@contextlib.contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turns the errors of Google's packages into `OSError`s without secrets in them.

    Raises:
        FileNotFoundError: no such bucket or object.
        PermissionError: the credentials may not do this.
        TimeoutError, ConnectionError: it may work later.
        OSError: any other refusal.
        UserError: the credentials are no good.
    """
    try:
        yield
    except _UnauthorizedError as error:
        found: Exception = error
    except RetryError as error:
        found = _translation(error.cause or error, uri)
    except _FOREIGN as error:
        found = _translation(error, uri)
    else:
        return
    # Not chained: what they say holds whole URLs, and that of an upload is as good as a key.
    raise (_unauthorized(uri) if isinstance(found, _UnauthorizedError) else found) from None


# What Google's packages raise for an answer that is no JSON, or JSON with other things in it.
_NONSENSE = (ValueError, TypeError, KeyError, AttributeError)

_FOREIGN = (
    *_NONSENSE,
    GoogleAPICallError,
    GoogleAuthError,
    InvalidResponse,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)


def _translation(error: Exception, uri: str) -> Exception:
    if isinstance(error, GoogleAPICallError):
        return status_error(int(error.code or 500), uri, _words(error))
    if isinstance(error, InvalidResponse):
        return status_error(error.response.status_code, uri, "")
    if isinstance(error, InvalidOperation):  # a 401, and nothing that could be renewed
        return status_error(401, uri, "")
    if isinstance(error, GoogleAuthError) and not (
        isinstance(error, TransportError) or error.retryable
    ):
        return _no_credentials(f"yours were refused ({type(error).__name__})")
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return TimeoutError(errno.ETIMEDOUT, "Cloud Storage did not answer in time", uri)
    if isinstance(error, _NONSENSE) and not isinstance(error, requests.RequestException):
        return ConnectionError(errno.EIO, "Cloud Storage gave an answer that makes no sense", uri)
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return ConnectionError(errno.EIO, "Cloud Storage's certificate is not trusted", uri)
    return ConnectionError(errno.EIO, "the connection to Cloud Storage failed", uri)


def _words(error: GoogleAPICallError) -> str:
    """What the server says, without the request that the exception's own text begins with."""
    return next((str(item.get("message", "")) for item in error.errors or ()), "")


class _UnauthorizedError(PermissionError):
    """A 401: of the credentials, or of one object."""


def _unauthorized(uri: str) -> Exception:
    """What a 401 means.

    Credentials that have expired are none of a picture's faults, and no other picture can be read.
    Where the service takes them for anything else, it is about this object.
    """
    try:
        is_known = connection().reader.is_known(parse(uri).bucket)
    except _FOREIGN as error:
        return _translation(error, uri)
    if is_known:
        return PermissionError(errno.EACCES, "permission denied (401)", uri)
    return _no_credentials("yours were refused (401)")


def status_error(status: int, uri: str, words: str) -> OSError:
    """The error for an HTTP status that is no success; `translated` finds out what a 401 means.

    Args:
        status: of the answer.
        uri: what was asked for.
        words: of the server.
    """
    if status == 401:
        return _UnauthorizedError(errno.EACCES, "permission denied (401)", uri)
    if status == 403:
        said = f" ({one_line(words)})" if words else ""
        return PermissionError(errno.EACCES, f"permission denied{said}", uri)
    if status == 404:
        return FileNotFoundError(errno.ENOENT, "no such bucket or object", uri)
    if status in _TIMEOUTS:
        return TimeoutError(errno.ETIMEDOUT, f"Cloud Storage answered {status}", uri)
    if status in _PASSING:
        return ConnectionError(errno.EIO, f"Cloud Storage answered {status}", uri)
    return OSError(errno.EIO, f"Cloud Storage answered {status}", uri)
