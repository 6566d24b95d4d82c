"""Makes tests/data/pictures: what the packages that the tests install cannot write.

    apt-get install libjxl-tools && pip install 'pillow-heif>=1.8'
    python -m scripts.make_test_pictures

All show `waves(96, 128)` of tests/helpers/encoded.py, grids `waves(100, 120)`, and the large one is
grey. Those that are named after a colour space have the same colours in its numbers. The encoder of
HEIF is under the GPL, which does not reach what it has encoded.
"""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

from tests.helpers.encoded import encoded, orientation_exif, waves
from tests.helpers.profiles import PROFILES, in_space
from tests.helpers.root import ROOT
from transforms.images.formats.boxes import boxes

FOLDER = ROOT / "tests" / "data" / "pictures"

_TILE = 64


def main() -> None:
    """Writes all files."""
    FOLDER.mkdir(exist_ok=True)
    pixels = waves(96, 128)
    _write("plain", _encoded(Image.fromarray(pixels)))
    _write("444", _encoded(Image.fromarray(pixels), chroma=444))
    _write("grey", _encoded(Image.fromarray(pixels).convert("L")))
    for value in range(1, 9):
        exif = orientation_exif(value).tobytes()
        _write(f"orientation-{value}", _encoded(Image.fromarray(pixels), exif=exif))
    half = np.where(np.arange(128) < 64, 255, 0).astype(np.uint8)
    alpha = np.dstack([pixels, np.broadcast_to(half, (96, 128))])
    _write("transparent", _encoded(Image.fromarray(alpha)))
    clear = np.full((2000, 2000, 4), 128, np.uint8)
    _write("large", _encoded(Image.fromarray(clear)))
    for bits in (10, 12):
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        samples = pixels.astype("<u2") * 257
        file = pillow_heif.from_bytes(mode="RGB;16", size=(128, 96), data=samples.tobytes())
        _write(f"{bits}-bits", _saved(file))
    two = pillow_heif.from_pillow(Image.fromarray(255 - pixels))
    two.add_from_pillow(Image.fromarray(pixels))
    _write("second-is-primary", _saved(two, primary_index=1))
    _write("grid", _grid(waves(100, 120)))
    for value in range(1, 9):
        jpeg = encoded(
            pixels, "JPEG", quality=100, subsampling="4:4:4", exif=orientation_exif(value)
        )
        (FOLDER / f"orientation-{value}.jxl").write_bytes(_jxl(jpeg, "jpg"))
    frames = [Image.fromarray(255 - pixels)]
    animated = encoded(pixels, "PNG", save_all=True, append_images=frames)
    (FOLDER / "animated.jxl").write_bytes(_jxl(animated, "png"))
    _other_spaces(pixels)


def _other_spaces(pixels: npt.NDArray[np.uint8]) -> None:
    """The colours of sRGB in numbers of other spaces, which profiles, codes, or tiles tell."""
    p3 = PROFILES["Display P3"]
    image = Image.fromarray(in_space(pixels, p3))
    _write("display-p3", _encoded(image, chroma=444, icc_profile=p3))
    codes = struct.pack(">4sHHHB", b"nclx", 12, 13, 6, 0x80)
    plain = _encoded(image, chroma=444)
    at = plain.index(b"nclx")
    _write("display-p3-codes", plain[:at] + codes + plain[at + len(codes) :])
    tiled = in_space(waves(100, 120), p3)
    _write("display-p3-tiles", _grid(tiled, [_box(b"colr", b"prof" + p3)]))
    for name in ("Display P3", "Adobe RGB"):
        content = encoded(in_space(pixels, PROFILES[name]), "PNG", icc_profile=PROFILES[name])
        path = FOLDER / f"{name.lower().replace(' ', '-')}.jxl"
        path.write_bytes(_jxl(content, "png"))


