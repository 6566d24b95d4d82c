"""The command `quantlabel`: parse, call, exit status. Heavy modules load when they are needed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence

from pipeline.console.parser import Parser
from pipeline.evaluate import command as evaluate
from pipeline.explore import duplicates_command, review_command, search_command
from pipeline.export import command as export
from pipeline.heads import command as head
from pipeline.labels import command as labels
from pipeline.models import command as model
from pipeline.report import command as report
from pipeline.run import label_command, plan_command
from pipeline.verify import command as verify
from transforms._version import VERSION
from transforms.errors import UsageError, UserError

_COMMANDS = (
    label_command,
    plan_command,
    verify,
    report,
    evaluate,
    head,
    duplicates_command,
    search_command,
    review_command,
    export,
    labels,
    model,
)
"""In the order in which `--help` shows them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; those of this process if None.

    Returns:
        0 done; 1 the run failed; 2 wrong usage; 130 interrupted.
    """
    try:
        arguments, others = _parser().parse_known_args(argv)
    except UsageError as error:
        print(f"quantlabel: {error}", file=sys.stderr)
        return error.exit_status
    arguments.beam_args = tuple(others)
    arguments.owns_process = argv is None
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
    except KeyboardInterrupt as interrupt:
        print(f"quantlabel: interrupted; {interrupt or 'nothing was finished'}", file=sys.stderr)
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
    parser = Parser(
        prog="quantlabel",
        description="Labels and feature vectors for image collections of any size.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"quantlabel {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser
