"""Which unit of work a picture belongs to."""

from __future__ import annotations

import zlib

from transforms.inputs.archives.kinds import archive_of

BUCKETS = 4096
"""Work units of a run: a uri belongs to the same unit on every machine.

Enough to feed some thousand cores; at a thousand million pictures a unit holds 250,000 references,
25 MB.
"""


def unit_of(uri: str) -> int:
    """The bucket of a picture. Members of an archive share its bucket, and meet it there."""
    return bucket_of(archive_of(uri) or uri)


def bucket_of(key: str) -> int:
    """The work unit of a key, 0..BUCKETS-1, the same on every machine."""
    # A CRC is linear: names that differ in one digit would share most of its low bits. The
    # multiplication (Knuth, The Art of Computer Programming 3, 6.4) spreads them.
    checksum = zlib.crc32(to_bytes(key))
    return (checksum * 2654435769 % 2**32) * BUCKETS >> 32


def to_bytes(path: str) -> bytes:
    """The same on every machine, whichever encoding it has for the names of files."""
    return path.encode("utf-8", "surrogateescape")
