"""Networks of a user's own: a stand-in with other classes, without the published names."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from unittest import mock

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.tflite import architecture, flatbuffer
from pipeline.models.tflite.stand_in import stand_in


def own_network(classes: int = 5, *, published_names: bool = False, seed: int = 0) -> bytes:
    """A MobileNet V1 0.25/128 with random weights, which ends in a softmax uint8[1, classes]."""
    with mock.patch.object(architecture, "CLASSES", classes):
        tflite = stand_in(seed=seed)
    if published_names:
        return tflite
    model = flatbuffer.read(tflite)
    for number, tensor in enumerate(model.subgraphs[0].tensors):
        tensor.name = f"tensor_{number}".encode()
    return flatbuffer.write(model)


def vector_network() -> bytes:
    """One as above that ends where its pictures are pooled: uint8[1, 1, 1, 256], no classes."""
    model = flatbuffer.read(own_network())
    graph = model.subgraphs[0]
    names = [
        flatbuffer.operator_name(flatbuffer.operator_code(model, each)) for each in graph.operators
    ]
    graph.operators = graph.operators[: names.index("AVERAGE_POOL_2D") + 1]
    graph.outputs = graph.operators[-1].outputs
    return flatbuffer.write(model)


def oblong_network(rows: int, columns: int) -> bytes:
    """One as above for pictures of another form; multiples of 32."""
    model = flatbuffer.read(own_network())
    graph = model.subgraphs[0]
    graph.tensors[int(graph.inputs[0])].shape = [1, rows, columns, 3]
    (pool,) = (
        each.builtinOptions
        for each in graph.operators
        if isinstance(each.builtinOptions, schema.Pool2DOptionsT)
    )
    pool.filterHeight, pool.filterWidth = rows // 32, columns // 32
    return flatbuffer.write(model)


def with_metadata(
    tflite: bytes,
    labels: Sequence[str] | None = None,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    file: str = "labels.txt",
) -> bytes:
    """The same with TFLite metadata: normalization, and a file of labels behind the tflite."""
    model = flatbuffer.read(tflite)
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_described(labels, mean, std, file), np.uint8)
    model.buffers.append(buffer)
    model.metadata = [entry]
    content = flatbuffer.write(model)
    if labels is None:
        return content
    packed = io.BytesIO()
    packed.write(content)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(file, "".join(f"{label}\n" for label in labels))
    return packed.getvalue()


def _described(
    labels: Sequence[str] | None, mean: Sequence[float], std: Sequence[float], file: str
) -> bytes:
    """A ModelMetadata; the numbers of fields are those of metadata_schema.fbs."""
    builder = flatbuffers.Builder(256)
    source = _table(builder, 9, {4: _vector(builder, [_unit(builder, mean, std)] if mean else [])})
    files = []
    if labels is not None:
        name = builder.CreateString(file)
        builder.StartObject(5)
        builder.PrependUOffsetTRelativeSlot(0, name, 0)
        builder.PrependInt8Slot(2, 2, 0)  # TENSOR_AXIS_LABELS
        files.append(builder.EndObject())
    target = _table(builder, 7, {6: _vector(builder, files)})
    ends = {2: _vector(builder, [source]), 3: _vector(builder, [target])}
    graph = _table(builder, 9, ends)
    root = _table(builder, 8, {3: _vector(builder, [graph])})
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


def _unit(builder: flatbuffers.Builder, mean: Sequence[float], std: Sequence[float]) -> int:
    vectors = [builder.CreateNumpyVector(np.array(each, np.float32)) for each in (mean, std)]
    options = _table(builder, 2, dict(enumerate(vectors)))
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 1, 0)  # NormalizationOptions
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def _table(builder: flatbuffers.Builder, fields: int, offsets: dict[int, int]) -> int:
    builder.StartObject(fields)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())
