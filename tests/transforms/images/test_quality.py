from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from skimage import data

from tests.helpers.encoded import encoded
from transforms.flags import Flags
from transforms.images.preprocess import load
from transforms.images.quality import find_flags
from transforms.kernel import module

NOTHING = Flags(*[False] * len(Flags._fields))

Fault = Callable[[Image.Image], Image.Image]


def _lifted(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 255 - (255 - value) * 0.2)


def _faded(image: Image.Image) -> Image.Image:
    return image.point(lambda value: 120 + value * 0.05)


def _gradient(image: Image.Image) -> Image.Image:
    return Image.linear_gradient("L").resize(image.size).convert("RGB").rotate(90)


def _motion(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).astype(np.float32)
    reach = max(image.size) // 25
    moved = np.mean([np.roll(pixels, step, axis=1) for step in range(reach)], axis=0)
    return Image.fromarray(moved[:, reach:].astype(np.uint8))


FAULTS: Mapping[str, Mapping[str, Fault]] = {
    "blurry": {
        "gaussian": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 125)),
        "box": lambda image: image.filter(ImageFilter.BoxBlur(max(image.size) / 80)),
        "motion": _motion,
    },
    "dark": {
        "a tenth": lambda image: ImageEnhance.Brightness(image).enhance(0.1),
        "a third": lambda image: ImageEnhance.Brightness(image).enhance(0.33),
    },
    "bright": {"lifted": _lifted},
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


@pytest.mark.skipif(module is None, reason="needs the compiled kernel")
def test_the_kernel_does_not_change_the_flags(photograph: Image.Image) -> None:
    blurred = photograph.filter(ImageFilter.GaussianBlur(2.2))  # near the limit
    file = encoded(np.asarray(blurred), "JPEG")
    assert load(file, quality=True).flags == load(file, quality=True, kernel="python").flags


@pytest.mark.slow
def test_faults_of_photographs_are_found_and_untouched_ones_are_not(shared: Path) -> None:
    photographs = [
        Image.open(path).convert("RGB") for path in sorted(shared.glob("images/ilsvrc2/*.JPEG"))
    ]
    untouched = [_flags(image) for image in photographs]
    for flag in Flags._fields:
        false = sum(getattr(flags, flag) for flags in untouched)
        assert false <= 0.02 * len(untouched), flag
        for name, fault in FAULTS[flag].items():
            found = sum(getattr(_flags(fault(image)), flag) for image in photographs[:100])
            assert found >= 95, (flag, name)
            assert found / (found + false * 100 / len(untouched)) >= 0.95, (flag, name)
