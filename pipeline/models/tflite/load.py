"""A tflite made ready to run: one description, made once from the file."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.models.class_files import LabelFile, classes_of, without_classes
from pipeline.models.class_files import Told as ToldClasses
from pipeline.models.hints import NetworkHints
from pipeline.models.tflite import flatbuffer
from pipeline.models.tflite.batch import take_one_picture
from pipeline.models.tflite.classifier import Classifier, find_classifier, is_exact, rewrite
from pipeline.models.tflite.input_values import Told as ToldValues
from pipeline.models.tflite.input_values import pixel_values
from pipeline.models.tflite.metadata import read_metadata
from transforms.errors import UserError
from transforms.network.litert import LiteRtModel
from transforms.network.native import made_pictures
from transforms.network.network import Network


class Reading(NamedTuple):
    """What a file was taken for, and why.

    Attributes:
        model: the file.
        classifier: its tensors.
        values: how pixels become input.
        classes: what they are called.
        is_exact: see `pipeline.models.tflite.classifier.is_exact`.
    """

    model: schema.ModelT
    classifier: Classifier
    values: ToldValues
    classes: ToldClasses
    is_exact: bool


def read(
    tflite: bytes, hints: NetworkHints = NetworkHints(), *, beside: LabelFile | None = None
) -> Reading:
    """Reads a classifier of pictures.

    Args:
        tflite: the file.
        hints: what the user says of it.
        beside: the labels that lie beside it; those inside it go before.

    Raises:
        UserError: it is none, or does not go together with what the user says.
    """
    model = flatbuffer.read(tflite)
    take_one_picture(model)
    metadata = read_metadata(tflite, model)
    labels = metadata.label_file_or(beside)
    found = find_classifier(model, hints, is_named=labels is not None)
    return Reading(
        model=model,
        classifier=found,
        values=pixel_values(model, found.source, metadata, hints.input_range),
        classes=_classes(model, found, hints, labels),
        is_exact=is_exact(model, found),
    )


def _classes(
    model: schema.ModelT, found: Classifier, hints: NetworkHints, labels: LabelFile | None
) -> ToldClasses:
    if found.outputs == "features":
        return without_classes(found.told_by, hints)
    count = int(model.subgraphs[0].tensors[found.target].shape[-1])
    return classes_of(count, hints, found=labels, is_published=found.is_published)


def load(
    tflite: bytes,
    *,
    name: str,
    hints: NetworkHints = NetworkHints(),
    beside: LabelFile | None = None,
) -> Network:
    """Makes a model ready to run from a file as it was published or given.

    Args:
        tflite: as in `read`.
        name: what the user calls the model; it begins every error message.
        hints: as in `read`.
        beside: as in `read`.

    Raises:
        UserError: as in `read`, or LiteRT cannot run it.
    """
    try:
        network = _network(tflite, name, read(tflite, hints, beside=beside))
    except UserError as error:
        raise UserError(f"model {name}: {error}") from error
    if not network.batches:
        _try(network)
    return network


def load_module(tflite: bytes, *, name: str, hints: NetworkHints = NetworkHints()) -> Network:
    """Makes a tflite that was made of a hub module ready to run.

    Args:
        tflite: as `pipeline.models.convert.hub_module.convert` keeps it.
        name: as in `load`.
        hints: as in `load`; the names of its classes alone count here.

    Raises:
        UserError: as in `load`.
    """
    graph = flatbuffer.read(tflite).subgraphs[0]
    source = graph.tensors[int(graph.inputs[0])]
    return load(
        tflite,
        name=name,
        hints=NetworkHints(
            classes=hints.classes,
            outputs="features" if len(graph.outputs) == 1 else None,
            # As the signatures of modules take them.
            input_range="unit" if flatbuffer.dtype(source) == "float32" else None,
        ),
    )


def _network(tflite: bytes, name: str, reading: Reading) -> Network:
    found, tensors = reading.classifier, reading.model.subgraphs[0].tensors
    rows, columns = flatbuffer.indices(tensors[found.source].shape)[1:3]
    features, embedding_tensor = 0, ""
    if found.vector is not None:
        tensor = tensors[found.vector]
        features = 1
        for length in flatbuffer.indices(tensor.shape):
            features *= length
        embedding_tensor = flatbuffer.name(tensor)
    return Network(
        name=name,
        kind="tflite",
        sha256=hashlib.sha256(tflite).hexdigest(),
        content=rewrite(reading.model, found),
        input_size=rows,
        input_columns=None if columns == rows else columns,
        feature_size=features,
        classes=reading.classes.classes,
        pixel_values=reading.values.values,
        outputs=found.outputs,
        embedding_tensor=embedding_tensor,
        batches=reading.is_exact,
    )


def _try(network: Network) -> None:
    """Runs a network once, so that one that LiteRT cannot run is refused before a picture is read.

    Raises:
        UserError: it cannot.
    """
    model = LiteRtModel(network.content, batch_size=1, pixel_values=network.pixel_values)
    try:
        rows, columns = network.input_shape
        square = made_pictures(max(rows, columns))[0]
        model.run([np.ascontiguousarray(square[:rows, :columns])])
    except (RuntimeError, ValueError) as error:
        lines = str(error).split("\n")
        raise UserError(f"model {network.name}: LiteRT cannot run it: {lines[0]}") from error
