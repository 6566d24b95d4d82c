from __future__ import annotations

import gzip
import io

import pytest

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import ArchiveStream, too_large


def test_what_precedes_a_break_is_handed_out_before_it() -> None:
    zipped = gzip.compress(b"abcdef" * 10, mtime=0)
    stream = ArchiveStream(io.BytesIO(zipped[:-3]), zipped=True)
    assert stream.read(6) == b"abcdef"
    assert stream.read(100) == b"abcdef" * 9
    assert stream.position == 60
    with pytest.raises(ImageError, match="the compressed data are damaged") as raised:
        stream.read(1)
    assert raised.value.reason is Reason.DAMAGED_ARCHIVE


def test_the_end_is_no_break() -> None:
    stream = ArchiveStream(io.BytesIO(b"abc"), zipped=False)
    assert (stream.read(2), stream.read(9), stream.read(9)) == (b"ab", b"c", b"")


def test_a_member_over_the_limit_has_both_numbers() -> None:
    error = too_large(11, limit=10)
    assert (error.reason, str(error)) == (Reason.TOO_LARGE_BYTES, "11 bytes, the limit is 10")
