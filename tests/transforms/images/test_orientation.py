"""The orientation entry of EXIF data, whole and broken."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from transforms.images.orientation import exif_orientation, upright


def _exif(value: int, *, order: str = "<", kind: int = 3, tag: int = 0x0112) -> bytes:
    """One directory with a width (256) and, after it, the tag."""
    number = struct.pack(order + ("HH" if kind == 3 else "I"), *[value, 0][: 5 - kind])
    entries = struct.pack(order + "HHII", 256, 4, 1, 7)
    entries += struct.pack(order + "HHI", tag, kind, 1) + number
    header = b"II*\0" if order == "<" else b"MM\0*"
    return header + struct.pack(order + "IH", 8, 2) + entries + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_every_way_to_write_it(order: str, kind: int, prefix: bytes) -> None:
    assert exif_orientation(prefix + _exif(6, order=order, kind=kind)) == 6


@pytest.mark.parametrize(
    "exif",
    [
        None,
        "text",
        b"",
        b"Exif\0\0",
        b"II*\0",
        b"nothing of the kind",
        _exif(0),
        _exif(9),
        _exif(6, tag=0x0111),
        b"II*\0\xff\xff\xff\xff" + bytes(30),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(30),
    ],
)
def test_what_makes_no_sense_is_upright(exif: object) -> None:
    assert exif_orientation(exif) == 1


def test_cut_data_are_upright() -> None:
    whole = _exif(6)
    answers = [exif_orientation(whole[:size]) for size in range(len(whole))]
    assert answers == [1] * (len(whole) - 4) + [6] * 4  # the last four bytes say nothing


def test_upright_copies_nothing() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    for orientation in range(1, 9):
        assert np.shares_memory(upright(pixels, orientation), pixels)
