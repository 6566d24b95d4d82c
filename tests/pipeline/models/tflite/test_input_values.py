from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.input_values import Told, pixel_values
from pipeline.models.tflite.metadata import Metadata
from tests.helpers.networks import own_network
from transforms.errors import UserError

NOTHING = Metadata()
IMAGENET = Metadata((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def _model(dtype: str, scale: float = 1 / 128, zero_point: int = 128) -> schema.ModelT:
    model = flatbuffer.read(own_network(2))
    source = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    source.type = getattr(schema.TensorType, dtype.upper())
    if dtype == "float32":
        source.quantization = None
    else:
        source.quantization.scale = np.array([scale], np.float32)
        source.quantization.zeroPoint = np.array([zero_point], np.int64)
    return model


def _told(model: schema.ModelT, metadata: Metadata = NOTHING, told: str | None = None) -> Told:
    return pixel_values(model, int(model.subgraphs[0].inputs[0]), metadata, told)  # type: ignore[arg-type]


def test_quantized_inputs_take_bytes() -> None:
    found = _told(_model("uint8"))
    assert (found.values.in_words(), found.told_by) == ("the byte", "its type")
    assert _told(_model("int8", 2 / 255, -1)).values.in_words() == "the byte - 128"


def test_metadata_that_say_the_same_change_nothing() -> None:
    symmetric = Metadata((127.5,), (127.5,))
    assert _told(_model("uint8", 2 / 255, 127), symmetric).values.are_bytes
    assert _told(_model("int8", 2 / 255, -1), symmetric).values.in_words() == "the byte - 128"


def test_metadata_that_say_something_else_count() -> None:
    found = _told(_model("uint8", 0.0186, 114), IMAGENET)
    assert found.told_by == "its metadata"
    pixels = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert found.values.encode(pixels).tolist() == [[[0, 5, 17], [235, 245, 255]]]


def test_float_inputs_take_what_metadata_say_or_the_user_or_minus_1_to_1() -> None:
    found = _told(_model("float32"))
    assert found.values.in_words() == "(byte - 127.5) / 127.5"
    assert found.told_by == "custom: the file does not say"
    assert _told(_model("float32"), Metadata((0.0,), (255.0,))).values.in_words() == (
        "(byte - 0) / 255"
    )
    assert _told(_model("float32"), IMAGENET, "byte").values.in_words() == "the byte"


@pytest.mark.parametrize(
    ("scale", "zero_point", "expected"),
    [
        (2 / 255, -1, "(byte - 127.5) / 127.5"),
        (1 / 255, -128, "(byte - 0) / 255"),
        (1.0, -128, "the byte"),
    ],
)
def test_float_inputs_that_are_quantized_at_once_take_that_range(
    scale: float, zero_point: int, expected: str
) -> None:
    model = _model("float32")
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.QUANTIZE
    model.operatorCodes.append(code)
    codes, quantize = schema.TensorT(), schema.OperatorT()
    codes.type, codes.shape, codes.name = schema.TensorType.INT8, [1, 128, 128, 3], b"codes"
    codes.quantization = schema.QuantizationParametersT()
    codes.quantization.scale, codes.quantization.zeroPoint = [scale], [zero_point]
    graph.tensors.append(codes)
    quantize.opcodeIndex = len(model.operatorCodes) - 1
    quantize.inputs, quantize.outputs = [int(graph.inputs[0])], [len(graph.tensors) - 1]
    graph.operators[0].inputs = [len(graph.tensors) - 1, *graph.operators[0].inputs[1:]]
    graph.operators.insert(0, quantize)
    found = _told(model)
    assert (found.values.in_words(), found.told_by) == (expected, "its first quantization")


@pytest.mark.parametrize(
    ("largest", "expected"), [(0.25, "(byte - 127.5) / 127.5"), (0.25 / 127.5, "the byte")]
)
def test_a_scale_that_is_folded_into_the_first_weights_is_seen(
    largest: float, expected: str
) -> None:
    model = _model("float32")
    graph = model.subgraphs[0]
    weights = graph.tensors[graph.operators[0].inputs[1]]
    values = np.full(weights.shape, largest, np.float32)
    weights.type = schema.TensorType.FLOAT32
    model.buffers[weights.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    assert _told(model).values.in_words() == expected


def test_metadata_for_other_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"^its metadata normalize 2 channels, its input has 3$"):
        _told(_model("uint8"), Metadata((1.0, 2.0), (1.0, 2.0)))
