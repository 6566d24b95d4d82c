from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.helpers.encoded import encoded, orientation_exif, waves
from tests.helpers.profiles import PROFILES
from tests.helpers.tiffs import Picture, pictures, tiff
from transforms.failures import ImageError, Reason
from transforms.images.decode import decode
from transforms.images.formats.raw import jpeg_of
from transforms.images.preprocess import load

PHOTO = waves(120, 180)
JPEG = encoded(PHOTO, "JPEG", quality=95)
SMALL = encoded(waves(60, 90), "JPEG")
SHOWN = decode(JPEG).pixels


def _directories(
    parts: Sequence[Mapping[int, Sequence[int] | bytes]],
    *,
    order: str = "<",
    mark: bytes = b"*\0",
    children: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Directories one after the other; bytes are stored and their place is the value.

    Args:
        parts: tags of each.
        order: of bytes.
        mark: behind the first two letters.
        children: how many of the last ones are children (330) of the first.
        extra: behind the header.
    """
    start = 8 + len(extra)
    body, places = extra, []
    blobs: list[dict[int, Sequence[int]]] = []
    for part in parts:
        values: dict[int, Sequence[int]] = {}
        for tag, value in part.items():
            if isinstance(value, bytes):
                values[tag] = [8 + len(body)]
                body += value + bytes(len(value) % 2)
            else:
                values[tag] = value
        blobs.append(values)
    if children:
        blobs[0][330] = [0] * children
    at = 8 + len(body)
    sizes = [6 + 12 * len(values) for values in blobs]
    places = [at + sum(sizes[:i]) for i in range(len(blobs))]
    behind_at = at + sum(sizes)
    behind = b""
    last_in_row = len(blobs) - children - 1
    if children:
        blobs[0][330] = places[-children:]
    out = b""
    for i, values in enumerate(blobs):
        out += struct.pack(order + "H", len(values))
        for tag in sorted(values):
            packed = struct.pack(f"{order}{len(values[tag])}I", *values[tag])
            if len(packed) > 4:
                packed, behind = struct.pack(order + "I", behind_at + len(behind)), behind + packed
            out += struct.pack(order + "HHI", tag, 4, len(values[tag])) + packed
        out += struct.pack(order + "I", places[i + 1] if i < last_in_row else 0)
    assert start <= at
    letters = b"II" + mark if order == "<" else b"MM" + mark[::-1]
    return letters + struct.pack(order + "I", at) + body + out + behind


def _dng(
    jpeg: bytes, *, size: tuple[int, int] = (186, 124), order: str = "<", **more: int
) -> bytes:
    """A preview, then the sensor's data and a JPEG as children: as DNG and NEF are laid out."""
    preview = {254: [1], 256: [16], 257: [12], 259: [1], 262: [2], 273: bytes(576), 279: [576]}
    preview |= {274: [more.get("orientation", 1)]}
    sensor = {254: [0], 256: [size[0]], 257: [size[1]], 259: [7], 262: [32803]}
    whole = {254: [1], 513: jpeg, 514: [len(jpeg)]}
    return _directories([preview, sensor, whole], children=2, order=order)


def _cr2(jpeg: bytes, *, frame: tuple[int, int] = (92, 122)) -> bytes:
    """The JPEG in front, a small one, and the sensor's data as a JPEG of two components."""
    sof3 = struct.pack(">BHHB", 14, frame[1], frame[0], 2) + bytes(6)
    sensor = b"\xff\xd8\xff\xc3" + struct.pack(">H", 2 + len(sof3)) + sof3
    parts = [
        {256: [180], 257: [120], 259: [6], 273: jpeg, 279: [len(jpeg)], 274: [8]},
        {513: SMALL, 514: [len(SMALL)]},
        {259: [6], 273: sensor, 279: [len(sensor)]},
    ]
    return _directories(parts, extra=b"CR\2\0" + bytes(4))


def _rw2(jpeg: bytes) -> bytes:
    borders = {4: [4], 5: [8], 6: [124], 7: [192]}
    return _directories([{2: [200], 3: [130], **borders, 46: jpeg}], mark=b"U\0")


def _raf(jpeg: bytes) -> bytes:
    tags = struct.pack(">IHHHHHHHH", 2, 0x100, 4, 130, 200, 0x111, 4, 122, 184)
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0")
    return (
        head + struct.pack(">III", 100, len(jpeg), 100 + len(jpeg)).ljust(16, b"\0") + jpeg + tags
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _cr3(jpeg: bytes) -> bytes:
    def track(size: tuple[int, int], place: int, length: int) -> bytes:
        entry = struct.pack(">I", 90) + b"CRAW" + bytes(24) + struct.pack(">HH", *size) + bytes(54)
        table = _box(b"stsd", bytes(8) + entry)
        table += _box(b"stsz", struct.pack(">III", 0, length, 1))
        table += _box(b"co64", struct.pack(">IIQ", 0, 1, place))
        return _box(b"trak", _box(b"mdia", _box(b"minf", _box(b"stbl", table))))

    def head(place: int) -> bytes:
        tracks = track((180, 120), place, len(jpeg)) + track((188, 126), 0, 0)
        mdat = struct.pack(">I", 8 + len(jpeg)) + b"mdat"
        return _box(b"ftyp", b"crx " + bytes(12)) + _box(b"moov", tracks) + mdat

    return head(len(head(0))) + jpeg


RAW = {
    "dng": _dng(JPEG),
    "dng big-endian": _dng(JPEG, order=">"),
    "cr2": _cr2(encoded(np.rot90(PHOTO, 0), "JPEG", quality=95)),
    "rw2": _rw2(JPEG),
    "raf": _raf(JPEG),
    "cr3": _cr3(JPEG),
}


@pytest.mark.parametrize("name", RAW)
def test_the_jpeg_of_the_whole_picture_is_labelled(name: str) -> None:
    found = decode(RAW[name])
    expected = np.rot90(SHOWN, 1) if name == "cr2" else SHOWN
    assert found.format == "RAW"
    assert np.array_equal(found.pixels, expected)
    loaded = load(RAW[name], size=32)
    assert (loaded.format, loaded.width, loaded.height) == ("RAW", found.width, found.height)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_dng(SMALL), "the JPEG in it has 90 x 60 pixels, the picture 186 x 124"),
        (_dng(JPEG, size=(201, 120)), "the JPEG in it has 180 x 120 pixels, the picture 201 x 120"),
        (_dng(JPEG, size=(180, 134)), "the picture 180 x 134"),
        (_dng(b"no JPEG"), "the first picture is a preview of another one"),
        (_raf(b"no JPEG"), "without a JPEG of the picture"),
        (_cr2(JPEG, frame=(102, 122)), "the picture 204 x 122"),
        (_rw2(SMALL), "the picture 184 x 120"),
        (_raf(SMALL), "the picture 184 x 122"),
        (_cr3(SMALL), "the JPEG in it has 90 x 60 pixels"),
        (b"IIRO" + bytes(100), "without a JPEG of the picture"),
        (tiff(pictures()["rgb8"], tags={262: [32803]}), "what a sensor has measured, without"),
    ],
)
def test_nothing_is_labelled_from_a_preview(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as raised:
        decode(data)
    assert raised.value.reason is Reason.UNSUPPORTED


def test_nine_tenths_of_each_side_are_enough() -> None:
    assert decode(_dng(JPEG, size=(200, 133))).width == 180


def test_the_raw_file_says_which_way_up_unless_its_jpeg_does() -> None:
    assert np.array_equal(decode(_dng(JPEG, orientation=6)).pixels, np.rot90(SHOWN, -1))
    turned = encoded(PHOTO, "JPEG", quality=95, exif=orientation_exif(3))
    assert np.array_equal(decode(_dng(turned, orientation=6)).pixels, SHOWN[::-1, ::-1])
    for kernel in ("auto", "python"):
        assert load(_dng(JPEG, orientation=8), kernel=kernel).width == 120


def test_the_profile_of_the_jpeg_counts() -> None:
    data = _dng(encoded(PHOTO, "JPEG", icc_profile=PROFILES["Display P3"]))
    assert load(data).colour == "converted"


def test_other_files_are_none_of_these() -> None:
    plain = Picture(PHOTO, 8, 2, PHOTO)
    for data in (b"", JPEG, encoded(PHOTO, "PNG"), tiff(plain), tiff(plain, big=True, order=">")):
        assert jpeg_of(data) is None


def test_directories_that_lead_in_circles_and_damage_have_an_end() -> None:
    data = bytearray(_dng(JPEG))
    data[-8:-4] = data[4:8]  # the first directory is its own child
    assert jpeg_of(bytes(data)) == JPEG
    reasons = set()
    for data in map(bytearray, RAW.values()):
        for at in range(0, min(len(data), 400), 3):
            for value in (0, 255):
                changed = bytes(data[:at] + bytes([value]) + data[at + 1 :])
                for some in (changed, changed[: len(data) - 5 * at]):
                    try:
                        jpeg_of(some)
                    except ImageError as error:
                        reasons.add(error.reason)
    assert reasons == {Reason.UNSUPPORTED}
