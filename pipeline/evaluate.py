"""`quantlabel evaluate`: a finished run against the truth, as tables, as JSON and as a file."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from rich.console import Console
from rich.progress import Progress

from pipeline import run_folder
from pipeline.evaluation import COLUMNS, Evaluation
from pipeline.finished import FinishedRun, open_run
from pipeline.truth import FOLDERS, NetworkClasses, load_truth
from transforms import storage
from transforms._version import VERSION
from transforms.errors import UsageError, UserError

FILE = "evaluation/evaluation.json"
"""In the folder of the run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What is compared.

    Attributes:
        folder: of a finished run.
        truth: `folders`, or the path of a table, see `pipeline.truth.TableTruth`.

    Raises:
        UsageError: one of them is empty.
    """

    folder: str
    truth: str

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        if not self.folder:
            raise UsageError("DIR: expected the output folder of a run, found ''")
        if not self.truth:
            raise UsageError(f"--truth: expected a table or {FOLDERS}, found ''")


def evaluate(options: EvaluateOptions, *, console: Console) -> dict[str, Any]:
    """Evaluates a run and writes `FILE` into its folder.

    Args:
        options: what is compared.
        console: where progress is shown.

    Returns:
        What was written, see docs/evaluation.md.

    Raises:
        UserError: there is no finished run, the truth cannot be read or says nothing of the run.
    """
    run = open_run(options.folder)
    evaluation = Evaluation(
        load_truth(options.truth, NetworkClasses()),
        temperature=run.manifest["options"].get("temperature", 1.0),
    )
    _read(run, evaluation, console=console)
    figures = evaluation.result()
    if figures is None:
        raise UserError(
            f"--truth {options.truth}: says nothing of any picture of the run, the first of which "
            f"is {evaluation.without_truth[0]}. {_HELP[options.truth == FOLDERS]}"
        )
    result = {
        "version": VERSION,
        "evaluated": run_folder.now(),
        "truth": options.truth,
        "run": {name: run.manifest[name] for name in ("started", "model", "preprocess")},
        **figures,
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    storage.write_bytes(storage.join(options.folder, FILE), f"{text}\n".encode())
    return result


_HELP = {
    True: "Expected pictures in folders called like their class: 283, n02123159 or tiger_cat.",
    False: "Expected its column uri or file to name pictures as the rows of the run do.",
}


def _read(run: FinishedRun, evaluation: Evaluation, *, console: Console) -> None:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("rows", total=run.manifest["inputs"])
        for table in run.predictions(columns=COLUMNS):
            evaluation.add_predictions(table)
            progress.advance(task, table.num_rows)
        for table in run.failures():
            evaluation.add_failures(table)
            progress.advance(task, table.num_rows)
