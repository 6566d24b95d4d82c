"""`quantlabel duplicates`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_number, add_run
from pipeline.explore.options import DuplicatesOptions


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "duplicates",
        _duplicates,
        help="group identical and near-identical pictures of a finished run",
        description="Groups pictures with the same bytes, and pictures whose feature vectors are\n"
        "close: copies at another size or quality, slight crops, mirror images.\n"
        "Writes DIR/__duplicates/groups.parquet and leaves everything else in DIR as it is.\n"
        "Needs the extra `analysis`.",
        epilog="examples:\n"
        "  quantlabel duplicates labels\n"
        "  quantlabel duplicates labels --threshold 0.98 --json",
    )
    add_run(parser)
    add_json(parser)
    alike = "cosine from which on two pictures are alike"
    add_number(parser, "--threshold", DuplicatesOptions.threshold, metavar="C", help=alike)


def _duplicates(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.extras import require

    require("faiss", "scipy", extra="analysis", command="duplicates")
    from pipeline.console.terminal import progress_console
    from pipeline.explore.duplicates import duplicates, print_duplicates

    options = DuplicatesOptions(folder=arguments.folder, threshold=arguments.threshold)
    with progress_console().status("Comparing feature vectors ..."):
        summary, table = duplicates(options)
    return Answer(
        summary,
        lambda console: print_duplicates(summary, table, folder=options.folder, console=console),
    )
