"""A model name to a network that the transforms can run."""

from __future__ import annotations

from pipeline.model_store import resolve
from pipeline.two_head import load
from transforms.records import Model


def load_network(model: str, *, sha256: str | None = None) -> Model:
    """Finds a model, downloads it where necessary, and makes it ready to run.

    Args:
        model: name, path, gs:// or https:// of a quantized MobileNet V1 tflite.
        sha256: the hash that the model must have, or None.

    Raises:
        UserError: it cannot be had, or is not a quantized MobileNet V1.
    """
    stored = resolve(model, sha256=sha256)
    return load(stored.tflite, name=stored.name)
