"""What the segments of a JPEG say before it is decoded."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg

from tests.helpers.encoded import (
    JPEGS,
    lossless_jpeg,
    refusal,
    waves,
)
from transforms.failures import ImageError
from transforms.images.decode import decode
from transforms.images.pixels import Scratch


@pytest.fixture
def asked_of_simplejpeg(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The heights and widths that it is asked for; it gets to see none but 40 x 64."""
    asked: list[tuple[int, int]] = []
    decoder = simplejpeg.decode_jpeg

    def recorded(data: bytes, **options: Any) -> npt.NDArray[np.uint8]:
        asked.append((options["min_height"], options["min_width"]))
        assert asked[-1] == (40, 64)
        pixels: npt.NDArray[np.uint8] = decoder(data, **options)
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", recorded)
    return asked


@pytest.mark.parametrize("min_side", [None, 1, 2, 8, 400])
def test_a_lossless_jpeg_is_decoded_exactly_and_never_reduced(
    min_side: int | None, asked_of_simplejpeg: list[tuple[int, int]]
) -> None:
    grey = waves(40, 64)[..., 0]
    pixels = decode(lossless_jpeg(grey), min_side=min_side).pixels
    assert (pixels == grey[..., None]).all()
    assert asked_of_simplejpeg == [(40, 64)]


@pytest.mark.parametrize("marker", [0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF])
@pytest.mark.parametrize("min_side", [None, 1])
def test_a_jpeg_process_that_no_decoder_reads_is_unsupported(
    marker: int, min_side: int | None, asked_of_simplejpeg: list[tuple[int, int]]
) -> None:
    data = JPEGS["baseline"].replace(b"\xff\xc0", bytes([0xFF, marker]))
    assert refusal(data, min_side=min_side) == "unsupported"
    assert asked_of_simplejpeg == []


def test_a_lossless_jpeg_is_never_reduced() -> None:
    """Process 14 of ITU-T T.81: every difference to the sample before is the one bit 0."""
    frame = struct.pack(">HBHHB", 17, 8, 80, 96, 3) + b"R\x11\0G\x11\0B\x11\0"
    table = struct.pack(">HB16sB", 20, 0, b"\1".ljust(16, b"\0"), 0)
    scan = struct.pack(">HB", 12, 3) + b"R\0G\0B\0" + b"\1\0\0"
    start, end = b"\xff\xd8\xff\xc3", bytes(3 * 80 * 96 // 8) + b"\xff\xd9"
    data = start + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + end
    scratch = Scratch()
    scratch.of(80 * 96 * 3)  # the room that too large a picture would overrun otherwise
    pixels = decode(data, min_side=1, scratch=scratch).pixels
    assert pixels.shape == (80, 96, 3)
    assert (pixels == 128).all()


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_is_truncated_wherever_it_is_cut(name: str) -> None:
    data = JPEGS[name]
    assert {refusal(data[:size]) for size in range(3, len(data))} == {"truncated"}


@pytest.mark.parametrize("name", ["baseline", "restart", "grey", "cmyk"])
def test_a_cut_jpeg_is_truncated_though_an_end_marker_follows(name: str) -> None:
    """Pillow makes a half-grey picture of it."""
    data = JPEGS[name]
    scan = data.rindex(b"\xff\xda") + 14
    cuts = range(scan + 10, len(data) - 10, 7)
    assert {refusal(data[:size] + b"\xff\xd9") for size in cuts} <= {"truncated", "corrupt"}
    assert refusal(data[: (scan + len(data)) // 2] + b"\xff\xd9") == "truncated"


@pytest.mark.parametrize("padding", [b"\0" * 100, b"\xff" * 100])
def test_a_cut_jpeg_is_refused_though_padding_follows(padding: bytes) -> None:
    data = JPEGS["baseline"]
    assert refusal(data[: len(data) * 3 // 4] + padding) in ("truncated", "corrupt")


@pytest.mark.parametrize("garbage", [b"garbage" * 100, b"\xff\xd8\xff" * 50, b"\0", b"\n"])
@pytest.mark.parametrize("name", JPEGS)
def test_bytes_behind_the_end_of_a_jpeg_are_ignored(name: str, garbage: bytes) -> None:
    pixels = decode(JPEGS[name] + garbage).pixels
    np.testing.assert_array_equal(pixels, decode(JPEGS[name]).pixels)


def test_a_message_never_shows_the_file() -> None:
    secret = b"\xff\xd8\xff" + b"\xff\xe1\x00\x40Exif\0\0" + b"password " * 20
    with pytest.raises(ImageError) as raised:
        decode(secret)
    assert "password" not in str(raised.value)
