"""`quantlabel evaluate`: a finished run against the truth, as tables, as JSON and as a file."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console

from pipeline.console.checks import require_run
from pipeline.console.progress_bar import tracked
from pipeline.evaluate.counts import PICTURES, Evaluation
from pipeline.evaluate.given_labels import Labels, labels_of
from pipeline.labels.options import LabelKind, TruthOptions, require_labels
from pipeline.labels.truth import FOLDERS, load_truth
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.manifest import now
from transforms._version import VERSION
from transforms.errors import UserError
from transforms.inputs.archives.parquet import VERSION_KEY
from transforms.rows.marker import mark_files
from transforms.rows.names import EVALUATED_FILE, EVALUATION_FILE
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
    """Evaluates a run and writes `EVALUATION_FILE` and `EVALUATED_FILE` into its folder.

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
    # Not in the run's folder until it is known that there is a truth of its pictures.
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as pictures:
        schema = PICTURES.with_metadata({VERSION_KEY: counts.version})
        with pq.ParquetWriter(pictures, schema, compression="zstd") as writer:
            for table in tracked(
                predictions, "predictions", total=counts.predictions, size=len, console=console
            ):
                writer.write_table(evaluation.add_predictions(table).cast(schema))
        for table in tracked(
            failures, "failures", total=counts.failures, size=len, console=console
        ):
            evaluation.add_failures(table)
        figures = evaluation.result()
        if figures is None:
            raise UserError(
                f"--truth {options.named}: {_says_nothing(evaluation, options, labels)}"
            )
        # So that a later run with this folder among its inputs takes the files for no pictures.
        mark_files(options.folder, EVALUATION_FILE, EVALUATED_FILE, command="evaluate")
        pictures.seek(0)
        with files.create(files.join(options.folder, EVALUATED_FILE)) as file:
            shutil.copyfileobj(pictures, file)
    result = {
        "version": VERSION,
        "evaluated": now(),
        "truth": options.named,
        "fitted_on": labels.fitted_on,
        "run": run.manifest.cited(),
        **figures,
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    files.write_bytes(files.join(options.folder, EVALUATION_FILE), f"{text}\n".encode())
    return result


_IN_MEMORY = 64 << 20
"""Bytes of the table of pictures, some ten for each, from which on it is a file."""


def _says_nothing(evaluation: Evaluation, truth: TruthOptions, labels: Labels) -> str:
    if not evaluation.left_out:
        return (
            "says nothing of any picture of the run, the first of which is "
            f"{evaluation.without_truth[0]}. {_help(truth, labels)}"
        )
    if truth.disagreement == "majority":
        return "nothing is left: people skipped the pictures, or no label of them has a majority."
    return (
        "nothing is left: people skipped the pictures, or differ over them. --disagreement "
        "majority takes what most of them say."
    )


def _help(truth: TruthOptions, labels: Labels) -> str:
    if FOLDERS not in truth.truths:
        return "Expected its column uri or file to name pictures as the rows of the run do."
    if labels.ranked:
        return "Expected pictures in folders called like their class: 283, n02123159 or tiger_cat."
    return f"Expected pictures in folders called like their label, such as {labels.values[0]}."
