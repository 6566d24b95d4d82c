"""The records that travel through the pipeline, their shapes and their dtypes, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8[rows, columns, 3], RGB, what a network is fed."""


ColourDone = Literal["none", "srgb", "converted", "ignored", "unreadable"]
"""What was done about the colours of a picture: it has no profile; one of sRGB; another, by which
it was converted to sRGB; one that was not looked at, as was asked for; or one that is damaged or of
another kind of picture, which is taken for none."""


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
        pixels: uint8[rows, columns, 3]; for four views uint8[2, rows, columns, 3], two crops.
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
        class_id: the first of `top_class_ids`; 0..1000 for the published networks. None, as label
            and score, of a network without classes.
        synset: WordNet id of the class; the empty string for the background of ImageNet, None for
            a class of one's own.
        label: first name of the class.
        score: softmax of the dequantized logits, or what a network that ends in scores gives,
            0..1; of several views the mean.
        top_class_ids: the k best classes, best first, equal logits in order of class id.
        top_labels: their names.
        top_scores: their scores.
        embedding: float32[feature size], the average-pooled features, 256 x depth multiplier /
            0.25 of them in a published network; of several views the mean.
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
    class_id: int | None
    synset: str | None
    label: str | None
    score: float | None
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
