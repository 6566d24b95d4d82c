"""Colour spaces of red, green and blue light, and their conversion to sRGB."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of ICC's connection space, ICC.1:2022, 7.2.16."""

SRGB_TOLERANCE = 4
"""Levels of 255. The profiles of sRGB that Debian's packages hold give, by other roundings, colours
that differ by 1, primaries in four decimals by 2; the nearest space that is another one, a power of
2.2 with the primaries of sRGB, differs by 9."""


def srgb_light(encoded: Floats) -> Floats:
    """Encoded 0..1 to light 0..1, IEC 61966-2-1."""
    return np.where(
        encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    )


def srgb_encoded(light: Floats) -> Floats:
    """Light 0..1 to encoded 0..1, IEC 61966-2-1."""
    return np.where(
        light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    )


_STEPS = 65_535
_ENCODED = np.rint(255 * srgb_encoded(np.linspace(0, 1, _STEPS + 1))).astype(np.uint8)
"""sRGB of light in `_STEPS`."""

_ENCODED_BYTES = _ENCODED.tobytes()

_FRACTION_BITS = 8
"""Of a step of light, in products of curves and matrix."""

_MOST_PRODUCT = 2**29
"""So that three of them can be added in 32 bits; only an absurd profile has one as large."""


def to_xyz(red: Floats, green: Floats, blue: Floats, white: Floats) -> Floats:
    """float64[3, 3], light to XYZ under D50.

    Args:
        red: x and y of the primary, CIE 1931.
        green: the same.
        blue: the same.
        white: the same, of equal light of the three. It is adapted to D50 by Bradford's matrix, as
            ICC.1:2022, annex E has it.

    Raises:
        ValueError: there are no such primaries.
    """
    try:
        primaries = np.stack([_xyz(point) for point in (red, green, blue)], axis=1)
        scaled = primaries * np.linalg.solve(primaries, _xyz(white))
        here, there = _BRADFORD @ _xyz(white), _BRADFORD @ D50
        adapted: Floats = np.linalg.solve(_BRADFORD, (there / here)[:, None] * _BRADFORD) @ scaled
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise ValueError(f"primaries that span no colours ({error})") from error
    if not np.isfinite(adapted).all():
        raise ValueError("primaries that span no colours")
    return adapted


def _xyz(point: Floats) -> Floats:
    x, y = (float(value) for value in point)
    return np.array([x / y, 1, (1 - x - y) / y])


_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

D65 = np.array([0.3127, 0.329])
_BT_709 = (np.array([0.64, 0.33]), np.array([0.3, 0.6]), np.array([0.15, 0.06]), D65)

