"""The closing summary of a run on a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transforms.inputs.kinds import counts_of, in_words

_LABELS_SHOWN = 5


def print_summary(manifest: Mapping[str, Any], *, folder: str, console: Console) -> None:
    """Prints counts, failures by reason, most frequent labels, throughput and paths.

    Args:
        manifest: of a finished run.
        folder: where the run is.
        console: to print on.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(manifest, folder):
        table.add_row(name, escape(value))
    console.print(table)


def _lines(manifest: Mapping[str, Any], folder: str) -> list[tuple[str, str]]:
    seconds = _seconds(manifest)
    pictures = manifest["inputs"]
    lines = [
        ("pictures", f"{pictures:,}"),
        ("labelled", f"{manifest['predictions']:,}"),
        ("failed", _failed(manifest)),
        ("kept", _if_any(manifest["reused"], "of these, from an earlier run")),
        ("skipped", _if_any(manifest["skipped"], in_words(counts_of(manifest)))),
        ("repeated", _if_any(manifest["duplicates"], "listed before")),
        ("most frequent", _labels(manifest)),
        ("time", _time(seconds, done=pictures - manifest["reused"])),
        ("model", _model(manifest)),
        ("output", f"{folder}: {_files(manifest)}"),
    ]
    return [(name, value) for name, value in lines if value]


def _seconds(manifest: Mapping[str, Any]) -> float:
    start, end = (
        datetime.datetime.fromisoformat(manifest[name]) for name in ("started", "finished")
    )
    return max((end - start).total_seconds(), 0.0)


def _time(seconds: float, *, done: int) -> str:
    return f"{seconds:,.1f} s" + (f", {done / seconds:,.0f} pictures/s" if seconds and done else "")


def _failed(manifest: Mapping[str, Any]) -> str:
    reasons = ", ".join(
        f"{count:,} {reason}" for reason, count in manifest["failures_by_reason"].items()
    )
    return f"{manifest['failures']:,}" + (f" ({reasons})" if reasons else "")


def _if_any(count: int, what: str) -> str:
    return (f"{count:,} ({what})" if what else f"{count:,}") if count else ""


def _labels(manifest: Mapping[str, Any]) -> str:
    shown = manifest["most_frequent_labels"][:_LABELS_SHOWN]
    return ", ".join(f"{label['label']} ({label['count']:,})" for label in shown)


def _model(manifest: Mapping[str, Any]) -> str:
    model, views = manifest["model"], manifest["preprocess"]["views"]
    return (
        f"{model['name']} ({model['kind']}), {model['input_size']}x{model['input_size']}, "
        f"sha256 {model['sha256'][:8]}, preprocessing {manifest['preprocess']['method']}"
        + (f", {views} views" if views > 1 else "")
    )


def _files(manifest: Mapping[str, Any]) -> str:
    names = [file["name"] for file in manifest["files"]]
    if len(names) > 3:
        return f"{len(names)} files, _MANIFEST.json"
    return ", ".join([*names, "_MANIFEST.json"])
