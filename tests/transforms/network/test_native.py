from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.architecture import Layer, architecture
from pipeline.models.tflite.graph import PIXEL, Quantization, QuantizedLayer, build
from pipeline.models.tflite.stand_in import stand_in
from pipeline.models.tflite.two_head import two_head
from transforms.errors import UsageError
from transforms.kernel import UnsuitableError, levels
from transforms.network import native
from transforms.network.litert import LiteRtModel, load_model
from transforms.network.native import Layers, NativeModel

Pictures = list[npt.NDArray[np.uint8]]

try:
    LEVELS = levels()
except UnsuitableError:
    LEVELS = []

needs_kernel = pytest.mark.skipif(not LEVELS, reason="the compiled kernel is not installed")
each_level = pytest.mark.parametrize("level", LEVELS)


def _assert_equal(tflite: bytes, pictures: Pictures, *, level: str) -> None:
    """Codes equal LiteRT's, and pictures are told apart, so that equality means something."""
    found = NativeModel(native.read_layers(tflite), level=level).run(pictures)
    expected = LiteRtModel(tflite, batch_size=len(pictures)).run(pictures)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)
        assert len(np.unique(theirs, axis=0)) > len(pictures) / 2


# What the networks are made of.


def test_layers_are_read_as_they_stand_in_the_file() -> None:
    size, convolutions, features, logits = native.read_layers(two_head(stand_in()))
    assert size == 128
    assert len(convolutions) == 28
    assert [layer.stride for layer in convolutions] == (
        [2] + [1, 1, 2, 1] * 3 + [1, 1] * 5 + [2, 1, 1, 1] + [1]
    )
    assert [layer.depthwise for layer in convolutions] == [False] + [True, False] * 13 + [False]
    assert [layer.depth for layer in convolutions[::2]] == [
        *(8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    ]
    stem, depthwise, last = convolutions[0], convolutions[1], convolutions[-1]
    assert (stem.kernel, stem.channels, stem.codes.shape) == (3, 3, (8, 3, 3, 3))
    assert (depthwise.kernel, depthwise.channels, depthwise.codes.shape) == (3, 8, (1, 3, 3, 8))
    assert (last.kernel, last.channels, last.codes.shape) == (1, 256, (1001, 1, 1, 256))
    assert (stem.input_zero_point, stem.weights_zero_point, stem.output_zero_point) == (
        128,
    ) * 2 + (0,)
    # Output (6 / 255) * (3 / 256) ** 0.5 / 73.6 over 0.13, in float32.
    assert last.scale == pytest.approx(6 / 255 * math.sqrt(3 / 256) / 73.6 / 0.13, rel=1e-6)
    assert features == (np.float32(6 / 255), 0)
    assert logits == (np.float32(0.13), 128)


# Equality.


def _pictures(layers: Layers, *, level: str) -> Pictures:
    pictures = native.made_pictures(layers.size)
    # The portable kernel takes a hundred times as long on the large networks.
    return pictures[3::4] if level == "portable" else pictures


@functools.cache
def _stand_in(multiplier: float, size: int, seed: int) -> bytes:
    return two_head(stand_in(multiplier=multiplier, size=size, seed=seed))


@needs_kernel
@each_level
@pytest.mark.parametrize(
    ("multiplier", "size", "seed"),
    [(0.25, 128, 1), (0.25, 224, 2), (0.5, 160, 3), (0.75, 192, 4), (0.75, 128, 5), (1.0, 160, 6)],
)
def test_stand_ins_of_all_sizes_give_the_codes_of_litert(
    multiplier: float, size: int, seed: int, level: str
) -> None:
    tflite = _stand_in(multiplier, size, seed)
    pictures = _pictures(native.read_layers(tflite), level=level)
    _assert_equal(tflite, pictures, level=level)


@needs_kernel
@each_level
@pytest.mark.parametrize(
    "name", ["mobilenet_v1_0.25_128_quant.tflite", "mobilenet_v1_0.5_160_quant.tflite"]
)
def test_published_networks_give_the_codes_of_litert(shared: Path, name: str, level: str) -> None:
    tflite = two_head((shared / "models" / name).read_bytes())
    layers = native.read_layers(tflite)
    photographs = [
        np.asarray(Image.fromarray(pixels).resize((layers.size, layers.size), Image.Resampling.BOX))
        for pixels in np.load(shared / "golden" / "eval_tool.npz")["images"]
    ]
    _assert_equal(tflite, _pictures(layers, level=level), level=level)
    _assert_equal(tflite, photographs[:: 20 if level == "portable" else 1], level=level)


@needs_kernel
@each_level
def test_photographs_give_the_codes_of_the_evaluation_tool(shared: Path, level: str) -> None:
    tflite = two_head((shared / "models/mobilenet_v1_0.25_128_quant.tflite").read_bytes())
    layers = native.read_layers(tflite)
    golden = np.load(shared / "golden" / "eval_tool.npz")
    logits, features = NativeModel(layers, level=level).run(list(golden["images"]))
    for found, codes, (scale, zero_point) in (
        (logits, golden["logits"], layers.logits),
        (features, golden["features"], layers.features),
    ):
        expected = (codes.astype(np.float32) - np.float32(zero_point)) * scale
        np.testing.assert_array_equal(found, expected)


@dataclasses.dataclass(frozen=True)
class _Odd:
    """A network whose numbers are none that the published ones have.

    Attributes:
        weights_zero_point: the further from 128, the more weights do not fit into eight bits.
        zero_point: of all activations; padding is made of it.
        classes: logits.
        ties: scales are powers of two, so that many sums lie halfway between two codes.
        seed: of the numbers.
        multiplier: depth multiplier.
        size: rows and columns of a picture, even.
    """

    weights_zero_point: int = 128
    zero_point: int = 0
    classes: int = 1001
    ties: bool = False
    seed: int = 0
    multiplier: float = 0.25
    size: int = 128

    def tflite(self) -> bytes:
        network = []
        rows = self.size
        for layer in architecture(multiplier=self.multiplier, size=128):
            rows = 1 if layer.is_logits else math.ceil(rows / layer.stride)
            depth = self.classes if layer.is_logits else layer.depth
            network.append(dataclasses.replace(layer, rows=rows, depth=depth))
        random = np.random.RandomState(self.seed)
        quantized = list(self._quantized(network, random))
        return two_head(build(network, quantized, description="odd"))

    def _quantized(
        self, layers: Sequence[Layer], random: np.random.RandomState
    ) -> Iterator[QuantizedLayer]:
        source = PIXEL
        for layer in layers:
            terms = layer.filters // layer.depth
            shape = (1, 3, 3, layer.depth)
            if not layer.depthwise:
                shape = (layer.depth, layer.kernel, layer.kernel, layer.channels)
            # A weight is on the larger side of the zero point so much more seldom that they add up
            # to nothing: sums then fill the codes of the output on both sides of the bias.
            below, above = self.weights_zero_point, 255 - self.weights_zero_point
            positive = random.uniform(size=shape) < below / 255
            size = random.uniform(size=shape)
            codes = np.where(positive, below + size * above, below - size * below).astype(np.uint8)
            output = Quantization(1 / 32, self.zero_point)
            step = output.scale / source.scale / math.sqrt(max(below * above / 3, 1) * terms)
            if self.ties:
                step = 2.0 ** round(math.log2(step))
            middle = (128 - self.zero_point) * output.scale / source.scale / step
            bias = middle * random.uniform(0.5, 1.5, size=layer.depth)
            yield QuantizedLayer(
                codes, Quantization(step, self.weights_zero_point), bias.astype(np.int32), output
            )
            source = output


@functools.cache
def _of_litert(odd: _Odd) -> tuple[bytes, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """The network, and what LiteRT makes of its pictures, for the tests of all levels."""
    tflite = odd.tflite()
    return tflite, LiteRtModel(tflite, batch_size=16).run(native.made_pictures(odd.size))


@needs_kernel
@each_level
@pytest.mark.parametrize(
    "odd",
    [
        _Odd(ties=True),
        _Odd(ties=True, zero_point=7, multiplier=0.75),
        _Odd(weights_zero_point=1),
        _Odd(weights_zero_point=15),
        _Odd(weights_zero_point=254, multiplier=0.5),
        _Odd(weights_zero_point=77, zero_point=131, multiplier=0.75),
        _Odd(weights_zero_point=60, zero_point=3, multiplier=1.0),
        _Odd(zero_point=255, size=160),
        _Odd(size=100),
        _Odd(size=36, multiplier=0.5, zero_point=9),
        _Odd(size=2, multiplier=0.5),
        _Odd(classes=1),
        _Odd(classes=17),
        _Odd(classes=72, weights_zero_point=200),
    ],
    ids=str,
)
def test_odd_numbers_give_the_codes_of_litert(odd: _Odd, level: str) -> None:
    tflite, expected = _of_litert(odd)
    found = NativeModel(native.read_layers(tflite), level=level).run(native.made_pictures(odd.size))
    assert len(np.unique(expected[1])) > 10
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_kernel
@each_level
def test_a_picture_gets_the_same_result_in_every_batch(level: str) -> None:
    model = NativeModel(native.read_layers(two_head(stand_in())), level=level)
    pictures = native.made_pictures(128)
    alone = [model.run([picture]) for picture in pictures]
    for count in (63, 64, 65):
        logits, features = model.run([pictures[i % 16] for i in range(count)])
        assert (logits.shape, features.shape) == ((count, 1001), (count, 256))
        for row in range(count):
            np.testing.assert_array_equal(logits[row], alone[row % 16][0][0])
            np.testing.assert_array_equal(features[row], alone[row % 16][1][0])


def test_litert_gives_the_same_in_the_batches_of_the_self_test_and_of_a_run() -> None:
    tflite = two_head(stand_in())
    pictures = native.made_pictures(128)
    tested = LiteRtModel(tflite, batch_size=native.CHECKED_PICTURES).run(pictures)
    for found, expected in zip(tested, LiteRtModel(tflite).run(pictures), strict=True):
        np.testing.assert_array_equal(found, expected)


@needs_kernel
@each_level
def test_mirror_images_are_taken_as_they_lie_in_memory(level: str) -> None:
    model = NativeModel(native.read_layers(two_head(stand_in())), level=level)
    picture = native.made_pictures(128)[9]
    for found, expected in zip(
        model.run([picture[:, ::-1]]), model.run([picture[:, ::-1].copy()]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@needs_kernel
def test_no_pictures_give_no_rows() -> None:
    logits, features = NativeModel(native.read_layers(two_head(stand_in()))).run([])
    assert (logits.shape, features.shape) == ((0, 1001), (0, 256))


@needs_kernel
@each_level
def test_threads_share_a_model(level: str) -> None:
    model = NativeModel(native.read_layers(two_head(stand_in())), level=level)
    pictures = native.made_pictures(128)[8:12]
    alone = [model.run([picture]) for picture in pictures]

    def repeat(number: int) -> None:
        for _ in range(10):
            for found, expected in zip(model.run([pictures[number]]), alone[number], strict=True):
                np.testing.assert_array_equal(found, expected)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, range(4)))


# What it does not take.


@needs_kernel
@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((127, 128, 3), np.uint8),
        np.zeros((128, 128), np.uint8),
        np.zeros((128, 128, 3), np.int8),
        np.zeros((128, 128, 3), np.float32),
    ],
)
def test_a_picture_of_another_form_is_an_error(picture: npt.NDArray[Any]) -> None:
    model = NativeModel(native.read_layers(two_head(stand_in())))
    with pytest.raises(ValueError, match=r"expected uint8\(128, 128, 3\) pixels, found "):
        model.run([picture])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("padding", schema.Padding.VALID),
        ("strideW", 3),
        ("dilationHFactor", 2),
        ("fusedActivationFunction", schema.ActivationFunctionType.RELU_N1_TO_1),
    ],
)
@pytest.mark.parametrize("operator", [0, 1, 2, -1])
def test_a_convolution_of_another_form_is_left_to_litert(
    field: str, value: int, operator: int
) -> None:
    model = flatbuffer.read(two_head(stand_in()))
    setattr(model.subgraphs[0].operators[operator].builtinOptions, field, value)
    with pytest.raises(UnsuitableError, match="not a network of this form: "):
        native.read_layers(flatbuffer.write(model))


