"""`quantlabel verify`."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_number, add_run
from pipeline.verify.options import VerifyOptions


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "verify",
        _verify,
        help="hold a finished run against what it says of itself",
        description="Checks that every file of the manifest is there, unchanged and complete, that "
        "nobody edited\nthe manifest, that every input has one row and every row is sound. Lists "
        "the inputs again: what has\nno row, and has not changed since before the run, is missing. "
        "Labels some of the pictures again:\ntheir rows must come out the same, bit for bit. "
        "Changes nothing.",
        epilog="examples:\n  quantlabel verify labels\n"
        "  quantlabel verify labels --sample 0 --json\n"
        "\nexit status: 0 all is well; 1 something is wrong, and the list says what",
    )
    add_run(parser)
    add_json(parser)
    again = "pictures to label again and compare, where they still are"
    add_number(parser, "--sample", VerifyOptions.sample, metavar="N", help=again)
    parser.add_argument(
        "--no-inputs",
        dest="inputs",
        action="store_false",
        help="do not list the inputs again (archives are read whole for it)",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where the model is now (default: where the run found it)",
    )


def _verify(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours
    from pipeline.verify.verify import print_checks, verify

    options = VerifyOptions(
        folder=arguments.folder,
        sample=arguments.sample,
        inputs=arguments.inputs,
        model=arguments.model,
    )
    with only_ours(verbose=arguments.verbose):
        checks = verify(options)
    wrong = sum(check.count for check in checks)
    found = [dataclasses.asdict(check) for check in checks]
    things = "thing is" if wrong == 1 else "things are"
    return Answer(
        {"folder": options.folder, "wrong": wrong, "checks": found},
        lambda console: print_checks(checks, console=console),
        error=f"{options.folder}: {wrong:,} {things} wrong" if wrong else None,
    )
