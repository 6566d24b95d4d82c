"""Boxes of the outermost level, whole, cut off and made up."""

from __future__ import annotations

import pytest

from transforms.images.formats.boxes import Box, boxes, end_too_early, lacks_bytes

_TWO = b"\0\0\0\x0cftypabcd" + b"\0\0\0\x0amdatxy"


def test_boxes_say_where_they_lie() -> None:
    assert list(boxes(_TWO)) == [Box(b"ftyp", 8, 12), Box(b"mdat", 20, 22)]


def test_a_length_may_have_eight_bytes_or_be_that_of_the_rest() -> None:
    long = b"\0\0\0\1ftyp" + (18).to_bytes(8, "big") + b"ab"
    rest = b"\0\0\0\0mdatxyz"
    assert list(boxes(long + rest)) == [Box(b"ftyp", 16, 18), Box(b"mdat", 26, None)]


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (_TWO, False),
        (_TWO[:-1], True),
        (_TWO[:14], True),
        (_TWO[:10], True),
        (_TWO[:5], True),
        (_TWO + b"\0\0\0\0mdat", False),
        (b"", False),
    ],
)
def test_a_file_that_ends_within_a_box_is_told(data: bytes, cut: bool) -> None:
    assert end_too_early(data) is cut


def test_a_few_bytes_more_are_no_loss() -> None:
    assert lacks_bytes(_TWO[:-1])
    assert not lacks_bytes(_TWO)
    assert not lacks_bytes(_TWO + b"\n")


def test_a_length_that_leads_nowhere_ends_the_list() -> None:
    assert list(boxes(_TWO + b"\0\0\0\3abcd" + _TWO)) == list(boxes(_TWO))
    assert len(list(boxes(b"\0\0\0\x08free" * 200_000))) == 100_000
