"""The records that travel through the pipeline, their shapes and their dtypes, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8[size, size, 3], RGB, what the quantized network is fed."""


ColourDone = Literal["none", "srgb", "converted", "ignored", "unreadable"]
"""What was done about the colours of a picture: it has no profile; one of sRGB; another, by which
it was converted to sRGB; one that was not looked at, as was asked for; or one that is damaged or of
another kind of picture, which is taken for none."""

NetworkKind = Literal["tflite", "savedmodel"]


class ImageRef(NamedTuple):
    """One picture to label.

    Attributes:
        uri: where it is, exactly as it was listed or as the input list spells it (made absolute).
        meta: a JSON object with the other columns of the input list, or None.
        size: bytes of the encoded picture, or None while nobody has looked.
        version: what changes whenever the picture does, or None if it is not known: of a local file
            its modification time in nanoseconds, of an object in Cloud Storage its generation.
        done: of an archive, uris of its members that have a row already.
    """

    uri: str
    meta: str | None = None
    size: int | None = None
    version: str | None = None
    done: Sequence[str] = ()

    @property
    def listed(self) -> tuple[str, str | None, int | None, str | None]:
        """All but `done`: what a listing says, and what travels."""
        return self.uri, self.meta, self.size, self.version


class Image(NamedTuple):
    """A picture that was read, decoded and resampled.

    Attributes:
        ref: which picture, with size and version as they were read.
        sha256: lower-case hex digest of the encoded bytes.
        width: columns of the whole picture, after its EXIF orientation was applied.
        height: rows of the whole picture, after its EXIF orientation was applied.
        format: name of the encoding, as `transforms.sniff.format_of` says.
        pixels: uint8[size, size, 3]; for four views uint8[2, size, size, 3], two crops.
        colour: what was done about its colours.
    """

    ref: ImageRef
    sha256: str
    width: int
    height: int
    format: str
    pixels: Pixels
    colour: ColourDone = "none"


class Failure(NamedTuple):
    """A picture that could not be labelled, and why.

    Attributes:
        uri: as in `ImageRef`.
        stage: read, decode or infer.
        reason: a code from `transforms.failures.Reason`.
        message: one line for a person.
        retryable: whether the same picture may succeed another time.
        size: as in `ImageRef`.
        version: as in `ImageRef`.
        meta: as in `ImageRef`.
    """

    uri: str
    stage: str
    reason: str
    message: str
    retryable: bool
    size: int | None = None
    version: str | None = None
    meta: str | None = None


class Prediction(NamedTuple):
    """What the network says of one picture. The fields are the columns of every output format.

    Attributes:
        uri: as in `ImageRef`.
        sha256: as in `Image`.
        width: as in `Image`.
        height: as in `Image`.
        format: as in `Image`.
        class_id: 0..1000, the first of `top_class_ids`.
        synset: WordNet id of the class; the empty string for the background class 0.
        label: first name of the class.
        score: softmax of the dequantized logits, 0..1; of several views the mean.
        top_class_ids: the k best classes, best first, equal logits in order of class id.
        top_labels: their names.
        top_scores: their scores.
        embedding: float32[256 x depth multiplier / 0.25], the average-pooled features; of several
            views the mean.
        mapped_label: the label that a label map gives, or None without a map or below its
            threshold.
        mapped_score: the sum of the scores of that label's classes (of the best label, if none was
            given), or None without a map.
        size: as in `ImageRef`.
        version: as in `ImageRef`.
        meta: as in `ImageRef`.
        colour: as in `Image`; None in rows of versions that did nothing and did not say so.
    """

    uri: str
    sha256: str
    width: int
    height: int
    format: str
    class_id: int
    synset: str
    label: str
    score: float
    top_class_ids: list[int]
    top_labels: list[str]
    top_scores: list[float]
    embedding: npt.NDArray[np.float32]
    mapped_label: str | None = None
    mapped_score: float | None = None
    size: int | None = None
    version: str | None = None
    meta: str | None = None
    colour: ColourDone | None = None


@dataclasses.dataclass(frozen=True)
class Network:
    """A network ready to run, with the identity that goes into everything a run writes.

    Attributes:
        name: how the user called it, or the file's name.
        kind: what `content` is: `tflite`, or `savedmodel` for TensorFlow 2.
        sha256: of the tflite as it was published or given, before it was rewritten; of a SavedModel
            the hash over all of its files (`pipeline.models.float_module.folder`).
        content: a flatbuffer with the input uint8[n, size, size, 3] and the outputs [logits,
            features]; or a zip archive of the SavedModel's folder.
        input_size: rows and columns of the input, in pixels.
        feature_size: length of the feature vector.
        classes: number of classes, 1001.
        path: a local file with `content`, for workers on this machine. A pickle leaves out what is
            there: Beam compresses it twice and decompresses it four times before the first picture.
    """

    name: str
    kind: NetworkKind
    sha256: str
    content: bytes = dataclasses.field(repr=False)
    input_size: int
    feature_size: int
    classes: int
    path: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but what `path` holds."""
        return {**self.__dict__, "content": b""} if self.path else self.__dict__

    def read(self) -> bytes:
        """The content, wherever it is."""
        return Path(self.path).read_bytes() if self.path else self.content
