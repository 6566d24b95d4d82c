from __future__ import annotations

import io
import itertools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.helpers import tiffs
from tests.helpers.encoded import encoded, refusal, waves
from tests.helpers.tiffs import Picture, cells, pictures, tiff, with_directory
from transforms.failures import ImageError, Reason
from transforms.images.decode import decode
from transforms.images.formats.tiff_directory import MAX_DIRECTORY

REFUSED = {
    "samples of 32 bits have no known black and white",
    "samples with a sign of 8 bits have no known black and white",
    "samples with a sign of 16 bits have no known black and white",
    "floating-point samples of 32 bits have no known black and white",
    "grey and transparency in planes of their own",
    "L*a*b* in planes of their own",
    "unknown pixel mode",  # 12 bits with the high byte first; 16 bits of grey and transparency
}

REFUSALS = {f"a kind of TIFF that is not supported ({cause})" for cause in REFUSED}


def is_right(picture: Picture, data: bytes) -> bool:
    """Whether a file is read as what it shows; a refusal has to give one of the true causes."""
    try:
        pixels = decode(data).pixels
    except ImageError as error:
        if error.reason is Reason.UNSUPPORTED and error.message in REFUSALS:
            return False
        raise
    assert pixels.shape == picture.rgb.shape
    assert np.abs(pixels.astype(int) - picture.rgb).max() <= picture.tolerance
    return True


def test_a_picture_is_right_or_refused_in_every_layout() -> None:
    """Every 23rd cell of the matrix; 23 divides none of its sides."""
    right = sum(
        is_right(picture, tiff(picture, **how))
        for _, picture, how in itertools.islice(cells(), 0, None, 23)
    )
    assert right == 171


@pytest.mark.slow
def test_every_cell_of_the_matrix_is_right_or_refused_and_two_other_readers_say_so() -> None:
    """An error is one of three: our reader's, tests.helpers.tiffs', or that of both others."""
    tifffile = pytest.importorskip("tifffile")
    cv2 = pytest.importorskip("cv2")
    right = confirmed = 0
    for name, picture, how in cells():
        data = tiff(picture, **how)
        if is_right(picture, data):
            right += 1
            stored = _stored(tifffile, data, planar=how["planar"])
            seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            as_stored = stored is not None and np.array_equal(stored, picture.samples)
            confirmed += as_stored or _close(seen, picture)
            assert stored is None or as_stored, name
    assert right == 3972
    assert confirmed > 0.95 * right


def _stored(tifffile: Any, data: bytes, *, planar: bool) -> npt.NDArray[Any] | None:
    """[height, width, samples] by tifffile; None if it has no decoder for them."""
    try:
        found: npt.NDArray[Any] = tifffile.imread(io.BytesIO(data))
    except (ImportError, KeyError, ValueError, NotImplementedError, AttributeError):
        return None
    if found.ndim == 2:
        return found[..., np.newaxis]
    return found.transpose(1, 2, 0) if planar else found


def _close(seen: npt.NDArray[np.uint8] | None, picture: Picture) -> bool:
    if seen is None or seen.shape != picture.rgb.shape:
        return False
    return bool(np.abs(seen.astype(int) - picture.rgb).max() <= picture.tolerance)


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_0_is_white_black_is_the_largest_value(order: str) -> None:
    samples = np.array([[0, 65535], [32768, 256]], np.uint16)[..., np.newaxis]
    data = tiff(Picture(samples, 16, 0, np.zeros((2, 2, 3), np.uint8)), order=order)
    assert decode(data).pixels[..., 0].tolist() == [[255, 0], [127, 254]]


