"""TFLite metadata: names of classes and normalization, as the tools of TensorFlow Lite store them.

The description is a flatbuffer of its own in one of the file's buffers; the files that it names are
in a zip archive that follows the tflite. Only the fields that matter here are read. Their places
are those of `metadata_schema.fbs` of TensorFlow Lite, file identifier M001.
"""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.class_files import LabelFile
from transforms.errors import UserError

_NAME: Final = b"TFLITE_METADATA"

_SUBGRAPHS: Final = 3  # of ModelMetadata
_INPUTS, _OUTPUTS = 2, 3  # of SubGraphMetadata
_PROCESS_UNITS, _FILES = 4, 6  # of TensorMetadata
_OPTIONS_KIND, _OPTIONS = 0, 1  # of ProcessUnit
_MEAN, _STD = 0, 1  # of NormalizationOptions
_FILE_NAME, _FILE_KIND = 0, 2  # of AssociatedFile

_NORMALIZATION: Final = 1
_AXIS_LABELS: Final = 2

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a file of labels."""

_MALFORMED: Final = (struct.error, ValueError, TypeError, IndexError, OverflowError)
"""What flatbuffers raises when an offset or a length leads out of the buffer."""


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a file says of itself.

    Attributes:
        mean: of each channel or one for all, in units of a byte; empty if it does not say.
        std: the same; a network takes (byte - mean) / std.
        label_file: name of the file with the names of the classes, or None.
        labels: its content, or None.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    label_file: str | None = None
    labels: bytes | None = None

    def label_file_or(self, other: LabelFile | None) -> LabelFile | None:
        """The labels inside, or else other ones."""
        if self.labels is None:
            return other
        return LabelFile(f"its metadata's {self.label_file}", self.labels)


def read_metadata(tflite: bytes, model: schema.ModelT) -> Metadata:
    """What a tflite says of itself; nothing if it has no metadata.

    Raises:
        UserError: the metadata are damaged, or name a file that is not there.
    """
    buffers = [entry.buffer for entry in model.metadata or () if entry.name == _NAME]
    if not buffers:
        return Metadata()
    try:
        data = model.buffers[buffers[0]].data
        found = _read(bytes(np.asarray(data, np.uint8)))
    except _MALFORMED as error:
        raise UserError(f"its metadata are damaged ({error}); fetch it again") from error
    if found.label_file is None:
        return found
    return dataclasses.replace(found, labels=_packed(tflite, found.label_file))


def _packed(tflite: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(tflite)) as files:
            if files.getinfo(name).file_size > _MOST_BYTES:
                raise UserError(f"its metadata's {name} has more than {_MOST_BYTES:,} bytes")
            return files.read(name)
    except (zipfile.BadZipFile, KeyError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"its metadata name the labels {name}, which cannot be read from it ({error}); pass "
            "--classes FILE"
        ) from error


def _read(data: bytes) -> Metadata:
    root = flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0)
    graphs = list(_tables(flatbuffers.Table(data, root), _SUBGRAPHS))
    if not graphs:
        return Metadata()
    inputs, outputs = (list(_tables(graphs[0], slot)) for slot in (_INPUTS, _OUTPUTS))
    mean, std = next(_normalizations(inputs), ((), ()))
    return Metadata(mean, std, next(_label_files(outputs), None))


def _normalizations(inputs: list[Any]) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    for tensor in inputs[:1]:
        for unit in _tables(tensor, _PROCESS_UNITS):
            at = _at(unit, _OPTIONS_KIND)
            if at and unit.Get(flatbuffers.number_types.Uint8Flags, at) == _NORMALIZATION:
                options = flatbuffers.Table(unit.Bytes, 0)
                unit.Union(options, _at(unit, _OPTIONS) - unit.Pos)
                mean, std = _floats(options, _MEAN), _floats(options, _STD)
                if not mean or not std or 0 in std:
                    raise ValueError(f"a normalization by {mean} and {std}")
                yield mean, std


def _label_files(outputs: list[Any]) -> Iterator[str]:
    for tensor in outputs:
        for file in _tables(tensor, _FILES):
            at = _at(file, _FILE_KIND)
            if at and file.Get(flatbuffers.number_types.Int8Flags, at) == _AXIS_LABELS:
                yield bytes(file.String(_at(file, _FILE_NAME))).decode()


def _at(table: Any, slot: int) -> int:
    """Where a field is; 0 if the table does not have it."""
    offset = table.Offset(4 + 2 * slot)
    return int(table.Pos + offset) if offset else 0


def _tables(table: Any, slot: int) -> Iterator[Any]:
    at = _at(table, slot)
    if at:
        start, length = table.Vector(at - table.Pos), table.VectorLen(at - table.Pos)
        for number in range(length):
            yield flatbuffers.Table(table.Bytes, table.Indirect(start + 4 * number))


def _floats(table: Any, slot: int) -> tuple[float, ...]:
    at = _at(table, slot)
    if not at:
        return ()
    start, length = table.Vector(at - table.Pos), table.VectorLen(at - table.Pos)
    return tuple(float(value) for value in np.frombuffer(table.Bytes, "<f4", length, start))
