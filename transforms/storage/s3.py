"""Objects in S3 by boto3: what Beam's file system makes too slow, or does not tell.

Beam 2.77 makes a client for every call, asks twice for an object, tries for ten minutes where
credentials are missing, and takes a bucket that is not there for an empty one. What it writes
appears even if writing has failed half-way, and it completes an empty object in a way that S3 does
not document. Imported only where an s3:// path is used: boto3 comes with the extra `aws`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import tempfile
import uuid
from collections.abc import Iterator
from typing import IO, Any

import boto3
from apache_beam.options.pipeline_options import PipelineOptions, S3Options
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from transforms import beam_internals, outage
from transforms.errors import UserError, one_line
from transforms.storage.content import ChangedError, Content, Reserve, require_at_most
from transforms.storage.streams import stream
from transforms.storage.unzipped import unzipped, unzipped_stream

_SETTINGS = Config(
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=256,  # as many as a process fetches at a time
    retries={"mode": "standard", "total_max_attempts": 6},  # some twenty seconds of waiting
)

# What a stream reads at a time.
_CHUNK_BYTES = 8 << 20
_READ_BYTES = 1 << 20


def require_bucket(path: str) -> None:
    """Asks for the bucket of a path.

    Raises:
        OSError: there is none, or no permission, or no network.
        UserError: there are no credentials.
    """
    with _translated(path):
        _client().head_bucket(Bucket=_parse(path)[0])


def read(path: str, *, max_bytes: int, reserve: Reserve) -> Content:
    """A whole object, in one request; what may pass is tried again.

    Raises:
        OSError: it is missing, not readable or too large (EFBIG), or the storage fails.
        UserError: there are no credentials.
    """
    bucket, key = _parse(path)

    def attempt(each: outage.Try) -> Content:
        with each.asking(_host()), _translated(path):
            answer = _client().get_object(Bucket=bucket, Key=key)
            with contextlib.closing(answer["Body"]) as body:
                require_at_most(max_bytes, answer["ContentLength"], path)
                with each.paused():
                    reserve(answer["ContentLength"])
                data = _whole(body, path, each)
                version = _version(answer)
        if answer.get("ContentEncoding") == "gzip":
            data = unzipped(data, path, max_bytes=max_bytes)
        return Content(data, version)

    return outage.attempts(path, attempt, patience_s=PATIENCE_S)


PATIENCE_S = 60.0
"""For how long an answer is asked for again that broke off or made no sense. boto3 itself tries
again only until an answer begins."""


def _host() -> outage.Host:
    return outage.host("S3")


def find(path: str) -> tuple[int, str] | None:
    """Bytes and version of an object, or None if there is none.

    Raises:
        OSError: S3 cannot be asked.
        UserError: there are no credentials.
    """
    bucket, key = _parse(path)
    try:
        with _translated(path):
            answer = _client().head_object(Bucket=bucket, Key=key)
            return int(answer["ContentLength"]), _version(answer)
    except FileNotFoundError:
        return None


def changed(path: str) -> float | None:
    """When an object was written, in seconds since 1970; None if there is none.

    Raises:
        OSError: S3 cannot be asked.
        UserError: there are no credentials.
    """
    bucket, key = _parse(path)
    try:
        with _translated(path):
            written = _client().head_object(Bucket=bucket, Key=key)["LastModified"]
            return float(written.timestamp())
    except FileNotFoundError:
        return None


def _version(answer: Any) -> str:
    """The ETag: S3 has no other name for one content of an object where versioning is off."""
    return str(answer["ETag"]).strip('"')


def open_versioned(path: str) -> tuple[IO[bytes], str]:
    """Opens one version of an object as a seekable stream that reads 8 MiB at a time.

    Raises:
        OSError: it is missing or not readable; while it is read, it has changed, or S3 fails.
        UserError: there are no credentials.
    """
    bucket, key = _parse(path)

    def attempt(each: outage.Try) -> tuple[Any, int, str]:
        with each.asking(_host()), _translated(path):
            found = _client().head_object(Bucket=bucket, Key=key)
            return found, int(found["ContentLength"]), _version(found)

    found, size, version = outage.attempts(path, attempt, patience_s=PATIENCE_S)
    file = stream(functools.partial(_read_span, path, version), size, chunk=_CHUNK_BYTES)
    is_packed = found.get("ContentEncoding") == "gzip"
    return unzipped_stream(file, path) if is_packed else file, version


def _read_span(path: str, version: str, start: int, length: int) -> bytes:
    bucket, key = _parse(path)
    span = f"bytes={start}-{start + length - 1}"

    def attempt(each: outage.Try) -> bytes:
        with each.asking(_host()), _translated(path):
            # IfMatch: if another version was written since, S3 answers 412.
            answer = _client().get_object(Bucket=bucket, Key=key, Range=span, IfMatch=version)
            with contextlib.closing(answer["Body"]) as body:
                data = _whole(body, path, each)
            if len(data) != length:
                raise ConnectionError(errno.EIO, "S3 gave another part of the object", path)
        return data

    try:
        return outage.attempts(path, attempt, patience_s=PATIENCE_S)
    except FileNotFoundError:  # it was there when the stream was opened
        raise ChangedError(path) from None


def _whole(body: Any, path: str, each: outage.Try) -> bytes:
    """All of an answer, checked by boto3 against its length and checksum.

    Raises:
        TimeoutError: it takes longer than the attempts may.
    """
    # boto3 1.44 waits for as long as a byte comes now and then, and offers no other place.
    body._raw_stream = _InTime(body._raw_stream, path, each)
    data: bytes = body.read()
    return data


class _InTime:
    """The stream of an answer, which looks at the clock whenever something has come."""

    def __init__(self, raw: Any, path: str, each: outage.Try) -> None:
        self._raw, self._path, self._each = raw, path, each

    def read(self, _: None) -> bytes:
        """Everything that is left, as boto3 asks for it."""
        chunks = []
        while chunk := self._raw.read1(_READ_BYTES):
            chunks.append(chunk)
            if self._each.is_over:
                raise TimeoutError(errno.ETIMEDOUT, "the object arrived too slowly", self._path)
        return b"".join(chunks)

    def close(self) -> None:
        """Of what is unread too."""
        self._raw.close()


def claim(path: str, content: bytes, *, version: str | None) -> bool:
    """Writes an object if its ETag is still `version`, or if there is none for None.

    Returns:
        Whether it holds this content now: an answer that was lost is not a refusal.
    """
    bucket, key = _parse(path)
    condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
    if _met(path, "put_object", Bucket=bucket, Key=key, Body=content, **condition):
        return True
    try:
        file, _ = open_versioned(path)
        with file:
            return file.read() == content
    except (FileNotFoundError, ChangedError):  # whoever was first has ended, or writes again
        return False


def delete_version(path: str, *, version: str | None) -> None:
    """Deletes an object if its ETag is still `version`."""
    bucket, key = _parse(path)
    _met(path, "delete_object", Bucket=bucket, Key=key, IfMatch=version or "")


def _met(path: str, call: str, **request: Any) -> bool:
    """Whether a request was carried out, which depends on what is there."""
    with _translated(path):
        try:
            getattr(_client(), call)(**request)
        except ClientError as error:
            # 404: what was to be replaced or deleted is gone.
            if (_status(error) == 404 and "IfMatch" in request) or _status(error) in _NOT_MET:
                return False
            raise
    return True


# Another writes at this moment, another has written:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html.
_NOT_MET = (409, 412)


def _status(error: ClientError) -> int | None:
    status: int | None = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


class Writer(io.RawIOBase):
    """A new object; it appears when the file is closed, not if the `with` statement fails.

    What is written waits on this machine's disk, so that it is sent as a whole.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this file

    def writable(self) -> bool:
        """Asked by whatever wraps the file."""
        return True

    def write(self, data: Any) -> int:
        """Keeps the bytes."""
        return self._spool.write(data)

    def close(self) -> None:
        """Sends the object.

        Raises:
            OSError: S3 does not take it.
            UserError: there are no credentials.
        """
        if not self.closed:
            super().close()
            with self._spool, _translated(self._path):
                bucket, key = _parse(self._path)
                self._spool.seek(0)
                _client().upload_fileobj(self._spool, bucket, key)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None:
            self._spool.close()
            super().close()
        super().__exit__(kind, error, trace)