def test_16_bits_in_planes_are_no_noise() -> None:
    samples = np.array([[[0x1234, 0x8000, 0xFEDC]]], np.uint16)
    for order in "<>":
        data = tiff(
            Picture(samples, 16, 2, np.zeros((1, 1, 3), np.uint8)), planar=True, order=order
        )
        assert decode(data).pixels.tolist() == [[[0x12, 0x80, 0xFE]]]


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        (50001, "WebP"),
        (34887, "LERC"),
        (50002, "JPEG XL"),
        (52546, "JPEG XL"),
        (34712, "JPEG 2000"),
        (33005, "JPEG 2000"),
        (34713, "Nikon's raw"),
        (12345, "of the number 12345"),
    ],
)
def test_a_codec_that_is_not_read_is_named(compression: int, name: str) -> None:
    data = tiff(pictures()["rgb8"], tags={259: [compression]})
    with pytest.raises(ImageError) as raised:
        decode(data)
    assert raised.value.reason is Reason.UNSUPPORTED
    assert raised.value.message == (
        f"a kind of TIFF that is not supported (with the compression {name})"
    )


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({254: [1]}, "a preview"),
        ({254: [3]}, "a preview"),
        ({255: [2]}, "a preview"),
        ({254: [4]}, "a mask"),
    ],
)
def test_nothing_is_labelled_from_a_preview(
    tags: dict[int, list[int]], what: str, order: str, big: bool
) -> None:
    data = tiff(pictures()["rgb8"], tags=tags, order=order, big=big)
    with pytest.raises(ImageError, match=f"the first picture is {what} of another one"):
        decode(data)


@pytest.mark.parametrize("tags", [{254: [0]}, {254: [2]}, {255: [1]}, {255: [3]}])
def test_a_page_of_several_is_a_picture(tags: dict[int, list[int]]) -> None:
    assert is_right(pictures()["rgb8"], tiff(pictures()["rgb8"], tags=tags))


def test_a_big_tiff_of_either_byte_order_is_the_same_picture() -> None:
    """With a palette, whose values stand outside of the directory, and turned."""
    picture = pictures()["palette8"]
    for order in "<>":
        data = tiff(picture, order=order, big=True, tags={274: [6]})
        assert np.array_equal(decode(data).pixels, np.rot90(picture.rgb, -1))


def test_a_big_tiff_with_places_of_64_bits() -> None:
    """As libtiff writes it: one strip, its place and length in numbers of type 16."""
    for order, mark in (("<", b"II"), (">", b"MM")):
        values = {256: 2, 257: 1, 258: 8, 259: 1, 262: 1, 273: 16, 279: 2}
        directory = struct.pack(order + "Q", len(values))
        for tag, value in values.items():
            directory += struct.pack(order + "HHQQ", tag, 16, 1, value)
        header = mark + struct.pack(order + "HHHQ", 43, 8, 0, 24)
        data = header + b"\x20\xe0".ljust(8, b"\0") + directory + bytes(8)
        assert decode(data).pixels[..., 0].tolist() == [[0x20, 0xE0]]


def test_cut_or_empty_big_tiffs_have_a_reason() -> None:
    data = tiff(pictures()["rgb8"], order=">", big=True)
    reasons = {refusal(data[:length]) for length in (8, 12, 16, 40, len(data) // 2)}
    assert reasons <= {"truncated", "corrupt"}


def test_a_directory_of_too_much_is_refused() -> None:
    entries = {tag: [1] for tag in range(2000, 2001 + MAX_DIRECTORY)}
    for big in (False, True):
        data = with_directory(b"", entries, ">", big=big)
        assert refusal(data) == "too_complex"


def test_ycbcr_with_fewer_samples_of_colour_is_upsampled() -> None:
    """Without compression: for each 2 x 2 pixels four of luma, then one of either chroma."""
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    blocks = grey.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    content = b"".join(bytes(block) + b"\x80\x80" for block in blocks)
    tags = {256: [4], 257: [4], 258: [8, 8, 8], 259: [1], 262: [6], 277: [3]}
    tags |= {273: [8], 278: [4], 279: [len(content)], 530: [2, 2]}
    data = with_directory(content, tags, "<")
    assert np.array_equal(decode(data).pixels, np.repeat(grey[..., np.newaxis], 3, axis=2))


def test_pillows_own_files_are_as_before() -> None:
    rgb = waves(30, 20)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        image = Image.fromarray(rgb).convert(mode)
        expected = np.asarray(image.convert("RGB"))
        assert np.array_equal(decode(encoded(image, "TIFF")).pixels, expected)


def test_the_helper_writes_what_it_says() -> None:
    """The head of a file, byte by byte."""
    samples = np.full((1, 1, 1), 7, np.uint8)
    data = tiff(Picture(samples, 8, 1, np.zeros((1, 1, 3), np.uint8)), compression=tiffs.PACKBITS)
    assert data[:12] == b"II*\0\x0a\0\0\0\0\x07" + struct.pack("<H", 10)
