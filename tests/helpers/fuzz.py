"""Decodes files that were damaged at random or made to do harm, in a process that may be killed.

    python -m tests.helpers.fuzz --seed 7 --count 50000
    python -m tests.helpers.fuzz --seed 7 --first 123 --save picture.bin
    python -m tests.helpers.fuzz --attacks

Each file is named before it is decoded, so that one that crashes or hangs is known; behind the name
stands the answer, a reason or `picture` with a checksum, and then what is wrong with it. A damaged
file depends on its seed and number alone.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.encoded import encoded, grey_tiff, orientation_exif, png, png_chunk, waves
from tests.helpers.fuzz_parts import rearranged
from tests.helpers.hostile import HOSTILE, bmp_rle
from transforms.failures import ImageError, Reason
from transforms.images.decode import decode
from transforms.images.pixels import Decoded

MAX_PIXELS = 1_000_000
MAX_BYTES = 64_000_000
"""What one file may take: 48 bytes a pixel of `MAX_PIXELS`, and some room for the allocator."""

_ADDRESS_SPACE = 4_000_000_000
"""A bomb ends in a MemoryError of this process and not in the memory of the machine."""


def corpus() -> list[bytes]:
    """Files of every format in the variants that have code of their own in a decoder."""
    return [*_jpegs(), *_pngs(), *_others(), *_tiffs()]


def _jpegs() -> Iterator[bytes]:
    colour = waves(37, 41)
    exif = orientation_exif(6)
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2}, {"keep_rgb": True}):
        yield encoded(colour, "JPEG", exif=exif, quality=50, **options)
    yield encoded(colour, "JPEG", subsampling="4:4:4", icc_profile=bytes(500), comment=b"words")
    yield encoded(colour[..., 0], "JPEG", progressive=True)
    yield encoded(Image.fromarray(colour).convert("CMYK"), "JPEG")


def _pngs() -> Iterator[bytes]:
    image = Image.fromarray(waves(19, 23))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield encoded(image.convert("L" if mode == "I;16" else mode).convert(mode), "PNG")
    yield encoded(image.convert("P"), "PNG", transparency=bytes(range(256)))
    yield encoded(image, "PNG", save_all=True, append_images=[image.rotate(90)], icc_profile=b"x")
    lines = zlib.compress(bytes(9 * 200))
    text = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(b"words" * 99))
    data = png(8, 8, depth=8, colour=0, chunks=text + png_chunk(b"IDAT", lines))
    yield data[:28] + b"\1" + data[29:]  # interlaced


def _others() -> Iterator[bytes]:
    image = Image.fromarray(waves(19, 23))
    frames = {"save_all": True, "append_images": [image.rotate(90)]}
    yield encoded(image, "WEBP")
    yield encoded(image.convert("RGBA"), "WEBP", quality=30, exif=orientation_exif(3))
    yield encoded(image, "WEBP", lossless=True)
    yield encoded(image, "WEBP", **frames)
    yield encoded(image, "WEBP", icc_profile=bytes(500), exif=orientation_exif(6), **frames)
    yield encoded(image.convert("P"), "GIF")
    many = [image.convert("P").rotate(turn) for turn in range(1, 40)]
    yield encoded(image.convert("P"), "GIF", save_all=True, append_images=many, optimize=False)
    yield encoded(image.convert("L"), "GIF", interlace=0, comment=b"words", **frames)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield encoded(image.convert(mode), "BMP")
    for mode in ("1", "L", "RGB"):
        yield encoded(image.convert(mode), "PPM")
    yield b"P3 4 4 200\n" + b"1 2 200 " * 16
    yield bmp_rle(8, 4, b"\3\1\0\3abc\0\0\2\0\2\1\1" + b"\2\5\0\0" * 3 + b"\0\1")


def _tiffs() -> Iterator[bytes]:
    image = Image.fromarray(waves(19, 23))
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd"):
        yield encoded(image, "TIFF", compression=compression)
    for compression in ("group3", "group4"):
        yield encoded(image.convert("1"), "TIFF", compression=compression)
    yield encoded(image, "TIFF", big_tiff=True, exif=orientation_exif(8))
    yield encoded(image.convert("P"), "TIFF", save_all=True, append_images=[image])
    for mode in ("CMYK", "LAB", "YCbCr"):
        converted = image.convert("RGB").convert(mode)
        converted.info.clear()  # the profile that comes with LAB holds the time of day
        yield encoded(converted, "TIFF")
    yield grey_tiff(16, 16, bits=12, content=bytes(range(192)) * 2)
    tiles = {322: 16, 323: 16, 324: 8, 325: 256}
    yield grey_tiff(16, 16, bits=8, content=bytes(256), order="<", tags=tiles)


# --- damage


_INTERESTING = [0, 1, 2, 3, 7, 8, 16, 64, 100, 127, 128, 255, 256, 1000, 4096, 32767, 32768]
_INTERESTING += [65535, 65536, 1_000_000, 2**31 - 1, 2**31, 2**32 - 1]


def damaged(files: Sequence[bytes], *, seed: int, number: int) -> bytes:
    """One of the files after one to eight random changes, or with its parts in another order."""
    chance = random.Random(f"{seed}:{number}")
    data = bytearray(chance.choice(files))
    by_parts = chance.random() < 0.4
    if by_parts:
        whole = bytes(data)
        data = bytearray(rearranged(whole, chance.choice(files), chance))
        by_parts = data != whole  # a file without known parts is damaged as others are
    for _ in range(0 if by_parts else chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        chance.choice(_CHANGES)(data, chance)
    if not by_parts and chance.random() < 0.2:
        data = data[: _place(data, chance)] + chance.choice(files)[_place(data, chance) :]
    if data.startswith(b"\x89PNG") and chance.random() < 0.9:
        data = _with_checksums(data)  # or hardly any change would get past the first chunk
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """A position; half of them in the first 64 bytes, where most of the structure is."""
    return (
        chance.randrange(min(len(data), 64) if chance.random() < 0.5 else len(data)) if data else 0
    )


def _flip_bit(data: bytearray, chance: random.Random) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set_number(data: bytearray, chance: random.Random) -> None:
    at, size = _place(data, chance), chance.choice((1, 2, 4))
    order = chance.choice(("little", "big"))
    value = chance.choice(_INTERESTING) % (1 << 8 * size)
    data[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]


def _delete(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 2, 4, 16, 100))]


def _insert(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16, 100)))


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    piece = data[at : at + chance.choice((1, 2, 4, 12, 20, 100, 1000))]
    data[at:at] = piece * chance.choice((1, 2, 10, 300))


def _move(data: bytearray, chance: random.Random) -> None:
    source, target = _place(data, chance), _place(data, chance)
    size = chance.choice((1, 2, 4, 12, 100))
    data[target : target + size] = data[source : source + size]


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[_place(data, chance) + 1 :]


def _new_marker(data: bytearray, chance: random.Random) -> None:
    """Something that a decoder acts on: a marker of JPEG or the name of a chunk."""
    at = _place(data, chance)
    names = (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"fcTL", b"IEND", b"ANMF", b"VP8X", b"ALPH")
    new = chance.choice((*names, bytes([0xFF, chance.randrange(0xC0, 0x100)])))
    data[at : at + len(new)] = new


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bit,
    _flip_bit,
    _set_number,
    _set_number,
    _set_number,
    _delete,
    _insert,
    _repeat,
    _move,
    _cut,
    _new_marker,
)


def _with_checksums(data: bytearray) -> bytearray:
    """A PNG whose checksums fit, as far as its chunks can be followed."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 <= len(data):
            struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return data


