"""A model name to a network that the transforms can run."""

from __future__ import annotations

from pathlib import Path

from pipeline.models.class_files import LabelFile, class_file
from pipeline.models.float_module import folder
from pipeline.models.hints import IMAGENET, NetworkHints
from pipeline.models.store.store import StoredModel, model_names, resolve
from pipeline.models.tflite import load as tflite
from transforms.errors import UserError
from transforms.network.classes import Classes, imagenet
from transforms.network.network import Network

LABELS = "labels.txt"
"""Name of the file beside a model that says what its classes are called."""


def load_network(
    model: str, *, sha256: str | None = None, hints: NetworkHints = NetworkHints()
) -> Network:
    """Finds a model, downloads it where necessary, and makes it ready to run.

    Args:
        model: name, path, gs:// or https:// of a classifier of pictures as tflite; or the local
            folder of a TensorFlow 2 SavedModel, which needs the extra `tensorflow`.
        sha256: the hash that the model must have, or None; of a SavedModel see
            `pipeline.models.float_module.folder.sha256`.
        hints: what the user says of it, the names of its classes above all.

    Raises:
        UserError: it cannot be had, or is neither.
    """
    path = Path(model).expanduser()
    kind = folder.kind_of(path)
    if kind is None:
        stored = resolve(model, sha256=sha256)
        return tflite.load(stored.tflite, name=stored.name, hints=hints, beside=beside(stored))
    if kind is not folder.Kind.SAVED_MODEL:
        raise UserError(
            f"{model} is a {kind.value}; make a model to run of it first: quantlabel model export "
            f"--model {model} --to tflite --output FILE"
        )
    from transforms.network.savedmodel import import_tensorflow

    # First, for its settings and its message; the import below would load it unprepared.
    import_tensorflow()
    from pipeline.models.float_module import load

    return load.load(path, sha256=sha256, hints=hints)


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
        return load_network(model, hints=hints).classes
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