SRGB_TO_XYZ = to_xyz(*_BT_709)
_FROM_XYZ = np.linalg.inv(SRGB_TO_XYZ)


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """Three curves and a matrix, or one curve of grey.

    Attributes:
        curves: float32[3, 256], light 0..1 of each value of red, green and blue; beyond 1 of high
            dynamic range by absolute light, and of the scene 0..1 of the kind that is relative.
        matrix: float32[3, 3], that light to the light of sRGB's primaries.
        grey: whether only pictures without colour can be in it.
        high: the kind of high dynamic range, PQ or HLG; empty for others.
    """

    curves: npt.NDArray[np.float32]
    matrix: npt.NDArray[np.float32]
    grey: bool = False
    high: Literal["", "PQ", "HLG"] = ""
    channels = 3

    @functools.cached_property
    def is_srgb(self) -> bool:
        """Whether it is sRGB, whatever it is called: by what becomes of 985 colours."""
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        nine = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(nine, nine, nine), axis=-1).reshape(-1, 3)
        colours = ramp if self.grey else np.concatenate([ramp, cube])
        change = np.abs(self.convert(colours).astype(np.int16) - colours)
        return bool(change.max() <= SRGB_TOLERANCE)

    @functools.cached_property
    def products(self) -> npt.NDArray[np.int32]:
        """int32[3, 256, 3]: what each value of red, green and blue adds to the light of sRGB.

        In `_STEPS` with `_FRACTION_BITS`. Sums of integers are the same on every processor.
        """
        light = self.curves[:, :, None].astype(np.float64) * self.matrix.T[:, None, :]
        scaled = np.rint(light * (_STEPS << _FRACTION_BITS))
        return np.clip(scaled, -_MOST_PRODUCT, _MOST_PRODUCT).astype(np.int32)

    @functools.cached_property
    def tables(self) -> tuple[bytes, bytes] | None:
        """What another program needs to convert as this one does.

        `products`, and uint8[65536], the sRGB of each step of light. None of a space that takes
        more than that.
        """
        return None if self.grey or self.high else (self.products.tobytes(), _ENCODED_BYTES)

    def convert(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The same colours in sRGB, relative to white; what sRGB cannot show is cut off.

        Args:
            pixels: uint8[..., 3].

        Returns:
            uint8[..., 3].
        """
        if self.high:
            return self._converted_from_high(pixels)
        flat = np.ascontiguousarray(pixels.reshape(-1, 3).T)
        found = np.empty(pixels.shape, np.uint8)
        for i in range(3):
            red, green, blue = (self.products[j, :, i].take(flat[j]) for j in range(3))
            steps = (red + green + blue + (1 << (_FRACTION_BITS - 1))) >> _FRACTION_BITS
            found[..., i] = _ENCODED.take(steps, mode="clip").reshape(found.shape[:-1])
        return found

    def _converted_from_high(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        flat = pixels.reshape(-1, 3)
        light = np.stack([self.curves[i].take(flat[:, i]) for i in range(3)], axis=1)
        light = _of_standard_range(light, relative=self.high == "HLG") @ self.matrix.T
        steps = np.clip(light, 0, 1) * _STEPS + np.float32(0.5)
        encoded: npt.NDArray[np.uint8] = _ENCODED.take(steps.astype(np.uint16))
        return encoded.reshape(pixels.shape)


_SDR_WHITE = 203
"""Candela a square metre that are white in a picture of high dynamic range, ITU-R BT.2408."""

_PEAK = 1_000 / _SDR_WHITE
"""What becomes as bright as sRGB can be: the brightest of the display of ITU-R BT.2100."""

_LUMINANCE = np.array([0.2627, 0.678, 0.0593], np.float32)
"""Of red, green and blue, ITU-R BT.2100."""

_OF_WHITE = 0.5
"""Light of what was white, to leave room for what was brighter."""

_BEND = 0.65
"""How far the curve above white follows the line below it. As `_OF_WHITE` it is that of Chromium,
which goes by SMPTE ST 2094-50."""


def _of_standard_range(
    light: npt.NDArray[np.float32], *, relative: bool
) -> npt.NDArray[np.float32]:
    """Light of high dynamic range made fainter: up to white by half, above it by ever more.

    Args:
        light: float32[n, 3], 1 for `_SDR_WHITE`; of the scene, if it is relative.
        relative: whether a display makes light of it first: ITU-R BT.2100, table 5.
    """
    if relative:
        light = light * (np.maximum(light @ _LUMINANCE, 0)[:, None] ** np.float32(0.2) * _PEAK)
    most = light.max(axis=1, keepdims=True)
    # A curve of Bezier's from white by a point between to the peak; `along` is its parameter.
    between = 1 + _BEND * (1 / _OF_WHITE - 1), _OF_WHITE + _BEND * (1 - _OF_WHITE)
    square, linear = 1 - 2 * between[0] + _PEAK, 2 * (between[0] - 1)
    above = np.clip(most, 1, _PEAK) - 1
    along = (np.sqrt(linear**2 + 4 * square * above) - linear) / (2 * square)
    shown = (
        _OF_WHITE
        + 2 * (between[1] - _OF_WHITE) * along
        + (_OF_WHITE - 2 * between[1] + 1) * along**2
    )
    return np.asarray(light * np.where(most > 1, shown / np.maximum(most, 1), _OF_WHITE))


def space(curves: Floats, to_xyz: Floats) -> Space:
    """A space of red, green and blue.

    Args:
        curves: float64[3, 256], light of each value; cut to 0..1.
        to_xyz: float64[3, 3], light to XYZ under D50.

    Raises:
        ValueError: numbers that are none.
    """
    matrix = _FROM_XYZ @ to_xyz
    if not (np.isfinite(curves).all() and np.isfinite(matrix).all()):
        raise ValueError("curves or primaries that are no numbers")
    return Space(curves.clip(0, 1).astype(np.float32), matrix.astype(np.float32))


def grey(curve: Floats) -> Space:
    """A space of grey.

    Args:
        curve: float64[256], light of each value.

    Raises:
        ValueError: numbers that are none.
    """
    found = space(np.stack([curve] * 3), SRGB_TO_XYZ)
    return dataclasses.replace(found, matrix=np.eye(3, dtype=np.float32), grey=True)


_ENCODINGS = np.linspace(0, 1, 256)


_GAMMA_TOLERANCE = 0.05
"""Within it a gamma alone stands for sRGB, in libpng and browsers: most programs write 0.45455."""


@functools.lru_cache(maxsize=64)
def by_gamma(gamma: float, chromaticities: tuple[float, ...] = ()) -> Space:
    """What gAMA and cHRM of a PNG say.

    Args:
        gamma: exponent of encoding, 0.45455 as a rule.
        chromaticities: x and y of white, red, green, blue; none for those of sRGB.

    Raises:
        ValueError: no gamma, or no primaries.
    """
    if not gamma > 0:
        raise ValueError(f"a gamma of {gamma}")
    if not chromaticities and abs(gamma * 2.2 - 1) < _GAMMA_TOLERANCE:
        return SRGB
    white, red, green, blue = (
        np.array(chromaticities).reshape(4, 2) if chromaticities else (D65, *_BT_709[:3])
    )
    return space(np.stack([_ENCODINGS ** (1 / gamma)] * 3), to_xyz(red, green, blue, white))


@functools.lru_cache(maxsize=64)
def by_codes(primaries: int, transfer: int) -> Space | None:
    """What the codes of ITU-T H.273 say, as in cICP of PNG and nclx of HEIF; None of others."""
    if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
        return None
    curve = np.stack([_TRANSFERS[transfer](_ENCODINGS)] * 3)
    found = space(curve, to_xyz(*_PRIMARIES[primaries]))
    if transfer in (_PQ, _HLG):
        high: Literal["PQ", "HLG"] = "PQ" if transfer == _PQ else "HLG"
        found = dataclasses.replace(found, curves=curve.astype(np.float32), high=high)
    return found


_PRIMARIES: dict[int, tuple[Floats, Floats, Floats, Floats]] = {
    1: _BT_709,
    5: (np.array([0.64, 0.33]), np.array([0.29, 0.6]), np.array([0.15, 0.06]), D65),
    6: (np.array([0.63, 0.34]), np.array([0.31, 0.595]), np.array([0.155, 0.07]), D65),
    7: (np.array([0.63, 0.34]), np.array([0.31, 0.595]), np.array([0.155, 0.07]), D65),
    9: (np.array([0.708, 0.292]), np.array([0.17, 0.797]), np.array([0.131, 0.046]), D65),
    11: (
        np.array([0.68, 0.32]),
        np.array([0.265, 0.69]),
        np.array([0.15, 0.06]),
        np.array([0.314, 0.351]),
    ),
    12: (np.array([0.68, 0.32]), np.array([0.265, 0.69]), np.array([0.15, 0.06]), D65),
}
"""ITU-T H.273, table 2."""


def _pq(encoded: Floats) -> Floats:
    """SMPTE ST 2084."""
    root = encoded ** (32 / 2523)
    light = np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    return light ** (8192 / 1305) * 10_000 / _SDR_WHITE


def _hlg(encoded: Floats) -> Floats:
    """ARIB STD-B67: light of the scene."""
    return np.where(
        encoded <= 0.5,
        encoded**2 / 3,
        (np.exp((encoded - 0.55991073) / 0.17883277) + 0.28466892) / 12,
    )


def _cinema(encoded: Floats) -> Floats:
    """SMPTE ST 428-1: white is 48 of 52.37 candela a square metre."""
    return np.asarray(encoded**2.6 * (52.37 / 48))


def _power(exponent: float) -> Callable[[Floats], Floats]:
    return lambda encoded: encoded**exponent


_PQ, _HLG = 16, 18

_TRANSFERS: dict[int, Callable[[Floats], Floats]] = {
    # Television is shown by the curve of ITU-R BT.1886, by browsers too.
    **dict.fromkeys((1, 6, 14, 15), _power(2.4)),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1),
    13: srgb_light,
    _PQ: _pq,
    17: _cinema,
    _HLG: _hlg,
}
"""ITU-T H.273, table 3."""

SRGB = space(np.stack([srgb_light(_ENCODINGS)] * 3), SRGB_TO_XYZ)