def _parse(path: str) -> tuple[str, str]:
    bucket, _, key = path.removeprefix("s3://").partition("/")
    if not bucket:
        raise FileNotFoundError(errno.ENOENT, "expected s3://BUCKET/OBJECT", path)
    return bucket, key


def _client() -> Any:
    return _client_of(os.getpid(), beam_internals.file_system_flags())


@functools.lru_cache(maxsize=1)
def _client_of(process: int, flags: PipelineOptions) -> Any:  # noqa: ARG001  # a key
    """With the settings of Beam's flags, as its own file system has them."""
    options = flags.view_as(S3Options)
    return boto3.session.Session().client(
        "s3",
        region_name=options.s3_region_name,
        api_version=options.s3_api_version,
        use_ssl=not options.s3_disable_ssl,
        verify=options.s3_verify,
        endpoint_url=options.s3_endpoint_url,
        aws_access_key_id=options.s3_access_key_id,
        aws_secret_access_key=options.s3_secret_access_key,
        aws_session_token=options.s3_session_token,
        config=_SETTINGS,
    )


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except NoCredentialsError as error:
        raise _no_credentials("none were found") from error
    except _UNUSABLE as error:
        raise _no_credentials(f"yours cannot be used ({type(error).__name__})") from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in _REFUSED and not _is_known(_parse(path)[0]):
            raise _no_credentials(f"yours were refused ({code})") from error
        raise status_error(_status(error), path, str(error)) from error
    except ParamValidationError as error:  # no such name can be: nothing was sent
        raise FileNotFoundError(errno.ENOENT, "expected s3://BUCKET/OBJECT", path) from error
    except (BotoCoreError, S3UploadFailedError, HTTPError) as error:
        raise status_error(None, path, str(error)) from error
    except RecursionError as error:  # boto3 follows them by calling itself
        raise status_error(None, path, "S3 answers with redirects without end") from error
    except _NONSENSE as error:
        words = f"S3 gave an answer that makes no sense: {error}"
        raise status_error(None, path, words) from error


