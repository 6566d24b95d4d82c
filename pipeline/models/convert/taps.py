"""Models that show what every layer gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipeline.models.float_module import folder
from pipeline.models.float_module.float_network import FloatNetwork, dequantize
from pipeline.models.float_module.graph import FloatModule, activation_names
from pipeline.models.float_module.source import read_network
from pipeline.models.store.module import module_folder
from pipeline.models.store.store import resolve
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.graph import Quantization
from pipeline.models.tflite.two_head import two_head
from transforms.errors import UserError
from transforms.images.preprocess import unit_range

Activations = Mapping[str, npt.NDArray[np.float32]]


class Tapped(Protocol):
    """A network that shows what every layer gives.

    Attributes:
        names: Of the layers, in order: 27 convolutions, features, logits.
        size: Rows and columns of its input, in pixels.
        depth: Length of its feature vector.
        steps: Scale of every layer's output; a layer that is not quantized is absent.
    """

    names: tuple[str, ...]
    size: int
    depth: int
    steps: Mapping[str, float]

    def run(self, pixels: npt.NDArray[np.uint8]) -> Activations:
        """Outputs by name, float32[n, rows, rows, depth], of pixels uint8[n, size, size, 3]."""


def tapped(model: str) -> Tapped:
    """A model to compare: a tflite runs as it is, everything else as the float network.

    Args:
        model: As in `pipeline.models.float_module.source.read_network`.

    Raises:
        UserError: It cannot be had, or is no MobileNet V1.
    """
    with module_folder(model) as module:
        if module is not None or folder.kind_of(Path(model).expanduser()) is not None:
            return TappedNetwork(read_network(model if module is None else str(module)))
    stored = resolve(model)
    try:
        return TappedTflite(stored.tflite)
    except UserError as error:
        raise UserError(f"model {stored.name}: {error}") from error


class TappedTflite:
    """A tflite whose every activation is an output.

    Args:
        tflite: A quantized MobileNet V1.

    Raises:
        UserError: It is something else.
    """

    names = activation_names()

    def __init__(self, tflite: bytes) -> None:
        model = flatbuffer.read(two_head(tflite))
        graph = model.subgraphs[0]
        pixels, features = graph.inputs[0], graph.outputs[1]
        self.size = int(graph.tensors[pixels].shape[1])
        self.depth = int(graph.tensors[features].shape[3])
        # As outputs they keep their memory, which later layers would use again.
        graph.outputs = [flatbuffer.indices(operator.outputs)[0] for operator in graph.operators]
        if len(graph.outputs) != len(self.names):
            raise UserError(
                f"it has {len(graph.outputs)} operators up to the logits, expected "
                f"{len(self.names)}: only networks quantized in training are compared layer by "
                "layer"
            )
        self._interpreter = Interpreter(model_content=flatbuffer.write(model), num_threads=1)
        self.steps: Mapping[str, float] = {
            name: float(output["quantization"][0]) for name, output in self._outputs().items()
        }

    def run(self, pixels: npt.NDArray[np.uint8]) -> Activations:
        """See `Tapped`."""
        (source,) = self._interpreter.get_input_details()
        self._interpreter.resize_tensor_input(source["index"], pixels.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(source["index"], pixels)
        self._interpreter.invoke()
        return {name: self._values(output) for name, output in self._outputs().items()}

    def _outputs(self) -> dict[str, Any]:
        return dict(zip(self.names, self._interpreter.get_output_details(), strict=True))

    def _values(self, output: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        codes = self._interpreter.get_tensor(output["index"])
        return dequantize(codes, Quantization(*output["quantization"]))


class TappedNetwork:
    """The float network with all its activations.

    Args:
        network: To run.
    """

    names = activation_names()

    def __init__(self, network: FloatNetwork) -> None:
        self.size = network.size
        self.depth = network.layers[-1].layer.channels
        self.steps: Mapping[str, float] = _steps(network)
        spec = tf.TensorSpec([None, network.size, network.size, 3], tf.float32)
        self._function = tf.function(FloatModule(network).activations, input_signature=[spec])

    def run(self, pixels: npt.NDArray[np.uint8]) -> Activations:
        """See `Tapped`."""
        found = self._function(unit_range(pixels))
        return {name: found[name].numpy() for name in self.names}


def _steps(network: FloatNetwork) -> dict[str, float]:
    ranges = [layer.output_range for layer in network.layers]
    named = [*zip(activation_names()[:27], ranges[:27], strict=True)]
    named += [("features", ranges[26]), ("logits", ranges[27])]
    return {name: found.quantization(narrow=False).scale for name, found in named if found}
