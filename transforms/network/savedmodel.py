"""The float network as a TensorFlow 2 SavedModel, on a GPU where there is one."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.errors import UserError
from transforms.images.preprocess import unit_range
from transforms.network.ranking import RankingHandler


class SavedModel:
    """A SavedModel or hub module with `image_feature_vector` and mostly `image_classification`.

    Several threads may call it at once. Where it also has the signature `heads`, as those that
    quantlabel exports do, one pass gives both.

    Args:
        archive: its folder as a zip archive.

    Raises:
        UserError: tensorflow is not installed.
    """

    def __init__(self, archive: bytes) -> None:
        self._loaded = _load(import_tensorflow(), archive)
        self._signatures = self._loaded.signatures

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """One pass over a batch.

        Args:
            pixels: arrays uint8[size, size, 3].

        Returns:
            As in `transforms.network.ranking.Runnable`.

        Raises:
            ValueError: a picture of another shape.
        """
        return self.run_images(unit_range(np.stack(pixels)))

    def run_images(
        self, images: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The same for images float32[n, size, size, 3] in [0, 1]."""
        expected = self._signatures["image_feature_vector"].structured_input_signature[1]["images"]
        if images.shape[1:] != tuple(expected.shape[1:]):
            raise ValueError(f"expected {expected.shape[1:]} pixels, found {images.shape[1:]}")
        if "heads" in self._signatures:
            both = self._call("heads", images)
            return both["logits"], both["features"]
        features = self._call("image_feature_vector", images)["default"]
        if "image_classification" not in self._signatures:
            return features, np.empty((len(images), 0), np.float32)
        return self._call("image_classification", images)["default"], features

    def _call(self, signature: str, images: npt.NDArray[np.float32]) -> dict[str, Any]:
        results = self._signatures[signature](images=images)
        return {name: values.numpy() for name, values in results.items()}


class SavedModelHandler(RankingHandler):
    """For a SavedModel, its folder as an archive."""

    def load_model(self) -> SavedModel:
        """Called once a worker process; the only place of a run that imports tensorflow."""
        return SavedModel(self._model.read())


def import_tensorflow() -> Any:
    """Tensorflow, set up for inference.

    Raises:
        UserError: it is not installed; the message says how it can be.
    """
    # Worker processes share a GPU, and each of them would take all of its memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise UserError(_how_to_install()) from error
    # A GPU would round the factors of a product to 10 bits; the sums are exact only without that.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return tf


def _how_to_install() -> str:
    install = "pip install 'quantlabel[tensorflow]'"
    major, minor = sys.version_info[:2]
    if (major, minor) > (3, 13):  # as setup.py says
        return (
            f"this needs tensorflow, which is made for Python 3.11 to 3.13, and this is Python "
            f"{major}.{minor}: in an environment with one of those {install}"
        )
    return f"this needs tensorflow, an extra: {install}"


def _load(tf: Any, archive: bytes) -> Any:
    with tempfile.TemporaryDirectory(prefix="quantlabel-model-") as folder:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            files.extractall(folder)
        # A TF1-format hub module holds a second graph, for training; the one to run has no tags.
        tags: list[str] | None = (
            [] if os.path.exists(os.path.join(folder, "tfhub_module.pb")) else None
        )
        return tf.saved_model.load(folder, tags=tags)  # the weights too: the folder may go
