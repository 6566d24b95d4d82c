from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from scipy.signal import fftconvolve
from skimage import data

from tests.helpers.encoded import encoded
from tests.helpers.profiles import PROFILES
from transforms.flags import Flags
from transforms.images.preprocess import load
from transforms.images.quality import find_flags
from transforms.kernel import Kernel, module

NOTHING = Flags(*[False] * len(Flags._fields))

Fault = Callable[[Image.Image], Image.Image]


def _lifted(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 - (255 - value) * 0.2)


def _four_stops(value: int) -> int:
    """As sRGB has it of sixteen times the light."""
    share = value / 255
    light = 16 * (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return round(255 * (1.055 * min(1, light) ** (1 / 2.4) - 0.055)) if light > 0.0031308 else 0


def _faded(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 120 + value * 0.05)


def _gradient(image: Image.Image) -> Image.Image:
    return Image.linear_gradient("L").resize(image.size).convert("RGB").rotate(90)


def _motion(image: Image.Image, *, down: int = 0) -> Image.Image:
    """To the right, and down by as much where `down` is 1."""
    reach = max(image.size) // 25
    total = np.zeros((image.height, image.width, 3), np.float32)
    for step in range(2 * reach):
        by = (1, 0, step / 2, 0, 1, down * step / 2)
        moved = image.transform(image.size, Image.Transform.AFFINE, by, Image.Resampling.BILINEAR)
        total += np.asarray(moved)
    pixels = total[: image.height - reach * down, :-reach] / (2 * reach)
    return Image.fromarray(pixels.astype(np.uint8))


def _out_of_focus(image: Image.Image) -> Image.Image:
    """Each point becomes a disc."""
    radius = max(image.size) / 100
    side = 2 * math.ceil(radius) + 1
    y, x = np.mgrid[:side, :side] - side // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)[..., None]
    pixels = np.asarray(image).astype(np.float32)
    return Image.fromarray(
        fftconvolve(pixels, disc / disc.sum(), "valid").clip(0, 255).astype("u1")
    )


FAULTS: Mapping[str, Mapping[str, Fault]] = {
    "blurry": {
        "gaussian": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 200)),
        "box": lambda image: image.filter(ImageFilter.BoxBlur(max(image.size) / 80)),
        "motion": _motion,
        "slanting motion": functools.partial(_motion, down=1),
        "out of focus": _out_of_focus,
    },
    "dark": {
        "a tenth": lambda image: ImageEnhance.Brightness(image).enhance(0.1),
        "a third": lambda image: ImageEnhance.Brightness(image).enhance(0.33),
    },
    "bright": {
        "lifted": _lifted,
        "four times the light": lambda image: image.point(lambda value: min(255, 4 * value)),
        "four stops": lambda image: image.point(_four_stops),
    },
    "low_information": {
        "one colour": lambda image: Image.new("RGB", image.size, (90, 120, 150)),
        "faded": _faded,
        "gradient": _gradient,
    },
    "grey": {"grey": lambda image: image.convert("L")},
    "odd_shape": {"strip": lambda image: image.crop((0, 0, image.width, image.width // 4))},
    "tiny": {"thumbnail": lambda image: image.resize((96, 72))},
}
"""What is made of a photograph, by the flag that it shall have."""

ALMOST = {"slanting motion": 90, "four stops": 93}
"""How many of 100 are found of those that fall short of 95; docs/quality.md has more."""

CASES = [(flag, name) for flag, faults in FAULTS.items() for name in faults]


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """A cat, 451 x 300 pixels."""
    return Image.fromarray(data.chelsea())  # type: ignore[no-untyped-call]


def _flags(image: Image.Image, **how: int) -> Flags:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    flags = load(file.getvalue(), quality=True, **how).flags  # type: ignore[arg-type]
    assert flags is not None
    return flags


def test_a_photograph_has_no_flag_and_none_is_looked_for_unasked(photograph: Image.Image) -> None:
    assert _flags(photograph) == NOTHING
    assert load(encoded(np.asarray(photograph), "PNG")).flags is None


@pytest.mark.parametrize(("flag", "name"), CASES)
def test_each_fault_raises_its_flag_alone(flag: str, name: str, photograph: Image.Image) -> None:
    fault = FAULTS[flag][name](photograph)
    expected = NOTHING._replace(**{flag: True})
    if (flag, name) == ("low_information", "gradient"):
        expected = expected._replace(grey=True)
    assert _flags(fault) == expected
    # The same of a format that is not decoded at a fraction of its size, and of more pixels.
    assert load(encoded(np.asarray(fault), "PNG"), quality=True).flags == expected
    if flag not in ("odd_shape", "tiny"):
        assert _flags(fault.resize((1804, 1200), Image.Resampling.BICUBIC)) == expected


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 7), (3, 2), (9, 400), (400_000, 1), (17, 17), (20_000, 300)]
)
def test_every_size_has_flags(size: tuple[int, int]) -> None:
    pixels: npt.NDArray[np.uint8] = np.zeros((size[1], size[0], 3), np.uint8)
    flags = find_flags(pixels, width=size[0], height=size[1])
    assert (flags.dark, flags.low_information, flags.grey) == (True, True, True)
    assert flags.tiny == (size[0] * size[1] < 10_000)
    assert {type(flag) for flag in flags} == {bool}


