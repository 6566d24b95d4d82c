"""`quantlabel model ...`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_group, add_json
from pipeline.models.names import DEFAULT
from pipeline.models.tflite.architecture import MULTIPLIERS, SIZES


def add(commands: Any) -> None:
    actions = add_group(commands, "model", help="fetch, describe, convert, compare or make a model")
    fetch = add_command(
        actions, "fetch", _model_fetch, help="download a model into the cache, verified"
    )
    info = add_command(actions, "info", _model_info, help="describe a model")
    for action in (fetch, info):
        action.add_argument(
            "model",
            nargs="?",
            default=DEFAULT,
            metavar="MODEL",
            help="name, path, gs:// or https:// (default: %(default)s)",
        )
        action.add_argument("--sha256", metavar="HEX", help="the hash that the model must have")
    info.add_argument("--classes", metavar="FILE", help="names of its classes, as of label")
    add_json(info)
    _add_export(actions)
    _add_compare(actions)
    stand_in = add_command(
        actions,
        "stand-in",
        _model_stand_in,
        help="write a model with random weights, for tests and trials",
        description="Writes a valid quantized MobileNet V1 whose labels mean nothing.",
    )
    stand_in.add_argument("--output", required=True, metavar="FILE", help="the tflite to write")
    stand_in.add_argument(
        "--multiplier",
        type=float,
        choices=MULTIPLIERS,
        default=MULTIPLIERS[0],
        help="of the numbers of channels (default: %(default)s)",
    )
    stand_in.add_argument(
        "--size",
        type=int,
        choices=SIZES,
        default=SIZES[0],
        help="rows and columns of the input (default: %(default)s)",
    )
    stand_in.add_argument(
        "--seed", type=int, default=0, help="of the weights (default: %(default)s)"
    )


def _add_export(actions: Any) -> None:
    parser = add_command(
        actions,
        "export",
        _model_export,
        help="convert a model to a SavedModel or a tflite",
        description="Converts a quantized tflite, a TF-Slim checkpoint (.ckpt), a TF1-format hub\n"
        "module or a SavedModel: to a TensorFlow 2 SavedModel of the float network with simulated\n"
        "quantization, or to a quantized tflite. Needs the extra tensorflow.",
        epilog="examples:\n"
        f"  quantlabel model export --model {DEFAULT} \\\n"
        "      --to savedmodel --output m\n"
        "  quantlabel model export --model m --to tflite --output m.tflite\n"
        "  quantlabel model export --model float.ckpt --size 128 --to tflite \\\n"
        "      --output f.tflite --post-training photos",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="tflite (name, path, gs:// or https://), checkpoint, or folder of a hub module or a "
        "SavedModel",
    )
    parser.add_argument("--to", required=True, metavar="FORMAT", help="savedmodel or tflite")
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="the folder or the tflite to write"
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="rows and columns of the input, for a checkpoint whose name does not say so",
    )
    parser.add_argument(
        "--input-range",
        metavar="RANGE",
        help="how a SavedModel maps images in [0,1]: byte (default, as the tflite their bytes) "
        "or unit (to [-1,1], as the published module did)",
    )
    parser.add_argument(
        "--post-training",
        metavar="PATH",
        help="quantize a float network by up to 200 pictures of this folder, glob or input list",
    )
    add_json(parser)


def _add_compare(actions: Any) -> None:
    parser = add_command(
        actions,
        "compare",
        _model_compare,
        help="show layer by layer where two models differ",
        description="Runs two models of the same size over pictures. Errors are in quantization\n"
        "steps of the layer; values closer than half a step count as equal. Needs the extra\n"
        "tensorflow.",
    )
    for name in ("a", "b"):
        parser.add_argument(name, metavar=name.upper(), help="as --model of export")
    parser.add_argument(
        "--input", required=True, metavar="PATH", help="pictures, as --input of quantlabel label"
    )
    add_json(parser)


def _model_export(arguments: argparse.Namespace) -> Answer:
    from pipeline.models.actions import export
    from pipeline.models.convert.options import ExportOptions

    options = ExportOptions(
        model=arguments.model,
        to=arguments.to,
        output=arguments.output,
        size=arguments.size,
        input_range=arguments.input_range,
        post_training=arguments.post_training,
    )
    return export(options, verbose=arguments.verbose)


def _model_compare(arguments: argparse.Namespace) -> Answer:
    from pipeline.models.actions import compare

    return compare(arguments.a, arguments.b, source=arguments.input, verbose=arguments.verbose)


def _model_fetch(arguments: argparse.Namespace) -> Answer:
    from pipeline.models.actions import fetch

    return fetch(arguments.model, sha256=arguments.sha256)


def _model_info(arguments: argparse.Namespace) -> Answer:
    from pipeline.models.actions import info
    from pipeline.models.hints import NetworkHints

    return info(
        arguments.model,
        sha256=arguments.sha256,
        hints=NetworkHints(classes=arguments.classes),
        verbose=arguments.verbose,
    )


def _model_stand_in(arguments: argparse.Namespace) -> Answer:
    from pipeline.models.actions import write_stand_in

    return write_stand_in(
        arguments.output,
        multiplier=arguments.multiplier,
        size=arguments.size,
        seed=arguments.seed,
    )
