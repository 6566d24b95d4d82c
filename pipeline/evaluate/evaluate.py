"""`quantlabel evaluate`: a finished run against the truth, as tables, as JSON and as a file."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from rich.console import Console

from pipeline.console.checks import require_run
from pipeline.console.progress_bar import tracked
from pipeline.evaluate.counts import Evaluation
from pipeline.evaluate.given_labels import Labels, labels_of
from pipeline.labels.options import LabelKind, TruthOptions, require_labels
from pipeline.labels.truth import FOLDERS, load_truth
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.manifest import now
from transforms._version import VERSION
from transforms.errors import UserError
from transforms.rows.marker import mark_files
from transforms.rows.names import EVALUATION_FILE
from transforms.storage import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(TruthOptions):
    """What is compared; the truth as in `TruthOptions`.

    Attributes:
        folder: of a finished run.
        labels: which labels of the run; None for those that the truth speaks of.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    labels: LabelKind | None = None

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        super().__post_init__()
        require_labels(self.labels)


def evaluate(options: EvaluateOptions, *, console: Console) -> dict[str, Any]:
    """Evaluates a run and writes `EVALUATION_FILE` into its folder.

    Args:
        options: what is compared.
        console: where progress is shown.

    Returns:
        What was written, see docs/commands/evaluate.md.

    Raises:
        UserError: there is no finished run or it has no such labels, the truth cannot be read, says
            nothing of the run or leaves open which labels it means.
    """
    run = open_run(options.folder)
    labels = labels_of(run, options.labels, truth=options)
    evaluation = Evaluation(
        load_truth(options, labels.vocabulary),
        labels,
        temperature=run.manifest.options.temperature,
    )
    counts = run.manifest
    predictions, failures = labels.tables(), run.failures()
    for table in tracked(
        predictions, "predictions", total=counts.predictions, size=len, console=console
    ):
        evaluation.add_predictions(table)
    for table in tracked(failures, "failures", total=counts.failures, size=len, console=console):
        evaluation.add_failures(table)
    figures = evaluation.result()
    if figures is None:
        raise UserError(
            f"--truth {options.named}: says nothing of any picture of the run, the first of which "
            f"is {evaluation.without_truth[0]}. {_help(options, labels)}"
        )
    result = {
        "version": VERSION,
        "evaluated": now(),
        "truth": options.named,
        "fitted_on": labels.fitted_on,
        "run": run.manifest.cited(),
        **figures,
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    # So that a later run with this folder among its inputs takes the file for no picture.
    mark_files(options.folder, EVALUATION_FILE, command="evaluate")
    files.write_bytes(files.join(options.folder, EVALUATION_FILE), f"{text}\n".encode())
    return result


def _help(truth: TruthOptions, labels: Labels) -> str:
    if FOLDERS not in truth.truths:
        return "Expected its column uri or file to name pictures as the rows of the run do."
    if labels.ranked:
        return "Expected pictures in folders called like their class: 283, n02123159 or tiger_cat."
    return f"Expected pictures in folders called like their label, such as {labels.values[0]}."
