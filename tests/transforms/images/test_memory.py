"""What decoders take together stays within what they were given, whatever the files declare."""

from __future__ import annotations

import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.costly import black_png, costly
from tests.helpers.encoded import encoded, grey_tiff, orientation_exif
from transforms.images.memory import Room

_WAIT_S = 20

_OVERHEAD = 24_000_000
"""Bytes for stacks of threads, small pieces, and what the C library keeps."""

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process"
)


# --- the room


def test_who_needs_more_than_is_free_waits() -> None:
    room, got = Room(10), threading.Event()

    def second() -> None:
        with room.lent() as reserve:
            reserve(5)
            got.set()

    with room.lent() as reserve:
        reserve(6)
        thread = threading.Thread(target=second)
        thread.start()
        assert not got.wait(0.2)
        reserve(5)  # in place of the 6
        assert got.wait(_WAIT_S)
    thread.join(_WAIT_S)


def test_who_needs_more_than_there_is_is_alone() -> None:
    room, got = Room(10), threading.Event()

    def large() -> None:
        with room.lent() as reserve:
            reserve(1_000)
            got.set()

    with room.lent() as reserve:
        reserve(1)
        thread = threading.Thread(target=large)
        thread.start()
        assert not got.wait(0.2)
    assert got.wait(_WAIT_S)
    thread.join(_WAIT_S)


def test_small_ones_do_not_overtake_one_that_waits() -> None:
    room, order = Room(10), list[str]()
    started = threading.Event()

    def take(name: str, size: int) -> None:
        with room.lent() as reserve:
            started.set()
            reserve(size)
            order.append(name)

    threads = [threading.Thread(target=take, args=("large", 10))]
    with room.lent() as reserve:
        reserve(1)
        threads[0].start()
        assert started.wait(_WAIT_S)
        while not room._turn.locked():  # until it waits
            pass
        threads += [threading.Thread(target=take, args=("small", 1)) for _ in range(5)]
        for thread in threads[1:]:
            thread.start()
    for thread in threads:
        thread.join(_WAIT_S)
    assert order == ["large", *["small"] * 5]


def test_an_error_gives_everything_back() -> None:
    room = Room(10)

    def fails() -> None:
        with room.lent() as reserve:
            reserve(10)
            raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError, match=r"^$"):
            fails()
    with room.lent() as reserve:
        reserve(10)


# --- what pictures take


def _others(side: int) -> Iterator[tuple[str, bytes]]:
    colour = Image.new("RGB", (side, side), (5, 9, 200))
    yield "baseline.jpg", encoded(colour, "JPEG")
    yield "turned.jpg", encoded(colour, "JPEG", exif=orientation_exif(6))
    yield "progressive.jpg", encoded(colour, "JPEG", progressive=True, subsampling="4:4:4")
    yield "cmyk.jpg", encoded(colour.convert("CMYK"), "JPEG", progressive=True)
    yield "rgb.png", encoded(colour, "PNG", transparency=(5, 9, 200))
    yield "lossy.webp", encoded(colour, "WEBP", method=0)
    yield "cmyk.tif", encoded(colour.convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield "jpeg.tif", encoded(colour, "TIFF", compression="jpeg", tiffinfo={278: side})
    yield "tall.png", black_png(1, side * side // 2, depth=8, colour=0)
    yield "wide.png", black_png(side * side // 2, 1, depth=8, colour=2, channels=3)
    yield "tile.tif", _tile(-(-side // 16) * 16)


def _tile(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels with one tile of side x side."""
    content = zlib.compress(bytes(side * side))
    tags = {259: 8, 322: side, 323: side, 324: 8, 325: len(content)}
    return grey_tiff(16, 16, bits=8, content=content, tags=tags)


def _answer(*words: str) -> str:
    command = [sys.executable, "-m", "tests.helpers.peak_memory", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_proc
def test_no_picture_takes_more_than_it_asks_for(tmp_path: Path) -> None:
    for name, data in (*costly(1_200), *_others(1_200)):
        (tmp_path / name).write_bytes(data)
    answers = [line.split() for line in _answer("each", str(tmp_path)).splitlines()]
    assert len(answers) == 4 * 21
    small = 4_000_000  # tables of a decoder
    over = {
        (name, method): (int(taken), int(asked))
        for name, method, taken, asked in answers
        if int(taken) > int(asked) + small
    }
    assert over == {}


@needs_proc
@pytest.mark.parametrize("what", ["load", "thumbnails"])
@pytest.mark.parametrize(
    ("side", "budget"),
    [(3_100, 320_000_000), pytest.param(9_900, 3_200_000_000, marks=pytest.mark.slow)],
)
def test_sixteen_threads_stay_within_the_budget(
    tmp_path: Path, what: str, side: int, budget: int
) -> None:
    for name, data in costly(side):
        for copy in range(2):
            (tmp_path / f"{copy}-{name}").write_bytes(data)
    count, peak = map(int, _answer(what, str(tmp_path), str(budget), "16").split())
    assert count == 20
    assert peak <= budget + _OVERHEAD