def _jxl(content: bytes, extension: str) -> bytes:
    """By libjxl's own program, which takes the orientation from EXIF data into the header."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"a.{extension}"), Path(folder, "a.jxl")
        source.write_bytes(content)
        options = ["--quality", "95", "--lossless_jpeg", "0"]
        subprocess.run(["cjxl", *options, source, target], check=True, capture_output=True)
        return target.read_bytes()


def _write(name: str, content: bytes) -> None:
    (FOLDER / f"{name}.heic").write_bytes(content)


def _encoded(image: Image.Image, **options: object) -> bytes:
    return _saved(pillow_heif.from_pillow(image), **options)


def _saved(file: pillow_heif.HeifFile, **options: object) -> bytes:
    stream = io.BytesIO()
    file.save(stream, **{"quality": 95, **options})
    return stream.getvalue()


# --- a grid, as phones write it: tiles, a thumbnail, and a gain map, of which only the tiles count


class _Coded(NamedTuple):
    """A picture as an item: its configuration, its data, and its size."""

    configuration: bytes
    content: bytes
    side: int


def _grid(pixels: npt.NDArray[np.uint8], of_tiles: Sequence[bytes] = ()) -> bytes:
    """With more properties of each tile."""
    height, width = pixels.shape[:2]
    across, down = -(-width // _TILE), -(-height // _TILE)
    padding = ((0, down * _TILE - height), (0, across * _TILE - width), (0, 0))
    padded = np.pad(pixels, padding, mode="edge")
    tiles = [
        _coded(padded[y : y + _TILE, x : x + _TILE])
        for y in range(0, down * _TILE, _TILE)
        for x in range(0, across * _TILE, _TILE)
    ]
    black = _coded(np.zeros((_TILE, _TILE, 3), np.uint8))
    coded = [*tiles, black, black]
    grid = len(coded) + 1
    thumbnail, gain_map = grid - 2, grid - 1
    layout = struct.pack(">BBBBHH", 0, 0, down - 1, across - 1, width, height)
    contents = [*(each.content for each in coded), layout]
    kinds = [b"hvc1"] * len(coded) + [b"grid"]
    references = _box(b"dimg", struct.pack(f">HH{len(tiles)}H", grid, len(tiles), *_range(tiles)))
    references += _box(b"thmb", struct.pack(">HHH", thumbnail, 1, grid))
    references += _box(b"auxl", struct.pack(">HHH", gain_map, 1, grid))
    properties = [
        _box(b"hvcC", tiles[0].configuration),
        _full_box(b"ispe", struct.pack(">II", _TILE, _TILE)),
        _full_box(b"ispe", struct.pack(">II", width, height)),
        _full_box(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0"),
        *of_tiles,
    ]
    each = [1, 2, *range(5, 5 + len(of_tiles))]
    of_item = dict.fromkeys(range(1, grid), each) | {gain_map: [1, 2, 4], grid: [3]}
    return _file(contents, kinds, references, properties, of_item, primary=grid)


def _range(tiles: Sequence[_Coded]) -> range:
    return range(1, len(tiles) + 1)


def _coded(pixels: npt.NDArray[np.uint8]) -> _Coded:
    """The parts of a file of one picture."""
    data = _encoded(Image.fromarray(pixels), chroma=420)
    found = {box.kind: data[box.start : box.end] for box in boxes(data)}
    at = data.index(b"hvcC")
    (size,) = struct.unpack_from(">I", data, at - 4)
    return _Coded(data[at + 4 : at - 4 + size], found[b"mdat"], len(pixels))


def _file(
    contents: Sequence[bytes],
    kinds: Sequence[bytes],
    references: bytes,
    properties: Sequence[bytes],
    of_item: dict[int, list[int]],
    *,
    primary: int,
) -> bytes:
    """ISO/IEC 23008-12 around items that are numbered from 1."""
    head = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    entries = b"".join(
        _full_box(b"infe", struct.pack(">HH4sx", number, 0, kind), version=2)
        for number, kind in enumerate(kinds, start=1)
    )
    associations = b"".join(
        struct.pack(">HB", number, len(found)) + bytes(0x80 | each for each in found)
        for number, found in of_item.items()
    )
    inner = [
        _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
        _full_box(b"pitm", struct.pack(">H", primary)),
        _full_box(b"iinf", struct.pack(">H", len(kinds)) + entries),
        _full_box(b"iref", references),
        _box(
            b"iprp",
            _box(b"ipco", b"".join(properties))
            + _full_box(b"ipma", struct.pack(">I", len(of_item)) + associations),
        ),
    ]
    size = len(_meta(inner, contents, 0))
    meta = _meta(inner, contents, len(head) + size + 8)
    return head + meta + _box(b"mdat", b"".join(contents))


def _meta(inner: Sequence[bytes], contents: Sequence[bytes], at: int) -> bytes:
    """The box of all that describes items whose contents lie from `at` on."""
    places = struct.pack(">BBH", 0x44, 0, len(contents))
    for number, content in enumerate(contents, start=1):
        places += struct.pack(">HHHII", number, 0, 1, at, len(content))
        at += len(content)
    return _full_box(b"meta", b"".join(inner) + _full_box(b"iloc", places))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind: bytes, content: bytes, *, version: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24) + content)


if __name__ == "__main__":
    main()
