"""The compiled kernel for quantized MobileNet V1 networks: the same codes as LiteRT, sooner."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from transforms import kernel
from transforms.kernel import UnsuitableError
from transforms.network.ranking import Runnable

_Code: Final = schema.BuiltinOperator

# What reading a file of another form raises.
_MALFORMED: Final = (struct.error, ValueError, TypeError, IndexError, OverflowError, AttributeError)

CHECKED_PICTURES: Final = 16
"""Pictures of the self-test; in the smallest network 400,000 codes come out of layers for each."""


class Quantization(NamedTuple):
    """real = scale * (code - zero_point), the same for a whole tensor."""

    scale: np.float32
    zero_point: int


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One layer as the kernel takes it; the names are those of its Rust side.

    Attributes:
        depthwise: one filter for each channel instead of filters over all of them.
        kernel: rows and columns of a filter.
        stride: rows and columns from one position to the next.
        channels: depth of what comes in.
        depth: depth of what comes out.
        codes: weights, uint8[depth, kernel, kernel, channels]; depthwise uint8[1, kernel, kernel,
            depth].
        weights_zero_point: the code of weight 0.
        bias: int32[depth].
        input_zero_point: the code of 0 in what comes in.
        output_zero_point: the code of 0 in what comes out.
        scale: float32, from sums of products to codes of the output.
    """

    depthwise: bool
    kernel: int
    stride: int
    channels: int
    depth: int
    codes: npt.NDArray[np.uint8]
    weights_zero_point: int
    bias: npt.NDArray[np.int32]
    input_zero_point: int
    output_zero_point: int
    scale: float


class Layers(NamedTuple):
    """A network as the kernel takes it.

    Attributes:
        size: rows and columns of a picture.
        convolutions: the stem, pairs of a depthwise and a 1x1 convolution, the logits.
        features: quantization of the pooled features.
        logits: quantization of the logits.
    """

    size: int
    convolutions: tuple[Convolution, ...]
    features: Quantization
    logits: Quantization


class NativeModel:
    """A network in the compiled kernel; several threads may run it at once.

    Args:
        layers: of `read_layers`.
        level: instructions to use, one of `transforms.kernel.levels`, or None for the fastest.

    Raises:
        UnsuitableError: the kernel is not installed or does not take these layers.
    """

    def __init__(self, layers: Layers, *, level: str | None = None) -> None:
        try:
            self._network = kernel.extension().Network(layers.size, layers.convolutions, level)
        except ValueError as error:
            raise UnsuitableError(f"the kernel does not take it: {error}") from error
        self._layers = layers

    @property
    def level(self) -> str:
        """The instructions in use: avx512vnni, avx2 or portable."""
        return str(self._network.level)

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """One pass over any number of pictures.

        Args:
            pixels: arrays uint8[size, size, 3], which nobody writes to meanwhile.

        Returns:
            Dequantized logits float32[n, classes] and features float32[n, feature size].

        Raises:
            ValueError: a picture of another shape.
        """
        expected = (self._layers.size, self._layers.size, 3)
        for picture in pixels:
            if picture.shape != expected or picture.dtype != np.uint8:
                raise ValueError(
                    f"expected uint8{expected} pixels, found {picture.dtype}{picture.shape}"
                )
        logits, features = self._network.run([np.ascontiguousarray(p) for p in pixels])
        last = self._layers.convolutions[-1]
        return (
            _dequantized(logits, self._layers.logits).reshape(len(pixels), last.depth),
            _dequantized(features, self._layers.features).reshape(len(pixels), last.channels),
        )


def load(tflite: bytes, *, reference: Runnable) -> NativeModel:
    """Makes a network ready to run in the compiled kernel.

    Args:
        tflite: flatbuffer with one input and outputs [logits, features].
        reference: LiteRT with the same network; takes at least `CHECKED_PICTURES` at once.

    Raises:
        UnsuitableError: the kernel is not installed or has only its portable instructions, the
            network is of another form, or one code differs from LiteRT's.
    """
    if kernel.levels()[0] == "portable":
        raise UnsuitableError("this processor has none of the instructions that make it faster")
    layers = read_layers(tflite)
    model = NativeModel(layers)
    check(model, reference, size=layers.size)
    return model


