from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.helpers.browser import chromium, first_frame
from tests.helpers.encoded import encoded, png, png_chunk, waves
from transforms.failures import ImageError, Reason
from transforms.images.decode import decode

WHITE = 255
RED = (200, 30, 30)


def _gif(left: int, top: int, *, transparent: bool = False, background: int = 1) -> bytes:
    """Two frames of 4 x 3 on a canvas of 9 x 8, by hand; the background's colour is blue."""
    palette = bytes([*RED, 0, 0, 250, 10, 200, 10, 90, 90, 90])
    # Codes of three bits: clear, then twelve times the colour with clears between, end.
    data = b"GIF89a" + struct.pack("<HHBBB", 9, 8, 0b1111_0001, background, 0) + palette
    for colour in (0, 2):
        data += b"!\xf9\x04" + struct.pack("<BHB", 4 | transparent, 50, 3) + b"\0"
        data += b"," + struct.pack("<HHHHB", left, top, 4, 3, 0) + b"\x02"
        bits = "".join(f"{code:03b}" for code in reversed([4, *[colour, 4] * 12, 5]))
        content = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
        data += bytes([len(content)]) + content + b"\0"
    return data + b";"


def _webp(size: tuple[int, int], *, left: int, top: int, alpha: bool = False) -> bytes:
    """A lossless frame and another, put together from files of Pillow's."""
    frames = b""
    for colour in (RED, (10, 200, 10)):
        frame = encoded(Image.new("RGB", size, colour), "WEBP", lossless=True)[12:]
        place = b"".join(
            value.to_bytes(3, "little")
            for value in (left // 2, top // 2, size[0] - 1, size[1] - 1, 100)
        )
        content = place + b"\0" + frame
        frames += b"ANMF" + struct.pack("<I", len(content)) + content
    extended = bytes([0x02 | (0x10 if alpha else 0), 0, 0, 0, 8, 0, 0, 7, 0, 0])  # 9 x 8
    body = b"WEBPVP8X" + struct.pack("<I", 10) + extended
    body += b"ANIM" + struct.pack("<I", 6) + b"\xff\0\0\xff\0\0" + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _apng(*, default_is_first: bool, left: int = 2, top: int = 3, palette: bool = False) -> bytes:
    """A canvas of 9 x 8 that is green for others; its first frame is red and smaller."""
    colour = 3 if palette else 2

    def pixels(width: int, height: int, value: bytes) -> bytes:
        return zlib.compress((b"\0" + value * width) * height)

    def control(number: int, width: int, height: int, x: int, y: int) -> bytes:
        return png_chunk(
            b"fcTL", struct.pack(">5IHHBB", number, width, height, x, y, 50, 100, 0, 0)
        )

    green, red = (b"\1", b"\0") if palette else (bytes([10, 200, 10]), bytes(RED))
    chunks = png_chunk(b"acTL", struct.pack(">II", 2, 0))
    if palette:
        chunks += png_chunk(b"PLTE", bytes([*RED, 10, 200, 10]))
    if default_is_first:
        chunks += control(0, 9, 8, 0, 0)
    chunks += png_chunk(b"IDAT", pixels(9, 8, green))
    numbers = iter(range(1 if default_is_first else 0, 9))
    for value in (red, green):
        chunks += control(next(numbers), 4, 3, left, top)
        half = pixels(4, 3, value)
        for part in (half[:5], half[5:]):
            chunks += png_chunk(b"fdAT", struct.pack(">I", next(numbers)) + part)
    return png(9, 8, depth=8, colour=colour, chunks=chunks)


def _red_on_white(left: int, top: int) -> npt.NDArray[np.uint8]:
    whole = np.full((8, 9, 3), WHITE, np.uint8)
    whole[top : top + 3, left : left + 4] = RED
    return whole


GIFS = {
    "in the middle": _gif(2, 3),
    "in the corner": _gif(0, 0),
    "transparent": _gif(2, 3, transparent=True),
}


def test_around_the_first_frame_of_a_gif_there_is_nothing() -> None:
    assert np.array_equal(decode(GIFS["in the middle"]).pixels, _red_on_white(2, 3))
    assert np.array_equal(decode(GIFS["in the corner"]).pixels, _red_on_white(0, 0))
    assert np.array_equal(decode(GIFS["transparent"]).pixels, _red_on_white(2, 3))
    assert decode(GIFS["in the middle"])[1:3] == (9, 8)


def test_a_gif_that_covers_its_canvas_is_what_pillow_reads() -> None:
    image = Image.fromarray(waves(20, 30)).quantize(16)
    data = encoded(image, "GIF", save_all=True, append_images=[image.rotate(180)])
    assert np.array_equal(decode(data).pixels, np.asarray(image.convert("RGB")))


def test_around_the_first_frame_of_a_webp_there_is_nothing() -> None:
    for alpha in (False, True):
        data = _webp((4, 3), left=2, top=4, alpha=alpha)
        assert np.array_equal(decode(data).pixels, _red_on_white(2, 4))


def test_a_webp_that_covers_its_canvas_is_what_pillow_reads() -> None:
    image = Image.fromarray(waves(20, 30))
    data = encoded(image, "WEBP", save_all=True, append_images=[image.rotate(180)], quality=80)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode(data).pixels, expected)


@pytest.mark.parametrize("palette", [False, True])
def test_the_first_frame_of_an_animated_png_is_not_what_others_see(palette: bool) -> None:
    data = _apng(default_is_first=False, palette=palette)
    assert np.array_equal(decode(data).pixels, _red_on_white(2, 3))
    assert decode(data)[1:4] == (9, 8, "PNG")
    data = _apng(default_is_first=True, palette=palette)
    assert np.array_equal(np.unique(decode(data).pixels.reshape(-1, 3), axis=0), [[10, 200, 10]])


def test_an_animated_png_whose_frame_is_nowhere_is_the_picture_that_others_see() -> None:
    for left, top in ((6, 3), (2, 6), (2**31, 0)):
        data = _apng(default_is_first=False, left=left, top=top)
        assert np.unique(decode(data).pixels.reshape(-1, 3), axis=0).tolist() == [[10, 200, 10]]


def test_cut_off_animations_have_a_reason_or_pixels() -> None:
    for data in (*GIFS.values(), _webp((4, 3), left=2, top=4), _apng(default_is_first=False)):
        for length in range(12, len(data), 7):
            reason = None
            try:
                pixels = decode(data[:length]).pixels
            except ImageError as error:
                reason = error.reason
            if reason is None:
                assert pixels.shape == (8, 9, 3)
            else:
                assert reason in (Reason.TRUNCATED, Reason.CORRUPT)


@pytest.mark.slow
def test_a_browser_shows_the_same(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><title>frames</title>", "utf-8")
    files = [
        *((data, "image/gif") for data in GIFS.values()),
        (_webp((4, 3), left=2, top=4), "image/webp"),
        (_webp((4, 3), left=2, top=4, alpha=True), "image/webp"),
        (_webp((9, 8), left=0, top=0), "image/webp"),
        *(
            (_apng(default_is_first=first, palette=palette), "image/png")
            for first in (False, True)
            for palette in (False, True)
        ),
    ]
    with chromium() as window:
        window.get((tmp_path / "page.html").as_uri())
        for data, kind in files:
            assert np.array_equal(first_frame(window, data, kind), decode(data).pixels), kind