def test_an_activation_that_cuts_nothing_off_is_none() -> None:
    model = flatbuffer.read(two_head(stand_in()))
    for operator in model.subgraphs[0].operators[:-2]:
        kind = schema.ActivationFunctionType.RELU6
        operator.builtinOptions.fusedActivationFunction = kind
    found = native.read_layers(flatbuffer.write(model))
    assert (
        found.convolutions[0].scale
        == native.read_layers(two_head(stand_in())).convolutions[0].scale
    )
    model.subgraphs[0].operators[-1].builtinOptions.fusedActivationFunction = kind
    with pytest.raises(UnsuitableError, match="activation 3"):
        native.read_layers(flatbuffer.write(model))


def test_a_network_as_published_has_no_two_heads() -> None:
    with pytest.raises(UnsuitableError, match="operators"):
        native.read_layers(stand_in())


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL3" + bytes(range(250))])
def test_damaged_files_are_left_to_litert(content: bytes) -> None:
    with pytest.raises(UnsuitableError):
        native.read_layers(content)


def _changed(layers: Layers, number: int, **fields: Any) -> Layers:
    convolutions = list(layers.convolutions)
    convolutions[number] = dataclasses.replace(convolutions[number], **fields)
    return layers._replace(convolutions=tuple(convolutions))


