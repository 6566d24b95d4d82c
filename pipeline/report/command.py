"""`quantlabel report`."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from pipeline.console.parser import Answer, add_command, add_number, add_run, add_uris
from pipeline.labels.options import add_labels
from pipeline.report.options import ReportOptions


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "report",
        _report,
        help="make a page that shows what is in a finished run",
        description="Writes DIR/__report/index.html: one file that opens from disk and needs no\n"
        "network. Pictures, labels and scores that filter each other, with the extra `analysis`\n"
        "a map of them too; accuracy, duplicates, sizes, failures and the identity of the model.\n"
        "Thumbnails are made from the pictures where they still are; nothing else in DIR is\n"
        "touched.",
        epilog="example:\n  quantlabel report labels --no-paths",
    )
    add_run(parser)
    most = "thumbnails at most, 8 kB of the page each; fewer if it would exceed 15 MB"
    add_number(parser, "--max-pictures", ReportOptions.max_pictures, metavar="N", help=most)
    parser.add_argument(
        "--no-paths",
        action="store_true",
        default=not ReportOptions.paths,
        help="for other people's eyes: of pictures only file names, no other path, no messages",
    )
    add_uris(parser)
    add_labels(parser)


def _report(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours, progress_console
    from pipeline.report.write import print_report, report

    options = ReportOptions(
        folder=arguments.folder,
        max_pictures=arguments.max_pictures,
        labels=arguments.labels,
        uris=arguments.uris,
        paths=not arguments.no_paths,
    )
    with only_ours(verbose=arguments.verbose) as stderr:
        written = report(options, console=progress_console(stderr))
    return Answer(
        dataclasses.asdict(written), lambda console: print_report(written, console=console)
    )
