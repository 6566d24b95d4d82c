"""A network of the same architecture with random weights, for tests and for trying things out.

It stands in for a published model wherever real weights are not the point: it has the same 31
operators, the same shapes, tensor names and input quantization, so whatever handles the published
files handles it too. Its labels mean nothing, and its description says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.architecture import Layer, architecture
from pipeline.models.tflite.graph import PIXEL, Quantization, QuantizedLayer, build
from transforms.errors import UsageError

_DESCRIPTION: Final = "quantlabel stand-in: random weights, its labels mean nothing"

_ACTIVATION: Final = Quantization(6 / 255)  # codes 0..255 are the range of ReLU6
_LOGIT: Final = Quantization(0.13, 128)  # near the published 0.25/128: 0.1308

_LARGEST_CODE: Final = 127
_CODE_STD: Final = 73.6  # of whole numbers spread evenly over -127..127
_CODE_MEAN: Final = 63.8  # of their absolute values
_BIAS_LIMIT: Final = 0.25


def stand_in(*, multiplier: float = 0.25, size: int = 128, seed: int = 0) -> bytes:
    """Makes a quantized MobileNet V1 with random weights.

    Different pictures get different labels and features: random filters alone would answer alike
    to everything after 27 layers, see `_mixing` and `_averaging`. The numbers come from a generator
    that numpy keeps frozen and from exact arithmetic: the same bytes on every machine.

    Args:
        multiplier: Depth multiplier, one of `pipeline.models.tflite.architecture.MULTIPLIERS`.
        size: Rows and columns of the input in pixels, one of
            `pipeline.models.tflite.architecture.SIZES`.
        seed: 0 to 2**32 - 1.

    Returns:
        A tflite file: input uint8[1, size, size, 3], output softmax uint8[1, 1001].

    Raises:
        UsageError: The multiplier, size or seed is none of those.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed {seed} is out of range; use 0 to {2**32 - 1}")
    layers = architecture(multiplier=multiplier, size=size)
    quantized = list(_quantized(layers, np.random.RandomState(seed)))
    return build(layers, quantized, description=_DESCRIPTION)


def is_stand_in(tflite: bytes) -> bool:
    """Tells whether `stand_in` made a file, also after `two_head` rewrote it.

    Raises:
        UserError: The bytes are not a tflite file.
    """
    return bool(flatbuffer.read(tflite).description == _DESCRIPTION.encode())


class _Filters(NamedTuple):
    """Weights of one convolution: codes int8[output, rows, columns, input] around 0, one scale."""

    codes: npt.NDArray[np.int8]
    scale: float


def _quantized(
    layers: tuple[Layer, ...], random: np.random.RandomState
) -> Iterator[QuantizedLayer]:
    source = PIXEL
    for layer in layers:
        filters = _filters(layer, random)
        # The same range of real values whatever a step is worth in this layer.
        limit = int(_BIAS_LIMIT / (source.scale * filters.scale))
        output = _LOGIT if layer.is_logits else _ACTIVATION
        yield QuantizedLayer(
            codes=(filters.codes.astype(np.int16) + 128).astype(np.uint8),
            weights=Quantization(filters.scale, 128),
            bias=random.randint(-limit, limit + 1, size=layer.depth, dtype=np.int32),
            output=output,
        )
        source = output


def _filters(layer: Layer, random: np.random.RandomState) -> _Filters:
    if layer.depthwise:
        return _averaging(random, layer.depth)
    if layer.kernel == 1:
        return _mixing(random, layer.channels, layer.depth)
    return _stem(random, layer.depth)


def _stem(random: np.random.RandomState, depth: int) -> _Filters:
    """3x3 filters over the three colours."""
    return _Filters(_spread(random, (depth, 3, 3, 3)), _gain(27) / _CODE_STD)


def _averaging(random: np.random.RandomState, depth: int) -> _Filters:
    """3x3 filters without negative weights: they carry what sets a picture apart onwards.

    Filters of both signs would leave fine texture only, which the pool at the end averages away.
    The weights of a filter sum up to 2 or so, since averaging takes contrast away.
    """
    codes = np.abs(_spread(random, (1, 3, 3, depth)))
    # Nine weights.
    return _Filters(codes, 2 / (9 * _CODE_MEAN))


def _mixing(random: np.random.RandomState, channels: int, depth: int) -> _Filters:
    """1x1 filters, the weights of each of which sum up to 0 or nearly so.

    What all channels have in common then cancels out. Otherwise it grows from layer to layer (no
    activation is negative) until all pictures look alike.
    """
    codes = _spread(random, (depth, 1, 1, channels)).astype(np.int64)
    # Whole numbers divide with a rest, hence "nearly" above.
    centred = codes - codes.sum(axis=3, keepdims=True) // channels
    codes = np.clip(centred, -_LARGEST_CODE, _LARGEST_CODE)
    return _Filters(codes.astype(np.int8), _gain(channels) / _CODE_STD)


def _spread(random: np.random.RandomState, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    return random.randint(-_LARGEST_CODE, _LARGEST_CODE + 1, size=shape, dtype=np.int8)


def _gain(terms: int) -> float:
    """Standard deviation of weights that keeps the contrast through ReLU: He's, for zero sums."""
    return math.sqrt(3 / terms)
