"""Formats, colours, orientation and damage, each on pictures made here."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg
from PIL import Image, features

from tests.helpers.encoded import (
    encoded,
    grey_tiff,
    lossless_jpeg,
    orientation_exif,
    png,
    png_chunk,
    waves,
)
from transforms.failures import ImageError
from transforms.images.decode import decode
from transforms.images.pixels import Scratch

WAVES = waves(37, 41)


def _refused(data: bytes, **options: Any) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data, **options)
    return raised.value.reason.value


def _answer(data: bytes) -> bytes | str:
    """The pixels or the reason."""
    try:
        return decode(data).pixels.tobytes()
    except ImageError as error:
        return error.reason.value


def _pillow(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# --- formats


JPEGS: dict[str, bytes] = {
    "baseline": encoded(WAVES, "JPEG"),
    "progressive": encoded(WAVES, "JPEG", progressive=True),
    "restart": encoded(WAVES, "JPEG", restart_marker_blocks=2),
    "4:4:4": encoded(WAVES, "JPEG", subsampling="4:4:4"),
    "4:2:2": encoded(WAVES, "JPEG", subsampling="4:2:2"),
    "rgb": encoded(WAVES, "JPEG", keep_rgb=True),
    "grey": encoded(WAVES[..., 0], "JPEG"),
    "cmyk": encoded(Image.fromarray(WAVES).convert("CMYK"), "JPEG"),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_has_the_pixels_that_pillow_decodes(name: str) -> None:
    picture = decode(JPEGS[name])
    np.testing.assert_array_equal(picture.pixels, _pillow(JPEGS[name]))
    assert picture[1:] == (41, 37, "JPEG")


def _adobe_transform(data: bytes, code: int) -> bytes:
    """The Adobe segment's colour transform: in four channels 0 says CMYK and 2 says YCCK."""
    at = data.index(b"\xff\xee\x00\x0eAdobe") + 15
    return data[:at] + bytes([code]) + data[at + 1 :]


def test_cmyk_is_not_a_negative() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(decode(encoded(red, "JPEG")).pixels[8, 8], [255, 0, 0], atol=3)


def test_ycck_has_the_pixels_that_pillow_decodes() -> None:
    ycck = _adobe_transform(JPEGS["cmyk"], 2)
    assert not np.array_equal(_pillow(ycck), _pillow(JPEGS["cmyk"]))
    np.testing.assert_array_equal(decode(ycck).pixels, _pillow(ycck))


def test_cmyk_without_an_adobe_segment_is_not_inverted() -> None:
    inverted = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    at = inverted.index(b"\xff\xee\x00\x0eAdobe")
    plain = inverted[:at] + inverted[at + 16 :]
    np.testing.assert_allclose(decode(plain).pixels[8, 8], [0, 0, 0], atol=3)


def test_a_multi_picture_jpeg_gives_its_first() -> None:
    other = Image.new("RGB", (8, 8), "blue")
    data = encoded(WAVES, "MPO", save_all=True, append_images=[other])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, decode(JPEGS["baseline"]).pixels)
    assert picture.format == "JPEG"


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
    assert picture[1:] == (41, 37, encoding)


def test_lossy_webp() -> None:
    data = encoded(WAVES, "WEBP", quality=95)
    picture = decode(data)
    np.testing.assert_array_equal(picture.pixels, _pillow(data))
    assert picture[1:] == (41, 37, "WEBP")


