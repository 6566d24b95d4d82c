"""Writes the network for Beam's example: the same weights, in float, as a Keras file.

Usage: keras_model.py MODEL.tflite FILE.keras
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.two_head import two_head

OPERATOR = schema.BuiltinOperator
DTYPES = {schema.TensorType.UINT8: np.uint8, schema.TensorType.INT32: np.int32}


def constant(model: Any, index: int) -> Any:
    """A constant of the network, dequantized."""
    tensor = model.subgraphs[0].tensors[index]
    codes = np.frombuffer(bytes(model.buffers[tensor.buffer].data), DTYPES[tensor.type])
    scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
    return (codes.reshape(tensor.shape) - float(zero_point)) * scale


def layer(model: Any, operator: Any) -> Any:
    """The Keras layer of a convolution, without its weights."""
    tensors = model.subgraphs[0].tensors
    filters, height, width, _ = tensors[operator.inputs[1]].shape
    # ReLU6 is in the file only as the range of the codes, 0 to 6; logits may be negative.
    rectified = tensors[operator.outputs[0]].quantization.zeroPoint[0] == 0
    made = {
        "strides": int(operator.builtinOptions.strideH),
        "padding": "same",
        "activation": "relu6" if rectified else None,
    }
    if model.operatorCodes[operator.opcodeIndex].deprecatedBuiltinCode == OPERATOR.CONV_2D:
        return tf.keras.layers.Conv2D(int(filters), (int(height), int(width)), **made)
    return tf.keras.layers.DepthwiseConv2D((int(height), int(width)), **made)


def rebuild(tflite: bytes) -> Any:
    """The network from pixels float32[n, size, size, 3] in [0, 1] to logits float32[n, classes]."""
    model = flatbuffer.read(two_head(tflite))
    graph = model.subgraphs[0]
    size = int(graph.tensors[graph.inputs[0]].shape[1])
    pixels = tf.keras.Input((size, size, 3))
    values = tf.keras.layers.Rescaling(2.0, -1.0)(pixels)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].deprecatedBuiltinCode
        if code == OPERATOR.AVERAGE_POOL_2D:
            values = tf.keras.layers.GlobalAveragePooling2D(keepdims=True)(values)
            continue
        convolution = layer(model, operator)
        values = convolution(values)
        kernel, bias = (constant(model, index) for index in operator.inputs[1:3])
        # TensorFlow Lite has the filters in front, Keras has them at the end.
        convolution.set_weights([kernel.transpose(1, 2, 3, 0), bias])
    return tf.keras.Model(pixels, tf.keras.layers.Flatten()(values))


def main() -> None:
    """Rebuilds and saves it."""
    tflite, path = sys.argv[1:]
    rebuild(Path(tflite).read_bytes()).save(path)


if __name__ == "__main__":
    main()