# --- judgement


def answer(data: bytes) -> str:
    """What the decoder says, and what is wrong with that."""
    _forget_peak()
    before = _memory("VmRSS")
    try:
        said = _right(decode(data, max_pixels=MAX_PIXELS))
    except ImageError as error:
        said = Reason(error.reason).value
    except Exception as error:  # noqa: BLE001  the very thing that is looked for
        said = f"wrong: {type(error).__name__}: {error}"
    if "MALLOC_PERTURB_" in os.environ:  # which takes all that is only reserved otherwise
        return said
    taken = _memory("VmHWM") - before - 2 * len(data)
    return f"{said} wrong: {taken:,} bytes of memory" if taken > MAX_BYTES else said


def _right(picture: Decoded) -> str:
    sides = sorted((picture.width, picture.height))
    same = sides == sorted(picture.pixels.shape[:2]) and picture.pixels.dtype == np.uint8
    small = picture.width * picture.height <= MAX_PIXELS
    if not (same and small):
        return f"wrong: {picture.pixels.shape} for {sides}"
    return f"picture {zlib.crc32(picture.pixels.tobytes()):08x}"


def _forget_peak() -> None:
    """Sets VmHWM to what is in use now, see proc_pid_clear_refs(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_bytes()
    return 1024 * int(status.partition(field.encode() + b":")[2].split()[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Decodes files and prints name and answer of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    numbers = range(chosen.first, chosen.first + chosen.count)
    for name, data in _attacks() if chosen.attacks else _damaged(chosen.seed, numbers):
        if chosen.save:
            chosen.save.write_bytes(data)
        print(name, end="\t", flush=True)
        print(answer(data))


def _attacks() -> Iterator[tuple[str, bytes]]:
    for name, make in HOSTILE.items():
        yield name, make()


def _damaged(seed: int, numbers: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    files = corpus()
    for number in numbers:
        yield f"{seed}:{number}", damaged(files, seed=seed, number=number)


if __name__ == "__main__":
    main()
