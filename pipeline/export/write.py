"""`quantlabel export`: a finished run to `export/FORMAT/` inside its folder."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from rich.console import Console

from pipeline.console.checks import require, require_run
from pipeline.export.coco import write_coco
from pipeline.export.csv_table import write_csv
from pipeline.export.fiftyone import write_fiftyone
from pipeline.export.huggingface import write_huggingface
from pipeline.export.image_folder import write_image_folder
from pipeline.export.label_studio import write_label_studio
from pipeline.export.ledger import write_ledger
from pipeline.export.source import Counts, Source, open_source
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.ledger import now
from transforms._version import VERSION
from transforms.storage import files

FORMATS: Mapping[str, Callable[[Source, str], Counts]] = {
    "label-studio": write_label_studio,
    "fiftyone": write_fiftyone,
    "huggingface": write_huggingface,
    "coco-classification": write_coco,
    "csv": write_csv,
    "imagefolder": write_image_folder,
    "ledger": write_ledger,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export.

    Attributes:
        folder: of a finished run, local or remote.
        to: one of `FORMATS`.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    to: str

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.to in FORMATS, "--to", f"one of {', '.join(FORMATS)}", self.to)


def export(options: ExportOptions, *, console: Console | None = None) -> dict[str, Any]:
    """Exports a run, in place of an earlier export to the same format.

    Args:
        options: what.
        console: where a sign of life goes, or None for none.

    Returns:
        What `export/FORMAT.json` says: it is written last, so an export without it is not whole.

    Raises:
        UserError: no run has finished there, its rows cannot be read, or the format cannot be
            written there.
    """
    run = open_run(options.folder)
    folder = files.join(run.folder, f"export/{options.to}")
    ledger = f"{folder}.json"
    files.delete([ledger])
    files.delete_tree(folder)
    with _sign_of_life(options, console):
        counts = FORMATS[options.to](open_source(run), folder)
    summary = {
        "format": options.to,
        "folder": folder,
        **dataclasses.asdict(counts),
        "version": VERSION,
        "exported": now(),
        "run": run.manifest.cited(),
    }
    files.write_bytes(ledger, orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    return summary


def _sign_of_life(
    options: ExportOptions, console: Console | None
) -> contextlib.AbstractContextManager[Any]:
    if console is None:
        return contextlib.nullcontext()
    return console.status(f"writing {options.to}")


def print_export(summary: Mapping[str, Any], *, console: Console) -> None:
    """Says what was written where, and what was not."""
    console.print(f"{summary['rows']:,} pictures exported to {summary['format']}", markup=False)
    if summary["left_out"]:
        console.print(
            f"{summary['left_out']:,} left out: {_CANNOT_OPEN[summary['format']]}", markup=False
        )
    console.print(summary["folder"], markup=False, soft_wrap=True)


_INSIDE_ARCHIVES = "they are inside archives, where it cannot look"
_NOT_FILES = "they are not files of this machine, or are inside archives"
_CANNOT_OPEN = {
    "label-studio": _INSIDE_ARCHIVES,
    "fiftyone": f"{_NOT_FILES}, or do not have the extension of a picture",
    "imagefolder": f"{_NOT_FILES}, or have no label of the label map",
    "ledger": "they were skipped, and are inside archives or gone",
}