def _looked_at(pixels: npt.NDArray[np.uint8]) -> Flags:
    return find_flags(pixels, width=pixels.shape[1], height=pixels.shape[0])


def test_a_colour_at_the_end_of_its_range_counts_more_than_white() -> None:
    pixels = np.random.RandomState(0).randint(0, 200, (256, 340, 3)).astype(np.uint8)
    assert _looked_at(pixels) == NOTHING
    pixels[:100] = (255, 140, 0)
    assert _looked_at(pixels) == NOTHING._replace(bright=True)
    pixels[:100] = 255
    assert _looked_at(pixels) == NOTHING


def test_white_to_the_edges_counts_less_than_white_within() -> None:
    pixels = np.random.RandomState(0).randint(0, 200, (256, 340, 3)).astype(np.uint8)
    within, around = pixels.copy(), np.full_like(pixels, 255)
    within[8:-8, 60:-60] = 255  # 61 % of it
    around[60:-60, 50:-50] = pixels[60:-60, 50:-50]  # 63 % is white
    assert _looked_at(within) == NOTHING._replace(bright=True)
    assert _looked_at(around) == NOTHING


@pytest.mark.parametrize(("darkest", "bright"), [(125, False), (136, True)])
def test_a_picture_without_dark_pixels_is_bright(darkest: int, bright: bool) -> None:
    pixels = np.random.RandomState(0).randint(darkest, 200, (256, 340, 1)).astype(np.uint8)
    coloured = np.concatenate([pixels, pixels, pixels - 20], axis=2)
    assert _looked_at(coloured).bright == bright


@pytest.mark.parametrize("down", [1, -1])
def test_blur_along_either_diagonal_is_seen(down: int) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (256, 340, 3)).astype(float)
    for _ in range(2):
        noise = np.mean([np.roll(noise, (down * by, by), (0, 1)) for by in range(12)], axis=0)
    spread = np.clip((noise - noise.mean()) * 4 + 128, 0, 255).astype(np.uint8)
    assert _looked_at(spread) == NOTHING._replace(blurry=True)


@pytest.mark.skipif(module is None, reason="needs the compiled kernel")
def test_the_kernel_does_not_change_the_flags(photograph: Image.Image) -> None:
    blurred = photograph.filter(ImageFilter.GaussianBlur(2.2))  # near the limit
    file = encoded(np.asarray(blurred), "JPEG")
    assert load(file, quality=True).flags == load(file, quality=True, kernel="python").flags


@pytest.mark.parametrize("kernel", ["auto", "python"])
def test_a_colour_profile_costs_no_flag(photograph: Image.Image, kernel: Kernel) -> None:
    """The compiled kernel converts the colours of some profiles itself."""
    file = io.BytesIO()
    _lifted(photograph).save(file, "JPEG", quality=90, icc_profile=PROFILES["Adobe RGB"])
    expected = NOTHING._replace(bright=True)
    for how in ("eval", "slim", "stretch"):
        found = load(file.getvalue(), quality=True, kernel=kernel, method=how)
        assert (found.colour, found.flags) == ("converted", expected)


@pytest.mark.slow
def test_faults_of_photographs_are_found_and_untouched_ones_are_not(shared: Path) -> None:
    tuned_on, photographs = (
        [Image.open(path).convert("RGB") for path in sorted(shared.glob(f"images/{name}/*.JPEG"))]
        for name in ("ilsvrc", "ilsvrc2")
    )
    untouched = [_flags(image) for image in [*tuned_on, *photographs]]
    for image in photographs:
        image.thumbnail((800, 800))  # faults of larger ones take long to make, and no more is seen
    for flag in Flags._fields:
        false = sum(getattr(flags, flag) for flags in untouched)
        assert false <= 0.02 * len(untouched), flag
        for name, fault in FAULTS[flag].items():
            found = sum(getattr(_flags(fault(image)), flag) for image in photographs[:100])
            assert found >= ALMOST.get(name, 95), (flag, name)
            assert found / (found + false * 100 / len(untouched)) >= 0.95, (flag, name)
