"""`quantlabel view`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.console.parser import Answer, add_command, add_number, add_run, add_uris
from pipeline.labels.options import add_labels
from pipeline.report.options import ReportOptions
from pipeline.view.options import ViewOptions

if TYPE_CHECKING:
    from rich.console import Console


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "view",
        _view,
        help="show the page of a finished run with all pictures in full size",
        description="Serves the page of `quantlabel report` to the browsers of this machine until\n"
        "Ctrl-C: pictures in full size, a search by a picture of yours, and selections that are\n"
        "kept in DIR/__selections as input lists. Nothing else is written. Who has the address\n"
        "that is printed can look, nobody else.",
        epilog="example:\n  quantlabel view labels --open",
    )
    add_run(parser)
    port = "of 127.0.0.1, where the page is; 0 takes one that is free"
    add_number(parser, "--port", ViewOptions.port, metavar="PORT", help=port)
    parser.add_argument(
        "--open", action="store_true", default=ViewOptions.open, help="open the page in the browser"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where the model is now, for a search (default: where the run found it)",
    )
    add_uris(parser)
    add_labels(parser)


def _view(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours, progress_console
    from pipeline.report.write import gather
    from pipeline.view.view import view

    options = ViewOptions(
        folder=arguments.folder,
        port=arguments.port,
        open=arguments.open,
        model=arguments.model,
    )
    shown = ReportOptions(folder=arguments.folder, labels=arguments.labels, uris=arguments.uris)
    with only_ours(verbose=arguments.verbose) as stderr:
        notes = progress_console(stderr)
        gathered = gather(shown, console=notes)
        saved = view(gathered, options, notes=notes)
    return Answer({"selections": saved}, lambda console: _print_saved(saved, console))


def _print_saved(paths: Sequence[str], console: Console) -> None:
    for path in paths:
        console.print(path, markup=False, soft_wrap=True)
