"""Addresses as people may see them."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from transforms.errors import without_user


def shown(url: str) -> str:
    """`url` as messages and outputs show it: without user, password, query and fragment.

    Signed URLs carry their secret in the query. Whatever is no http(s) URL loses user and password
    only: a question mark in the name of a file or an object is part of the name.
    """
    if not url.lower().startswith(("http://", "https://")):
        scheme, slashes, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        return without_user(scheme + slashes + host) + slash + path
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


_SECRET_FLAG = re.compile(
    "--[a-z0-9_-]*(secret|token|password|key|credential|connection_string)[a-z0-9_-]*"
)


def without_secrets(words: Iterable[str]) -> Iterator[str]:
    """A command line as a manifest holds it: `--s3_secret_access_key=***`."""
    hidden = False
    for word in words:
        flag, equals, _ = word.partition("=")
        secret = _SECRET_FLAG.fullmatch(flag) is not None
        if hidden and not word.startswith("--"):
            yield "***"
        else:
            yield f"{flag}=***" if secret and equals else word
        hidden = secret and not equals


def text(name: str) -> str:
    r"""A file name as valid Unicode: bytes that are not UTF-8 appear as `\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def hashes_of(names: Iterable[str]) -> npt.NDArray[np.uint64]:
    """A hash of each uri or name; among ten million two agree by a chance of 1 in 370,000."""
    digests = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), np.uint64)
