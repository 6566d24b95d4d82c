"""What a SavedModel holds, for `quantlabel model info`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.models.float_module import folder, load, savedmodel
from pipeline.models.float_module.float_network import InputRange
from pipeline.models.float_module.source import read_network
from pipeline.models.hints import NetworkHints
from pipeline.models.tflite.architecture import macs, parameters


@dataclasses.dataclass(frozen=True)
class NetworkInfo:
    """A MobileNet V1 with all of its layers.

    Attributes:
        multiplier: Depth multiplier.
        input_range: How images are mapped, see
            `pipeline.models.float_module.float_network.InputRange`.
        quantized: Whether quantization is simulated.
        parameters: Weights and biases, batch normalization folded in.
        macs: Multiplications with an addition for one picture, in all convolutions.
    """

    multiplier: float
    input_range: InputRange
    quantized: bool
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True)
class ModuleInfo:
    """A hub module, or a SavedModel as `quantlabel model export` writes it.

    Attributes:
        kind: What the folder holds, in words.
        sha256: Over all files, see `pipeline.models.float_module.folder.sha256`.
        file_bytes: Of all files.
        input_size: Rows and columns of the input in pixels.
        signatures: Name -> shape of its outputs by name, -1 for the batch.
        classes: How many it tells apart; 0 of a module of feature vectors.
        labels: What the classes are called.
        network: What is in it; None of a module of feature vectors.
    """

    kind: str
    sha256: str
    file_bytes: int
    input_size: int
    signatures: dict[str, dict[str, list[int]]]
    classes: int
    labels: str
    network: NetworkInfo | None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values that `json.dumps` takes, what is in the network beside them."""
        values = dataclasses.asdict(self)
        network = values.pop("network") or {}
        return {**values, **network}


def describe(
    path: Path, *, sha256: str | None = None, hints: NetworkHints = NetworkHints()
) -> ModuleInfo:
    """Reads what a SavedModel holds.

    Args:
        path: Its folder.
        sha256: As in `pipeline.models.float_module.load.load`.
        hints: As there.

    Raises:
        UserError: It cannot be loaded, or is not of this network.
    """
    model = load.load(path, sha256=sha256, hints=hints)
    signatures = savedmodel.signatures(path)
    network = None if savedmodel.gives_features_alone(signatures) else _network(path)
    return ModuleInfo(
        kind=_kind(path, network),
        sha256=model.sha256,
        file_bytes=folder.size(path),
        input_size=model.input_size,
        signatures=_shapes(signatures),
        classes=len(model.classes),
        labels=model.classes.vocabulary,
        network=network,
    )


def _network(path: Path) -> NetworkInfo:
    network = read_network(str(path))
    layers = tuple(layer.layer for layer in network.layers)
    return NetworkInfo(
        multiplier=network.multiplier,
        input_range=network.input_range,
        quantized=network.is_quantized,
        parameters=parameters(layers),
        macs=macs(layers),
    )


def _kind(path: Path, network: NetworkInfo | None) -> str:
    found = folder.kind_of(path)
    assert found is not None  # it was loaded
    if network is None:
        return f"{found.value} of feature vectors"
    quantized = "with simulated quantization" if network.quantized else "float"
    return f"{found.value} of MobileNet V1, {quantized}"


def _shapes(signatures: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    return {
        name: {
            output: [int(dim.size) for dim in tensor.tensor_shape.dim]
            for output, tensor in sorted(signature.outputs.items())
        }
        for name, signature in sorted(signatures.items())
        if not name.startswith("__")  # TensorFlow's own, for the variables' initial values
    }
