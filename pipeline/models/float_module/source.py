"""Whatever holds a MobileNet V1 -> the float network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.models.float_module import folder, savedmodel
from pipeline.models.float_module.float_network import FloatNetwork
from pipeline.models.float_module.folder import Kind
from pipeline.models.float_module.tflite import from_tflite
from pipeline.models.float_module.variables import Variables, from_variables
from pipeline.models.store.store import resolve
from transforms.errors import UsageError, UserError

_OURS = "MobilenetV1/"


def read_network(model: str, *, size: int | None = None) -> FloatNetwork:
    """Reads a network from any file that holds one.

    Args:
        model: A tflite (name, path, gs:// or https://), or the local path of a TF-Slim checkpoint
            (its prefix or one of its files), of a TF1-format hub module or of a SavedModel that
            `quantlabel model export` wrote.
        size: Rows and columns of the input in pixels, for a checkpoint whose name does not say so.

    Raises:
        UserError: It cannot be had, or is no MobileNet V1.
        UsageError: The size is not known, or not the one that the file says.
    """
    path = Path(model).expanduser()
    kind = folder.kind_of(path)
    if kind is None:
        network = _from_tflite(model)
    elif kind is Kind.CHECKPOINT:
        prefix = folder.checkpoint_prefix(path)
        network = from_variables(_checkpoint(prefix), size=_size(prefix, size), what=model)
    else:
        if savedmodel.gives_features_alone(savedmodel.signatures(path)):
            raise UserError(
                f"{model}: a module of feature vectors, without the logits that a conversion "
                "needs; label runs it as it is"
            )
        variables = (
            savedmodel.read_variables(path)
            if kind is Kind.SAVED_MODEL
            else _checkpoint(path / "variables" / "variables")
        )
        network = from_variables(variables, size=savedmodel.image_size(path), what=model)
    if size not in (None, network.size):
        raise UsageError(f"--size {size}: {model} takes {network.size}x{network.size} pixels")
    return network


def _from_tflite(model: str) -> FloatNetwork:
    stored = resolve(model)
    try:
        return from_tflite(stored.tflite)
    except UserError as error:
        raise UserError(f"model {stored.name}: {error}") from error


def _checkpoint(prefix: Any) -> Variables:
    """The network's variables of a checkpoint, without what a training keeps for itself."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [n for n in reader.get_variable_to_shape_map() if n.startswith(_OURS)]
        return {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"{prefix}: damaged, or not a checkpoint of TensorFlow: {error}") from error


def _size(prefix: Any, size: int | None) -> int:
    if size is not None:
        return size
    for name in (prefix.name, prefix.parent.name):
        if found := re.match(r"mobilenet_v1_[\d.]+_(\d+)", name):
            return int(found[1])
    raise UsageError(
        f"{prefix}: a checkpoint does not hold the size of the input, and this name does not say "
        "it as mobilenet_v1_0.25_128_quant.ckpt does; add --size 128, 160, 192 or 224"
    )
