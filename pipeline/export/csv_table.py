"""CSV: one line a picture, for spreadsheets and scripts; the failures in a second file.

Text that begins like a formula has an apostrophe before it, see `transforms.rows.spreadsheet`.
Addresses of pictures stay as they are: none begins so, and other tools look pictures up by them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.export.source import Counts, Source, rounded
from transforms.rows.spreadsheet import harmless
from transforms.storage import files

_BEFORE = ("uri", "class_id", "synset", "label", "score")
_AFTER = ("width", "height", "format", "size", "sha256")
_BUFFER = 1024 * 1024
_FAILURE = ("uri", "stage", "reason", "message", "retryable")


def write_csv(source: Source, folder: str) -> Counts:
    """Writes `predictions.csv` and, if anything failed, `failures.csv`.

    Labels of one's own are two more columns; the label is empty where a label map gave none.
    """
    manifest = source.run.manifest
    top_k = min(manifest.options.top_k, len(manifest.model.classes))
    more = [f"{name}_{rank}" for rank in range(2, top_k + 1) for name in ("label", "score")]
    path = files.join(folder, "predictions.csv")
    rows = _write(path, [*_BEFORE, *more, *_own(source), *_AFTER], _lines(source, top_k))
    if source.run.manifest.failures and not source.selection.is_some:
        failures = (
            [row["uri"], *_cells(row[name] for name in _FAILURE[1:])]
            for table in source.run.failures()
            for row in table.to_pylist()
        )
        _write(files.join(folder, "failures.csv"), _FAILURE, failures)
    return Counts(rows)


def _own(source: Source) -> tuple[str, ...]:
    return source.label_columns if source.own else ()


def _lines(source: Source, top_k: int) -> Iterator[list[Any]]:
    after = [*_own(source), *_AFTER]
    for table in source.predictions(columns=[*_BEFORE, "top_labels", "top_scores", *after]):
        for row in table.to_pylist():
            more: list[Any] = []
            for label, score in zip(row["top_labels"][1:], row["top_scores"][1:], strict=True):
                more += [label, rounded(score)]
            more += [""] * (2 * (top_k - 1) - len(more))
            for name in ("score", *_own(source)[1:]):
                row[name] = None if row[name] is None else rounded(row[name])
            rest = (*(row[name] for name in _BEFORE[1:]), *more, *(row[name] for name in after))
            yield [row["uri"], *_cells(rest)]


def _cells(values: Iterable[Any]) -> Iterator[Any]:
    return (harmless(value) if isinstance(value, str) else value for value in values)


def _write(path: str, header: Iterable[str], lines: Iterable[list[Any]]) -> int:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    count = 0
    with files.create(path) as file:
        for line in lines:
            writer.writerow(line)
            count += 1
            if text.tell() > _BUFFER:
                file.write(_taken(text))
        file.write(_taken(text))
    return count


def _taken(text: io.StringIO) -> bytes:
    content = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return content
