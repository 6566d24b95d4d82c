"""The compiled kernel against the decoders in Python: equal, or handed back."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.encoded import encoded, orientation_exif, waves
from tests.helpers.root import ROOT
from transforms import kernel
from transforms.images import native
from transforms.images.preprocess import load
from transforms.images.settings import Method, Preprocessing

pytest.importorskip("quantlabel_native", reason="the compiled kernel is not installed")

from tests.helpers import kernel_fuzz
from tests.helpers.kernel_fuzz import METHODS, SUBSAMPLINGS, is_taken, with_sampling


def _how(size: int, method: Method = "eval", views: int = 1) -> Preprocessing:
    return Preprocessing(method=method, size=size, views=views)


def _is_taken(data: bytes, how: Preprocessing = Preprocessing(size=16)) -> bool:
    """Held against the decoders both ways, with the processor's instructions and without."""
    fast, plain = is_taken(data, how), is_taken(data, how, plain=True)
    assert fast == plain
    return fast


# --- what it takes


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_every_small_size(subsampling: str) -> None:
    """Edges of blocks, of units and of the upsampling; also wider and taller than a unit."""
    for height, width in itertools.product((*range(1, 20), 33, 40), (*range(1, 20), 31, 34)):
        picture = waves(height, width, period=7.0)
        data = encoded(picture, "JPEG", subsampling=subsampling, quality=90)
        how = _how(7, METHODS[(height + width) % 3], 1)
        assert _is_taken(data, how), (height, width)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 5, 32, 128, 224])
def test_every_size_of_the_input(method: Method, size: int) -> None:
    data = encoded(waves(150, 203, period=11.0), "JPEG", subsampling="4:2:0")
    for views in (1, 2) if method == "stretch-nearest" else (1, 2, 4):
        assert _is_taken(data, _how(size, method, views))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(orientation: int) -> None:
    exif = orientation_exif(orientation)
    data = encoded(waves(61, 94, period=13.0), "JPEG", exif=exif, subsampling="4:2:0")
    for how in (_how(24), _how(24, "slim", 4), _how(24, "stretch-nearest")):
        assert _is_taken(data, how)
    turned = load(data, size=8, kernel="native")
    assert (turned.width, turned.height) == ((94, 61) if orientation < 5 else (61, 94))


@pytest.mark.parametrize("quality", [1, 10, 50, 85, 95, 100])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_every_quality_of_noise(quality: int, subsampling: str) -> None:
    """Noise of full contrast fills every block, and leaves the range that is clamped alike."""
    noise = np.random.default_rng(quality).integers(64, 192, (48, 56, 3), np.uint8)
    assert _is_taken(encoded(noise, "JPEG", quality=quality, subsampling=subsampling))


@pytest.mark.parametrize("factors", [0x11, 0x12, 0x14, 0x21, 0x22, 0x24, 0x41, 0x42])
def test_every_sampling_that_can_be_upsampled(factors: int) -> None:
    """Luma with other factors, in pictures of one unit; 4:4:0 and 4:1:1 are among them."""
    across, down = factors >> 4, factors & 15
    for height, width in ((8 * down, 8 * across), (8 * down - 5, 8 * across - 3)):
        data = _one_unit(height, width, factors)
        assert _is_taken(data, _how(8, "slim", 1)), (height, width)


def _one_unit(height: int, width: int, factors: int) -> bytes:
    """A picture of one unit, whose blocks are those of a grey picture one after the other."""
    count = (factors >> 4) * (factors & 15) + 2
    grey = encoded(waves(8, 8 * count, period=5.0)[..., 0], "JPEG", quality=90)
    frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    components = bytes([1, factors, 0, 2, 0x11, 0, 3, 0x11, 0])
    head = b"\xff\xc0\0\x11\x08" + sides + b"\3" + components
    start = b"\xff\xda\0\x0c\3\1\0\2\0\3\0\0\x3f\0"
    # DC is predicted within a component: the first block of each begins anew, which changes what
    # the picture shows but not that it is sound.
    return grey[:frame] + head + grey[frame + 13 : scan] + start + grey[scan + 10 :]


@pytest.mark.parametrize(
    "options",
    [
        {"restart_marker_blocks": 1},
        {"restart_marker_blocks": 7},
        {"restart_marker_rows": 1},
        {"optimize": True},
        {"keep_rgb": True},
        {"comment": b"words"},
        {"icc_profile": bytes(70_000)},
    ],
)
def test_whatever_encoders_write(options: dict[str, object]) -> None:
    assert _is_taken(encoded(waves(70, 90), "JPEG", **options))
    assert _is_taken(encoded(waves(70, 90)[..., 0], "JPEG", **options))


def test_what_follows_the_end_marker_is_ignored() -> None:
    assert _is_taken(encoded(waves(20, 20), "JPEG") + b"\xff\xd8more")


# --- what it hands back


def test_what_is_handed_back() -> None:
    whole = encoded(waves(40, 40), "JPEG")
    end = len(whole) - 2
    for name, data in {
        "nothing": b"",
        "progressive": encoded(waves(40, 40), "JPEG", progressive=True),
        "no end marker": whole[:end],
        "cut short": whole[: end - 20],
        "a byte too many": whole[:end] + b"\0" + whole[end:],
        "another marker": whole[:end] + b"\xff\xd0\xff\xd9",
        "PNG": encoded(waves(40, 40), "PNG"),
        "luma of half the width": with_sampling(whole, 0x23),
    }.items():
        assert not _is_taken(data), name


def test_the_limit_of_pixels() -> None:
    data = encoded(waves(30, 50), "JPEG")
    assert native.load_jpeg(data, Preprocessing(max_pixels=1500)) is not None
    assert native.load_jpeg(data, Preprocessing(max_pixels=1499)) is None


def test_what_only_the_decoders_do() -> None:
    data = encoded(waves(30, 50), "JPEG")
    assert native.load_jpeg(data, _how(8, "stretch")) is None
    assert native.load_jpeg(data, _how(0)) is None
    assert load(data, size=8, method="stretch").pixels.shape == (8, 8, 3)


def test_damaged_files() -> None:
    files = kernel_fuzz.corpus()
    taken = sum(is_taken(*kernel_fuzz.one(files, seed=0, number=i)) for i in range(1_000))
    assert 200 < taken < 800


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files() -> None:
    command = [
        sys.executable,
        "-m",
        "tests.helpers.kernel_fuzz",
        "--seed",
        "2",
        "--count",
        "100000",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("100000 files, ")
    assert done.stdout.endswith(" taken, 0 of them wrongly\n")


# --- photographs, and the choice of a kernel


def test_photographs(shared: Path) -> None:
    for path in sorted((shared / "images" / "ilsvrc").glob("*.JPEG"))[::5]:
        assert is_taken(path.read_bytes(), _how(128, "eval", 1)), path.name
        assert is_taken(path.read_bytes(), _how(160, "slim", 4)), path.name


def test_pixels_can_be_written_to() -> None:
    pixels = load(encoded(waves(30, 50), "JPEG"), kernel="native").pixels
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


def test_a_kernel_that_is_missing_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(waves(30, 50), "JPEG")
    expected = load(data).pixels
    assert native.takes(Preprocessing())
    assert not native.takes(Preprocessing(method="stretch"))
    assert not native.takes(Preprocessing(size=1025))
    monkeypatch.setattr(kernel, "module", None)
    assert not native.takes(Preprocessing())
    np.testing.assert_array_equal(load(data).pixels, expected)
