"""The command `quantlabel`: parse, call, exit status. Heavy modules load when they are needed."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from transforms._version import VERSION
from transforms.errors import UsageError, UserError

if TYPE_CHECKING:
    from pipeline.options import LabelOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; those of this process if None.

    Returns:
        0 done; 1 the run failed; 2 wrong usage; 130 interrupted.
    """
    arguments, others = _parser().parse_known_args(argv)
    arguments.beam_args = tuple(others)
    _set_verbosity(arguments.verbose)
    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        if others and not arguments.takes_beam_flags:
            raise UsageError(f"{others[0]}: not known to this command; see --help")
        command(arguments)
    except UserError as error:
        if arguments.verbose:
            logging.getLogger("quantlabel").exception("traceback of the error below")
        print(f"quantlabel: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("quantlabel: interrupted; no finished run was written", file=sys.stderr)
        return 130
    return 0


def _set_verbosity(verbose: bool) -> None:
    """Without --verbose nothing but this program itself writes on the terminal."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        return
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    warnings.simplefilter("ignore")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="quantlabel",
        description="Labels and feature vectors for image collections of any size.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"quantlabel {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_label(commands)
    _add_plan(commands)
    _add_model(commands)
    return parser


def _add_command(
    commands: Any,
    name: str,
    command: Callable[[argparse.Namespace], None],
    *,
    takes_beam_flags: bool = False,
    **texts: Any,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **texts,
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=False,
        help="show log messages, and tracebacks of errors",
    )
    parser.set_defaults(command=command, takes_beam_flags=takes_beam_flags)
    return parser


def _add_label(commands: Any) -> None:
    parser = _add_command(
        commands,
        "label",
        _label,
        takes_beam_flags=True,
        argument_default=argparse.SUPPRESS,
        help="label pictures and write one row for each",
        description="Reads pictures, runs the network once over each and writes one row for each:\n"
        "a prediction (classes, scores, feature vector) or a failure (stage, reason).",
        epilog="examples:\n"
        "  quantlabel label --input photos --output labels\n"
        "  quantlabel label --input 'photos/**/*.jpg' --input more.csv --output labels\n"
        "  quantlabel label --input photos --output labels --direct_num_workers=2 \\\n"
        "      --direct_running_mode=multi_processing",
    )
    data = _add_data(parser)
    data.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="where the rows, the manifest and _SUCCESS go",
    )
    data.add_argument(
        "--overwrite", action="store_true", help="replace a finished run in the output folder"
    )
    limits = _add_network_and_limits(parser)
    limits.add_argument(
        "--max-failure-rate",
        type=float,
        metavar="R",
        help="the run fails if a larger share of the pictures does, 0 to 1 (default: 1)",
    )
    parser.add_argument_group("terminal").add_argument(
        "--quiet", action="store_true", default=False, help="no progress and no summary"
    )
    runner = parser.add_argument_group(
        "Apache Beam", "Flags that are not listed here go to Beam, --name=value each."
    )
    runner.add_argument(
        "--runner",
        metavar="NAME",
        help="default: DirectRunner, this machine",
    )


def _add_data(parser: argparse.ArgumentParser) -> Any:
    data = parser.add_argument_group("data")
    data.add_argument(
        "--input",
        dest="inputs",
        action="append",
        required=True,
        metavar="PATH",
        help="folder (searched for pictures, sub-folders included), glob in quotes (** included), "
        "manifest (.txt, .csv, .jsonl or .parquet with a column uri) or picture; repeatable",
    )
    data.add_argument(
        "--format",
        metavar="NAME",
        help="parquet (default), tfrecord, tfrecord.gz or jsonl",
    )
    return data


def _add_network_and_limits(parser: argparse.ArgumentParser) -> Any:
    network = parser.add_argument_group("network")
    network.add_argument(
        "--model",
        metavar="MODEL",
        help="name, path, gs:// or https:// of a quantized MobileNet V1 "
        "(default: mobilenet_v1_0.25_128_quant)",
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


def _label_options(arguments: argparse.Namespace, **values: str) -> LabelOptions:
    """A flag that was not given is absent here: its default stands in LabelOptions alone."""
    from pipeline.options import LabelOptions

    given = {**values, **vars(arguments), "inputs": tuple(arguments.inputs)}
    names = {field.name for field in dataclasses.fields(LabelOptions)} & given.keys()
    return LabelOptions(**{name: given[name] for name in names})


def _label(arguments: argparse.Namespace) -> None:
    options = _label_options(arguments)
    from rich.console import Console

    from pipeline.launch import label
    from pipeline.summary import print_summary
    from pipeline.terminal import only_ours

    with only_ours(verbose=arguments.verbose) as stderr:
        manifest = label(options, console=None if arguments.quiet else Console(file=stderr))
    if not arguments.quiet:
        print_summary(manifest, folder=options.output, console=Console())


def _add_plan(commands: Any) -> None:
    parser = _add_command(
        commands,
        "plan",
        _plan,
        argument_default=argparse.SUPPRESS,
        help="say what a run would find, take and cost, without running it",
        description="Lists the inputs, tries up to 200 of the pictures on this machine and adds\n"
        "up: failures to expect, time here, size of the output, and what Dataflow would cost.",
        epilog="example:\n  quantlabel plan --input photos --price 0.06",
    )
    _add_data(parser)
    _add_network_and_limits(parser)
    parser.add_argument(
        "--price",
        type=float,
        metavar="P",
        help="of a vCPU-hour, in any currency (default: 0.056, Dataflow batch in us-central1 in "
        "US dollars when this was written)",
    )
    parser.add_argument("--json", action="store_true", default=False, help="for programs")


def _plan(arguments: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from pipeline.plan import PlanOptions, plan, print_plan
    from pipeline.terminal import only_ours

    price = {"price": arguments.price} if hasattr(arguments, "price") else {}
    # A plan writes nothing; the folder is only named because a run must name one.
    options = PlanOptions(label=_label_options(arguments, output="unused"), **price)
    with only_ours(verbose=arguments.verbose):
        found = plan(options)
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        print_plan(found, console=Console())


def _add_model(commands: Any) -> None:
    parser = commands.add_parser(
        "model", allow_abbrev=False, help="fetch, describe or make a model"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    fetch = _add_command(
        actions, "fetch", _model_fetch, help="download a model into the cache, verified"
    )
    info = _add_command(actions, "info", _model_info, help="describe a model")
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
    stand_in = _add_command(
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
