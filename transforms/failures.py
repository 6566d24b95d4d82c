"""Why a picture was not labelled: the stages, the reasons, and the record of it."""

from __future__ import annotations

import errno
from enum import StrEnum

from transforms.errors import one_line
from transforms.records import Failure, ImageRef


class Stage(StrEnum):
    """Where a picture failed."""

    READ = "read"
    DECODE = "decode"
    INFER = "infer"


class Reason(StrEnum):
    """Why a picture failed. The values are part of the output format: add to them, keep the old."""

    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"
    PERMISSION_DENIED = "permission_denied"
    UNSUPPORTED_URI = "unsupported_uri"
    UNSUPPORTED_FORMAT = "unsupported_format"
    # Two values are older than our words: input lists were called manifests, archives shards.
    BAD_LIST_ROW = "bad_manifest_row"
    TOO_LARGE_BYTES = "too_large_bytes"
    DAMAGED_ARCHIVE = "damaged_shard"
    NO_PICTURES = "no_pictures"
    NAME_TAKEN = "name_taken"
    IO_ERROR = "io_error"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"

    EMPTY = "empty"
    UNKNOWN_FORMAT = "unknown_format"
    UNSUPPORTED = "unsupported"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_COMPLEX = "too_complex"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_SLOW = "too_slow"
    DECODER_CRASHED = "decoder_crashed"

    INFERENCE_ERROR = "inference_error"

    @property
    def retryable(self) -> bool:
        """Whether the picture may succeed another time: the storage failed, not the picture.

        Who was denied a bucket is given a role, and nothing about its objects changes.
        """
        return self in (
            Reason.PERMISSION_DENIED,
            Reason.IO_ERROR,
            Reason.TIMEOUT,
            Reason.UNAVAILABLE,
        )

    @staticmethod
    def from_os_error(error: OSError) -> Reason:
        """The reason for an error of the operating system; `IO_ERROR` where it is no plain one."""
        if error.errno in _ERRNOS:
            return _ERRNOS[error.errno]
        for kind, reason in _OS_ERRORS:
            if isinstance(error, kind):
                return reason
        return Reason.IO_ERROR


_ERRNOS = {
    errno.EBADMSG: Reason.CORRUPT,
    errno.EFBIG: Reason.TOO_LARGE_BYTES,
    errno.ELOOP: Reason.NOT_FOUND,  # a link that leads to itself
    errno.ENAMETOOLONG: Reason.NOT_FOUND,
    errno.EPROTONOSUPPORT: Reason.UNSUPPORTED_URI,
}

_OS_ERRORS: tuple[tuple[type[OSError], Reason], ...] = (
    (FileNotFoundError, Reason.NOT_FOUND),
    (NotADirectoryError, Reason.NOT_FOUND),  # a file where the path has a folder
    (IsADirectoryError, Reason.NOT_A_FILE),
    (PermissionError, Reason.PERMISSION_DENIED),
    (TimeoutError, Reason.TIMEOUT),
    (ConnectionError, Reason.UNAVAILABLE),
)


class ImageError(Exception):
    """One picture that cannot be labelled; the run goes on.

    Args:
        reason: the code.
        message: for a person, without the name of the picture. Made into one line of printable
            characters, `MAX_MESSAGE` at most.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        self.message = one_line(message)
        super().__init__(reason, self.message)  # both, so that it can be pickled

    def __str__(self) -> str:
        return self.message


def failure(ref: ImageRef, stage: Stage, error: ImageError) -> Failure:
    """The record of a picture that failed."""
    return Failure(
        uri=ref.uri,
        stage=stage.value,
        reason=error.reason.value,
        message=error.message,
        retryable=error.reason.retryable,
        size=ref.size,
        version=ref.version,
        meta=ref.meta,
    )


def read_failure(uri: str, reason: Reason, message: str) -> Failure:
    """The record of something named that could not be read."""
    return failure(ImageRef(uri), Stage.READ, ImageError(reason, message))
