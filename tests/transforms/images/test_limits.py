"""No file may crash the decoder, keep it busy for long or make it take more than its pixels need.

Confirmed by taking each protection out in turn: the attack on it then hangs, takes gigabytes or
gets another answer; and without `transforms.images.formats.tiff_strips` damaged files of TIFF show
what was in memory.
"""

from __future__ import annotations

import collections
import io
import os
import select
import struct
import subprocess
import sys
import zlib
from collections.abc import Mapping

import pytest
from PIL import EpsImagePlugin, Image

from tests.helpers.encoded import encoded, png, png_chunk, waves
from tests.helpers.hostile import jpeg_of_many_scans
from transforms.failures import ImageError
from transforms.images.decode import decode

_PATIENCE_S = 60
"""For one file; the slowest of them takes a tenth of a second."""


_DIRTY = {"MALLOC_PERTURB_": "85", "PYTHONMALLOC": "malloc"}
"""Makes glibc fill memory with other bytes than it held, see mallopt(3)."""


def _answers(*arguments: str, memory: Mapping[str, str] | None = None) -> dict[str, str]:
    """What `tests.helpers.fuzz` says of each file; one that kills or stalls it fails the test."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.helpers.fuzz", *arguments]
    process = subprocess.Popen(
        command,
        env={**os.environ, **(memory or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    said = b""
    with process, process.stdout as output:
        while select.select([output], [], [], _PATIENCE_S)[0]:
            more = os.read(output.fileno(), 1 << 16)
            if not more:
                break
            said += more
        else:
            process.kill()
    last = said.decode().rpartition("\n")[2]
    assert process.returncode == 0, f"{arguments}: exit {process.returncode} in file {last!r}"
    return dict(line.split("\t") for line in said.decode().splitlines())


def _check_damaged(*, seed: int, count: int) -> None:
    words = ("--seed", str(seed), "--count", str(count))
    answers, others = _answers(*words), _answers(*words, memory=_DIRTY)
    assert {name: said for name, said in answers.items() if "wrong" in said} == {}
    assert {name: said for name, said in answers.items() if said != others[name]} == {}
    found = collections.Counter(said.partition(" ")[0] for said in answers.values())
    assert found.total() == count
    # The damage gets deep enough to matter, and not so deep that nothing is left.
    assert found["picture"] > count / 10
    assert {"corrupt", "truncated", "unsupported", "too_many_pixels", "too_complex"} <= set(found)


def test_damaged_files_are_pictures_or_have_a_reason() -> None:
    _check_damaged(seed=0, count=2_000)


@pytest.mark.slow
def test_very_many_damaged_files_are_pictures_or_have_a_reason() -> None:
    _check_damaged(seed=1, count=50_000)


def test_attacks() -> None:
    answers = _answers("--attacks")
    assert {name: said.partition(" ")[0] for name, said in answers.items()} == {
        "jpeg of 3,000 progressive scans": "too_complex",
        "jpeg of 3,000 sequential scans": "too_complex",
        "jpeg with an EXIF bomb": "picture",
        "jpeg with a large profile": "picture",
        "png of zTXt bombs": "picture",
        "png of iTXt bombs": "picture",
        "png of iCCP bombs": "picture",
        "png of a million frames": "too_complex",
        "png of empty chunks": "too_complex",
        "gif of a million frames": "picture",
        "gif of comments": "too_complex",
        "gif of small comments": "too_complex",
        "gif of junk": "picture",
        "webp of a million frames": "too_complex",
        "bmp of jumps": "too_many_pixels",
        "bmp of empty runs": "too_complex",
        "tiff of one value many times": "too_complex",
        "tiff of few values": "too_complex",
        "tiff with an EXIF bomb": "picture",
        "tiff of many numbers": "too_complex",
        "tiff of wide tiles": "too_many_pixels",
    }


def test_a_large_jpeg_may_have_fewer_scans() -> None:
    data = bytearray(jpeg_of_many_scans(21, side=16))  # which come after five others
    assert decode(bytes(data)).format == "JPEG"
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", 10_000, 10_000)
    assert _refused(bytes(data)) == "too_complex"


def test_a_reader_that_trips_over_its_own_assertion_is_no_crash() -> None:
    without_palette = png_chunk(b"IDAT", zlib.compress(b"\0\0"))
    assert _refused(png(1, 1, depth=8, colour=3, chunks=without_palette)) == "corrupt"


def _refused(data: bytes) -> str:
    with pytest.raises(ImageError) as raised:
        decode(data)
    return raised.value.reason.value


def test_formats_that_run_programs_are_not_known() -> None:
    """Pillow hands EPS to Ghostscript, and finds its readers by trying all that are registered."""
    eps = encoded(waves(9, 9), "EPS")
    assert isinstance(Image.open(io.BytesIO(eps)), EpsImagePlugin.EpsImageFile)
    assert _refused(eps) == "unsupported_format"
