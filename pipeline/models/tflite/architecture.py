"""MobileNet V1 as a list of layers: what every file format of it has in common."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Final

from transforms.errors import UsageError

MULTIPLIERS: Final = (0.25, 0.5, 0.75, 1.0)
"""Depth multipliers of the published models."""

SIZES: Final = (128, 160, 192, 224)
"""Input sizes of the published models, in pixels."""

CLASSES: Final = 1001
"""Logits: the background and the thousand classes of ILSVRC-2012."""

_STEM_DEPTH: Final = 32
# (stride, depth) of the 13 depthwise-separable blocks: Howard et al. 2017, table 1.
_BLOCKS: Final = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)


@dataclasses.dataclass(frozen=True)
class Layer:
    """One convolution, padded SAME.

    Attributes:
        name: Its scope in TF-Slim below `MobilenetV1`: Conv2d_0, Conv2d_1_depthwise, ...
        depthwise: One filter for each channel instead of filters over all of them.
        kernel: Rows and columns of a filter.
        stride: Rows and columns from one position to the next.
        channels: Depth of what comes in.
        depth: Depth of what comes out.
        rows: Rows and columns of what comes out.
    """

    name: str
    depthwise: bool
    kernel: int
    stride: int
    channels: int
    depth: int
    rows: int

    @property
    def is_logits(self) -> bool:
        """Whether it is the last: not normalized, not rectified, fed with the pooled features."""
        return self.name.startswith("Logits/")

    @property
    def variables(self) -> str:
        """Scope of its variables in TF-Slim."""
        return f"MobilenetV1/{self.name}"

    @property
    def operations(self) -> str:
        """Scope of its operations in TF-Slim, which opens the network's scope a second time."""
        return self.variables if self.is_logits else f"MobilenetV1/{self.variables}"

    @property
    def filters(self) -> int:
        """Weights."""
        return self.kernel**2 * self.depth * (1 if self.depthwise else self.channels)

    @property
    def macs(self) -> int:
        """Multiplications with an addition, one of each weight for every position."""
        return self.rows**2 * self.filters


def architecture(*, multiplier: float, size: int) -> tuple[Layer, ...]:
    """The 28 convolutions in order: the stem, 13 times depthwise and pointwise, the logits.

    Args:
        multiplier: Depth multiplier, one of `MULTIPLIERS`.
        size: Rows and columns of the input in pixels, one of `SIZES`.

    Raises:
        UsageError: The multiplier or the size is none of those.
    """
    if multiplier not in MULTIPLIERS:
        raise UsageError(f"no model of multiplier {multiplier} exists; use {_choices(MULTIPLIERS)}")
    if size not in SIZES:
        raise UsageError(f"no model of input size {size} exists; use {_choices(SIZES)}")
    return tuple(_layers(multiplier, size))


def parameters(layers: tuple[Layer, ...]) -> int:
    """Weights and biases, batch normalization folded in."""
    return sum(layer.filters + layer.depth for layer in layers)


def macs(layers: tuple[Layer, ...]) -> int:
    """Multiplications with an addition for one picture."""
    return sum(layer.macs for layer in layers)


def _layers(multiplier: float, size: int) -> Iterator[Layer]:
    depth, rows = _scaled(_STEM_DEPTH, multiplier), math.ceil(size / 2)
    yield Layer("Conv2d_0", False, 3, 2, 3, depth, rows)
    for block, (stride, full_depth) in enumerate(_BLOCKS, start=1):
        # SAME: every position of the input counts, also the last one of an odd side.
        rows = math.ceil(rows / stride)
        yield Layer(f"Conv2d_{block}_depthwise", True, 3, stride, depth, depth, rows)
        wider = _scaled(full_depth, multiplier)
        yield Layer(f"Conv2d_{block}_pointwise", False, 1, 1, depth, wider, rows)
        depth = wider
    yield Layer("Logits/Conv2d_1c_1x1", False, 1, 1, depth, CLASSES, 1)


def _scaled(depth: int, multiplier: float) -> int:
    # `min_depth` of TF-Slim's mobilenet_v1.
    return max(int(depth * multiplier), 8)


def _choices(values: tuple[float, ...]) -> str:
    return ", ".join(map(str, values[:-1])) + f" or {values[-1]}"
