"""Writes a float network as a TensorFlow 2 SavedModel, and reads one back."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from pipeline.models.float_module.float_network import FloatNetwork
from pipeline.models.float_module.folder import SAVED_MODEL
from pipeline.models.float_module.graph import FloatModule
from pipeline.models.float_module.variables import Variables
from transforms.errors import UserError

CLASSIFICATION = "image_classification"
FEATURES = "image_feature_vector"

SERVED = ("serving_default", "default")
"""Signatures of plain models, in the order in which they are looked for."""


def save(network: FloatNetwork, folder: Path) -> None:
    """Writes a SavedModel, tag `serve`; the folder appears when it is whole.

    Its signatures take `images`, float32[batch, size, size, 3] in [0,1], and answer with `default`:
    `image_classification` logits float32[batch, 1001], `image_feature_vector` float32[batch, k];
    `default` and `serving_default`, which is what TensorFlow Serving asks for when a request names
    no signature, are the first. `heads` gives both in one pass, as `logits` and `features`. What is
    loaded again gives logits when it is called.

    Raises:
        UserError: The folder exists already or cannot be written.
    """
    with new_folder(folder) as temporary:
        module = FloatModule(network)
        signatures = _signatures(module, network.size)
        # What `hub.load(folder)(images)` and `hub.KerasLayer(folder)` call.
        module.__call__ = _logits(module, network.size)
        with _quiet():
            tf.saved_model.save(module, str(temporary), signatures=signatures)


def read_variables(folder: Path) -> Variables:
    """The variables of a TensorFlow 2 SavedModel by name.

    Raises:
        UserError: Tensorflow cannot load it.
    """
    with _quiet():
        loaded = load(folder)
    # Whatever the attributes of the object are called: what it saved is in the signatures.
    captured = {id(v): v for f in loaded.signatures.values() for v in f.variables}
    return {v.name.removesuffix(":0"): v.numpy() for v in captured.values()}


def load(folder: Path) -> Any:
    """Loads a SavedModel.

    Raises:
        UserError: Tensorflow cannot.
    """
    try:
        return tf.saved_model.load(str(folder))
    except (tf.errors.OpError, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{folder}: TensorFlow cannot load it: {reason}") from error


def signatures(folder: Path) -> Mapping[str, Any]:
    """The signatures of a SavedModel or a TF1-format hub module, each a `SignatureDef`.

    Raises:
        UserError: The file with them is damaged.
    """
    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString((folder / SAVED_MODEL).read_bytes())
    except (OSError, DecodeError) as error:
        raise UserError(f"{folder / SAVED_MODEL}: cannot be read: {error}") from error
    found: dict[str, Any] = {}
    for graph in content.meta_graphs:
        # Hub modules hold a second graph, for training.
        if "train" not in graph.meta_info_def.tags:
            found.update(graph.signature_def)
    return found


def is_plain(signatures: Mapping[str, Any]) -> bool:
    """Whether it has none of a module's signatures, but one that others' models are served by."""
    return signatures.keys().isdisjoint({CLASSIFICATION, FEATURES}) and not (
        signatures.keys().isdisjoint(SERVED)
    )


def gives_features_alone(signatures: Mapping[str, Any]) -> bool:
    """Whether a module is one of those that are called feature_vector: it has no logits."""
    return FEATURES in signatures and CLASSIFICATION not in signatures


def shape_of(signature: Any, *, output: bool) -> list[int] | None:
    """The shape of `images` or of the output `default`, -1 for a free dimension; None if absent."""
    tensors, name = (signature.outputs, "default") if output else (signature.inputs, "images")
    if name not in tensors:
        return None
    return [int(dim.size) for dim in tensors[name].tensor_shape.dim]


def image_size(folder: Path) -> int:
    """Rows and columns that the signatures of a module take.

    Raises:
        UserError: They take no images of a fixed square size; says what they do take.
    """
    found = signatures(folder)
    for name in (CLASSIFICATION, "default", FEATURES):
        shape = shape_of(found[name], output=False) if name in found else None
        if shape and len(shape) == 4 and shape[1] == shape[2] > 0 and shape[3] == 3:
            return shape[1]
    known = {name: dict(found[name].inputs).keys() for name in found}
    listed = "; ".join(f"{name}({', '.join(inputs)})" for name, inputs in known.items()) or "none"
    raise UserError(
        f"{folder}: expected a signature {CLASSIFICATION} or {FEATURES} with the input images "
        f"float32[batch, size, size, 3]; it has {listed}"
    )


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A place beside `folder` that becomes it at the end, so that no half of it is ever seen.

    Raises:
        UserError: The folder exists already or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--output {folder}: exists already. Name a new folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as parent:
            made = Path(parent) / "made"
            made.mkdir()
            yield made
            made.rename(folder)
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written: {error.strerror}. Name a folder where you may "
            "write."
        ) from error


def _logits(module: FloatModule, size: int) -> Any:
    spec = tf.TensorSpec([None, size, size, 3], tf.float32, "images")

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]
    def logits(images: Any) -> Any:
        return module.heads(images)[0]

    return logits


def _signatures(module: FloatModule, size: int) -> dict[str, Any]:
    spec = tf.TensorSpec([None, size, size, 3], tf.float32, "images")

    def image_classification(images: Any) -> dict[str, Any]:
        return {"default": module.heads(images)[0]}

    def image_feature_vector(images: Any) -> dict[str, Any]:
        return {"default": module.heads(images)[1]}

    def heads(images: Any) -> dict[str, Any]:
        logits, features = module.heads(images)
        return {"logits": logits, "features": features}

    classification, features, both = (
        tf.function(function, input_signature=[spec]).get_concrete_function()
        for function in (image_classification, image_feature_vector, heads)
    )
    return {
        CLASSIFICATION: classification,
        FEATURES: features,
        "heads": both,
        "default": classification,
        "serving_default": classification,
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No words of tensorflow about assets and untraced functions."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
