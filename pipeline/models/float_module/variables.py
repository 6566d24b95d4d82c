"""A network from variables by the names that TF-Slim and contrib.quantize give them.

Three files hold such variables: a TF-Slim checkpoint, a TF1-format hub module, and the SavedModels
that this package writes. The first two have batch normalization apart, the last has it folded in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.models.float_module.float_network import FloatLayer, FloatNetwork, InputRange, Range
from pipeline.models.tflite.architecture import Layer, architecture
from transforms.errors import UserError

# Of the batch normalization: `batch_norm_epsilon` in TF-Slim's `mobilenet_v1_arg_scope`.
_EPSILON: Final = np.float32(0.001)

Variables = Mapping[str, npt.NDArray[Any]]


class RangeNames(NamedTuple):
    """Names of the two variables of a range."""

    minimum: str
    maximum: str


class Names(NamedTuple):
    """Names of the variables of a layer."""

    weights: str
    biases: str
    weight_range: RangeNames
    output_range: RangeNames


INPUT_RANGE: Final = RangeNames("MobilenetV1/input_quant/min", "MobilenetV1/input_quant/max")
"""Ours: of the range of the input, in SavedModels of the input range `unit` alone."""


def names(layer: Layer) -> Names:
    """Names of a layer's variables; the ranges are below the scope of the operations."""
    kind = "depthwise_weights" if layer.depthwise else "weights"
    return Names(
        weights=f"{layer.variables}/{kind}",
        biases=f"{layer.variables}/biases",
        weight_range=_range_names(f"{layer.operations}/weights_quant"),
        output_range=_range_names(f"{layer.operations}/act_quant"),
    )


def from_variables(variables: Variables, *, size: int, what: str) -> FloatNetwork:
    """Folds batch normalization in where it is apart, and takes the ranges where they are.

    Args:
        variables: By name, at least those of the inference graph.
        size: Rows and columns of the input in pixels: no variable depends on it.
        what: How messages call the file.

    Raises:
        UserError: A variable is missing or has another shape; a part of the ranges is missing.
        UsageError: There is no network of this size or of the multiplier that the variables have.
    """
    multiplier = _multiplier(variables, what)
    layers = architecture(multiplier=multiplier, size=size)
    _check_ranges(variables, layers, what)
    unit: InputRange = "unit" if INPUT_RANGE.minimum in variables else "byte"
    contents = tuple(_layer(variables, layer, what) for layer in layers)
    return FloatNetwork(multiplier, size, contents, unit)


def _multiplier(variables: Variables, what: str) -> float:
    # The layer before the logits, of which 1024 channels are expected at multiplier 1.
    last = architecture(multiplier=1.0, size=128)[-2]
    found = variables.get(names(last).weights)
    if found is None or found.ndim != 4:
        raise _missing(names(last).weights, variables, what)
    return float(found.shape[3]) / last.depth


def _check_ranges(variables: Variables, layers: tuple[Layer, ...], what: str) -> None:
    """All of them are known or none is."""
    ranges = [names(layer) for layer in layers]
    wanted = [name for n in ranges for name in (*n.weight_range, *n.output_range)]
    absent = [name for name in wanted if name not in variables]
    if 0 < len(absent) < len(wanted):
        raise UserError(
            f"{what}: {len(absent)} of {len(wanted)} bounds of quantization ranges are missing, "
            f"the first is {absent[0]}. Expected all of them, or none for a float network."
        )


def _layer(variables: Variables, layer: Layer, what: str) -> FloatLayer:
    found = names(layer)
    depth = layer.depth if not layer.depthwise else 1
    shape = (layer.kernel, layer.kernel, layer.channels, depth)
    weights = _array(variables, found.weights, shape, what)
    factors, bias = _folding(variables, layer, what)
    # The channels of a depthwise filter are its third axis, the depth of the others the last.
    factors = factors[:, np.newaxis] if layer.depthwise else factors
    return FloatLayer(
        layer=layer,
        weights=weights * factors,
        bias=bias,
        weight_range=_found_range(variables, found.weight_range),
        output_range=_found_range(variables, found.output_range),
    )


def _folding(
    variables: Variables, layer: Layer, what: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Factors of the weights and biases, float32[depth] each, as contrib.quantize folds them."""
    shape = (layer.depth,)
    if names(layer).biases in variables or layer.is_logits:
        biases = _array(variables, names(layer).biases, shape, what)
        return np.ones(shape, np.float32), biases
    gamma, beta, mean, variance = (
        _array(variables, f"{layer.variables}/BatchNorm/{part}", shape, what)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    factors = gamma / np.sqrt(variance + _EPSILON)
    return factors, beta - mean * factors


def _array(
    variables: Variables, name: str, shape: tuple[int, ...], what: str
) -> npt.NDArray[np.float32]:
    found = variables.get(name)
    if found is None:
        raise _missing(name, variables, what)
    if found.shape != shape:
        raise UserError(
            f"{what}: its variable {name} has the shape {list(found.shape)}, expected "
            f"{list(shape)} of MobileNet V1."
        )
    return found.astype(np.float32)


def _found_range(variables: Variables, bounds: RangeNames) -> Range | None:
    if bounds.minimum not in variables:
        return None
    return Range(float(variables[bounds.minimum]), float(variables[bounds.maximum]))


def _missing(name: str, variables: Variables, what: str) -> UserError:
    some = ", ".join(sorted(variables)[:3]) or "none"
    return UserError(
        f"{what}: it has no variable {name} as TF-Slim's MobileNet V1 has; it has "
        f"{len(variables)}, the first of which are {some}. Give a checkpoint or a module of "
        "MobileNet V1 with its classification layer."
    )


def _range_names(scope: str) -> RangeNames:
    return RangeNames(f"{scope}/min", f"{scope}/max")
