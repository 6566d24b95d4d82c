"""A model name to a network that the transforms can run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pipeline.models.class_files import LabelFile, class_file
from pipeline.models.float_module import folder
from pipeline.models.hints import IMAGENET, NetworkHints
from pipeline.models.store.module import is_address, module_folder
from pipeline.models.store.store import StoredModel, model_names, resolve
from pipeline.models.tflite import load as tflite
from transforms.errors import UserError
from transforms.network.classes import Classes, imagenet
from transforms.network.network import Network
from transforms.storage.addresses import shown

LABELS = "labels.txt"
"""Name of the file beside a model that says what its classes are called."""


def load_network(
    model: str, *, sha256: str | None = None, hints: NetworkHints = NetworkHints()
) -> Network:
    """Finds a model, downloads it where necessary, and makes it ready to run.

    Args:
        model: name, path, gs:// or https:// of a classifier of pictures as tflite; or, which need
            the extra `tensorflow`, the local folder of a TensorFlow 2 SavedModel, or the folder,
            tar archive or address of a hub module, see `pipeline.models.store.module`.
        sha256: the hash that the model must have, or None; of a SavedModel see
            `pipeline.models.float_module.folder.sha256`.
        hints: what the user says of it, the names of its classes above all.

    Raises:
        UserError: it cannot be had, or is neither.
    """
    with module_folder(model) as module:
        if module is not None:
            from transforms.network.savedmodel import import_tensorflow

            import_tensorflow()
            from pipeline.models.float_module import load

            found = load.load(module, sha256=sha256, hints=hints)
            return dataclasses.replace(found, name=module_name(model))
    if folder.kind_of(Path(model).expanduser()) is folder.Kind.CHECKPOINT:
        raise UserError(
            f"{model} is a {folder.Kind.CHECKPOINT.value}; make a model to run of it first: "
            f"quantlabel model export --model {model} --to tflite --output FILE"
        )
    stored = resolve(model, sha256=sha256)
    return tflite.load(stored.tflite, name=stored.name, hints=hints, beside=beside(stored))


def module_name(model: str) -> str:
    """What rows call a module: the last part of a path, or what follows the host in an address."""
    if is_address(model):
        return "/".join(shown(model).split("/")[3:])
    return Path(model).expanduser().resolve().name


def known_classes(*, model: str | None, classes: str | None) -> Classes:
    """The classes of a network, of a file, or else those of the published networks.

    Args:
        model: as in `load_network`, or None.
        classes: as in `NetworkHints`, or None.

    Raises:
        UserError: one of them cannot be had, or they do not go together.
    """
    hints = NetworkHints(classes=classes)
    if model is not None:
        known = load_network(model, hints=hints).classes
        if not len(known):
            raise UserError(f"model {model}: it has no classes, it gives feature vectors alone")
        return known
    return imagenet() if classes in (None, IMAGENET) else class_file(classes)


def beside(stored: StoredModel) -> LabelFile | None:
    """The labels in the folder of a model that a user keeps; published ones need none."""
    if stored.path is None or stored.name in model_names():
        return None
    path = stored.path.parent / LABELS
    try:
        return LabelFile(str(path), path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; pass --classes FILE") from error
