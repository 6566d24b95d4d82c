"""From pixels to the numbers that a network's input holds."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

DType = Literal["uint8", "int8", "float32"]

_LUMA = np.array([19595, 38470, 7471], np.uint32)
"""Weights of red, green and blue in 1/65536: ITU-R 601, as Pillow converts to "L"."""


@dataclasses.dataclass(frozen=True)
class PixelValues:
    """Each byte becomes (byte - mean) / std, stored as it is or as a code of the quantized input.

    Attributes:
        dtype: of the input.
        channels: 3 for RGB, 1 for brightness.
        mean: of each channel, or one for all.
        std: of each channel, or one for all.
        scale: of the codes, real = scale * (code - zero_point); without meaning for float32.
        zero_point: the code of 0.
    """

    dtype: DType = "uint8"
    channels: int = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    zero_point: int = 0

    @property
    def are_bytes(self) -> bool:
        """Whether the input takes RGB pixels as they are."""
        return self.channels == 3 and self == PixelValues()

    def encode(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Pixels uint8[h, w, 3] as dtype[h, w, channels]."""
        if self.are_bytes:
            return pixels
        if self.channels == 1:
            pixels = ((pixels @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]
        encoded: npt.NDArray[Any] = self._table[pixels, np.arange(self.channels)]
        return encoded

    def in_words(self) -> str:
        """For people: what is done to a byte."""
        if self.dtype != "float32":
            if (self.mean, self.std, self.scale) == ((0.0,), (1.0,), 1.0):
                return "the byte" if not self.zero_point else f"the byte - {-self.zero_point}"
            codes = f", in steps of {self.scale:.6g} from code {self.zero_point}"
        else:
            codes = ""
        if (self.mean, self.std) == ((0.0,), (1.0,)):
            return f"the byte{codes}"
        return f"(byte - {_listed(self.mean)}) / {_listed(self.std)}{codes}"

    @functools.cached_property
    def _table(self) -> npt.NDArray[Any]:
        """dtype[256, channels]: the value of each byte in each channel."""
        codes = np.arange(256, dtype=np.float32)[:, None]
        values = (codes - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        values = np.broadcast_to(values, (256, self.channels))
        if self.dtype == "float32":
            return np.ascontiguousarray(values, np.float32)
        limits = np.iinfo(self.dtype)
        quantized = np.rint(values / np.float32(self.scale)) + self.zero_point
        stored: npt.NDArray[Any] = np.clip(quantized, limits.min, limits.max).astype(self.dtype)
        return stored


def _listed(values: tuple[float, ...]) -> str:
    numbers = [f"{value:g}" for value in values]
    return numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}]"
