"""The bytes of one picture by its uri, and why they cannot be had."""

from __future__ import annotations

from transforms.errors import MissingExtraError
from transforms.failures import ImageError, Reason
from transforms.storage import files
from transforms.storage.addresses import name_of
from transforms.storage.content import Content, Reserve


def read_bytes(uri: str, *, max_bytes: int, reserve: Reserve = lambda _: None) -> Content:
    """The content of a picture's file or object; the arguments are those of `storage.read`.

    Raises:
        ImageError: the file is missing, not a regular file, not readable, or too large, or its
            storage has failed for a minute.
        UserError: no picture can be read there, for want of credentials.
    """
    try:
        return files.read(uri, max_bytes=max_bytes, reserve=reserve)
    except MissingExtraError as error:
        raise ImageError(Reason.UNSUPPORTED_URI, str(error)) from error
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), _words(uri, error)) from error


def _words(uri: str, error: OSError) -> str:
    words = error.strerror or str(error)
    if isinstance(error, FileNotFoundError) and name_of(uri) != uri:
        words += r"; \xNN stands for a byte in tables of quantlabel only, here for itself"
    return words
