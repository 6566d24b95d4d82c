"""Formats that Pillow decodes: colours, alpha, what is refused early."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.encoded import (
    STORED,
    UPRIGHT,
    WAVES,
    encoded,
    grey_tiff,
    orientation_exif,
    pillow_pixels,
    png,
    png_chunk,
    refusal,
    waves,
)
from transforms.images.decode import decode


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
    ],
)
def test_lossless_formats_keep_every_pixel(encoding: str, options: dict[str, Any]) -> None:
    picture = decode(encoded(WAVES, encoding, **options))
    np.testing.assert_array_equal(picture.pixels, WAVES)
    assert picture[1:4] == (41, 37, encoding)


def test_lossy_webp() -> None:
    data = encoded(WAVES, "WEBP", quality=95)
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, pillow_pixels(data))
    assert picture[1:4] == (41, 37, "WEBP")


@pytest.mark.parametrize("encoding", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken(encoding: str) -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if encoding == "WEBP" else {}
    data = encoded(frames[0], encoding, save_all=True, append_images=frames[1:], **lossless)
    picture = decode(data)
    assert picture.pixels.tolist() == [[[255, 0, 0]] * 5] * 4
    assert picture[1:4] == (5, 4, encoding)


@pytest.mark.parametrize("encoding", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_over_white(encoding: str) -> None:
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    options = {"lossless": True, "exact": True} if encoding == "WEBP" else {}
    pixels = decode(encoded(rgba, encoding, **options)).pixels
    # 51 / 255 = 0.2: 0.2 * 200 + 0.8 * 255 = 244, 224, 204.
    assert pixels.tolist() == [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]


def test_grey_with_alpha() -> None:
    grey = Image.fromarray(np.array([[[0, 255], [0, 0], [0, 51]]], np.uint8), "LA")
    assert decode(encoded(grey, "PNG")).pixels[..., 0].tolist() == [[0, 255, 204]]


def _palette_picture() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return image


@pytest.mark.parametrize("encoding", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(encoding: str) -> None:
    pixels = decode(encoded(_palette_picture(), encoding)).pixels
    assert pixels.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_palette_with_alpha_of_each_entry() -> None:
    data = encoded(_palette_picture(), "PNG", transparency=bytes([255, 0, 51]))
    assert decode(data).pixels.tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 255]]]


@pytest.mark.parametrize("encoding", ["PNG", "GIF"])
def test_palette_with_one_transparent_entry(encoding: str) -> None:
    data = encoded(_palette_picture(), encoding, transparency=1)
    assert decode(data).pixels.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_a_transparent_colour() -> None:
    rgb = np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)
    pixels = decode(encoded(rgb, "PNG", transparency=(9, 8, 7))).pixels
    assert pixels.tolist() == [[[255, 255, 255], [1, 2, 3]]]


GREY_16 = np.array([[0, 255, 256, 0x1234, 0x80FF, 0xFFFF]], np.uint16)


@pytest.mark.parametrize(
    ("encoding", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_16_bit_grey_keeps_its_high_byte(encoding: str, options: dict[str, Any]) -> None:
    pixels = decode(encoded(GREY_16, encoding, **options)).pixels
    assert pixels[..., 0].tolist() == [[0, 0, 1, 0x12, 0x80, 0xFF]]
    assert (pixels == pixels[..., :1]).all()


def test_16_bit_grey_of_a_big_endian_tiff() -> None:
    data = grey_tiff(6, 1, bits=16, content=GREY_16.astype(">u2").tobytes())
    assert decode(data).pixels[..., 0].tolist() == [[0, 0, 1, 0x12, 0x80, 0xFF]]


def test_12_bit_grey_of_a_tiff_keeps_its_high_byte() -> None:
    packed = bytes.fromhex("00000f01012380ffff")  # six samples of three digits each
    data = grey_tiff(6, 1, bits=12, content=packed, order="<")
    assert decode(data).pixels[..., 0].tolist() == [[0, 0, 1, 0x12, 0x80, 0xFF]]


def test_16_bit_grey_with_a_transparent_value() -> None:
    line = b"\0" + GREY_16.astype(">u2").tobytes()
    chunks = png_chunk(b"tRNS", struct.pack(">H", 0x1234)) + png_chunk(b"IDAT", zlib.compress(line))
    pixels = decode(png(6, 1, depth=16, colour=0, chunks=chunks)).pixels
    assert pixels[..., 0].tolist() == [[0, 0, 1, 0xFF, 0x80, 0xFF]]


@pytest.mark.parametrize(("depth", "samples"), [(2, 0b00_01_10_11), (4, 0x05AF)])
def test_grey_of_few_bits_with_a_transparent_value(depth: int, samples: int) -> None:
    line = b"\0" + samples.to_bytes(depth // 2, "big")
    chunks = png_chunk(b"tRNS", struct.pack(">H", {2: 2, 4: 10}[depth]))
    chunks += png_chunk(b"IDAT", zlib.compress(line))
    pixels = decode(png(4, 1, depth=depth, colour=0, chunks=chunks)).pixels
    assert pixels[..., 0].tolist() == [[0, 85, 255, 255]]


def test_16_bit_colour_with_a_transparent_one() -> None:
    key = (0x0102, 0x0304, 0xFF05)
    near = (0x0102, 0x0304, 0xFF06)
    line = b"\0" + struct.pack(">9H", *key, *near, 0x0203, 0x0405, 0x05FF)
    chunks = png_chunk(b"tRNS", struct.pack(">3H", *key)) + png_chunk(b"IDAT", zlib.compress(line))
    pixels = decode(png(3, 1, depth=16, colour=2, chunks=chunks)).pixels
    assert pixels.tolist() == [[[255, 255, 255], [1, 3, 255], [2, 4, 5]]]


def test_16_bit_colour_keeps_its_high_byte() -> None:
    line = b"\0" + struct.pack(">3H", 0x0180, 0x7FFF, 0xFF00)
    data = png(1, 1, depth=16, colour=2, chunks=png_chunk(b"IDAT", zlib.compress(line)))
    assert decode(data).pixels.tolist() == [[[0x01, 0x7F, 0xFF]]]


def test_one_bit() -> None:
    bits = Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert("1")
    assert decode(encoded(bits, "PNG")).pixels[..., 0].tolist() == [[0, 255, 0]]


def test_cmyk_tiff() -> None:
    data = encoded(Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "TIFF")
    assert decode(data).pixels.tolist() == [[[255, 0, 0]] * 2]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bits_a_sample_are_unsupported(mode: str) -> None:
    assert refusal(encoded(Image.new(mode, (2, 2)), "TIFF")) == "unsupported"


def test_exif_behind_the_pixels_of_a_png() -> None:
    exif = orientation_exif(6).tobytes().removeprefix(b"Exif\0\0")
    lines = b"".join(b"\0" + row.tobytes() for row in STORED)
    chunks = png_chunk(b"IDAT", zlib.compress(lines)) + png_chunk(b"eXIf", exif)
    pixels = decode(png(3, 2, depth=8, colour=0, chunks=chunks)).pixels
    assert pixels[..., 0].tolist() == (np.array(UPRIGHT[6]) * 40).tolist()


def test_other_formats_are_never_reduced() -> None:
    assert decode(encoded(waves(80, 80), "PNG"), min_side=1).pixels.shape == (80, 80, 3)


@pytest.mark.parametrize("rest", [b"", png_chunk(b"IDAT", b"")])
def test_a_huge_png_takes_no_memory(rest: bytes) -> None:
    data = png(50_000, 50_000, depth=8, colour=2, chunks=rest)
    tracemalloc.start()
    assert refusal(data) == "too_many_pixels"
    assert refusal(data[:33]) == "too_many_pixels"
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_huge_webp_is_told_from_its_header(lossless: bool, frames: int) -> None:
    image = Image.fromarray(WAVES)
    others = [image.rotate(90)] * (frames - 1)
    data = encoded(image, "WEBP", lossless=lossless, save_all=frames > 1, append_images=others)
    assert data[12:16] == (b"VP8X" if frames > 1 else b"VP8L" if lossless else b"VP8 ")
    assert refusal(data[:30], max_pixels=37 * 41 - 1) == "too_many_pixels"
    assert refusal(data[:30], max_pixels=37 * 41) == "truncated"


def test_a_gif_frame_larger_than_its_screen_counts() -> None:
    data = bytearray(encoded(Image.fromarray(WAVES[..., 0]), "GIF"))
    data[6:10] = struct.pack("<HH", 1, 1)
    assert refusal(bytes(data), max_pixels=1000) == "too_many_pixels"


def test_a_tiff_tile_larger_than_the_picture_counts() -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(6), tags={322: 50_000, 323: 50_000})
    assert refusal(data) == "too_many_pixels"


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_bomb_in_a_png_chunk_takes_no_memory(name: bytes) -> None:
    bomb = png_chunk(name, b"x\0\0" + zlib.compress(bytes(100_000_000)))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0\0"))
    data = png(1, 1, depth=8, colour=0, chunks=bomb + pixels)
    tracemalloc.start()
    assert decode(data).pixels.tolist() == [[[0, 0, 0]]]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_tiff_strip_behind_the_end_is_truncated(capfd: pytest.CaptureFixture[str]) -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(6), tags={259: 5, 279: 1000})
    assert refusal(data) == "truncated"
    assert capfd.readouterr().err == ""  # libtiff would print a complaint


def test_a_tiff_that_is_not_compressed_may_be_wrong_about_its_length() -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(range(6)), tags={279: 1000})
    assert decode(data).pixels[..., 0].tolist() == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P6 2 1 255\n" + bytes(range(6)), [[0, 1, 2], [3, 4, 5]]),
        (b"P5\n# grey\n2 1\n255\n\7\xff", [[7] * 3, [255] * 3]),
        (b"P4 2 1\n\x40", [[255] * 3, [0] * 3]),
        (b"P5 2 1 65535\n\x12\xff\xff\x00", [[0x12] * 3, [0xFF] * 3]),
        (b"P5 2 1 4095\n\x00\x00\x0f\xff", [[0] * 3, [255] * 3]),
        (b"P3 2 1 255\n0 1 2 3 4 5", [[0, 1, 2], [3, 4, 5]]),
        (b"P2 2 1 100\n50 100", [[128] * 3, [255] * 3]),
        (b"P1 2 1\n01", [[255] * 3, [0] * 3]),
    ],
)
def test_ppm_and_its_kin(data: bytes, expected: list[list[int]]) -> None:
    picture = decode(data)
    assert (picture.width, picture.height, picture.format) == (2, 1, "PPM")
    assert picture.pixels.tolist() == [expected]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P6 2 1 255\n" + bytes(5), "truncated"),
        (b"P5 2 1 65535\n" + bytes(3), "truncated"),
        (b"P3 2 1 255\n1 2 3", "truncated"),
        (b"P6 2 1", "truncated"),
        (b"P3 2 1 255\n1 2 3 4 5 x", "corrupt"),
        (b"P6 2 1 0\n" + bytes(6), "corrupt"),
        (b"P6 20000 20000 255\n", "too_many_pixels"),
        (b"P3 2000 2000 255\n", "too_many_pixels"),
        (b"P6 2000 2000 65535\n", "too_many_pixels"),
        (b"P3 1 1 255\n1 1 1" + b" " * 40_000_000, "too_complex"),
    ],
)
def test_a_ppm_that_is_damaged_or_asks_for_too_much(data: bytes, expected: str) -> None:
    assert refusal(data) == expected
