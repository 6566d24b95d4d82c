"""TIFF files of every layout, made by hand from the rules of TIFF 6.0 and BigTIFF."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from tests.helpers.encoded import waves

Samples = npt.NDArray[Any]
Layout = Literal["strip", "strips", "tiles"]

NONE, LZW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE = 1, 5, 7, 8, 32773, 32946
LERC, LZMA, ZSTD, WEBP, JPEG_XL, JPEG_2000 = 34887, 34925, 50000, 50001, 50002, 34712

_ROWS, _TILE = 8, 16


class Picture(NamedTuple):
    """What a file shows.

    Attributes:
        samples: uint[height, width, samples], as stored.
        bits: of one sample.
        photometric: the tag.
        rgb: uint8[height, width, 3], what a person sees.
        tags: others that it needs.
    """

    samples: Samples
    bits: int
    photometric: int
    rgb: npt.NDArray[np.uint8]
    tags: Mapping[int, Sequence[int]] = {}

    @property
    def tolerance(self) -> int:
        """By how much another reader may differ: 8 bits of L*a*b* and YCbCr are few."""
        return {6: 3, 8: 15}.get(self.photometric, 1)


def pictures(height: int = 27, width: int = 37) -> dict[str, Picture]:
    """Every combination of bits and photometric interpretation that means a picture."""
    rgb = waves(height, width)
    grey = rgb[..., :1]
    found: dict[str, Picture] = {}
    for bits in (1, 2, 4, 8, 12, 16, 32):
        stored = _scaled(grey, bits)
        seen = np.repeat(_seen(stored, bits), 3, axis=2)
        found[f"grey{bits}"] = Picture(stored, bits, 1, seen)
        most = np.array((1 << bits) - 1, stored.dtype)
        found[f"white{bits}"] = Picture(most - stored, bits, 0, seen)
    for bits in (8, 16, 32):
        stored = _scaled(rgb, bits)
        found[f"rgb{bits}"] = Picture(stored, bits, 2, _seen(stored, bits))
        full = np.full_like(stored[..., :1], (1 << bits) - 1)
        for kind in (0, 1, 2):
            seen = _seen(stored, bits)
            more = np.concatenate([stored, full], axis=2)
            found[f"rgb{bits}+{kind}"] = Picture(more, bits, 2, seen, {338: [kind]})
        found[f"grey{bits}+2"] = Picture(
            np.concatenate([stored[..., :1], full], axis=2),
            bits,
            1,
            np.repeat(_seen(stored[..., :1], bits), 3, axis=2),
            {338: [2]},
        )
    for bits in (8, 16):
        inks = _scaled(255 - rgb, bits)
        cmyk = np.concatenate([inks, np.zeros_like(inks[..., :1])], axis=2)
        found[f"cmyk{bits}"] = Picture(cmyk, bits, 5, rgb, {332: [1]})
    for bits in (1, 2, 4, 8):
        places = grey.astype(np.uint16) >> 8 - bits
        colours = np.linspace(0, 65535, 3 << bits).astype(np.uint16).reshape(1 << bits, 3)[::-1]
        found[f"palette{bits}"] = Picture(
            places.astype(np.uint8),
            bits,
            3,
            (colours[places[..., 0]] >> 8).astype(np.uint8),
            {320: colours.T.ravel().tolist()},
        )
    found["ycbcr8"] = Picture(_ycbcr(rgb), 8, 6, rgb, {530: [1, 1]})
    signed = (grey.astype(np.int32) - 128).astype(np.int8).view(np.uint8)
    found["signed8"] = Picture(signed, 8, 1, np.repeat(grey, 3, axis=2), {339: [2]})
    half = (grey.astype(np.int32) * 257 - 32768).astype(np.int16).view(np.uint16)
    found["signed16"] = Picture(half, 16, 1, np.repeat(grey, 3, axis=2), {339: [2]})
    real = (grey / np.float32(255)).astype(np.float32).view(np.uint32)
    found["float32"] = Picture(real, 32, 1, np.repeat(grey, 3, axis=2), {339: [3]})
    found["lab8"] = Picture(_lab(rgb), 8, 8, rgb)
    return found


def cells() -> Iterator[tuple[str, Picture, dict[str, Any]]]:
    """The matrix: name, picture and arguments of `tiff`."""
    every = itertools.product(
        pictures().items(), (False, True), ("strip", "strips", "tiles"), "<>", (False, True)
    )
    for (name, picture), planar, layout, order, big in every:
        if planar and picture.samples.shape[2] == 1:
            continue
        for compression, predictor in _COMPRESSIONS:
            if predictor == 2 and picture.bits not in (8, 16, 32):
                continue
            yield (
                f"{name} planar={planar} {layout} {order} big={big} {compression}/{predictor}",
                picture,
                {
                    "planar": planar,
                    "layout": layout,
                    "order": order,
                    "big": big,
                    "compression": compression,
                    "predictor": predictor,
                },
            )


_COMPRESSIONS = (
    *((compression, 1) for compression in (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD, LZMA)),
    *((compression, 2) for compression in (LZW, DEFLATE)),
)


def tiff(
    picture: Picture,
    *,
    planar: bool = False,
    layout: Layout = "strips",
    order: str = "<",
    big: bool = False,
    compression: int = NONE,
    predictor: int = 1,
    tags: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """A file of one picture; `tags` of the caller are added, or replace those written without."""
    height, width, count = picture.samples.shape
    planes = (
        [picture.samples[..., i : i + 1] for i in range(count)] if planar else [picture.samples]
    )
    encode = _ENCODERS[compression]
    parts = [
        encode(_packed(part, picture.bits, order, predictor))
        for plane in planes
        for part in _parts(plane, layout)
    ]
    entries: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [picture.bits] * count,
        259: [compression],
        262: [picture.photometric],
        277: [count],
        284: [2 if planar else 1],
    }
    if predictor != 1:
        entries[317] = [predictor]
    offsets, lengths = (324, 325) if layout == "tiles" else (273, 279)
    if layout == "tiles":
        entries |= {322: [_TILE], 323: [_TILE]}
    else:
        entries[278] = [height if layout == "strip" else _ROWS]
    start = 16 if big else 8
    entries[offsets] = [start + at for at in itertools.accumulate(map(len, parts), initial=0)][:-1]
    entries[lengths] = [len(part) for part in parts]
    entries |= {**picture.tags, **(tags or {})}
    return with_directory(b"".join(parts), entries, order, big=big)


def with_directory(
    content: bytes, entries: Mapping[int, Sequence[int]], order: str, *, big: bool = False
) -> bytes:
    """A header, `content` behind it, and a directory; 16 bits a value where all fit."""
    start = 16 if big else 8
    offset, count_type, inline = ("Q", "Q", 8) if big else ("I", "H", 4)
    at = start + len(content) + len(content) % 2
    size = struct.calcsize(order + count_type) + len(entries) * (4 + 2 * inline) + inline
    directory, behind = struct.pack(order + count_type, len(entries)), b""
    for tag in sorted(entries):
        values = list(entries[tag])
        kind, form = (3, "H") if max(values) < 1 << 16 and tag not in (273, 324) else (4, "I")
        packed = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(packed) > inline:
            place = struct.pack(order + offset, at + size + len(behind))
            behind += packed + bytes(len(packed) % 2)
            packed = place
        head = struct.pack(f"{order}HH{offset}", tag, kind, len(values))
        directory += head + packed.ljust(inline, b"\0")
    mark = b"II" if order == "<" else b"MM"
    version = struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42)
    header = mark + version + struct.pack(order + offset, at)
    return header + content + bytes(len(content) % 2) + directory + bytes(inline) + behind


def _parts(plane: Samples, layout: Layout) -> Iterator[Samples]:
    height, width = plane.shape[:2]
    if layout == "strip":
        yield plane
    elif layout == "strips":
        yield from (plane[top : top + _ROWS] for top in range(0, height, _ROWS))
    else:
        padding = ((0, -height % _TILE), (0, -width % _TILE), (0, 0))
        padded = np.pad(plane, padding)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                yield padded[top : top + _TILE, left : left + _TILE]


def _packed(part: Samples, bits: int, order: str, predictor: int) -> bytes:
    if predictor == 2:
        part = np.concatenate([part[:, :1], np.diff(part, axis=1)], axis=1)
    if bits in (8, 16, 32):
        return part.astype(f"{order}u{bits // 8}").tobytes()
    each = (part.reshape(len(part), -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(len(part), -1).astype(np.uint8), axis=1).tobytes()


def _scaled(eight: Samples, bits: int) -> Samples:
    """8 bits a sample to others, so that their best 8 bits are the same where there are more."""
    if bits <= 8:
        return (eight >> 8 - bits).astype(np.uint8)
    wide = eight.astype(np.uint64)
    repeated = wide << bits - 8 | wide << max(0, bits - 16) >> max(0, 16 - bits)
    return repeated.astype(np.uint16 if bits <= 16 else np.uint32)


def _seen(samples: Samples, bits: int) -> npt.NDArray[np.uint8]:
    if bits <= 8:
        return np.asarray(samples.astype(np.uint16) * 255 // ((1 << bits) - 1), np.uint8)
    high: npt.NDArray[np.uint8] = (samples >> bits - 8).astype(np.uint8)
    return high


def _ycbcr(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """ITU-R BT.601 as in TIFF 6.0, section 21."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128
    stacked: npt.NDArray[np.float64] = np.stack([luma, *chroma], axis=-1)
    return np.rint(stacked).clip(0, 255).astype(np.uint8)


def _lab(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """CIE L*a*b* by LittleCMS; Pillow gives a and b with a sign as in TIFF 6.0, section 23."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    picture = ImageCms.profileToProfile(Image.fromarray(rgb), srgb, lab, outputMode="LAB")
    assert picture is not None
    return np.asarray(picture)


def _packbits(data: bytes) -> bytes:
    """Literal runs only, which every reader of PackBits takes."""
    runs = (data[at : at + 128] for at in range(0, len(data), 128))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def _lzw(data: bytes) -> bytes:
    """Codes of nine bits only: the table is cleared before it would need ten."""
    codes = [256]
    for at, byte in enumerate(data):
        if at and at % 200 == 0:
            codes.append(256)
        codes.append(byte)
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _lzma(data: bytes) -> bytes:
    import lzma

    return lzma.compress(data)


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(data, codec="zstd", asbytes=True))


_ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    LZW: _lzw,
    DEFLATE: zlib.compress,
    OLD_DEFLATE: zlib.compress,
    PACKBITS: _packbits,
    LZMA: _lzma,
    ZSTD: _zstd,
}