@needs_kernel
@pytest.mark.parametrize("number", [0, 1, 2, 26, 27])
@pytest.mark.parametrize(
    "fields",
    [
        {"kernel": 5},
        {"kernel": 0},
        {"stride": 0},
        {"stride": 3},
        {"channels": 0},
        {"channels": 12},
        {"channels": 2**62},
        {"depth": 2**62},
        {"depth": 4},
        {"codes": np.zeros(0, np.uint8)},
        {"bias": np.zeros(3, np.int32)},
        {"scale": math.nan},
        {"scale": math.inf},
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": 1e9},
    ],
    ids=str,
)
def test_layers_that_do_not_fit_are_refused(number: int, fields: dict[str, Any]) -> None:
    layers = native.read_layers(two_head(stand_in()))
    with pytest.raises(UnsuitableError, match="the kernel does not take it: "):
        NativeModel(_changed(layers, number, **fields))


@needs_kernel
@pytest.mark.parametrize(
    "fields", [{"codes": np.zeros(9, np.int32)}, {"bias": np.zeros(8, np.uint8)}], ids=str
)
def test_arrays_of_another_type_are_a_mistake_of_the_program(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        NativeModel(_changed(native.read_layers(two_head(stand_in())), 1, **fields))


@needs_kernel
def test_sums_that_leave_32_bits_are_refused() -> None:
    layers = native.read_layers(two_head(stand_in()))
    for bias in (2**31 - 1, -(2**31)):
        with pytest.raises(UnsuitableError, match=r"sums of up to 214\d{7}$"):
            NativeModel(_changed(layers, 5, bias=np.full(32, bias, np.int32)))


@needs_kernel
@pytest.mark.parametrize("size", [0, 1, 4096, 2**62])
def test_sizes_of_no_network_are_refused(size: int) -> None:
    layers = native.read_layers(two_head(stand_in()))._replace(size=size)
    with pytest.raises(UnsuitableError):
        NativeModel(layers)


@needs_kernel
@pytest.mark.parametrize("count", [0, 1, 2, 3, 27])
def test_other_numbers_of_layers_are_refused(count: int) -> None:
    layers = native.read_layers(two_head(stand_in()))
    with pytest.raises(UnsuitableError, match=f"{count} layers"):
        NativeModel(layers._replace(convolutions=layers.convolutions[:count]))


@needs_kernel
def test_unknown_instructions_are_refused() -> None:
    layers = native.read_layers(two_head(stand_in()))
    with pytest.raises(UnsuitableError, match=r"this processor has .*, not \"mmx\""):
        NativeModel(layers, level="mmx")


# The self-test.


class _OffByOne:
    """LiteRT, but for one step of one number."""

    def __init__(self, model: LiteRtModel, *, head: int) -> None:
        self._model = model
        self._head = head

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        heads = self._model.run(pixels)
        heads[self._head][-1, -1] += np.float32(0.01)
        return heads


@needs_kernel
@pytest.mark.skipif(LEVELS[:1] == ["portable"], reason="this processor has only portable kernels")
def test_a_network_that_runs_alike_is_taken_and_another_is_not() -> None:
    tflite = two_head(stand_in())
    litert = LiteRtModel(tflite, batch_size=native.CHECKED_PICTURES)
    assert native.load(tflite, reference=litert).level == LEVELS[0]
    for head, name in enumerate(("logits", "features")):
        with pytest.raises(UnsuitableError, match=rf"^1 of \d+ {name} differ"):
            native.load(tflite, reference=_OffByOne(litert, head=head))


@needs_kernel
def test_the_kernel_can_be_chosen() -> None:
    tflite = two_head(stand_in())
    assert isinstance(load_model(tflite, kernel="python"), LiteRtModel)
    assert isinstance(load_model(tflite, kernel="native"), NativeModel)
    assert isinstance(load_model(tflite), NativeModel)


def test_a_network_that_it_does_not_take_runs_in_litert() -> None:
    other = flatbuffer.read(two_head(stand_in()))
    other.subgraphs[0].operators[
        0
    ].builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU_N1_TO_1
    tflite = flatbuffer.write(other)
    assert isinstance(load_model(tflite), LiteRtModel)
    with pytest.raises(UsageError, match=r"^--kernel native: .*\. Use auto or python\.$"):
        load_model(tflite, kernel="native")


@pytest.mark.parametrize("size", [128, 224])
def test_made_pictures_are_all_different(size: int) -> None:
    pictures = native.made_pictures(size)
    assert len(pictures) == native.CHECKED_PICTURES == 16
    assert {picture.shape for picture in pictures} == {(size, size, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 16
