"""Flags of commands that label pictures, and the options that they become."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.run.options import LabelOptions


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
        "(** included), input list (.txt, .csv, .jsonl or .parquet with a column uri), picture, or "
        "archive of pictures (.tar, .tar.gz, .tgz, .tfrecord, .parquet with bytes); repeatable",
    )
    data.add_argument(
        "--image-key",
        metavar="NAME",
        help="feature of TFRecords (default: image/encoded) or column of Parquet (default: the "
        "only one with bytes) that holds the encoded pictures",
    )
    data.add_argument(
        "--format",
        metavar="NAME",
        help="parquet (default), tfrecord, tfrecord.gz or jsonl",
    )
    return data


def add_network_and_limits(parser: argparse.ArgumentParser) -> Any:
    """Adds the flags of network and limits; returns the latter's group for more."""
    network = parser.add_argument_group("network")
    network.add_argument(
        "--model",
        metavar="MODEL",
        help="name, path, gs:// or https:// of a quantized MobileNet V1, or the folder of a "
        "TensorFlow 2 SavedModel (default: mobilenet_v1_0.25_128_quant)",
    )
    network.add_argument("--sha256", metavar="HEX", help="the hash that the model must have")
    network.add_argument(
        "--preprocess",
        metavar="METHOD",
        help="eval (default: central square, as the network was measured), slim (central part, "
        "aspect not kept), stretch (whole picture) or stretch-nearest",
    )
    network.add_argument(
        "--top-k", type=int, metavar="K", help="classes a prediction names (default: 5)"
    )
    network.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="looks at each picture: 1 (default), 2 (and its mirror image) or 4 (both in two "
        "crops); more of them cost inference, not decoding, and label better",
    )
    network.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="divides the logits, so that scores mean what they say; quantlabel evaluate finds "
        "it (default: 1)",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="pictures with more pixels are failures (default: 100 million)",
    )
    limits.add_argument(
        "--max-bytes",
        type=int,
        metavar="N",
        help="files with more bytes are failures (default: 256 MiB)",
    )
    return limits


def label_options(arguments: argparse.Namespace, **values: str) -> LabelOptions:
    """A flag that was not given is absent here: its default stands in LabelOptions alone."""
    from pipeline.run.options import LabelOptions

    given = {**values, **vars(arguments), "inputs": tuple(arguments.inputs)}
    names = {field.name for field in dataclasses.fields(LabelOptions)} & given.keys()
    return LabelOptions(**{name: given[name] for name in names})