@pytest.mark.parametrize("encoding", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken(encoding: str) -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if encoding == "WEBP" else {}
    data = encoded(frames[0], encoding, save_all=True, append_images=frames[1:], **lossless)
    picture = decode(data)
    assert picture.pixels.tolist() == [[[255, 0, 0]] * 5] * 4
    assert picture[1:] == (5, 4, encoding)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_picture_of_one_pixel(encoding: str) -> None:
    picture = decode(encoded(np.full((1, 1, 3), 255, np.uint8), encoding))
    assert picture.pixels.tolist() == [[[255, 255, 255]]]
    assert picture[1:] == (1, 1, encoding)


# --- colours


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
    assert _refused(encoded(Image.new(mode, (2, 2)), "TIFF")) == "unsupported"


def test_12_bit_jpeg_is_unsupported() -> None:
    data = bytearray(JPEGS["baseline"])
    data[data.index(b"\xff\xc0") + 4] = 12
    assert _refused(bytes(data)) == "unsupported"


# --- orientation


STORED = np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40

UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("encoding", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(encoding: str, orientation: int) -> None:
    options = {"lossless": True} if encoding == "WEBP" else {}
    rgb = Image.fromarray(STORED).convert("RGB")
    picture = decode(encoded(rgb, encoding, exif=orientation_exif(orientation), **options))
    expected = np.array(UPRIGHT[orientation]) * 40
    assert picture.pixels[..., 1].tolist() == expected.tolist()
    assert (picture.height, picture.width) == expected.shape


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_of_jpeg(orientation: int) -> None:
    blocks = STORED.repeat(16, axis=0).repeat(16, axis=1)
    picture = decode(encoded(blocks, "JPEG", exif=orientation_exif(orientation)))
    expected = np.array(UPRIGHT[orientation]) * 40
    np.testing.assert_allclose(picture.pixels[8::16, 8::16, 1], expected, atol=2)
    assert (picture.height, picture.width) == (16 * expected.shape[0], 16 * expected.shape[1])


def test_exif_behind_the_pixels_of_a_png() -> None:
    exif = orientation_exif(6).tobytes().removeprefix(b"Exif\0\0")
    lines = b"".join(b"\0" + row.tobytes() for row in STORED)
    chunks = png_chunk(b"IDAT", zlib.compress(lines)) + png_chunk(b"eXIf", exif)
    pixels = decode(png(3, 2, depth=8, colour=0, chunks=chunks)).pixels
    assert pixels[..., 0].tolist() == (np.array(UPRIGHT[6]) * 40).tolist()


# --- reduced size


@pytest.mark.parametrize(
    ("min_side", "expected"),
    [
        (None, (400, 640, 3)),
        (201, (400, 640, 3)),
        (200, (200, 320, 3)),
        (101, (200, 320, 3)),
        (100, (100, 160, 3)),
        (51, (100, 160, 3)),
        (50, (50, 80, 3)),
        (1, (50, 80, 3)),
    ],
)
def test_a_large_jpeg_is_decoded_smaller(
    min_side: int | None, expected: tuple[int, int, int]
) -> None:
    picture = decode(encoded(waves(400, 640), "JPEG"), min_side=min_side)
    assert picture.pixels.shape == expected
    assert (picture.width, picture.height) == (640, 400)


def test_a_reduced_jpeg_is_turned_upright() -> None:
    data = encoded(waves(400, 640), "JPEG", exif=orientation_exif(6))
    picture = decode(data, min_side=50)
    assert picture.pixels.shape == (80, 50, 3)
    assert (picture.width, picture.height) == (400, 640)


def test_a_partial_pixel_is_never_mirrored_to_the_front() -> None:
    upright = decode(encoded(waves(402, 642), "JPEG"), min_side=50)
    mirrored = decode(encoded(waves(402, 642), "JPEG", exif=orientation_exif(3)), min_side=50)
    assert upright.pixels.shape == (51, 81, 3)
    assert mirrored.pixels.shape == (201, 321, 3)


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
    assert _refused(data, min_side=min_side) == "unsupported"
    assert asked_of_simplejpeg == []


def test_other_formats_are_never_reduced() -> None:
    assert decode(encoded(waves(80, 80), "PNG"), min_side=1).pixels.shape == (80, 80, 3)


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


# --- what is refused before it costs anything


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pixels_are_counted_from_the_header(encoding: str) -> None:
    data = encoded(WAVES, encoding)
    assert decode(data, max_pixels=37 * 41).width == 41
    assert _refused(data, max_pixels=37 * 41 - 1) == "too_many_pixels"


@pytest.mark.parametrize("rest", [b"", png_chunk(b"IDAT", b"")])
def test_a_huge_png_takes_no_memory(rest: bytes) -> None:
    data = png(50_000, 50_000, depth=8, colour=2, chunks=rest)
    tracemalloc.start()
    assert _refused(data) == "too_many_pixels"
    assert _refused(data[:33]) == "too_many_pixels"
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_huge_webp_is_told_from_its_header(lossless: bool, frames: int) -> None:
    image = Image.fromarray(WAVES)
    others = [image.rotate(90)] * (frames - 1)
    data = encoded(image, "WEBP", lossless=lossless, save_all=frames > 1, append_images=others)
    assert data[12:16] == (b"VP8X" if frames > 1 else b"VP8L" if lossless else b"VP8 ")
    assert _refused(data[:30], max_pixels=37 * 41 - 1) == "too_many_pixels"
    assert _refused(data[:30], max_pixels=37 * 41) == "truncated"


def test_a_gif_frame_larger_than_its_screen_counts() -> None:
    data = bytearray(encoded(Image.fromarray(WAVES[..., 0]), "GIF"))
    data[6:10] = struct.pack("<HH", 1, 1)
    assert _refused(bytes(data), max_pixels=1000) == "too_many_pixels"


def test_a_tiff_tile_larger_than_the_picture_counts() -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(6), tags={322: 50_000, 323: 50_000})
    assert _refused(data) == "too_many_pixels"


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_bomb_in_a_png_chunk_takes_no_memory(name: bytes) -> None:
    bomb = png_chunk(name, b"x\0\0" + zlib.compress(bytes(100_000_000)))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0\0"))
    data = png(1, 1, depth=8, colour=0, chunks=bomb + pixels)
    tracemalloc.start()
    assert decode(data).pixels.tolist() == [[[0, 0, 0]]]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# --- what is no picture, or only part of one


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"these are words\n" * 50, "unknown_format"),
        (b"BMW is a maker of cars, and this is a text.", "unknown_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\xff\xd8", "unknown_format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff" + b"words " * 50, "corrupt"),
        (b"\x89PNG\r\n\x1a\n" + b"words " * 50, "corrupt"),
        (b"GIF89a" + bytes(500), "truncated"),
        (b"BM" + bytes(12) + b"\x28\0\0\0" + b"\xff" * 500, "unsupported"),
        (b"RIFF\x20\0\0\0WEBPVP8 " + bytes(100), "corrupt"),
        (b"II*\0\x08\0\0\0" + bytes(100), "corrupt"),
    ],
)
def test_what_is_no_picture(data: bytes, expected: str) -> None:
    assert _refused(data) == expected


