"""The TFRecord file format and tf.train.Example, without tensorflow."""

from __future__ import annotations

import copy
import functools
import struct
from collections.abc import Iterator
from typing import Any, Protocol

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_SKIPPED_AT_ONCE = 1024 * 1024


class Readable(Protocol):
    """What is needed of a file: as many bytes as were asked for, fewer at its end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


def framed(record: bytes) -> bytes:
    """The TFRecord frame: length, masked CRC-32C of the length, record, masked CRC of the record.

    Little-endian; https://www.tensorflow.org/tutorials/load_data/tfrecord.
    """
    length = struct.pack("<Q", len(record))
    return b"".join([length, _masked_crc(length), record, _masked_crc(record)])


class DamagedRecordError(ValueError):
    """A TFRecord file that ends within a record, or whose checksum does not fit its bytes."""


class LargeRecordError(DamagedRecordError):
    """A record over the limit of bytes."""


def records(stream: Readable, *, max_bytes: int) -> Iterator[bytes]:
    """The records of an uncompressed TFRecord file, one at a time.

    Args:
        stream: at the start of a record.
        max_bytes: a record that claims to be longer is taken for damage, before memory is spent.

    Raises:
        DamagedRecordError: with the position of the first record that cannot be read.
    """
    for record in scan_records(stream, max_bytes=max_bytes):
        if isinstance(record, DamagedRecordError):
            raise copy.copy(record)  # this frame would live as long as an error that it holds
        yield record


def scan_records(stream: Readable, *, max_bytes: int) -> Iterator[bytes | DamagedRecordError]:
    """As `records`, but goes on where it is known that the next record begins.

    Yields:
        A record, or the error of one whose own checksum is wrong or that is over the limit.

    Raises:
        DamagedRecordError: the length of a record is damaged, or the file ends within it.
    """
    position = 0
    while header := stream.read(12):
        length = _length(header, position=position)
        if length > max_bytes:
            _skip(stream, length, position=position)
            yield LargeRecordError(f"the record at byte {position} claims {length} bytes")
        else:
            yield _record(stream, length, position=position)
        position += 16 + length


def _record(stream: Readable, length: int, *, position: int) -> bytes | DamagedRecordError:
    record, crc = stream.read(length), stream.read(4)
    if len(crc) < 4:
        raise _ends_within(position)
    if crc != _masked_crc(record):
        return DamagedRecordError(f"wrong checksum of the record at byte {position}")
    return record


def _skip(stream: Readable, length: int, *, position: int) -> None:
    left = length + 4
    while left:
        part = stream.read(min(left, _SKIPPED_AT_ONCE))
        if not part:
            raise _ends_within(position)
        left -= len(part)


def _ends_within(position: int) -> DamagedRecordError:
    return DamagedRecordError(f"the file ends within the record at byte {position}")


def _length(header: bytes, *, position: int) -> int:
    if len(header) < 12:
        raise _ends_within(position)
    if header[8:] != _masked_crc(header[:8]):
        raise DamagedRecordError(f"wrong checksum of the length at byte {position}")
    return int.from_bytes(header[:8], "little")


def is_framed(head: bytes) -> bool:
    """Whether a file begins with the length of a record, by its first 12 bytes or more."""
    return head[8:12] == _masked_crc(head[:8])


def _masked_crc(data: bytes) -> bytes:
    # Rotated and a constant added, as in tensorflow/core/lib/hash/crc32c.h: a checksum of data that
    # hold their own checksum would be weak.
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def example_class() -> Any:
    """tf.train.Example as protobuf knows it, built here so that no worker needs tensorflow.

    Fields and numbers are those of tensorflow/core/example/{example,feature}.proto. The pool of its
    own keeps the names apart from tensorflow's where a program imports both.
    """
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        made = file.message_type.add(name=name)
        for field, number, type_, label, type_name in fields:
            made.field.add(
                name=field, number=number, type=type_, label=label, type_name=type_name or None
            )
        return made

    one, many = kind.LABEL_OPTIONAL, kind.LABEL_REPEATED
    message("BytesList", ("value", 1, kind.TYPE_BYTES, many, ""))
    message("FloatList", ("value", 1, kind.TYPE_FLOAT, many, ""))
    message("Int64List", ("value", 1, kind.TYPE_INT64, many, ""))
    feature = message(
        "Feature",
        ("bytes_list", 1, kind.TYPE_MESSAGE, one, ".t.BytesList"),
        ("float_list", 2, kind.TYPE_MESSAGE, one, ".t.FloatList"),
        ("int64_list", 3, kind.TYPE_MESSAGE, one, ".t.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    entry = ".t.Features.FeatureEntry"
    features = message("Features", ("feature", 1, kind.TYPE_MESSAGE, many, entry))
    nested = features.nested_type.add(name="FeatureEntry")
    nested.options.map_entry = True
    nested.field.add(name="key", number=1, type=kind.TYPE_STRING, label=one)
    nested.field.add(
        name="value", number=2, type=kind.TYPE_MESSAGE, label=one, type_name=".t.Feature"
    )
    message("Example", ("features", 1, kind.TYPE_MESSAGE, one, ".t.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))
