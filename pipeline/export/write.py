"""`quantlabel export`: a finished run to `__export/FORMAT/` inside its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rich.console import Console

from pipeline.console.checks import require, require_run
from pipeline.console.units import pictures
from pipeline.export.copies import copy_members
from pipeline.export.source import Counts, Selection, Source, open_source
from pipeline.export.targets import TARGETS
from pipeline.labels.options import LabelKind, require_flags, require_labels
from pipeline.labels.pictures import Listed
from pipeline.run.folder.finished import open_run, require_quality
from pipeline.run.folder.manifest import now
from pipeline.run.folder.own_labels import require_labels_of
from transforms._version import VERSION
from transforms.errors import UsageError, UserError
from transforms.rows.marker import mark, staged
from transforms.rows.names import EXPORT_FOLDER
from transforms.storage import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export.

    Attributes:
        folder: of a finished run, local or remote.
        to: one of `TARGETS`.
        uris: a table with `uri` or `file` of the pictures that are wanted; None for all.
        copy_pictures: whether members of archives are written out as files.
        labels: as in `pipeline.run.folder.own_labels.own_labels`.
        flags: only pictures with one of these, see `pipeline.labels.flags`; none for all.

    Raises:
        UsageError: a value that cannot work.
    """

    folder: str
    to: str
    uris: str | None = None
    copy_pictures: bool = False
    labels: LabelKind | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        require(self.to in TARGETS, "--to", f"one of {', '.join(TARGETS)}", self.to)
        require(self.uris != "", "--uris", "a table of pictures", self.uris)
        require_labels(self.labels)
        if self.copy_pictures and TARGETS[self.to].commits:
            raise UsageError(f"--copy-pictures: --to {self.to} is a table of rows; leave it out")
        require_flags(self.flags)
        if self.flags and self.to == "ledger":
            raise UsageError("--flag: the ledger has what failed too, which has no flags")


def export(options: ExportOptions, *, console: Console | None = None) -> dict[str, Any]:
    """Exports a run, in place of an earlier export to the same format, which stays until then.

    Args:
        options: what.
        console: where a sign of life goes, or None for none.

    Returns:
        What `__export/FORMAT.json` says: it is written last, and in a bucket an export without it
        is not whole.

    Raises:
        UserError: no run has finished there, its rows cannot be read, or the format cannot be
            written there.
    """
    run = open_run(options.folder)
    if options.flags:
        require_quality(run)
    listed = Listed(options.uris) if options.uris else None
    selection = Selection(listed, flags=options.flags)
    source = dataclasses.replace(open_source(run, labels=options.labels), selection=selection)
    place = files.join(run.folder, EXPORT_FOLDER)
    doing = f"writing {options.to}"
    with (
        console.status(doing) if console else contextlib.nullcontext(),
        staged(
            place,
            command="export",
            names=[f"{options.to}.json"],
            folders=folders_of([options.to]),
            # All formats, since others may be there already.
            marked=[*TARGETS, *(f"{name}.json" for name in TARGETS)],
            prefix=options.to,
        ) as staging,
    ):
        summary, _ = write(
            source, options.to, staging=staging, place=place, copy_pictures=options.copy_pictures
        )
    return summary


def folders_of(targets: Iterable[str]) -> list[str]:
    """Those of some targets that are written anew, beside what is there."""
    return [to for to in targets if not TARGETS[to].commits]


def write(
    source: Source, to: str, *, staging: str, place: str, copy_pictures: bool = False
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Writes what a source has to `staging/TO`, and of that to `staging/TO.json`.

    What commits by itself is written to `place/TO`.

    Args:
        source: of the rows.
        to: one of `TARGETS`.
        staging: as `transforms.rows.marker.staged` gives it.
        place: where that goes.
        copy_pictures: as in `ExportOptions`.

    Returns:
        See `export`; and the copies, as in `Source`.

    Raises:
        UserError: see `export`; or none of the pictures can be exported, or they have no labels.
    """
    run = source.run
    if TARGETS[to].needs_labels:
        require_labels_of(run, source.own, doing=f"export --to {to}")
    folder = files.join(place, to)
    new = _absolute(folder) if TARGETS[to].commits else files.join(staging, to)
    if copy_pictures:
        tables = source.predictions(columns=["uri", "format"])
        copies = copy_members(run, tables, staging=new, final=_absolute(folder))
        source = dataclasses.replace(source, copies=copies)
    counts = TARGETS[to].load()(source, new)
    if not counts.rows:
        raise UserError(f"{run.folder}: nothing to export to {to}. {_why(counts, to)}")
    mark(new, command="export", entries=files.names(new))
    summary = {
        "format": to,
        "folder": folder,
        **dataclasses.asdict(counts),
        "version": VERSION,
        "exported": now(),
        "run": run.manifest.cited(),
    }
    told = orjson.dumps(summary, option=orjson.OPT_INDENT_2)
    files.write_bytes(files.join(staging, f"{to}.json"), told)
    return summary, source.copies


def _absolute(folder: str) -> str:
    return os.path.abspath(folder) if files.is_local(folder) else folder


def _why(counts: Counts, to: str) -> str:
    reasons = [
        f"{counts.gone:,} {TARGETS[to].gone}" if counts.gone else "",
        f"{counts.left_out:,} are left out: {TARGETS[to].left_out}" if counts.left_out else "",
    ]
    return "; ".join(filter(None, reasons)) or "The run has none of the pictures that are wanted."


def print_export(summary: Mapping[str, Any], *, console: Console) -> None:
    """Says what was written where, and what was not."""
    console.print(f"{pictures(summary['rows'])} exported to {summary['format']}", markup=False)
    if summary["left_out"]:
        console.print(
            f"{summary['left_out']:,} left out: {TARGETS[summary['format']].left_out}", markup=False
        )
    if summary["gone"]:
        console.print(f"{summary['gone']:,} {TARGETS[summary['format']].gone}", markup=False)
    if summary["later"]:
        console.print(
            f"{summary['later']:,} more are skipped in the inputs today than by the run: they have "
            "changed since",
            markup=False,
            soft_wrap=True,
        )
    console.print(summary["folder"], markup=False, soft_wrap=True)
