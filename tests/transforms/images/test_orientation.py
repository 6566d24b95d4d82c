"""The orientation entry of EXIF data, whole and broken."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from transforms.images.decode import decode
from transforms.images.orientation import exif_orientation, upright, with_orientation


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


def _picture() -> Image.Image:
    return Image.fromarray(np.arange(40 * 24 * 3, dtype=np.uint8).reshape(24, 40, 3))


@pytest.mark.parametrize("encoding", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_said_beside_a_picture_turns_it_as_its_own_exif_data_would(
    encoding: str, orientation: int
) -> None:
    own, plain = io.BytesIO(), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    _picture().save(own, encoding, exif=exif)
    _picture().save(plain, encoding)
    turned = with_orientation(plain.getvalue(), orientation)
    assert turned is not None
    assert (decode(turned).pixels == decode(own.getvalue()).pixels).all()
    with Image.open(io.BytesIO(turned)) as image:  # an independent reader
        assert image.getexif()[0x0112] == orientation
        image.load()
    assert with_orientation(own.getvalue(), 6) is None  # it says one itself, if only 1


@pytest.mark.parametrize("encoding", ["WEBP", "GIF", "TIFF", "BMP"])
def test_other_formats_stay_as_they_are(encoding: str) -> None:
    file = io.BytesIO()
    _picture().save(file, encoding)
    assert with_orientation(file.getvalue(), 6) is None
    assert with_orientation(b"\xff\xd8\xff" + bytes(20), 6) is None
    assert with_orientation(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(9), 6) is None
