"""`quantlabel export`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_run, add_uris
from pipeline.export.targets import TARGETS
from pipeline.labels.options import add_flags, add_labels


def add(commands: Any) -> None:
    width = max(map(len, TARGETS))
    parser = add_command(
        commands,
        "export",
        _export,
        help="write a finished run as files that other tools open",
        description="Writes DIR/__export/FORMAT/ and leaves everything else in DIR as it is:\n"
        + "\n".join(f"  {name:<{width}}  {each.summary}" for name, each in TARGETS.items()),
        epilog="example:\n  quantlabel export labels --to label-studio",
    )
    add_run(parser)
    add_json(parser)
    parser.add_argument("--to", required=True, metavar="FORMAT", help="one of those above")
    add_uris(parser)
    add_flags(parser)
    parser.add_argument(
        "--copy-pictures",
        action="store_true",
        help="write members of archives out as files, for tools that cannot look into archives",
    )
    add_labels(parser)


def _export(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours, progress_console
    from pipeline.export.write import ExportOptions, export, print_export

    options = ExportOptions(
        folder=arguments.folder,
        to=arguments.to,
        uris=arguments.uris,
        copy_pictures=arguments.copy_pictures,
        labels=arguments.labels,
        flags=tuple(arguments.flag),
    )
    with only_ours(verbose=arguments.verbose) as stderr:
        summary = export(options, console=progress_console(stderr))
    return Answer(summary, lambda console: print_export(summary, console=console))
