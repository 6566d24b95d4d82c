from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.browser import chromium, first_frame
from tests.helpers.encoded import encoded, png, png_chunk, waves
from tests.helpers.profiles import PROFILES, png_profile
from tests.helpers.tiffs import pictures, tiff
from transforms.images.colour.embedded import embedded
from transforms.images.colour.icc import MAX_PROFILE
from transforms.images.colour.space import SRGB, by_codes, by_gamma
from transforms.images.preprocess import load

P3 = PROFILES["Display P3"]
WAVES = waves(16, 16)
PIXELS = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in WAVES)))
GAMMA_1 = png_chunk(b"gAMA", struct.pack(">I", 100_000))
GAMMA_45 = png_chunk(b"gAMA", struct.pack(">I", 45_455))
OF_SRGB = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
OF_P3 = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
SRGB_CHUNK = png_chunk(b"sRGB", b"\0")


def chromaticities(numbers: tuple[int, ...]) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *numbers))


def codes(*values: int) -> bytes:
    return png_chunk(b"cICP", bytes(values))


def picture(*chunks: bytes) -> bytes:
    return png(16, 16, depth=8, colour=2, chunks=b"".join(chunks) + PIXELS)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_profile_is_what_pillow_finds(encoding: str) -> None:
    data = encoded(WAVES, encoding, icc_profile=P3)
    assert embedded(data) == P3 == Image.open(io.BytesIO(data)).info["icc_profile"]
    assert embedded(encoded(WAVES, encoding)) is None
    assert all(
        embedded(data[:length]) in (None, b"", P3[:length]) or length for length in range(99)
    )


@pytest.mark.parametrize("encoding", ["GIF", "BMP"])
def test_other_formats_have_none(encoding: str) -> None:
    assert embedded(encoded(WAVES, encoding)) is None


def test_a_profile_in_several_segments_and_any_order() -> None:
    def segment(number: int, count: int, part: bytes) -> bytes:
        content = b"ICC_PROFILE\0" + bytes([number, count]) + part
        return b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content

    start, rest = b"\xff\xd8", encoded(WAVES, "JPEG")[2:]
    parts = [segment(1, 3, P3[:100]), segment(2, 3, P3[100:101]), segment(3, 3, P3[101:])]
    assert embedded(start + b"".join(parts) + rest) == P3
    assert embedded(start + b"".join(reversed(parts)) + rest) == P3
    assert embedded(start + b"\xff\xff" + parts[0][1:] + parts[2] + rest) == b""
    assert embedded(start + segment(1, 1, P3[:50]) + rest) == P3[:50]
    assert embedded(start + b"\xff\xe2\0\x0eICC_PROFILE\0" + rest) == b""


def test_profiles_of_tiffs_of_either_layout() -> None:
    """The tag holds bytes; they are written as numbers of 16 bits here, which is wrong but read."""
    pairs = np.frombuffer(P3, "<u2").tolist()
    for big in (False, True):
        assert embedded(tiff(pictures()["rgb8"], order=">", big=big)) is None
        assert embedded(tiff(pictures()["rgb8"], big=big, tags={34675: pairs})) == P3


def test_what_a_png_says_first_is_taken() -> None:
    """PNG, third edition, 4.3: cICP, iCCP, sRGB, gAMA with cHRM."""
    p3 = codes(12, 13, 0, 1)
    every = (p3, png_profile(P3), SRGB_CHUNK, GAMMA_1, chromaticities(OF_P3))
    assert embedded(picture(*reversed(every))) is by_codes(12, 13)
    assert embedded(picture(*every[1:])) == P3
    assert embedded(picture(*every[2:])) is SRGB
    assert embedded(picture(*every[3:])) is by_gamma(1.0, tuple(n / 100_000 for n in OF_P3))
    assert embedded(picture(GAMMA_1)) is by_gamma(1.0, ())
    assert embedded(picture(GAMMA_45)) is SRGB
    assert embedded(picture(chromaticities(OF_P3))) is None


def test_what_a_png_says_badly_is_passed_over() -> None:
    bad = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"x" * 200))
    assert embedded(picture(bad, SRGB_CHUNK)) is SRGB
    assert embedded(picture(bad, GAMMA_1)) is by_gamma(1.0, ())
    assert embedded(picture(bad)) == b""
    for content in (b"", b"x", b"\0\0", b"x\0\1", b"x\0\0zlib", b"x\0\0" + zlib.compress(P3)[:9]):
        assert embedded(picture(png_chunk(b"iCCP", content))) == b""
    for wrong in (codes(12, 13, 0, 0), codes(12, 13, 1, 1), codes(2, 2, 0, 1), codes(12)):
        assert embedded(picture(wrong, SRGB_CHUNK)) is SRGB
    for unknown in (codes(12, 13, 0, 0), codes(12, 99, 0, 1), codes(12)):
        assert embedded(picture(unknown)) == b""
        assert load(picture(unknown)).colour == "unreadable"
    assert embedded(picture(codes(2, 2, 0, 1))) is None
    assert embedded(picture(png_chunk(b"gAMA", bytes(4)))) == b""
    assert embedded(picture(png_chunk(b"gAMA", b"\1"))) is None


def test_a_profile_that_inflates_without_end_is_cut_off() -> None:
    bomb = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50 * MAX_PROFILE), 9))
    assert embedded(picture(bomb)) == b""


def test_very_many_chunks_and_segments_take_no_time() -> None:
    assert embedded(picture(png_chunk(b"tEXt", b"a") * 200_000)) is None
    jpeg = encoded(WAVES, "JPEG")
    assert embedded(jpeg[:2] + b"\xff\xfe\0\2" * 200_000 + jpeg[2:]) is None
    assert embedded(b"\xff\xd8" + b"\xff" * 1_000_000) is None


@pytest.mark.slow
def test_a_browser_shows_the_same_colours(tmp_path: Path) -> None:
    said = [
        (),
        (SRGB_CHUNK,),
        (GAMMA_45,),
        (GAMMA_1,),
        (GAMMA_45, chromaticities(OF_SRGB)),
        (GAMMA_1, chromaticities(OF_P3)),
        (chromaticities(OF_P3),),
        (SRGB_CHUNK, GAMMA_1),
        *((png_profile(icc),) for icc in PROFILES.values()),
        (png_profile(P3), GAMMA_1),
        (png_profile(P3), codes(9, 13, 0, 1)),
        (png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"x" * 200)), GAMMA_1),
        *(
            (codes(*pair, 0, 1),)
            for pair in ((1, 13), (1, 1), (12, 13), (9, 14), (1, 4), (1, 8), (9, 16), (9, 18))
        ),
        (codes(12, 13, 0, 0), SRGB_CHUNK),
    ]
    (tmp_path / "page.html").write_text("<!doctype html><title>colours</title>", "utf-8")
    with chromium() as window:
        window.get((tmp_path / "page.html").as_uri())
        for chunks in said:
            data = picture(*chunks)
            shown = first_frame(window, data, "image/png").astype(int)
            ours = load(data, size=16, method="stretch-nearest").pixels
            assert np.abs(shown - ours).max() <= 1, chunks
