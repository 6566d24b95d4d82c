"""Damaged files of every kind that is read: one answer each, in bounded time and memory.

    python -m tests.helpers.format_fuzz --count 100000
    python -m tests.helpers.format_fuzz --kind HEIF --seed 7 --first 123 --save picture.bin

Each file has one answer, a picture or a reason, whatever becomes of its decoder: a crash or a
time-out of a helper process is a reason too, and is named. An archive has one answer for each of
its members. For each kind there is a line with what was said, the longest time, and the most memory
of this process and of a helper. A file depends on its kind, seed and number alone.
"""

from __future__ import annotations

import argparse
import collections
import functools
import io
import random
import resource
import struct
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pillow_jxl
import pyarrow as pa
from PIL import Image

from tests.helpers import fuzz
from tests.helpers.archives import write_parquet, write_tar, write_zip
from tests.helpers.encoded import encoded, orientation_exif, sample, waves
from tests.helpers.fuzz import damaged
from tests.helpers.profiles import PROFILES, grey_profile, mixed_profile, power, press_profile
from tests.helpers.raws import RAW
from tests.helpers.tiffs import cells, tiff
from transforms.failures import ImageError
from transforms.images.decode import decode
from transforms.images.guarded import guard
from transforms.images.machine import cores
from transforms.images.preprocess import load
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.skips import Note, Skipped
from transforms.records import ImageRef

assert pillow_jxl  # it teaches Pillow to write JPEG XL

MAX_PIXELS = 1_000_000

_MAX_BYTES = 1_000_000
"""Of a member."""


class Answer(NamedTuple):
    """What became of a file.

    Attributes:
        said: `picture` and the like, or the reason.
        seconds: on the clock.
    """

    said: str
    seconds: float


class _Kind(NamedTuple):
    """A kind of files.

    Attributes:
        files: whole ones, in the variants that have code of their own in a reader.
        say: what becomes of a damaged one.
        damage: makes one of them out of some whole ones.
        threads: whether several are tried at a time.
    """

    files: Callable[[], Sequence[bytes]]
    say: Callable[[bytes], str]
    damage: Callable[..., bytes] = damaged
    threads: bool = False


# --- formats of the helper processes


def corpus() -> list[bytes]:
    """Files of all formats whose decoders run in helper processes."""
    return [file for name in ("HEIF", "AVIF", "JXL", "JPEG2000") for file in KINDS[name].files()]


def _heif() -> list[bytes]:
    names = ("10-bits", "444", "grey", "grid", "orientation-6", "plain", "second-is-primary")
    return [sample(f"{name}.heic") for name in (*names, "transparent", "display-p3-codes")]


_COLOUR = Image.fromarray(waves(37, 41))
_CLEAR = Image.fromarray(np.dstack([waves(37, 41), np.full((37, 41), 99, np.uint8)]))
_THREE = (_COLOUR, _COLOUR.convert("L"), _CLEAR)


def _avif() -> list[bytes]:
    found = [encoded(image, "AVIF", quality=80, exif=orientation_exif(6)) for image in _THREE]
    animated = {"save_all": True, "append_images": [_COLOUR]}
    return [*found, encoded(_COLOUR, "AVIF", subsampling="4:4:4", **animated)]


def _jxl() -> list[bytes]:
    found = [sample("orientation-6.jxl"), sample("adobe-rgb.jxl")]
    for image in _THREE:
        found.append(encoded(image, "JXL", quality=80, use_container=True))
        found.append(encoded(image, "JXL", lossless=True))
    return found


def _jpeg_2000() -> list[bytes]:
    found = [encoded(_COLOUR, "JPEG2000", irreversible=True, quality_layers=[20, 10])]
    for image in (*_THREE, _COLOUR.convert("CMYK")):
        tiled = {"no_jp2": True, "tile_size": (16, 16), "progression": "RPCL"}
        found += [encoded(image, "JPEG2000"), encoded(image, "JPEG2000", **tiled)]
    return found


