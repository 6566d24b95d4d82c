from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from tests.helpers.encoded import encoded, grey_tiff, orientation_exif, waves
from transforms.failures import ImageError
from transforms.images.decode import decode

FAX = Image.fromarray(waves(90, 130)).convert("1")


@pytest.mark.parametrize(
    "options",
    [{}, {"tiffinfo": {278: 7}}, {"big_tiff": True}, {"exif": orientation_exif(6)}],
)
def test_a_sound_fax_is_what_pillow_reads(options: dict[str, object]) -> None:
    data = encoded(FAX, "TIFF", compression="group4", **options)
    expected = np.asarray(FAX.rotate(-90, expand=True) if "exif" in options else FAX)
    pixels = decode(data).pixels
    assert pixels.shape == (*expected.shape, 3)
    assert np.array_equal(pixels[..., 0], 255 * expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_rows_that_a_fax_lacks_are_white(order: str) -> None:
    """Two rows and the end code where there should be ten."""
    # Rows: black throughout (horizontal, 0 white, 16 black), then the same again; end code.
    bits = "001" + "00110101" + "0000010111" + "11" + "000000000001" * 2
    content = int(bits.ljust(64, "0"), 2).to_bytes(8, "big")
    for photometric, of_missing in ((0, 255), (1, 0)):
        tags = {258: 1, 259: 4, 262: photometric, 278: 10}
        data = grey_tiff(16, 10, bits=1, content=content, order=order, tags=tags)
        rows = decode(data).pixels[:, :, 0]
        assert rows.shape == (10, 16)
        assert np.array_equal(np.unique(rows[2:]), [of_missing])
        assert np.array_equal(np.unique(rows[:2]), [255 - of_missing])


def test_tiles_of_a_fax_are_filled_up_as_well() -> None:
    # A white row and the end code.
    content = int(("1" + "000000000001" * 2).ljust(48, "0"), 2).to_bytes(6, "big")
    tags = {258: 1, 259: 4, 262: 0, 322: 16, 323: 16, 324: 8, 325: len(content)}
    data = bytearray(grey_tiff(48, 16, bits=1, content=content, order="<", tags=tags))
    for tag in (324, 325):  # three tiles side by side, all of the same bytes
        at = data.index(struct.pack("<HH", tag, 4))
        struct.pack_into("<II", data, at + 4, 3, len(data))
        data += struct.pack("<3I", *[tags[tag]] * 3)
    assert np.array_equal(np.unique(decode(bytes(data)).pixels), [255])
    assert decode(bytes(data)).pixels.shape == (16, 48, 3)


def test_a_fax_without_pixels_is_refused() -> None:
    data = bytearray(encoded(FAX, "TIFF", compression="group4"))
    at = data.index(struct.pack("<HH", TiffImagePlugin.STRIPOFFSETS, 4))
    data[at : at + 2] = struct.pack("<H", 272)
    assert _refused(bytes(data)) in ("corrupt", "truncated")


def test_a_fax_that_points_beyond_what_numbers_hold_is_refused() -> None:
    data = bytearray(encoded(FAX, "TIFF", compression="group4", big_tiff=True))
    at = _entry(data, TiffImagePlugin.STRIPOFFSETS)
    struct.pack_into("<HQQ", data, at + 2, 16, 1, 2**40)
    assert _refused(bytes(data)) == "truncated"
    data = bytearray(encoded(FAX, "TIFF", compression="group4"))
    at = _entry(data, TiffImagePlugin.STRIPBYTECOUNTS)
    struct.pack_into("<HIi", data, at + 2, 9, 1, -5)
    assert _refused(bytes(data)) == "corrupt"


def test_strips_that_share_the_bytes_of_a_jpeg_are_refused_at_once() -> None:
    data = bytearray(encoded(waves(48, 16), "TIFF", compression="jpeg", tiffinfo={278: 16}))
    at = _entry(data, TiffImagePlugin.STRIPBYTECOUNTS)
    struct.pack_into("<HII", data, at + 2, 4, 3, len(data))
    data += struct.pack("<3I", *[len(data)] * 3)
    data += bytes(len(data))
    assert _refused(bytes(data)) == "too_complex"


def _entry(data: bytearray, tag: int) -> int:
    """Where the directory's entry of a tag begins; its values are numbers."""
    places = [data.find(struct.pack("<HH", tag, kind)) for kind in (3, 4, 16)]
    return max(places)


def test_a_jpeg_smaller_than_its_strip_is_refused() -> None:
    data = bytearray(encoded(waves(40, 24), "TIFF", compression="jpeg"))
    assert decode(bytes(data)).format == "TIFF"
    at = data.index(b"\xff\xc0")
    height, width = struct.unpack_from(">HH", data, at + 5)
    assert (height, width) == (40, 24)
    for size in ((30, 24), (40, 20)):
        struct.pack_into(">HH", data, at + 5, *size)
        assert _refused(bytes(data)) == "truncated"


def test_a_picture_of_several_jpegs_is_read() -> None:
    image = Image.fromarray(waves(40, 24))
    data = encoded(image, "TIFF", compression="jpeg", tiffinfo={278: 16})
    tags = TiffImagePlugin.TiffImageFile(io.BytesIO(data)).tag_v2
    assert len(tags[TiffImagePlugin.STRIPOFFSETS]) == 3
    difference = decode(data).pixels.astype(int) - np.asarray(image)
    assert np.abs(difference).mean() < 10


def _refused(data: bytes) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data)
    return raised.value.reason.value
