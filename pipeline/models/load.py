"""A model name to a network that the transforms can run."""

from __future__ import annotations

from pathlib import Path

from pipeline.models.float_module import folder
from pipeline.models.store.store import resolve
from pipeline.models.tflite import two_head
from transforms.errors import UserError
from transforms.records import Network


def load_network(model: str, *, sha256: str | None = None) -> Network:
    """Finds a model, downloads it where necessary, and makes it ready to run.

    Args:
        model: name, path, gs:// or https:// of a quantized MobileNet V1 tflite; or the local folder
            of a TensorFlow 2 SavedModel, which needs the extra `tensorflow`.
        sha256: the hash that the model must have, or None; of a SavedModel see
            `pipeline.models.float_module.folder.sha256`.

    Raises:
        UserError: it cannot be had, or is neither.
    """
    path = Path(model).expanduser()
    kind = folder.kind_of(path)
    if kind is None:
        stored = resolve(model, sha256=sha256)
        return two_head.load(stored.tflite, name=stored.name)
    if kind is not folder.Kind.SAVED_MODEL:
        raise UserError(
            f"{model} is a {kind.value}; make a model to run of it first: quantlabel model export "
            f"--model {model} --to tflite --output FILE"
        )
    from transforms.network.savedmodel import import_tensorflow

    # First, for its settings and its message; the import below would load it unprepared.
    import_tensorflow()
    from pipeline.models.float_module import load

    return load.load(path, sha256=sha256)
