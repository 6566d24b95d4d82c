"""Flags of commands that label pictures, and the options that they become."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from pipeline.run.options import LabelOptions
from transforms.images.settings import METHODS, VIEWS
from transforms.kernel import KERNELS
from transforms.rows.names import FORMAT_NAMES


def add_data(parser: argparse.ArgumentParser) -> Any:
    """Adds `--input` and `--format`; returns the group for more."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--input",
        dest="inputs",
        action="append",
        required=True,
        metavar="PATH",
        help="folder (searched for pictures and archives, sub-folders included), glob in quotes "
        "(** included), input list (.txt, .csv, .tsv, .jsonl or .parquet with a column uri), "
        "picture, or archive of pictures (.tar, compressed or not, .zip, .tfrecord, .parquet with "
        "bytes); braces as in part-{000..010}.tar; repeatable",
    )
    data.add_argument(
        "--image-key",
        metavar="NAME",
        help="feature of TFRecords (default: image/encoded) or column of Parquet (default: the "
        "only one with pictures) that holds the encoded pictures; of members of tar and zip what "
        "follows the first dot of their names, such as jpg, or several: jpg;png",
    )
    data.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        help=f"of the predictions (default: {LabelOptions.format})",
    )
    return data


def add_network(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say which network looks at pictures, and how."""
    network = parser.add_argument_group("network")
    network.add_argument(
        "--model",
        metavar="MODEL",
        help="name, path, gs:// or https:// of a quantized MobileNet V1, or the folder of a "
        f"TensorFlow 2 SavedModel (default: {LabelOptions.model})",
    )
    network.add_argument("--sha256", metavar="HEX", help="the hash that the model must have")
    network.add_argument(
        "--preprocess",
        choices=METHODS,
        help="eval: central square, as the network was measured; slim: central part, aspect not "
        "kept; stretch: whole picture; stretch-nearest: the same without a filter (default: "
        f"{LabelOptions.preprocess})",
    )
    network.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help=f"classes a prediction names (default: {LabelOptions.top_k})",
    )
    network.add_argument(
        "--views",
        type=int,
        choices=VIEWS,
        help="looks at each picture: 1; 2, at its mirror image too; or 4, at both in two crops; "
        "more of them cost inference, not decoding, and label better (default: "
        f"{LabelOptions.views})",
    )
    network.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="divides the logits, so that scores mean what they say; quantlabel evaluate finds "
        f"it (default: {LabelOptions.temperature:g})",
    )
    network.add_argument(
        "--kernel",
        choices=KERNELS,
        help="what decodes JPEG and runs the network: the compiled kernel, if it is installed; the "
        "packages in Python; or auto, the faster of them that can. The rows are the same (default: "
        f"{LabelOptions.kernel})",
    )


def add_limits(parser: argparse.ArgumentParser) -> Any:
    """Adds the limits of a picture; returns their group for more."""
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help=f"pictures with more pixels are failures (default: {LabelOptions.max_pixels:,})",
    )
    limits.add_argument(
        "--max-bytes",
        type=int,
        metavar="N",
        help=f"files with more bytes are failures (default: {LabelOptions.max_bytes:,})",
    )
    return limits


def label_options(arguments: argparse.Namespace, **values: str) -> LabelOptions:
    """A flag that was not given is absent here: its default stands in LabelOptions alone."""
    # Flags of other commands, and what argparse adds, have no field and fall away.
    given = {**values, **vars(arguments), "inputs": tuple(arguments.inputs)}
    names = {field.name for field in dataclasses.fields(LabelOptions)} & given.keys()
    return LabelOptions(**{name: given[name] for name in names})
