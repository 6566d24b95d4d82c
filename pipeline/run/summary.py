"""The closing summary of a run on a terminal."""

from __future__ import annotations

import collections

import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.run.folder.finished import FinishedRun
from pipeline.run.folder.manifest import Manifest
from transforms.inputs.skips import in_words, notes_in_words

_LABELS_SHOWN = 5


def print_summary(manifest: Manifest, *, folder: str, console: Console) -> None:
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


def _lines(manifest: Manifest, folder: str) -> list[tuple[str, str]]:
    seconds = max(manifest.seconds, 0.0)  # the two times may be those of two machines
    pictures = manifest.inputs
    lines = [
        ("pictures", f"{pictures:,}"),
        ("labelled", f"{manifest.predictions:,}"),
        ("failed", _failed(manifest)),
        ("kept", _if_any(manifest.reused, "of these, from an earlier run")),
        ("skipped", _if_any(manifest.skipped, in_words(manifest.skipped_by_kind))),
        ("read as", notes_in_words(manifest.read_as)),
        ("repeated", _if_any(manifest.duplicates, "listed before")),
        ("most frequent", _labels(manifest, folder)),
        ("classes", "" if len(manifest.model.classes) else "none, feature vectors alone"),
        # Rows that were kept took no time worth counting.
        ("time", _time(seconds, done=pictures - manifest.reused)),
        ("model", _model(manifest)),
        ("kernel", manifest.kernel),
        ("output", f"{folder}: {_files(manifest)}"),
    ]
    return [(name, value) for name, value in lines if value]


def _time(seconds: float, *, done: int) -> str:
    return f"{seconds:,.1f} s" + (f", {done / seconds:,.0f} pictures/s" if seconds and done else "")


def _failed(manifest: Manifest) -> str:
    reasons = ", ".join(
        f"{count:,} {reason}" for reason, count in manifest.failures_by_reason.items()
    )
    return f"{manifest.failures:,}" + (f" ({reasons})" if reasons else "")


def _if_any(count: int, what: str) -> str:
    return (f"{count:,} ({what})" if what else f"{count:,}") if count else ""


def _labels(manifest: Manifest, folder: str) -> str:
    if manifest.label_map:
        shown = _own_labels(FinishedRun(folder, manifest.files, manifest))
    else:
        shown = [(each.label, each.count) for each in manifest.most_frequent_labels]
    return ", ".join(f"{label} ({count:,})" for label, count in shown[:_LABELS_SHOWN])


def _own_labels(run: FinishedRun) -> list[tuple[str, int]]:
    """Those of the label map, counted in the rows: the manifest counts classes of the network."""
    counts: collections.Counter[str] = collections.Counter()
    for table in run.predictions(columns=["mapped_label"]):
        for value in pc.value_counts(table["mapped_label"]).to_pylist():
            counts[value["values"] or "no label"] += value["counts"]
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _model(manifest: Manifest) -> str:
    model, how = manifest.model, manifest.preprocess
    return (
        f"{model.name} ({model.kind}), {model.input_in_words}, "
        f"sha256 {model.sha256[:8]}, preprocessing {how.method}"
        + (f", {how.views} views" if how.views > 1 else "")
    )


def _files(manifest: Manifest) -> str:
    names = [shard.name for shard in manifest.files]
    if len(names) > 3:
        return f"{len(names)} files, _MANIFEST.json"
    return ", ".join([*names, "_MANIFEST.json"])