def guarded(data: bytes) -> str:
    """The format and `picture`, or the reason."""
    try:
        picture = decode(data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        return error.reason.value
    assert picture.pixels.shape == (picture.height, picture.width, 3)
    return f"picture {picture.format}"


# --- formats that this process decodes itself


def _tiff() -> list[bytes]:
    """Every kind of samples, in one of the layouts each."""
    by_name = {name: (picture, how) for name, picture, how in cells()}
    every = random.Random(1).sample(sorted(by_name), 400)
    return [tiff(by_name[name][0], **by_name[name][1]) for name in every]


def _others() -> list[bytes]:
    image = Image.fromarray(waves(19, 23))
    found = [encoded(image.convert(mode), "PPM") for mode in ("1", "L", "RGB")]
    found += [b"P2 4 4 200\n" + b"12 " * 16, b"P5 4 4 65535\n" + bytes(range(32))]
    found += [encoded(image.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    return found


def _plain(data: bytes) -> str:
    """As `guarded`; memory is watched too."""
    said = fuzz.answer(data)
    assert "wrong" not in said, said
    return said.partition(" ")[0]


# --- colour profiles


def _profiles() -> list[bytes]:
    simple = [*PROFILES.values(), grey_profile(power(2.2)), grey_profile(power(1), space=b"Lab ")]
    return [*simple, press_profile(points=3), mixed_profile()]


_PROFILE_TAGS, _PROFILE_ENTRY = 132, 12


def _damaged_profile(files: Sequence[bytes], *, seed: int, number: int) -> bytes:
    """A profile with other numbers where its tags begin, or damaged anyhow, within a picture."""
    chance = random.Random(f"profile:{seed}:{number}")
    profile = chance.choice(files)
    if chance.random() < 0.3:
        profile = damaged(files, seed=seed, number=number)
    else:
        changed = bytearray(profile)
        count = int.from_bytes(changed[128:_PROFILE_TAGS], "big")
        for _ in range(chance.choice((1, 1, 2, 4))):
            entry = _PROFILE_TAGS + _PROFILE_ENTRY * chance.randrange(count)
            (start,) = struct.unpack_from(">I", profile, entry + 4)
            at = chance.choice((entry, start)) + chance.randrange(64)
            size = chance.choice((1, 2, 4))
            value = chance.choice((0, 1, 2, 3, 255, 256, 65_535, chance.randrange(2**31)))
            changed[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big")
        profile = bytes(changed)
    image = _TINY.convert("CMYK" if profile[16:20] == b"CMYK" else "RGB")
    image = image.convert("L") if profile[16:20] == b"GRAY" else image
    formats = ("JPEG", "TIFF") if image.mode == "CMYK" else ("JPEG", "TIFF", "PNG")
    return encoded(image, chance.choice(formats), icc_profile=profile)


_TINY = Image.fromarray(waves(8, 8))


def _coloured(data: bytes) -> str:
    """What was done about the colours: the picture itself is whole."""
    return f"picture {load(data, size=8, max_pixels=MAX_PIXELS).colour}"


# --- archives


def _archive(suffix: str) -> list[bytes]:
    """Small archives, as files of this name."""
    pictures = {"a.jpg": encoded(_TINY, "JPEG"), "d/b.png": encoded(_TINY, "PNG"), "c.txt": b"x"}
    more = {**pictures, "a.json": b'{"exif": "{}"}', "empty.jpg": b"", "long" * 40 + ".jpg": b"y"}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        for members in (pictures, more):
            if suffix == ".zip":
                write_zip(path, members)
            elif suffix == ".parquet":
                rows = [data for name, data in members.items() if name != "c.txt"]
                write_parquet(path, {"image": rows, "n": list(range(len(rows)))}, rows_a_group=2)
            else:
                write_tar(path, list(members.items()))
            data = path.read_bytes()
            codec = {".tar.gz": "gzip", ".tar.zst": "zstd", ".tar.bz2": "bz2"}.get(suffix)
            if suffix == ".tar.xz":
                data = _packed(members, "w:xz")
            elif codec == "bz2":
                data = _packed(members, "w:bz2")
            elif codec is not None:
                data = pa.compress(data, codec=codec, asbytes=True)
            found.append(data)
    return found


def _packed(members: Mapping[str, bytes], mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return file.getvalue()


def _members(suffix: str, data: bytes) -> str:
    """How the reading ends; no member comes twice, and none is larger than it may be."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        names, said = set(), "all members"
        for item in read_members(ImageRef(file.name), image_key=None, max_bytes=_MAX_BYTES):
            if isinstance(item, Note | Skipped):
                continue
            uri = item.ref.uri if isinstance(item, Member) else item.uri
            assert uri not in names, uri
            names.add(uri)
            if isinstance(item, Member):
                assert len(item.data) <= _MAX_BYTES
            else:
                said = f"{'members, and ' if len(names) > 1 else ''}{item.reason}"
        return said


def _of_archive(suffix: str) -> _Kind:
    return _Kind(functools.partial(_archive, suffix), functools.partial(_members, suffix))


KINDS: Mapping[str, _Kind] = {
    "HEIF": _Kind(_heif, guarded, threads=True),
    "AVIF": _Kind(_avif, guarded, threads=True),
    "JXL": _Kind(_jxl, guarded, threads=True),
    "JPEG2000": _Kind(_jpeg_2000, guarded, threads=True),
    "ICC": _Kind(_profiles, _coloured, _damaged_profile, threads=True),
    "TIFF": _Kind(_tiff, _plain),
    "PPM and BMP": _Kind(_others, _plain),
    "RAW": _Kind(lambda: [*RAW.values()], _plain),
    **{
        suffix[1:]: _of_archive(suffix)
        for suffix in (".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".parquet")
    },
}
"""By name."""


def answer(kind: _Kind, files: Sequence[bytes], *, seed: int, number: int) -> Answer:
    """Damages a file and tries it."""
    data = kind.damage(files, seed=seed, number=number)
    start = time.perf_counter()
    said = kind.say(data)
    return Answer(said, time.perf_counter() - start)


def _answers(kind: _Kind, *, seed: int, numbers: range) -> Iterator[tuple[int, Answer]]:
    files = kind.files()
    one = functools.partial(answer, kind, files, seed=seed)
    if not kind.threads:
        yield from ((number, one(number=number)) for number in numbers)
        return
    with ThreadPoolExecutor(cores()) as pool:
        # Some at a time: `map` would hold all that are to come.
        for at in range(0, len(numbers), 1_000):
            some = numbers[at : at + 1_000]
            found = pool.map(lambda number: one(number=number), some)
            yield from zip(some, found, strict=True)


_MOST_MB = 700
"""Of this process, which takes some 150 itself."""


def _peak_mb(who: int = resource.RUSAGE_SELF) -> int:
    return resource.getrusage(who).ru_maxrss // 1024


def _fuzz(name: str, *, seed: int, numbers: range) -> bool:
    """Tries files of a kind, prints what became of them, and says whether nothing was wrong."""
    counts: collections.Counter[str] = collections.Counter()
    bad: list[str] = []
    slowest = (0.0, -1)
    most = max(_MOST_MB, _peak_mb())
    start = time.process_time()
    for number, found in _answers(KINDS[name], seed=seed, numbers=numbers):
        counts[found.said] += 1
        slowest = max(slowest, (found.seconds, number))
        if found.said in ("decoder_crashed", "too_slow"):
            bad.append(f"{number}: {found.said}")
        if _peak_mb() > most:
            most = _peak_mb()
            bad.append(f"{number}, or one beside it: {most} MB")
        if (number + 1) % 10_000 == 0:
            print(f"{name}: {number + 1}", flush=True)
    guard.end_helpers()
    assert counts.total() == len(numbers)
    print(f"{name}: {dict(sorted(counts.items()))}")
    print(
        f"{name}: {counts.total()} answers, slowest {slowest[0]:.2f} s (file {slowest[1]}), "
        f"most memory {_peak_mb()} MB, of a helper {_peak_mb(resource.RUSAGE_CHILDREN)} MB, "
        f"processor time here {time.process_time() - start:.0f} s"
    )
    print(*bad, sep="\n", flush=True)
    return not bad


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries files of every kind that is asked for; 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=list(KINDS), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args(arguments)
    wrong = False
    for name in options.kind or KINDS:
        kind = KINDS[name]
        if options.save:
            options.save.write_bytes(
                kind.damage(kind.files(), seed=options.seed, number=options.first)
            )
            return 0
        numbers = range(options.first, options.first + options.count)
        wrong |= not _fuzz(name, seed=options.seed, numbers=numbers)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
