"""`quantlabel export`: a finished run to `export/FORMAT/` inside its folder."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console

from pipeline.console.checks import require, require_run
from pipeline.export.source import open_source
from pipeline.export.targets import TARGETS
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.ledger import now
from transforms._version import VERSION
from transforms.rows.marker import mark
from transforms.rows.names import EXPORT_FOLDER, UNFINISHED
from transforms.storage import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export.

    Attributes:
        folder: of a finished run, local or remote.
        to: one of `TARGETS`.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    to: str

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.to in TARGETS, "--to", f"one of {', '.join(TARGETS)}", self.to)


def export(options: ExportOptions, *, console: Console | None = None) -> dict[str, Any]:
    """Exports a run, in place of an earlier export to the same format, which stays until then.

    Args:
        options: what.
        console: where a sign of life goes, or None for none.

    Returns:
        What `export/FORMAT.json` says: it is written last, and in a bucket an export without it is
        not whole.

    Raises:
        UserError: no run has finished there, its rows cannot be read, or the format cannot be
            written there.
    """
    run = open_run(options.folder)
    source = open_source(run)
    place = files.join(run.folder, EXPORT_FOLDER)
    folder = files.join(place, options.to)
    ledger = f"{folder}.json"
    staging = files.fresh_folder(place, prefix=f"{UNFINISHED}{options.to}-")
    try:
        doing = f"writing {options.to}"
        with console.status(doing) if console else contextlib.nullcontext():
            counts = TARGETS[options.to].load()(source, staging)
        mark(staging, command="export", entries=files.names(staging))
        # All formats, since others may be there already. Before the old export is gone: a disk
        # that is full must not end what comes after.
        mark(place, command="export", entries=[*TARGETS, *(f"{name}.json" for name in TARGETS)])
        if not files.is_local(place):  # where its files appear one by one
            files.delete([ledger])
        files.replace_tree(staging, folder)
    # An interrupt too: half an export must not stay.
    except BaseException:
        with contextlib.suppress(OSError):  # the disk may be what the export has failed with
            files.delete_tree(staging)
        raise
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


def print_export(summary: Mapping[str, Any], *, console: Console) -> None:
    """Says what was written where, and what was not."""
    console.print(f"{summary['rows']:,} pictures exported to {summary['format']}", markup=False)
    if summary["left_out"]:
        console.print(
            f"{summary['left_out']:,} left out: {TARGETS[summary['format']].left_out}", markup=False
        )
    console.print(summary["folder"], markup=False, soft_wrap=True)
