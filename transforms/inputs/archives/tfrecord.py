"""Pictures of a TFRecord file of tf.train.Example, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from google.protobuf.message import DecodeError

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import MAX_META, Entry, Reading, damaged
from transforms.inputs.archives.compression import ArchiveStream, codec_of, head_of, require_read
from transforms.inputs.skips import RESULTS, Note, Skipped
from transforms.rows.formats import FEATURE_KEYS
from transforms.rows.tfrecord import (
    DamagedRecordError,
    LargeRecordError,
    example_class,
    is_framed,
    scan_records,
)
from transforms.sniff import is_known

IMAGE_FEATURE = "image/encoded"
"""The key of TF-Slim, the Object Detection API and most who came after them."""


# Features that only our own rows have together.
_ROW = frozenset(FEATURE_KEYS[column] for column in ("uri", "top_class_ids", "embedding"))


def tfrecord_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Skipped | Note]:
    """An Entry a record, named by its number from 0; the other features are its meta.

    A record of a labelling run's own output is Skipped: in a bucket it may lie among the pictures.

    Args:
        file: at its start.
        how: see there; without `image_key` the picture is in `IMAGE_FEATURE`, else in the only
            feature that begins as pictures do, which a Note then names.

    Raises:
        ImageError: the framing of the file is damaged, or storage failed, or several features hold
            pictures; after all that came before.
    """
    key = how.image_key
    try:
        head = head_of(file)
        codec = None
        if not is_framed(head):  # whose length may look like the mark of a codec
            codec = codec_of(head)
            require_read(head)
        stream = ArchiveStream(file, codec=codec)
        for number, record in enumerate(scan_records(stream, max_bytes=how.max_bytes)):
            features = _features(record)
            if key is None and not isinstance(features, ImageError):
                key = _feature_of_pictures(features)
                if key not in (None, IMAGE_FEATURE):
                    yield Note("", f"pictures in the feature {key!r}, told by their first bytes")
            yield _entry(str(number), features, key=key or IMAGE_FEATURE)
    except DamagedRecordError as error:
        raise damaged(str(error)) from error


def _features(record: bytes | DamagedRecordError) -> Mapping[str, Any] | ImageError:
    if isinstance(record, DamagedRecordError):
        large = isinstance(record, LargeRecordError)
        reason = Reason.TOO_LARGE_BYTES if large else Reason.DAMAGED_ARCHIVE
        return ImageError(reason, str(record))
    try:
        features: Mapping[str, Any] = example_class().FromString(record).features.feature
    except DecodeError:
        return ImageError(Reason.CORRUPT, "the record is no tf.train.Example")
    return features


def _feature_of_pictures(features: Mapping[str, Any]) -> str | None:
    """The key of the picture in a record, None where nothing looks like one.

    Raises:
        ImageError: several features do.
    """
    if IMAGE_FEATURE in features or _ROW.issubset(features):
        return IMAGE_FEATURE if IMAGE_FEATURE in features else None
    found = [key for key in sorted(features) if any(map(is_known, features[key].bytes_list.value))]
    if len(found) > 1:
        names = ", ".join(found)
        raise ImageError(
            Reason.NO_PICTURES,
            f"several features hold pictures: {names}; --image-key chooses one",
        )
    return found[0] if found else None


def _entry(name: str, features: Mapping[str, Any] | ImageError, *, key: str) -> Entry | Skipped:
    if isinstance(features, ImageError):
        return Entry(name, features, None, {})
    if key not in features and _ROW.issubset(features):
        return Skipped(name, RESULTS)
    meta = {other: _value(features[other]) for other in sorted(features) if other != key}
    content = _content(features, key)
    return Entry(
        name,
        content,
        len(content) if isinstance(content, bytes) else None,
        {other: value for other, value in meta.items() if value is not None},
    )


def _content(features: Mapping[str, Any], key: str) -> bytes | ImageError:
    values: list[bytes] = list(features[key].bytes_list.value) if key in features else []
    if len(values) == 1:
        return values[0]
    others = ", ".join(sorted(features)) or "none"
    what = f"{len(values)} values of bytes in the feature {key!r}, expected one"
    return ImageError(Reason.NO_PICTURES, f"{what}; --image-key names another. There are: {others}")


def _value(feature: Any) -> Any:
    """A feature as JSON can hold it: one value as itself, several as a list; None for bytes."""
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if kind == "bytes_list":
        texts = [_text(value) for value in values]
        values = [] if None in texts else texts
    if not values or len(values) > MAX_META:
        return None
    return values[0] if len(values) == 1 else values


def _text(value: bytes) -> str | None:
    if len(value) > MAX_META:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None
