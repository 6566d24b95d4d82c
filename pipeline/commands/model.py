"""`quantlabel model ...`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.commands.parser import add_command


def add(commands: Any) -> None:
    """Adds the command and its actions."""
    parser = commands.add_parser(
        "model", allow_abbrev=False, help="fetch, describe or make a model"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    fetch = add_command(
        actions, "fetch", _model_fetch, help="download a model into the cache, verified"
    )
    info = add_command(actions, "info", _model_info, help="describe a model")
    for action in (fetch, info):
        action.add_argument(
            "model",
            nargs="?",
            default="mobilenet_v1_0.25_128_quant",
            metavar="MODEL",
            help="name, path, gs:// or https:// (default: %(default)s)",
        )
        action.add_argument("--sha256", metavar="HEX", help="the hash that the model must have")
    info.add_argument("--json", action="store_true", help="for programs")
    stand_in = add_command(
        actions,
        "stand-in",
        _model_stand_in,
        help="write a model with random weights, for tests and trials",
        description="Writes a valid quantized MobileNet V1 whose labels mean nothing.",
    )
    stand_in.add_argument("--output", required=True, metavar="FILE", help="the tflite to write")
    stand_in.add_argument(
        "--multiplier", type=float, default=0.25, help="0.25 (default), 0.5, 0.75 or 1.0"
    )
    stand_in.add_argument("--size", type=int, default=128, help="128 (default), 160, 192 or 224")
    stand_in.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")


def _model_fetch(arguments: argparse.Namespace) -> None:
    from pipeline.model_commands import fetch

    fetch(arguments.model, sha256=arguments.sha256)


def _model_info(arguments: argparse.Namespace) -> None:
    from pipeline.model_commands import info

    info(arguments.model, sha256=arguments.sha256, as_json=arguments.json)


def _model_stand_in(arguments: argparse.Namespace) -> None:
    from pipeline.model_commands import write_stand_in

    write_stand_in(
        arguments.output,
        multiplier=arguments.multiplier,
        size=arguments.size,
        seed=arguments.seed,
    )
