"""A model as a Python object: arrays in, arrays out, whichever its format is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pipeline.models.hints import NetworkHints
from pipeline.models.load import load_network
from transforms.errors import UserError
from transforms.network.litert import LiteRtModel
from transforms.network.network import Network
from transforms.network.ranking import BATCH_SIZE

Array = npt.NDArray[np.float32]

_Run = Callable[[Array], tuple[Array, Array]]


class ImageModel:
    """A classifier with the interface of the published hub modules; a call gives logits.

    Images are float32[batch, height, width, 3] in [0,1], `transforms.images.preprocess.unit_range`
    of pixels. Several threads may call it at once.

    Attributes:
        name: how it was called.
        sha256: what identifies it, see `transforms.network.network.Network`.
        expected_image_size: (height, width) in pixels.
        signatures: by the names that the hub modules have, each takes `images` and gives
            `{"default": array}`.
        outputs: what `image_classification` gives, logits or scores; or `features` of a network
            without classes.
        labels: first name of each class, in the order of the logits. Some classes share it;
            `transforms.network.classes.class_names` has the synsets, which tell them apart.

    Args:
        model: from `pipeline.load_network`.

    Raises:
        UserError: it is a SavedModel and tensorflow is not installed.
    """

    def __init__(self, model: Network) -> None:
        self.name = model.name
        self.sha256 = model.sha256
        self.expected_image_size = model.input_shape
        self.labels = tuple(model.classes.labels)
        self._widths = (len(model.classes), model.feature_size)
        self.outputs = model.outputs
        self._run = _runner(model)
        signatures: dict[str, Callable[..., dict[str, Array]]] = {
            "default": self._default,
            "image_classification": self._default,
            "image_feature_vector": self._features,
        }
        if not self._has_classes:
            del signatures["image_classification"]
        self.signatures: Mapping[str, Callable[..., dict[str, Array]]] = signatures

    @property
    def _has_classes(self) -> bool:
        return self.outputs != "features"

    def __call__(self, images: Array) -> Array:
        """As `image_classification`, or without classes as `image_feature_vector`."""
        return self._heads(images)[0 if self._has_classes else 1]

    def _default(self, images: Array) -> dict[str, Array]:
        return {"default": self(images)}

    def _features(self, images: Array) -> dict[str, Array]:
        return {"default": self.image_feature_vector(images)}

    def image_classification(self, images: Array) -> Array:
        """Logits (or scores, see `outputs`) float32[batch, classes] of images as above.

        Raises:
            TypeError: they are no array of float32.
            ValueError: they have another shape, or values outside [0,1].
            UserError: the network has no classes.
        """
        if not self._has_classes:
            raise UserError(
                f"model {self.name}: it has no classes; image_feature_vector gives its vectors"
            )
        return self._heads(images)[0]

    def image_feature_vector(self, images: Array) -> Array:
        """Features float32[batch, 256 x multiplier / 0.25]; of images as above."""
        return self._heads(images)[1]

    def _heads(self, images: Array) -> tuple[Array, Array]:
        self._check(images)
        parts = [
            self._looked_at(images[start : start + BATCH_SIZE])
            for start in range(0, len(images), BATCH_SIZE)
        ]
        # So that no images give no rows instead of an error.
        none = tuple(np.empty((0, width), np.float32) for width in self._widths)
        logits, features = zip(none, *parts, strict=True)
        return np.concatenate(logits), np.concatenate(features)

    def _looked_at(self, images: Array) -> tuple[Array, Array]:
        outputs, features = self._run(images)
        if self._has_classes:
            return outputs, features
        return np.empty((len(images), 0), np.float32), outputs

    def _check(self, images: Array) -> None:
        height, width = self.expected_image_size
        expected = f"expected images float32[batch, {height}, {width}, 3] in [0,1]"
        if not isinstance(images, np.ndarray) or images.dtype != np.float32:
            found = getattr(images, "dtype", type(images).__name__)
            raise TypeError(
                f"{expected}, found {found}; quantlabel.unit_range makes them of pixels"
            )
        if images.ndim != 4 or images.shape[1:] != (height, width, 3):
            raise ValueError(f"{expected}, found the shape {list(images.shape)}")
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(f"{expected}, found values from {images.min()} to {images.max()}")


def load_model(model: str, *, sha256: str | None = None, classes: str | None = None) -> ImageModel:
    """Finds a model, downloads it where necessary, and loads it.

    Args:
        model: as in `pipeline.models.load.load_network`.
        sha256: the hash that the model must have, or None.
        classes: file with the names of its classes, or `imagenet`, see `quantlabel label
            --classes`; None for what its file or a `labels.txt` beside it says.

    Raises:
        UserError: it cannot be had, or is neither.
    """
    return ImageModel(load_network(model, sha256=sha256, hints=NetworkHints(classes=classes)))


def _runner(model: Network) -> _Run:
    """Logits and features of at most `BATCH_SIZE` images that were checked."""
    if model.kind == "savedmodel":
        from transforms.network.savedmodel import SavedModel

        return SavedModel(model.content).run_images
    # One picture at a time: no work for rows that are not there.
    interpreter = LiteRtModel(model.content, batch_size=1, pixel_values=model.pixel_values)

    def run(images: Array) -> tuple[Array, Array]:
        # Back to the bytes that `unit_range` had: rint, since 255 * (byte / 255) may be a little
        # less.
        pixels = np.rint(images * np.float32(255)).astype(np.uint8)
        return interpreter.run(list(pixels))

    return run
