"""Addresses as people may see them."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator

_USER = re.compile(r"(?<=://)[^/]*@")
_SECRET = re.compile(
    r"([?&;#])([^=&;#]*(?:auth|cred|key|pass|policy|pwd|secret|session|sig|token)[^=&;#]*)=([^&;#]*)",
    re.IGNORECASE,
)
# Where a question mark is part of the name of an object.
_NO_QUERY = ("gs://", "s3://", "hdfs://", "azfs://")


def shown(url: str) -> str:
    """`url` as messages show it: without user, password, and of http(s) without query and fragment.

    Signed URLs carry their secret in the query. A question mark in the name of a file or an object
    is part of the name.
    """
    if not url.lower().startswith(("http://", "https://")):
        return without_credentials(url)
    return re.split("[?#]", _USER.sub("", url, count=1), maxsplit=1)[0]


def without_credentials(uri: str) -> str:
    """`uri` as a row names it: passwords and signatures hidden, and still apart from every other.

    Of a user with a password the user stays. Of a query everything stays but the values of
    parameters that are called like a credential; a digest of 32 bits stands for each of them.
    """
    if "://" not in uri:
        return uri
    uri = _USER.sub(_hidden_user, uri, count=1)
    return uri if uri.startswith(_NO_QUERY) else _SECRET.sub(_hidden_value, uri)


def _hidden_user(found: re.Match[str]) -> str:
    user, colon, _ = found[0].partition(":")
    return f"{user}:***@" if colon else "***@"


def _hidden_value(found: re.Match[str]) -> str:
    separator, name, value = found.groups()
    digest = hashlib.blake2b(value.encode("utf-8", "surrogateescape"), digest_size=4)
    return f"{separator}{name}=***{digest.hexdigest()}"


def resolved(uri: str, *, beside: str) -> str:
    """An address as it reads from anywhere, of one that may be relative to a file's folder.

    In a bucket `a//b` is another object than `a/b`, so only the parts `.` and `..` are resolved.
    What comes from a web server names nothing of this machine: a path is one of that server.

    Args:
        uri: as a list or an archive spells it.
        beside: the list or archive, absolute.
    """
    is_web = beside[:8].lower().startswith(("http://", "https://"))
    if is_web and "://" not in uri:
        uri = _joined(beside, uri)
    elif not is_web and (uri.startswith("~/") or _FILE.match(uri)):
        uri = local_path(uri)
    if "://" in uri:
        return without_credentials(uri)
    if os.path.isabs(uri):
        return os.path.normpath(uri)
    scheme, slashes, path = beside.rpartition("://")
    folder = path.rpartition("/")[0]
    if not scheme:
        return os.path.normpath(os.path.join(folder, uri))
    bucket, *parts = folder.split("/")
    for part in uri.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return scheme + slashes + "/".join([bucket, *parts])


def _joined(address: str, reference: str) -> str:
    try:
        joined = urllib.parse.urljoin(address, reference)
        # `12:30.jpg` begins as a scheme does, and would be a file of this machine.
        return joined if "://" in joined else urllib.parse.urljoin(address, f"./{reference}")
    except ValueError:  # `//HOST/...`, and no host can be called so: reading it will tell
        return f"{address.partition(':')[0]}:{reference}"


# RFC 8089, 2; without a host Java and Spark write it. Of this machine only.
_FILE = re.compile("file:(?://(?:localhost)?(?=/)|(?!//))(?=/)", re.IGNORECASE)


def local_path(uri: str) -> str:
    """The path in `file:///path` or `file:/path`, without percent escapes, or in `~/path`.

    Every other address stays as it is, that of a file on another host as well: no storage knows it.
    """
    if uri.startswith("~"):
        return os.path.expanduser(uri)
    found = _FILE.match(uri)
    if found is None:
        return uri
    return urllib.parse.unquote(uri[found.end() :], errors="surrogateescape")


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


_ESCAPE = re.compile(r"\\x(5c|[89a-f][0-9a-f])")


def text(name: str) -> str:
    r"""A file name as valid Unicode: bytes that are not UTF-8 appear as `\xNN`.

    A name in which `\xNN` stands literally gets `\x5c` for its backslash, so no two names become
    one. Every other name stays as it is.
    """
    escaped = _ESCAPE.sub(r"\\x5cx\1", name)
    return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def name_of(text: str) -> str:
    """The reverse of `text`: the name that the system knows."""
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return "\\" if byte == ord("\\") else chr(0xDC00 + byte)  # as `surrogateescape` has it


def is_utf8(name: str) -> bool:
    """Whether a name can be written down as it is, by programs that know nothing of `text`."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
