"""A network as numbers: float weights, and the ranges that its quantization is simulated with."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.models.tflite.architecture import Layer
from pipeline.models.tflite.graph import Quantization

InputRange = Literal["byte", "unit"]
"""How images in [0,1] become what the first convolution is fed:

- byte: (255 x - 128) / 128, what the tflite makes of the bytes 255 x; agrees best with it.
- unit: 2 x - 1, quantized in [-1.0005, 1.0005], as version 3 of the published module says of
  itself: it overestimates the boundaries of the input image by 0.05 %. In [-1, 1] itself each of
  the 256 bytes is half a step away from two codes (the step is 2/255, zero lies at code 127.5), so
  that rounding errors decide. The publisher gives the percentage only; that it applies to both
  boundaries alike is our reading.
"""

INPUT_RANGES: Final[tuple[InputRange, ...]] = ("byte", "unit")

_CODES: Final = 255  # the largest of 8 bits
# Units in the last place, nearest first.
_ULPS: Final = (0, 1, -1, 2, -2, 3, -3, 4, -4)


class Range(NamedTuple):
    """Bounds between which values are quantized, float32.

    Attributes:
        minimum: 0 or less.
        maximum: 0 or more.
    """

    minimum: float
    maximum: float

    def quantization(self, *, narrow: bool) -> Quantization:
        """Scale and zero point, moved so that 0 is a code.

        The arithmetic is that of `tf.quantization.fake_quant_with_min_max_vars`, in float32.

        Args:
            narrow: Whether code 0 stays unused, as contrib.quantize does for weights.
        """
        low, minimum = np.float32(narrow), np.float32(self.minimum)
        scale = (np.float32(self.maximum) - minimum) / (np.float32(_CODES) - low)
        zero_point = np.floor(np.clip(low - minimum / scale, low, _CODES) + np.float32(0.5))
        return Quantization(float(scale), int(zero_point))

    @classmethod
    def of(cls, quantization: Quantization, *, narrow: bool) -> Range:
        """The values of the smallest code and of the largest, so that `quantization` gives it back.

        Where rounding would change the scale, the maximum is some units in the last place larger or
        smaller: a scale that is off by one makes other codes of some activations.
        """
        scale = np.float32(quantization.scale)
        low, high = int(narrow) - quantization.zero_point, _CODES - quantization.zero_point
        minimum, maximum = float(scale * np.float32(low)), scale * np.float32(high)
        near = [cls(minimum, float(maximum + n * np.spacing(maximum))) for n in _ULPS]
        exact = (bounds for bounds in near if bounds.quantization(narrow=narrow) == quantization)
        return next(exact, near[0])


UNIT_RANGE: Final = Range(-1.0005, 1.0005)
"""See `InputRange`."""


@dataclasses.dataclass(frozen=True)
class FloatLayer:
    """A convolution.

    Attributes:
        layer: Its place in the architecture.
        weights: float32[rows, columns, channels, depth], or [rows, columns, channels, 1] if it is
            depthwise, batch normalization folded in.
        bias: float32[depth].
        weight_range: Of the weights, None if they are not quantized.
        output_range: Of the output, after ReLU6 but for the logits, None if it is not quantized.
    """

    layer: Layer
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    weight_range: Range | None
    output_range: Range | None


@dataclasses.dataclass(frozen=True)
class FloatNetwork:
    """A MobileNet V1.

    Attributes:
        multiplier: Depth multiplier.
        size: Rows and columns of the input, in pixels.
        layers: The 28 convolutions in order.
        input_range: See `InputRange`.
    """

    multiplier: float
    size: int
    layers: tuple[FloatLayer, ...]
    input_range: InputRange = "byte"

    @property
    def is_quantized(self) -> bool:
        """Whether every range is known."""
        ranges = [r for layer in self.layers for r in (layer.weight_range, layer.output_range)]
        return None not in ranges

    def without_ranges(self) -> FloatNetwork:
        """The same weights, not quantized."""
        layers = [
            dataclasses.replace(layer, weight_range=None, output_range=None)
            for layer in self.layers
        ]
        return dataclasses.replace(self, layers=tuple(layers))


def quantize(
    values: npt.NDArray[np.float32], quantization: Quantization, *, narrow: bool
) -> npt.NDArray[np.uint8]:
    """Values to codes, halves rounded up, as the simulation does."""
    steps = values / np.float32(quantization.scale) + np.float32(quantization.zero_point)
    codes: npt.NDArray[np.float32] = np.clip(np.floor(steps + np.float32(0.5)), narrow, _CODES)
    return codes.astype(np.uint8)


def dequantize(
    codes: npt.NDArray[np.integer], quantization: Quantization
) -> npt.NDArray[np.float32]:
    """Codes to values."""
    steps = codes.astype(np.float32) - np.float32(quantization.zero_point)
    return steps * np.float32(quantization.scale)
