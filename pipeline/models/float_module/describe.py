"""What a SavedModel holds, for `quantlabel model info`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pipeline.models.float_module import folder, savedmodel
from pipeline.models.float_module.float_network import InputRange
from pipeline.models.float_module.source import read_network
from pipeline.models.tflite.architecture import macs, parameters


@dataclasses.dataclass(frozen=True)
class ModuleInfo:
    """A SavedModel of MobileNet V1, as `quantlabel model export` writes it.

    Attributes:
        sha256: Over all files, see `pipeline.models.float_module.folder.sha256`.
        file_bytes: Of all files.
        multiplier: Depth multiplier.
        input_size: Rows and columns of the input in pixels.
        input_range: How images are mapped, see
            `pipeline.models.float_module.float_network.InputRange`.
        quantized: Whether quantization is simulated.
        signatures: Name -> shape of its outputs by name, -1 for the batch.
        parameters: Weights and biases, batch normalization folded in.
        macs: Multiplications with an addition for one picture, in all convolutions.
    """

    sha256: str
    file_bytes: int
    multiplier: float
    input_size: int
    input_range: InputRange
    quantized: bool
    signatures: dict[str, dict[str, list[int]]]
    parameters: int
    macs: int

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes."""
        return dataclasses.asdict(self)


def describe(path: Path) -> ModuleInfo:
    """Reads what a SavedModel holds.

    Raises:
        UserError: It cannot be loaded, or is not of this network.
    """
    network = read_network(str(path))
    layers = tuple(layer.layer for layer in network.layers)
    return ModuleInfo(
        sha256=folder.sha256(path),
        file_bytes=folder.size(path),
        multiplier=network.multiplier,
        input_size=network.size,
        input_range=network.input_range,
        quantized=network.is_quantized,
        signatures={
            name: {
                output: [int(dim.size) for dim in tensor.tensor_shape.dim]
                for output, tensor in sorted(signature.outputs.items())
            }
            for name, signature in sorted(savedmodel.signatures(path).items())
            if not name.startswith("__")  # TensorFlow's own, for the variables' initial values
        },
        parameters=parameters(layers),
        macs=macs(layers),
    )
