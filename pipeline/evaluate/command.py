"""`quantlabel evaluate`."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.console.parser import Answer, add_command, add_json, add_run
from pipeline.labels.options import add_labels, add_truth


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "evaluate",
        _evaluate,
        help="compare a finished run with the truth",
        description="Says how far the labels of a finished run can be trusted: accuracy with its\n"
        "confidence interval, precision and recall of each class, what is confused with what,\n"
        "whether scores mean what they say, and what a threshold on the score would leave.\n"
        "Writes DIR/__evaluation/evaluation.json and leaves everything else in DIR as it is.",
        epilog="examples:\n"
        "  quantlabel evaluate labels --truth truth.csv\n"
        "  quantlabel evaluate labels --truth folders\n"
        "  quantlabel evaluate labels --truth round-1.json --truth round-2.json\n"
        "  quantlabel evaluate labels --truth mine.csv --labels head",
    )
    add_run(parser)
    add_json(parser)
    add_truth(
        parser,
        says=".csv, .jsonl or .parquet with a column uri or file and one of class_id, synset and "
        "label; or what Label Studio, CVAT or FiftyOne exports; several count together; or the "
        "word folders, if each picture lies in a folder called like its class",
    )
    add_labels(
        parser,
        default="network, or mapped where the truth's labels are those of the run's map",
    )


def _evaluate(arguments: argparse.Namespace) -> Answer:
    from pipeline.console.terminal import progress_console
    from pipeline.evaluate.evaluate import EvaluateOptions, evaluate
    from pipeline.evaluate.tables import print_evaluation
    from transforms.rows.names import EVALUATION_FILE
    from transforms.storage import files

    options = EvaluateOptions(
        folder=arguments.folder,
        truth=arguments.truth,
        truth_column=arguments.truth_column,
        disagreement=arguments.disagreement,
        labels=arguments.labels,
    )
    result = evaluate(options, console=progress_console())
    path = files.join(arguments.folder, EVALUATION_FILE)
    return Answer(result, lambda console: print_evaluation(result, path=path, console=console))
