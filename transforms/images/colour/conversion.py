"""What is done about the colours of a picture, and the word for it in its row."""

from __future__ import annotations

import collections
import hashlib
import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.failures import ImageError
from transforms.images.colour.embedded import Profile
from transforms.images.colour.icc import CHANNELS, MAX_PROFILE, colours_of, read_simple
from transforms.images.colour.space import Space
from transforms.images.colour.table import Table, read_table
from transforms.images.settings import Colour
from transforms.records import ColourDone


class Conversion(NamedTuple):
    """What is to be done.

    Attributes:
        done: the word for it.
        by: how; None if nothing is to be done.
    """

    done: ColourDone
    by: Space | Table | None = None

    @property
    def of_cmyk(self) -> bool:
        """Whether it takes a picture in CMYK as it is stored."""
        return self.by is not None and self.by.channels == 4

    @property
    def tables(self) -> tuple[bytes, bytes] | None:
        """See `Space.tables`."""
        return self.by.tables if isinstance(self.by, Space) else None

    def convert(self, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], ColourDone]:
        """The pixels in sRGB, and what was done.

        Args:
            pixels: uint8[..., 3], or uint8[..., 4] of CMYK if `of_cmyk`.
        """
        if self.by is None:
            return pixels, self.done
        if pixels.shape[-1] != max(3, self.by.channels) or (self.by.grey and not _is_grey(pixels)):
            return pixels, "unreadable"  # the profile is that of another picture
        return self.by.convert(pixels), self.done


def conversion(profile: Profile | None, colour: Colour) -> Conversion:
    """What is to be done about a profile.

    Args:
        profile: that a file has, or None.
        colour: what is wanted.
    """
    if profile is None:
        return Conversion("none")
    if colour == "ignore":
        return Conversion("ignored")
    if isinstance(profile, Space):
        return Conversion("srgb") if profile.is_srgb else Conversion("converted", profile)
    return _known.conversion(profile)


def _is_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


class _Known:
    """Conversions of ICC profiles, by their digests: cameras and programs have few."""

    _MOST = 32
    """A table of colours takes 400 kB."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: collections.OrderedDict[bytes, Conversion] = collections.OrderedDict()

    def conversion(self, profile: bytes) -> Conversion:
        digest = hashlib.sha256(profile).digest()
        with self._lock:
            if digest in self._found:
                self._found.move_to_end(digest)
                return self._found[digest]
        found = _read(profile)
        with self._lock:
            self._found[digest] = found
            while len(self._found) > self._MOST:
                self._found.popitem(last=False)
        return found


_known = _Known()


def _read(profile: bytes) -> Conversion:
    try:
        if len(profile) > MAX_PROFILE:
            raise ValueError("a profile too large")
        by: Space | Table | None = read_simple(profile)
        if by is None:
            by = read_table(profile, CHANNELS[colours_of(profile)])
    except (ImageError, ValueError):
        return Conversion("unreadable")
    return Conversion("srgb") if by.is_srgb else Conversion("converted", by)
