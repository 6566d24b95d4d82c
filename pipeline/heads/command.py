"""`quantlabel head ...`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_group, add_json, add_run
from pipeline.labels.options import add_truth
from pipeline.run.runners.options import RunnerOptions


def add(commands: Any) -> None:
    actions = add_group(
        commands, "head", help="teach labels of your own, and label a run with them"
    )
    _add_fit(actions)
    _add_apply(actions)


def _add_fit(actions: Any) -> None:
    parser = add_command(
        actions,
        "fit",
        _fit,
        help="learn labels from some pictures of a finished run",
        description="Fits a linear classifier on the stored feature vectors of the pictures that\n"
        "the truth names, some twenty to ten thousand. Says how good it is by cross-validation.\n"
        "Needs the extra `analysis`.",
        epilog="example:\n  quantlabel head fit labels --truth mine.csv",
    )
    add_truth(
        parser,
        says=".csv, .jsonl or .parquet with a column uri or file and a column label; or what Label "
        "Studio, CVAT or FiftyOne exports; several count together; or the word folders, if each "
        "picture lies in a folder called like its label",
    )
    parser.add_argument(
        "--none-of-these",
        action="store_true",
        help="learn `none of these` as a label of its own; else such pictures are left out",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where the head goes (default: DIR/__head/head.npz)"
    )
    add_run(parser)
    add_json(parser)


def _add_apply(actions: Any) -> None:
    parser = add_command(
        actions,
        "apply",
        _apply,
        help="label all rows of a finished run with a head",
        takes_beam_flags=True,
        description="Writes DIR/__head/predictions-*.parquet: uri, label, score, the best five.\n"
        "Reads the stored feature vectors and no picture. Flags that are not listed here go to\n"
        "Apache Beam, --name=value each.",
        epilog="examples:\n"
        "  quantlabel head apply labels\n"
        "  quantlabel head apply labels --direct_num_workers=2 \\\n"
        "      --direct_running_mode=multi_processing",
    )
    parser.add_argument("--head", metavar="FILE", help="default: DIR/__head/head.npz")
    parser.add_argument(
        "--runner",
        metavar="NAME",
        default=RunnerOptions.runner,
        help="default: %(default)s, this machine",
    )
    parser.add_argument(
        "--allow-image",
        action="store_true",
        help="take a --sdk_container_image whose name does not say which Python and Beam are in it",
    )
    add_run(parser)
    add_json(parser)


def _fit(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.extras import require

    require("sklearn", extra="analysis", command="head fit")
    from pipeline.console.terminal import progress_console
    from pipeline.heads.fit import FitOptions, fit
    from pipeline.heads.tables import print_fit

    options = FitOptions(
        folder=arguments.folder,
        truth=arguments.truth,
        truth_column=arguments.truth_column,
        disagreement=arguments.disagreement,
        none_of_these=arguments.none_of_these,
        output=arguments.output,
    )
    about = fit(options, console=progress_console())
    return Answer(
        {"head": options.path, **about},
        lambda console: print_fit(about, path=options.path, console=console),
    )


def _apply(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import only_ours, progress_console
    from pipeline.heads.apply import ApplyOptions, apply
    from pipeline.heads.tables import print_apply
    from transforms.rows.names import HEAD_FOLDER
    from transforms.storage import files

    options = ApplyOptions(
        folder=arguments.folder,
        head=arguments.head,
        runner=arguments.runner,
        beam_args=arguments.beam_args,
        allow_image=arguments.allow_image,
    )
    with only_ours(verbose=arguments.verbose) as stderr:
        manifest = apply(options, console=None if arguments.json else progress_console(stderr))
    if manifest is None:  # a template for Dataflow was written
        return Answer(None)
    folder = files.join(options.folder, HEAD_FOLDER)
    return Answer(manifest, lambda console: print_apply(manifest, folder=folder, console=console))
