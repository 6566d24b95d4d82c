"""How a command is defined: its parser, and what several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_command(
    commands: Any,
    name: str,
    command: Callable[[argparse.Namespace], None],
    *,
    takes_beam_flags: bool = False,
    **texts: Any,
) -> argparse.ArgumentParser:
    """Adds a command with the flags that all of them have.

    Args:
        commands: what `add_subparsers` returned.
        name: what the user types.
        command: carries it out; imports what is heavy only then, so that `--help` stays quick.
        takes_beam_flags: whether flags that it does not know are Beam's rather than a mistake.
        texts: help, description and whatever else `add_parser` takes.
    """
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