def check(model: NativeModel, reference: Runnable, *, size: int) -> None:
    """Runs made pictures through both models.

    Raises:
        UnsuitableError: one number differs.
    """
    pictures = made_pictures(size)
    for name, found, expected in zip(
        ("logits", "features"), model.run(pictures), reference.run(pictures), strict=True
    ):
        if not np.array_equal(found, expected):
            count = np.count_nonzero(found != expected)
            raise UnsuitableError(f"{count} of {found.size} {name} differ from those of LiteRT")


def made_pictures(size: int) -> list[npt.NDArray[np.uint8]]:
    """`CHECKED_PICTURES` pictures uint8[size, size, 3]: extremes, ramps, edges and noise.

    Noise alone leaves the last layers in the middle of their range, so there are blocks of all
    sizes too, which drive a network to different classes.
    """
    random = np.random.RandomState(0)  # its numbers are frozen, unlike those of default_rng
    ramp = np.linspace(0, 255, size).astype(np.uint8)
    rows, columns = np.indices((size, size), np.int32)
    planes = [
        *(np.full((size, size), code, np.uint8) for code in (0, 128, 255)),
        np.broadcast_to(ramp, (size, size)),
        np.broadcast_to(ramp[::-1, None], (size, size)),
        ((rows + columns) % 2 * 255).astype(np.uint8),
        (np.hypot(rows - size / 2, columns - size / 3) * 4 % 256).astype(np.uint8),
    ]
    pictures = [np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2)) for plane in planes]
    steps = (1, 1, 2, 4, 8, 16, 32, 48, 64)
    for step in steps[: CHECKED_PICTURES - len(pictures)]:
        count = -(-size // step)
        blocks = random.randint(0, 256, size=(count, count, 3), dtype=np.uint8)
        enlarged = blocks.repeat(step, axis=0).repeat(step, axis=1)
        pictures.append(np.ascontiguousarray(enlarged[:size, :size]))
    return pictures


def read_layers(tflite: bytes) -> Layers:
    """Reads the layers of a two-headed MobileNet V1 of any multiplier, size and number of classes.

    Raises:
        UnsuitableError: the file is of another form; says where.
    """
    try:
        return _Reader(schema.ModelT.InitFromPackedBuf(tflite, 0)).layers()
    except _MALFORMED as error:
        raise UnsuitableError(f"not a network of this form: {error}") from error


class _Reader:
    """The first graph of a file, operator by operator; raises ValueError at what does not fit."""

    def __init__(self, model: schema.ModelT) -> None:
        self._model = model
        self._graph = model.subgraphs[0]

    def layers(self) -> Layers:
        operators = self._graph.operators
        kinds = [self._kind(operator) for operator in operators]
        pairs = (len(operators) - 3) // 2
        expected = [
            _Code.CONV_2D,
            *([_Code.DEPTHWISE_CONV_2D, _Code.CONV_2D] * pairs),
            _Code.AVERAGE_POOL_2D,
            _Code.CONV_2D,
        ]
        if kinds != expected:
            raise ValueError(f"operators {kinds}")
        (pixels,) = self._graph.inputs
        (size,) = set(self._shape(pixels)[1:3])
        ends = [pixels, *(operator.outputs[0] for operator in operators)]
        if [operator.inputs[0] for operator in operators] != ends[:-1]:
            raise ValueError("operators that are not in a line")
        if list(self._graph.outputs) != [ends[-1], ends[-2]]:
            raise ValueError("its outputs are not logits and features")
        self._check_pool(operators[-2])
        convolutions = (*operators[:-2], operators[-1])
        return Layers(
            size=size,
            convolutions=tuple(self._convolution(operator) for operator in convolutions),
            features=self._quantization(ends[-2]),
            logits=self._quantization(ends[-1]),
        )

    def _kind(self, operator: schema.OperatorT) -> int:
        code = self._model.operatorCodes[operator.opcodeIndex]
        # Files from before there were more than 127 operators have the deprecated one only.
        return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(length) for length in self._graph.tensors[tensor].shape)

    def _quantization(self, tensor: int) -> Quantization:
        found = self._graph.tensors[tensor]
        (scale,) = found.quantization.scale
        (zero_point,) = found.quantization.zeroPoint
        if found.type != schema.TensorType.UINT8 or not 0 <= zero_point <= 255:
            raise ValueError(f"tensor {tensor} of type {found.type}, zero point {zero_point}")
        return Quantization(np.float32(scale), int(zero_point))

    def _constant(self, tensor: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        found = self._graph.tensors[tensor]
        content = np.asarray(self._model.buffers[found.buffer].data, np.uint8)
        return np.frombuffer(content.tobytes(), dtype).reshape(self._shape(tensor))

    def _convolution(self, operator: schema.OperatorT) -> Convolution:
        source, weights, bias = operator.inputs
        (target,) = operator.outputs
        options = operator.builtinOptions
        depthwise = self._kind(operator) == _Code.DEPTHWISE_CONV_2D
        came_in, weighed, came_out = map(self._quantization, (source, weights, target))
        if (
            options.padding != schema.Padding.SAME
            or options.strideW != options.strideH
            or {options.dilationWFactor, options.dilationHFactor} != {1}
            or self._graph.tensors[bias].type != schema.TensorType.INT32
            or (depthwise and options.depthMultiplier != 1)
        ):
            raise ValueError(f"a convolution with {vars(options)}")
        _check_activation(options.fusedActivationFunction, came_out)
        first, rows, columns, last = self._shape(weights)
        if rows != columns or (depthwise and first != 1):
            raise ValueError(f"weights {self._shape(weights)}")
        return Convolution(
            depthwise=depthwise,
            kernel=rows,
            stride=int(options.strideW),
            channels=last,
            depth=last if depthwise else first,
            codes=self._constant(weights, np.uint8),
            weights_zero_point=weighed.zero_point,
            bias=self._constant(bias, np.int32),
            input_zero_point=came_in.zero_point,
            output_zero_point=came_out.zero_point,
            # In float32 and in this order, as XNNPACK does.
            scale=float(came_in.scale * weighed.scale / came_out.scale),
        )

    def _check_pool(self, operator: schema.OperatorT) -> None:
        """Raises ValueError unless it is the mean over the whole map, on the same scale."""
        options = operator.builtinOptions
        (source,), (target,) = operator.inputs, operator.outputs
        if (
            options.padding != schema.Padding.VALID
            or options.fusedActivationFunction != schema.ActivationFunctionType.NONE
            or (options.filterHeight, options.filterWidth) != self._shape(source)[1:3]
            or self._quantization(source) != self._quantization(target)
        ):
            raise ValueError(f"a pool with {vars(options)}")


def _check_activation(function: int, target: Quantization) -> None:
    """Raises ValueError unless the bounds of a fused activation are those of the codes."""
    kinds = schema.ActivationFunctionType
    if function == kinds.NONE:
        return
    highest = target.zero_point + round(float(np.float32(6) / target.scale))
    unbounded = function == kinds.RELU or (function == kinds.RELU6 and highest >= 255)
    if target.zero_point != 0 or not unbounded:
        raise ValueError(f"activation {function} with {target}")


def _dequantized(codes: bytes, quantization: Quantization) -> npt.NDArray[np.float32]:
    values = np.frombuffer(codes, np.uint8).astype(np.float32) - np.float32(quantization.zero_point)
    return values * quantization.scale