def test_a_format_that_is_not_ours_is_refused() -> None:
    assert features.check("jpg_2000")
    assert _refused(encoded(WAVES, "JPEG2000")) == "unsupported_format"
    assert _refused(encoded(WAVES, "PPM")) == "unknown_format"


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_is_truncated_wherever_it_is_cut(name: str) -> None:
    data = JPEGS[name]
    assert {_refused(data[:size]) for size in range(3, len(data))} == {"truncated"}


@pytest.mark.parametrize("name", ["baseline", "restart", "grey", "cmyk"])
def test_a_cut_jpeg_is_truncated_though_an_end_marker_follows(name: str) -> None:
    """Pillow makes a half-grey picture of it."""
    data = JPEGS[name]
    scan = data.rindex(b"\xff\xda") + 14
    cuts = range(scan + 10, len(data) - 10, 7)
    assert {_refused(data[:size] + b"\xff\xd9") for size in cuts} <= {"truncated", "corrupt"}
    assert _refused(data[: (scan + len(data)) // 2] + b"\xff\xd9") == "truncated"


@pytest.mark.parametrize("padding", [b"\0" * 100, b"\xff" * 100])
def test_a_cut_jpeg_is_refused_though_padding_follows(padding: bytes) -> None:
    data = JPEGS["baseline"]
    assert _refused(data[: len(data) * 3 // 4] + padding) in ("truncated", "corrupt")


@pytest.mark.parametrize("garbage", [b"garbage" * 100, b"\xff\xd8\xff" * 50, b"\0", b"\n"])
@pytest.mark.parametrize("name", JPEGS)
def test_bytes_behind_the_end_of_a_jpeg_are_ignored(name: str, garbage: bytes) -> None:
    pixels = decode(JPEGS[name] + garbage).pixels
    np.testing.assert_array_equal(pixels, decode(JPEGS[name]).pixels)


@pytest.mark.parametrize("before", [b"\xff\xd9", b"\xff\xdb", b"\xff\xda"])
def test_stray_bytes_before_a_marker_do_no_harm(before: bytes) -> None:
    """The decoder complains of them, and still all the pixels are there."""
    data = JPEGS["baseline"]
    at = data.rindex(before)
    pixels = decode(data[:at] + b"\0\0\0" + data[at:]).pixels
    np.testing.assert_array_equal(pixels, decode(data).pixels)
    assert _refused((data[:at] + b"\0\0\0" + data[at:])[: len(data) - 20]) == "truncated"


def test_a_jpeg_with_a_damaged_middle_is_refused() -> None:
    data = bytearray(encoded(waves(200, 200), "JPEG", restart_marker_blocks=4))
    at = data.index(b"\xff\xd3")
    data[at + 1] = 0xD6  # restart markers out of order: something between them is lost
    assert _refused(bytes(data)) == "corrupt"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_a_cut_file_is_refused_or_has_all_its_pixels(
    encoding: str, options: dict[str, Any]
) -> None:
    data = encoded(WAVES, encoding, **options)
    whole = decode(data).pixels.tobytes()
    answers = [_answer(data[:size]) for size in range(20, len(data))]
    assert set(answers) <= {"truncated", whole}
    assert answers[len(data) // 2] == "truncated"


def test_a_tiff_strip_behind_the_end_is_truncated(capfd: pytest.CaptureFixture[str]) -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(6), tags={259: 5, 279: 1000})
    assert _refused(data) == "truncated"
    assert capfd.readouterr().err == ""  # libtiff would print a complaint


def test_a_tiff_that_is_not_compressed_may_be_wrong_about_its_length() -> None:
    data = grey_tiff(6, 1, bits=8, content=bytes(range(6)), tags={279: 1000})
    assert decode(data).pixels[..., 0].tolist() == [[0, 1, 2, 3, 4, 5]]


def test_a_message_never_shows_the_file() -> None:
    secret = b"\xff\xd8\xff" + b"\xff\xe1\x00\x40Exif\0\0" + b"password " * 20
    with pytest.raises(ImageError) as raised:
        decode(secret)
    assert "password" not in str(raised.value)


# --- threads, silence


def test_threads_get_the_same_answers() -> None:
    files = [*JPEGS.values(), *(data[: len(data) // 2] for data in JPEGS.values())]
    files += [encoded(WAVES, encoding) for encoding in ("PNG", "WEBP", "GIF", "TIFF", "BMP")]

    alone = [_answer(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(_answer, files * 20)) == alone * 20


NOISY = r"""
import io, sys
from PIL import Image
from tests.helpers.encoded import encoded, orientation_exif, png_chunk, waves
from transforms.images.decode import decode
from transforms.failures import ImageError
palette = Image.fromarray(waves(9, 9)).convert("P")
tiff = encoded(waves(9, 9), "TIFF")
lzw = encoded(waves(99, 99), "TIFF", compression="tiff_lzw")
png = encoded(waves(9, 9), "PNG")
jpeg = encoded(waves(9, 9), "JPEG", exif=orientation_exif(6))
at = tiff.index(b"\x15\x01\x03\x00") + 8
files = [
    encoded(palette, "PNG", transparency=bytes(range(256))),
    png[:33] + png_chunk(b"acTL", bytes(8)) + png[33:],
    tiff[:60], tiff[: len(tiff) - 40], lzw[:2000],
    tiff[:at] + b"\xff\xff" + tiff[at + 2:],
    jpeg.replace(b"II*\0", b"XX*\0"), jpeg.replace(b"MM\0*", b"MM\0+"),
    jpeg[:-20], jpeg[:-20] + b"\xff\xd9",
]
for data in files:
    try:
        decode(data)
    except ImageError:
        pass
"""


def test_nothing_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", NOISY], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


# --- scratch memory


def test_a_picture_in_scratch_memory_is_the_same_and_lives_until_the_next() -> None:
    scratch = Scratch()
    small, large = encoded(waves(40, 64), "JPEG"), encoded(waves(80, 96), "JPEG")
    for data in (small, large, small):  # grown once, then partly used
        assert np.array_equal(decode(data, scratch=scratch).pixels, decode(data).pixels)
    first = decode(large, scratch=scratch).pixels
    second = decode(small, scratch=scratch).pixels
    assert np.shares_memory(first, second)


def test_very_large_pictures_leave_no_scratch_memory_behind() -> None:
    assert Scratch().of(64 * 1024 * 1024 + 1) is None


def test_cmyk_fits_its_four_channels_into_scratch_memory() -> None:
    data = encoded(Image.fromarray(waves(40, 64)).convert("CMYK"), "JPEG")
    assert np.array_equal(decode(data, scratch=Scratch()).pixels, decode(data).pixels)
