"""Pictures of a TFRecord file of tf.train.Example, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from google.protobuf.message import DecodeError

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import MAX_META, Entry, Reading, damaged
from transforms.inputs.archives.compression import ArchiveStream, codec_of, head_of
from transforms.inputs.skips import RESULTS, Skipped
from transforms.rows.formats import FEATURE_KEYS
from transforms.rows.tfrecord import (
    DamagedRecordError,
    LargeRecordError,
    example_class,
    is_framed,
    scan_records,
)

IMAGE_FEATURE = "image/encoded"
"""The key of TF-Slim, the Object Detection API and most who came after them."""


_ROW = frozenset(FEATURE_KEYS[column] for column in ("uri", "class_id", "embedding"))


def tfrecord_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Skipped]:
    """An Entry a record, named by its number from 0; the other features are its meta.

    A record of a labelling run's own output is Skipped: in a bucket it may lie among the pictures.

    Args:
        file: at its start.
        how: see there; without `image_key` the picture is in `IMAGE_FEATURE`.

    Raises:
        ImageError: the framing of the file is damaged, or storage failed; after all that came
            before.
    """
    try:
        head = head_of(file)
        # The length of a record may look like the mark of a codec; its checksum does not.
        stream = ArchiveStream(file, codec=None if is_framed(head) else codec_of(head))
        for number, record in enumerate(scan_records(stream, max_bytes=how.max_bytes)):
            yield _entry(str(number), record, key=how.image_key or IMAGE_FEATURE)
    except DamagedRecordError as error:
        raise damaged(str(error)) from error


def _entry(name: str, record: bytes | DamagedRecordError, *, key: str) -> Entry | Skipped:
    if isinstance(record, DamagedRecordError):
        large = isinstance(record, LargeRecordError)
        reason = Reason.TOO_LARGE_BYTES if large else Reason.DAMAGED_ARCHIVE
        return Entry(name, ImageError(reason, str(record)), None, {})
    try:
        features = example_class().FromString(record).features.feature
    except DecodeError:
        error = ImageError(Reason.CORRUPT, "the record is no tf.train.Example")
        return Entry(name, error, None, {})
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
