"""Profiles with tables of several dimensions: a grid of colours, made by LittleCMS.

LittleCMS reads what strangers have made, so it runs in a helper process, once for each profile; the
pictures are converted here, between the points of the grid.
"""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from transforms.failures import ImageError, Reason
from transforms.images.colour.space import SRGB_TOLERANCE
from transforms.images.guarded.guard import Limits, call

_POINTS = {1: 256, 3: 52, 4: 18}
"""Along each side of the grid, by the number of its dimensions: 255 is a multiple of one less."""

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}

_LIMITS = Limits(memory=256 * 1024 * 1024, seconds=10)


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A grid of colours.

    Attributes:
        colours: uint8[points, ..., 3], sRGB, of as many dimensions as there are channels.
        is_srgb: whether the device's numbers are sRGB already.
    """

    colours: npt.NDArray[np.uint8]
    is_srgb: bool

    @property
    def channels(self) -> int:
        """Numbers a pixel; 1 stands for pictures in which red, green and blue are equal."""
        return self.colours.ndim - 1

    @property
    def grey(self) -> bool:
        """Whether only pictures without colour can be in it."""
        return self.channels == 1

    def convert(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The same colours in sRGB, linear between the points of the grid.

        Args:
            pixels: uint8[..., channels], or uint8[..., 3] of grey.

        Returns:
            uint8[..., 3].
        """
        flat = pixels.reshape(-1, pixels.shape[-1])[:, : self.channels]
        mixed = [self._mixed(flat[at : at + _AT_ONCE]) for at in range(0, len(flat), _AT_ONCE)]
        return np.asarray(np.concatenate(mixed).reshape(*pixels.shape[:-1], 3))

    def _mixed(self, flat: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8[n, channels] to uint8[n, 3]."""
        points = len(self.colours)
        place = flat * np.float32((points - 1) / 255)
        lower = np.minimum(place.astype(np.intp), points - 2)
        upper_share = place - lower
        # Of the corners of the cell that a colour lies in, doubled by each channel.
        shares = np.ones((len(flat), 1), np.float32)
        steps = np.zeros(1, np.intp)
        for i in range(self.channels):
            share = upper_share[:, i : i + 1]
            shares = np.concatenate([shares * (1 - share), shares * share], axis=1)
            steps = np.concatenate([steps, steps + points ** (self.channels - 1 - i)])
        first = lower @ points ** np.arange(self.channels - 1, -1, -1)
        corners = self.colours.reshape(-1, 3).take(first[:, None] + steps, axis=0)
        total = np.einsum("ij,ijk->ik", shares, corners.astype(np.float32))
        rounded: npt.NDArray[np.uint8] = np.rint(total).astype(np.uint8)
        return rounded


_AT_ONCE = 4_096
"""Pixels whose corners are in memory at a time: three quarters of a megabyte of CMYK."""


def read_table(profile: bytes, channels: int) -> Table:
    """The grid of a profile.

    Args:
        profile: the whole of it.
        channels: that it has.

    Raises:
        ImageError: LittleCMS cannot read it, or has crashed, or taken too long.
    """
    colours = call(grid, profile, channels, limits=_LIMITS)
    is_srgb = (
        channels == 3 and np.abs(colours - _grid_points(3).astype(int)).max() <= SRGB_TOLERANCE
    )
    shape = (*[_POINTS[channels]] * channels, 3)
    return Table(colours.reshape(shape), bool(is_srgb))


def grid(profile: bytes, channels: int) -> npt.NDArray[np.uint8]:
    """uint8[points ** channels, 3], what becomes of the grid's colours. Runs in a helper process.

    White becomes white, black becomes black, the rest is as it was measured: that is how programs
    make CMYK as a rule, so that this undoes it.

    Raises:
        ImageError: corrupt.
    """
    points = _grid_points(channels)
    mode = _MODES[channels]
    picture = Image.frombytes(mode, (1, len(points)), points.tobytes())
    try:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ImageError(
            Reason.CORRUPT, f"a colour profile that cannot be read ({error})"
        ) from error
    assert converted is not None
    return np.asarray(converted).reshape(-1, 3)


def _grid_points(channels: int) -> npt.NDArray[np.uint8]:
    """uint8[points ** channels, channels]; the last channel changes first."""
    steps = np.linspace(0, 255, _POINTS[channels]).round().astype(np.uint8)
    return np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
