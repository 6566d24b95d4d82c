from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.browser import chromium, first_frame
from tests.helpers.encoded import encoded, waves
from tests.helpers.profiles import PROFILES
from transforms.images.colour.boxes import of_heif, of_jpeg_2000
from transforms.images.colour.embedded import embedded
from transforms.images.colour.space import SRGB, by_codes
from transforms.images.preprocess import load

P3 = PROFILES["Display P3"]
WAVES = waves(32, 32)
AVIF = encoded(WAVES, "AVIF", quality=95, subsampling="4:4:4")


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _coded(primaries: int, transfer: int) -> bytes:
    """The AVIF with other codes of colour."""
    at = AVIF.index(b"nclx") + 4
    return AVIF[:at] + struct.pack(">HH", primaries, transfer) + AVIF[at + 4 :]


def test_avif_of_pillow() -> None:
    assert embedded(AVIF) is by_codes(1, 13)
    assert embedded(_coded(12, 13)) is by_codes(12, 13)
    assert embedded(_coded(12, 1)) is by_codes(12, 13)
    assert embedded(_coded(2, 2)) is None
    assert embedded(_coded(2, 13)) is embedded(_coded(1, 2)) is by_codes(1, 13)
    assert embedded(_coded(12, 2)) is by_codes(12, 13)
    assert embedded(_coded(9, 16)) is by_codes(9, 16)
    for unknown in ((12, 99), (99, 13), (0, 0)):
        assert embedded(_coded(*unknown)) == b""
        assert load(_coded(*unknown)).colour == "unreadable"
    data = encoded(WAVES, "AVIF", icc_profile=P3)
    assert embedded(data) == P3 == Image.open(io.BytesIO(data)).info["icc_profile"]
    assert load(data).colour == "converted"
    assert load(AVIF).colour == "srgb"
    for length in range(0, len(data), 7):
        embedded(data[:length])


@pytest.mark.parametrize("wide", [False, True])
def test_the_primary_picture_decides(wide: bool) -> None:
    """Two pictures, of which the second is primary; its profile counts more than its codes."""
    codes = _box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 0, 128))
    properties = codes + _box(b"ispe", bytes(12)) + _box(b"colr", b"prof" + P3)
    item, place = (">I", ">H") if wide else (">H", ">B")
    entries = b""
    for number, places in ((7, (1, 2)), (300, (1, 2, 3))):
        entries += struct.pack(item, number) + bytes([len(places)])
        entries += b"".join(struct.pack(place, at | (0x8000 if wide else 0x80)) for at in places)
    head = bytes([1 if wide else 0, 0, 0, 1 if wide else 0])
    ipma = _box(b"ipma", head + struct.pack(">I", 2) + entries)

    def file(primary: int) -> bytes:
        pitm = _box(b"pitm", head[:1] + bytes(3) + struct.pack(item, primary))
        meta = bytes(4) + pitm + _box(b"iprp", _box(b"ipco", properties) + ipma)
        return _box(b"ftyp", b"heic" + bytes(4)) + _box(b"meta", meta)

    assert of_heif(file(300)) == P3
    assert of_heif(file(7)) is by_codes(9, 16)
    assert of_heif(file(8)) is None


@pytest.mark.parametrize("wide", [False, True])
def test_of_a_grid_without_colours_the_first_tile_decides(wide: bool) -> None:
    """As libheif does with tests/data/pictures/display-p3-tiles.heic."""
    codes = _box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 0, 128))
    ipma = _box(b"ipma", bytes(4) + struct.pack(">IHBB", 1, 7, 1, 0x81))
    number = ">I" if wide else ">H"

    def file(tile: int, grid: int = 9) -> bytes:
        tiles = struct.pack(number, grid) + b"\0\2" + struct.pack(number, tile) * 2
        other = struct.pack(number, 8) + b"\0\1" + struct.pack(number, 7)
        references = _box(b"thmb", other) + _box(b"dimg", tiles)
        iref = _box(b"iref", bytes([wide, 0, 0, 0]) + references)
        pitm = _box(b"pitm", bytes(4) + struct.pack(">H", 9))
        inner = pitm + iref + _box(b"iprp", _box(b"ipco", codes) + ipma)
        return _box(b"ftyp", b"heic" + bytes(4)) + _box(b"meta", bytes(4) + inner)

    assert of_heif(file(7)) is by_codes(12, 13)
    assert of_heif(file(8)) is None
    assert of_heif(file(7, grid=10)) is None
    for length in range(len(file(7))):
        of_heif(file(7)[:length])


def _named(number: int) -> bytes:
    """A box of JPEG 2000: sRGB is 16."""
    return _box(b"colr", b"\1\0\0" + struct.pack(">I", number))


def test_jpeg_2000() -> None:
    profile = _box(b"colr", b"\2\0\0" + P3)
    mark = _box(b"jP  ", b"\r\n\x87\n")
    for inner, expected in (
        (profile, P3),
        (_named(16), SRGB),
        (_named(17), SRGB),
        (_named(18), SRGB),
        (_named(12), None),
        (_named(21), b""),
        (_named(16) + profile, P3),
        (_box(b"colr", b"\1"), b""),
        (b"", None),
    ):
        assert of_jpeg_2000(mark + _box(b"jp2h", _box(b"ihdr", bytes(14)) + inner)) == expected
    for pixels in (WAVES, WAVES[..., 0]):
        assert embedded(encoded(pixels, "JPEG2000")) is SRGB
    assert embedded(encoded(WAVES, "JPEG2000", no_jp2=True)) is None


def test_damaged_boxes_say_nothing() -> None:
    for data in (b"", b"\0" * 50, _box(b"meta", b""), _box(b"meta", bytes(4) + _box(b"iprp", b""))):
        assert of_heif(data) is None
        assert of_jpeg_2000(data) is None


@pytest.mark.slow
def test_a_browser_shows_the_same_colours(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><title>colours</title>", "utf-8")
    with chromium() as window:
        window.get((tmp_path / "page.html").as_uri())
        for pair in ((1, 13), (1, 1), (1, 6), (12, 13), (9, 14), (2, 2), (12, 2), (2, 13)):
            shown = first_frame(window, _coded(*pair), "image/avif").astype(int)
            ours = load(_coded(*pair), size=32, method="stretch-nearest").pixels
            assert np.abs(shown - ours).max() <= 2, pair
