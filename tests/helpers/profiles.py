"""ICC profiles, made by hand from the rules of ICC.1."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from tests.helpers.encoded import png_chunk
from transforms.images.colour.space import D65, SRGB_TO_XYZ, Floats, srgb_light, to_xyz

_D50 = (0.9642, 1.0, 0.8249)


def power(gamma: float) -> bytes:
    """A curve of one number."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def table(values: Sequence[float]) -> bytes:
    """A curve of points 0..1."""
    points = [round(value * 65_535) for value in values]
    return b"curv\0\0\0\0" + struct.pack(f">I{len(points)}H", len(points), *points)


def formula(kind: int, *numbers: float) -> bytes:
    """A curve of a formula."""
    fixed = [round(number * 65_536) for number in numbers]
    return b"para\0\0\0\0" + struct.pack(f">HH{len(fixed)}i", kind, 0, *fixed)


def xyz(values: Sequence[float] | Floats) -> bytes:
    """A colour."""
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


SRGB_CURVE = formula(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(
    tags: Mapping[bytes, bytes],
    *,
    colours: bytes = b"RGB ",
    space: bytes = b"XYZ ",
    version: int = 2,
) -> bytes:
    """A profile of these tags and those that every one has."""
    named = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    whole = {b"desc": named, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(_D50), **tags}
    at = 132 + 12 * len(whole)
    entries, content = struct.pack(">I", len(whole)), b""
    for name, value in whole.items():
        entries += name + struct.pack(">II", at + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI", at + len(content), b"none", version << 24)
    head += b"mntr" + colours + space + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    return head.ljust(68, b"\0") + xyz(_D50)[8:] + bytes(48) + entries + content


def rgb_profile(primaries: Floats, *curves: bytes, version: int = 2) -> bytes:
    """A profile of a matrix, and of one curve or three."""
    three = curves * 3 if len(curves) == 1 else curves
    tags = {name: xyz(primaries[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict(zip((b"rTRC", b"gTRC", b"bTRC"), three, strict=True))
    return profile(tags, version=version)


def grey_profile(curve: bytes, *, space: bytes = b"XYZ ") -> bytes:
    """A profile of one curve."""
    return profile({b"kTRC": curve}, colours=b"GRAY", space=space)


def _primaries(*numbers: float, white: Floats = D65) -> Floats:
    red, green, blue = np.array(numbers).reshape(3, 2)
    return to_xyz(red, green, blue, white)


PROFILES: dict[str, bytes] = {
    "Display P3": rgb_profile(_primaries(0.68, 0.32, 0.265, 0.69, 0.15, 0.06), SRGB_CURVE),
    "Adobe RGB": rgb_profile(_primaries(0.64, 0.33, 0.21, 0.71, 0.15, 0.06), power(563 / 256)),
    "Rec. 2020": rgb_profile(
        _primaries(0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
        formula(3, 1 / 0.45, 1 / 1.0993, 0.0993 / 1.0993, 1 / 4.5, 0.0813),
    ),
    "ProPhoto": rgb_profile(
        _primaries(
            0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, white=np.array([0.3457, 0.3585])
        ),
        power(1.8),
    ),
    "linear": rgb_profile(SRGB_TO_XYZ, power(1)),
}
"""The spaces that pictures are found in."""


def in_space(
    pixels: npt.NDArray[np.uint8], icc: bytes, *, mode: str = "RGB"
) -> npt.NDArray[np.uint8]:
    """The colours of a picture in sRGB in the numbers of another space, by LittleCMS.

    CMYK as programs make it: relative to white, with black point compensation.
    """
    there = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    srgb = ImageCms.createProfile("sRGB")
    cmyk, intent = mode == "CMYK", ImageCms.Intent
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        srgb,
        there,
        outputMode=mode,
        renderingIntent=intent.RELATIVE_COLORIMETRIC if cmyk else intent.PERCEPTUAL,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION if cmyk else ImageCms.Flags.NONE,
    )
    assert converted is not None
    return np.asarray(converted)


def png_profile(icc: bytes) -> bytes:
    """The chunk of a PNG with a profile."""
    return png_chunk(b"iCCP", b"test\0\0" + zlib.compress(icc))


def press_profile(*, points: int = 9) -> bytes:
    """A profile of CMYK with tables both ways, of inks that multiply and a paper that is white.

    Type mft2, ICC.1:2022, 10.10: input tables, a grid, output tables, all in 16 bits.

    Args:
        points: along each side of the grid of inks; that of colours has twice as many, less one.
    """
    steps = np.linspace(0, 1, points)
    cyan, magenta, yellow, black = np.meshgrid(*[steps] * 4, indexing="ij")
    inks = np.stack([cyan, magenta, yellow], axis=-1)
    rgb = (1 - 0.9 * inks) * (1 - 0.9 * black[..., None])
    to_lab = _lab(srgb_light(rgb.reshape(-1, 3)) @ SRGB_TO_XYZ.T)
    finer = 2 * points - 1
    side = np.linspace(0, 1, finer)
    lab = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    light = _xyz_of_lab(lab) @ np.linalg.inv(SRGB_TO_XYZ).T
    wanted = (1 - np.clip(light, 0, 1) ** (1 / 2.2)) / 0.9
    to_inks = np.concatenate([np.clip(wanted, 0, 1), np.zeros((len(lab), 1))], axis=1)
    tags = {
        **dict.fromkeys((b"A2B0", b"A2B1"), _grid(4, 3, points, to_lab)),
        **dict.fromkeys((b"B2A0", b"B2A1"), _grid(3, 4, finer, to_inks)),
    }
    return profile(tags, colours=b"CMYK", space=b"Lab ")


def mixed_profile() -> bytes:
    """A profile of RGB of every part that the newest type of table has, mAB: ICC.1:2022, 10.12."""
    curves = [formula(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)] * 3
    straight = [power(1) + bytes(2)] * 3
    matrix = struct.pack(">12i", *(65_536 if i in (0, 4, 8) else 0 for i in range(12)))
    steps = np.linspace(0, 1, 3)
    light = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.rint(_lab(light @ SRGB_TO_XYZ.T) * 257 / 256 * 65_280).clip(0, 65_535)
    grid = bytes([3, 3, 3]).ljust(16, b"\0") + b"\2\0\0\0" + values.astype(">u2").tobytes()
    grid += bytes(-len(grid) % 4)
    parts = [b"".join(straight), matrix, b"".join(straight), grid, b"".join(curves)]
    places = [32 + sum(map(len, parts[:i])) for i in range(len(parts))]
    table = struct.pack(">4sIBBH5I", b"mAB ", 0, 3, 3, 0, *places) + b"".join(parts)
    return profile(dict.fromkeys((b"A2B0", b"A2B1"), table), space=b"Lab ", version=4)


def _grid(inputs: int, outputs: int, points: int, values: Floats) -> bytes:
    head = struct.pack(">4sIBBBB", b"mft2", 0, inputs, outputs, points, 0)
    head += xyz((1, 0, 0))[8:] + xyz((0, 1, 0))[8:] + xyz((0, 0, 1))[8:] + struct.pack(">HH", 2, 2)
    straight = struct.pack(">HH", 0, 65_535)
    content = np.rint(np.clip(values, 0, 1) * 65_535).astype(">u2").tobytes()
    return head + straight * inputs + content + straight * outputs


def _lab(colours: Floats) -> Floats:
    """XYZ to L*a*b*, 0..1 as mft2 has them: 0xFF00 is 100, 0x8000 is 0."""
    ratio = colours / _D50
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * 841 / 108 + 4 / 29)
    lightness = (116 * root[:, 1] - 16) / 100 * 65_280
    a, b = 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])
    return np.stack([lightness, (a + 128) * 256, (b + 128) * 256], axis=1) / 65_535


def _xyz_of_lab(lab: Floats) -> Floats:
    stored = lab * 65_535
    root_y = (stored[:, 0] / 652.8 + 16) / 116
    root_x = root_y + (stored[:, 1] / 256 - 128) / 500
    root_z = root_y - (stored[:, 2] / 256 - 128) / 200
    roots = np.stack([root_x, root_y, root_z], axis=1)
    return np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 108 / 841) * _D50
