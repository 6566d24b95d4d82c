"""AVIF and JPEG 2000."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.helpers.encoded import difference, encoded, orientation_exif, refusal, waves
from transforms.images.decode import decode
from transforms.images.orientation import upright

_WAVES = waves(96, 128)


def _codestream(pixels: object, **options: object) -> bytes:
    return encoded(pixels, "JPEG2000", no_jp2=True, **options)  # type: ignore[arg-type]


def _transparent() -> Image.Image:
    """The left half can be seen."""
    alpha = np.where(np.arange(128) < 64, 255, 0).astype(np.uint8)
    return Image.fromarray(np.dstack([_WAVES, np.broadcast_to(alpha, (96, 128))]))


def test_avif() -> None:
    picture = decode(encoded(_WAVES, "AVIF", quality=95, subsampling="4:4:4"))
    assert (picture.width, picture.height, picture.format) == (128, 96, "AVIF")
    assert difference(picture.pixels, _WAVES) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_by_its_own_properties(orientation: int) -> None:
    """Pillow writes them (irot, imir) for the orientation that it is told."""
    data = encoded(
        _WAVES, "AVIF", quality=95, subsampling="4:4:4", exif=orientation_exif(orientation)
    )
    picture = decode(data)
    expected = upright(_WAVES, orientation)
    assert (picture.height, picture.width) == expected.shape[:2]
    assert difference(picture.pixels, expected) < 2


def test_the_exif_data_of_an_avif_do_not_turn_it() -> None:
    exif = Image.Exif()
    exif[0x0213] = 6  # made an orientation in the file, as Pillow would write one as a property
    data = encoded(_WAVES, "AVIF", quality=95, subsampling="4:4:4", exif=exif)
    entry = struct.pack(">HHIHH", 0x0213, 3, 1, 6, 0)
    assert data.count(entry) == 1
    turned = data.replace(entry, struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0))
    assert difference(decode(turned).pixels, _WAVES) < 2


def test_of_an_animated_avif_the_first_frame_is_decoded() -> None:
    frames = [Image.fromarray(255 - _WAVES)]
    data = encoded(_WAVES, "AVIF", quality=95, save_all=True, append_images=frames)
    assert data[8:12] == b"avis"
    assert difference(decode(data).pixels, _WAVES) < 5


@pytest.mark.parametrize("bare", [False, True])
def test_jpeg_2000_without_loss_is_the_very_picture(bare: bool) -> None:
    data = encoded(_WAVES, "JPEG2000", no_jp2=bare)
    picture = decode(data)
    assert data.startswith(b"\xff\x4f" if bare else b"\0\0\0\x0cjP  ")
    assert (picture.width, picture.height, picture.format) == (128, 96, "JPEG2000")
    assert (picture.pixels == _WAVES).all()


def test_a_jpx_file_is_jpeg_2000_too() -> None:
    data = encoded(_WAVES, "JPEG2000").replace(b"ftypjp2 ", b"ftypjpx ")
    assert (decode(data).pixels == _WAVES).all()


def test_grey_of_16_bits_keeps_the_high_byte() -> None:
    samples = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    pixels = decode(encoded(samples, "JPEG2000")).pixels
    assert (pixels == (samples >> 8)[:, :, np.newaxis]).all()


@pytest.mark.parametrize("codec", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_samples_of_fewer_than_8_bits_reach_from_black_to_white(bits: int, codec: str) -> None:
    most = (1 << bits) - 1
    samples = np.tile(np.arange(64, dtype=np.uint8) % (most + 1), (64, 1))
    for stored in (samples, np.dstack([samples, most - samples, samples])):
        data = imagecodecs.jpeg2k_encode(stored, level=0, bitspersample=bits, codecformat=codec)
        pixels = decode(bytes(data)).pixels
        expected = stored.astype(int) * 255 // most
        assert (pixels == (expected if stored.ndim == 3 else expected[..., np.newaxis])).all()


@pytest.mark.parametrize("bare", [False, True])
def test_colour_of_more_than_8_bits_is_refused(bare: bool) -> None:
    """Pillow rounds 255.5 and more to 256, which is 0 in a byte: white becomes black."""
    data = bytearray(encoded(_WAVES, "JPEG2000", no_jp2=bare))
    at = data.index(b"\xff\x4f\xff\x51") + 42
    assert data[at : at + 9 : 3] == b"\7\7\7"
    data[at : at + 9 : 3] = b"\x0b\x0b\x0b"
    assert refusal(bytes(data)) == "unsupported"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("AVIF", {"quality": 95}), ("JPEG2000", {}), ("JPEG2000", {"no_jp2": True})],
)
def test_transparency_becomes_white(encoding: str, options: dict[str, object]) -> None:
    pixels = decode(encoded(_transparent(), encoding, **options)).pixels
    assert (pixels[:, 68:] > 250).all()
    assert difference(pixels[:, :60], _WAVES[:, :60]) < 5


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("AVIF", {}), ("JPEG2000", {}), ("JPEG2000", {"no_jp2": True})],
)
def test_a_file_that_is_cut_short_is_truncated_at_any_length(
    encoding: str, options: dict[str, object]
) -> None:
    data = encoded(_WAVES, encoding, **options)
    lengths = [*range(12, len(data), len(data) // 60), len(data) - 1]
    assert {refusal(data[:length]) for length in lengths} == {"truncated"}


def test_the_limit_of_pixels_is_told_from_the_header() -> None:
    for data in (encoded(_WAVES, "AVIF"), encoded(_WAVES, "JPEG2000"), _codestream(_WAVES)):
        assert refusal(data, max_pixels=96 * 128 - 1) == "too_many_pixels"
    large = struct.pack(">II", 40_000, 40_000)
    avif = encoded(_WAVES, "AVIF").replace(struct.pack(">II", 128, 96), large)
    assert refusal(avif, max_pixels=10**8) in ("too_many_pixels", "too_complex", "corrupt")
    codestream = _codestream(_WAVES).replace(struct.pack(">II", 128, 96), large, 1)
    assert refusal(codestream) == "too_many_pixels"
