"""A TF1-format hub module as a tflite, by TensorFlow's converter, held against its own graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.models.convert.post_training import CONVERTER_ERRORS, refusal
from pipeline.models.float_module import folder, savedmodel
from pipeline.models.hints import NetworkHints
from pipeline.models.store import conversions
from pipeline.models.store.cache import Slot
from pipeline.models.store.conversions import Conversion
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.classifier import find_classifier, rewrite
from pipeline.models.tflite.load import load_module
from pipeline.models.tflite.two_head import name_heads
from transforms.errors import UserError
from transforms.network.batching import made_batches
from transforms.network.classes import Classes
from transforms.network.litert import LiteRtModel
from transforms.network.ranking import Runnable
from transforms.network.savedmodel import SavedModel
from transforms.records import Pixels

_Values = npt.NDArray[np.float32]

_Batches = Sequence[Sequence[Pixels]]

_V1: Final = tf.compat.v1

_CODES: Final = 255

_ROUNDING: Final = 1e-9


class Agreement(NamedTuple):
    """How what was made of a module compares with the module's own graph.

    Attributes:
        pictures: compared.
        same: of the same first class; of a module without classes, whose vector is nearest to the
            own graph's vector of the same picture.
        steps: mean error of the numbers of a vector, in steps of 1/255 of the range of all.
        has_classes: of the module.
    """

    pictures: int
    same: int
    steps: float
    has_classes: bool

    def __str__(self) -> str:
        """For people."""
        what = "first classes" if self.has_classes else "nearest vectors"
        return (
            f"{self.same} of {self.pictures} {what} over made pictures are those of its own graph, "
            f"the vectors are off by {self.steps:.2f} steps of 1/{_CODES} on average"
        )


def convert(module: Path, place: Slot) -> Conversion:
    """Converts a module, compares, and keeps what came of it; needs `place.locked()`.

    Args:
        module: its folder.
        place: where to keep it.

    Raises:
        UserError: the module cannot be loaded; nothing is kept.
    """
    batches = [*made_batches(savedmodel.image_size(module))]
    try:
        own = _run(SavedModel(folder.archive(module)), batches)
    except (*CONVERTER_ERRORS, KeyError, OSError) as error:
        raise UserError(
            f"{module}: TensorFlow cannot run it ({type(error).__name__}): a file of it is missing "
            "or damaged. Fetch it again."
        ) from error
    reasons = []
    for form, settings in _FORMS.items():
        try:
            tflite = _converted(module, settings)
        except CONVERTER_ERRORS as error:
            reasons.append(f"{form}: TensorFlow cannot convert it, {refusal(error)}")
            continue
        found = _agreement(own, _run(_runnable(tflite, own), batches))
        if found.same == found.pictures:
            conversions.keep(place, tflite, source=f"{form}: {found}")
            return Conversion(tflite, f"converted once, kept at {place.model}: {found}")
        reasons.append(f"{form}: {found}")
    reason = f"it was not converted ({'; '.join(reasons)})"
    conversions.refuse(place, reason)
    return Conversion(None, reason)


def _uint8(converter: Any) -> None:
    (source,) = converter.get_input_arrays()
    converter.inference_type = tf.uint8
    # The bytes of the pixels: images are bytes / 255.
    converter.quantized_input_stats = {source: (0.0, 255.0)}


def _float32(converter: Any) -> None:
    """With the quantization simulated, as in the module."""


_FORMS: Final[Mapping[str, Callable[[Any], None]]] = {"uint8": _uint8, "float32": _float32}
"""What the converter is told, in the order in which it is tried."""


def _converted(module: Path, settings: Callable[[Any], None]) -> bytes:
    with tf.Graph().as_default(), _V1.Session() as session:
        # Without tags: the graph to run, not the one to train.
        signatures = _V1.saved_model.load(session, [], str(module)).signature_def
        named = (savedmodel.CLASSIFICATION, savedmodel.FEATURES)
        used = [signatures[name] for name in named if name in signatures]
        sources = {signature.inputs["images"].name for signature in used}
        if len(sources) != 1:
            raise ValueError("its signatures have inputs of their own")
        ends = [*sources, *(signature.outputs["default"].name for signature in used)]
        source, *targets = (session.graph.get_tensor_by_name(name) for name in ends)
        converter = _V1.lite.TFLiteConverter.from_session(session, [source], targets)
        settings(converter)
        return _two_headed(converter.convert())


def _two_headed(tflite: bytes) -> bytes:
    """The same with outputs that are known by their names, for any number of pictures."""
    model = flatbuffer.read(tflite)
    outputs = flatbuffer.indices(model.subgraphs[0].outputs)
    if len(outputs) == 1:
        return rewrite(model, find_classifier(model, NetworkHints(outputs="features")))
    logits, features = outputs
    name_heads(model, logits=logits, features=features)
    return rewrite(model, find_classifier(model))


def _runnable(tflite: bytes, own: Sequence[_Values]) -> Runnable:
    # What they are called does not matter here, how many they are does.
    classes = Classes.own([str(number) for number in range(own[0].shape[1])])
    hints = NetworkHints(classes=classes if own[1].size else None)
    network = load_module(tflite, name="converted", hints=hints)
    return LiteRtModel(network.content, batch_size=1, pixel_values=network.pixel_values)


def _run(model: Runnable, batches: Sequence[Sequence[Pixels]]) -> Sequence[_Values]:
    """Both outputs of all pictures, as of `Runnable.run`."""
    outputs, features = zip(*(model.run(batch) for batch in batches), strict=True)
    return np.concatenate(outputs), np.concatenate(features)


def _agreement(own: Sequence[_Values], made: Sequence[_Values]) -> Agreement:
    has_classes = own[1].size > 0
    if has_classes:
        same = own[0].argmax(axis=1) == made[0].argmax(axis=1)
    vectors = [heads[int(has_classes)] for heads in (own, made)]
    if not has_classes:
        same = _is_nearest(*vectors)
    step = float(np.ptp(vectors[0])) / _CODES
    error = float(np.abs(vectors[0] - vectors[1]).mean())
    return Agreement(
        len(same), int(same.sum()), error / step if step else error, has_classes=has_classes
    )


def _is_nearest(own: _Values, made: _Values) -> npt.NDArray[np.bool_]:
    """Whether none of the own vectors is nearer to a made one than that of the same picture."""
    lengths = (own.astype(np.float64) ** 2).sum(axis=1)
    distances = lengths - 2 * (made.astype(np.float64) @ own.T.astype(np.float64))
    # Pictures may have the same vector.
    nearest: npt.NDArray[np.bool_] = (
        distances.diagonal() <= distances.min(axis=1) + _ROUNDING * lengths.max()
    )
    return nearest
