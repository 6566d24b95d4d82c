"""ICC profiles: the few tags of the simple kinds, read by ourselves.

A profile of three curves and a matrix, which is what phones, cameras and screens have, needs no
library, and a library that reads what strangers have made is a risk. Other kinds, with tables of
several dimensions, are left to LittleCMS in a process of its own: `transforms.images.colour.table`.
Layout: ICC.1:2022.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from transforms.images.colour import space
from transforms.images.colour.space import Floats, Space

MAX_PROFILE = 4 * 1024 * 1024
"""Bytes. Profiles of presses have up to 3 MB, those of screens and cameras some kilobytes."""

_HEADER, _ENTRY = 128, 12

_MAX_TAGS = 100
"""ICC has some 70."""

_MAX_POINTS = 65_536
"""Of a curve."""

_ENCODINGS = np.linspace(0, 1, 256)

CHANNELS = {b"RGB ": 3, b"GRAY": 1, b"CMYK": 4}
"""Colour spaces of devices whose pictures are read, and their numbers a pixel."""


def colours_of(profile: bytes) -> bytes:
    """Four letters: RGB, GRAY, CMYK or another."""
    return profile[16:20]


def is_profile(profile: bytes) -> bool:
    """Whether it begins as one."""
    return len(profile) >= _HEADER + 4 and profile[36:40] == b"acsp"


def read_simple(profile: bytes) -> Space | None:
    """The colour space of a profile; None if it has tables of several dimensions.

    Args:
        profile: the whole of it.

    Raises:
        ValueError: it is damaged, or of no use for pictures.
    """
    tags = _tags(profile)
    colours = colours_of(profile)
    if colours not in CHANNELS:
        raise ValueError(f"a profile of {colours!r}")
    if b"A2B0" in tags or colours == b"CMYK":
        return None
    if colours == b"GRAY":
        curve = _curve(_content(profile, tags, b"kTRC"))
        return space.grey(_light_of_lab(curve) if profile[20:24] == b"Lab " else curve)
    if profile[20:24] != b"XYZ ":
        raise ValueError("a matrix to another space than XYZ")
    curves = [_curve(_content(profile, tags, name)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    columns = [_xyz(_content(profile, tags, name)) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return space.space(np.stack(curves), np.stack(columns, axis=1))


def _tags(profile: bytes) -> Mapping[bytes, tuple[int, int]]:
    """Name to start and size, all of them inside of the profile. They may share their bytes."""
    if not is_profile(profile):
        raise ValueError("not an ICC profile")
    size, count = struct.unpack_from(">I", profile)[0], struct.unpack_from(">I", profile, 128)[0]
    if size > len(profile) or len(profile) > MAX_PROFILE:
        raise ValueError(f"a profile of {size} bytes of which {len(profile)} are there")
    if count > _MAX_TAGS or _HEADER + 4 + count * _ENTRY > len(profile):
        raise ValueError(f"a profile with {count} tags")
    found = {}
    for i in range(count):
        name, start, length = struct.unpack_from(">4sII", profile, _HEADER + 4 + i * _ENTRY)
        if start + length > len(profile):
            raise ValueError(f"a tag {name!r} outside of the profile")
        found[name] = start, length
    return found


def _content(profile: bytes, tags: Mapping[bytes, tuple[int, int]], name: bytes) -> bytes:
    if name not in tags:
        raise ValueError(f"a profile without {name!r}")
    start, length = tags[name]
    return profile[start : start + length]


def _xyz(content: bytes) -> Floats:
    if len(content) < 20 or content[:4] != b"XYZ ":
        raise ValueError("a colorant that is none")
    return _fixed(content[8:20])


def _fixed(content: bytes) -> Floats:
    """Numbers of 16 bits before and after the point."""
    return np.frombuffer(content, ">i4").astype(np.float64) / 65_536


def _curve(content: bytes) -> Floats:
    """float64[256], the light of each value."""
    if len(content) < 12:
        raise ValueError("a curve that is cut off")
    if content[:4] == b"para":
        return _formula(struct.unpack_from(">H", content, 8)[0], content[12:])
    if content[:4] != b"curv":
        raise ValueError(f"a curve of the type {content[:4]!r}")
    (count,) = struct.unpack_from(">I", content, 8)
    if count > _MAX_POINTS or 12 + 2 * count > len(content):
        raise ValueError(f"a curve of {count} points")
    points = np.frombuffer(content[12 : 12 + 2 * count], ">u2").astype(np.float64)
    if count == 0:
        return _ENCODINGS
    if count == 1:
        return np.asarray(_ENCODINGS ** (points[0] / 256))
    return np.interp(_ENCODINGS, np.linspace(0, 1, count), points / 65_535)


_PARAMETERS = (1, 3, 4, 5, 7)
"""How many each kind of formula has."""


def _formula(kind: int, content: bytes) -> Floats:
    """ICC.1:2022, table 68."""
    if kind >= len(_PARAMETERS) or len(content) < 4 * _PARAMETERS[kind]:
        raise ValueError(f"a formula of the kind {kind}")
    numbers = _fixed(content[: 4 * _PARAMETERS[kind]]).tolist()
    gamma, a, b, c, d, e, f = numbers + [0.0] * (7 - len(numbers))
    if kind == 0:
        a, d = 1, -1
    elif kind in (1, 2):
        if a == 0:
            raise ValueError("a formula that divides by 0")
        c, d, e, f = 0, -b / a, c, c
    with np.errstate(all="ignore"):  # whatever is no number is refused by `space`
        above = np.maximum(a * _ENCODINGS + b, 0) ** gamma + e
    return np.asarray(np.where(d <= _ENCODINGS, above, c * _ENCODINGS + f))


def _light_of_lab(lightness: Floats) -> Floats:
    """CIE L*, as 0..1, to light."""
    root = (lightness * 100 + 16) / 116
    return np.where(root > 6 / 29, root**3, (root - 4 / 29) * 108 / 841)