_UNUSABLE = (
    CredentialRetrievalError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

_REFUSED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
"""What S3 says of credentials, and not of an object:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""


def _is_known(bucket: str) -> bool:
    """Whether S3 takes the credentials: what it says of an object that nobody has.

    A server may refuse one object as if they were no good, such as one whose name it signs
    otherwise; that is no reason to end a run.
    """
    try:
        _client().get_object(Bucket=bucket, Key=uuid.uuid4().hex)
    except ClientError as error:
        return error.response.get("Error", {}).get("Code") not in _REFUSED
    except (BotoCoreError, HTTPError, *_NONSENSE):
        pass  # the next object will tell
    return True


def _no_credentials(reason: str) -> UserError:
    return UserError(
        f"s3:// needs AWS credentials: {reason}. Log in with 'aws configure', or set "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


_NONSENSE = (
    ResponseParserError,
    AttributeError,
    KeyError,
    RuntimeError,  # of a date that is none
    TypeError,
    ValueError,
)
"""What boto3 raises, and we do, for headers and XML that are not what they should be."""


def status_error(status: int | None, path: str, words: str) -> OSError:
    """The error for an HTTP status that is no success; None if there was no answer."""
    if status == 404:
        return FileNotFoundError(errno.ENOENT, "no such bucket or object", path)
    if status in (401, 403):
        return PermissionError(errno.EACCES, f"permission denied ({one_line(words)})", path)
    if status is None or status == 429 or status >= 500:
        return ConnectionError(errno.EIO, one_line(words), path)
    if status == 412:
        return ChangedError(path)
    return OSError(errno.EIO, one_line(words), path)
