from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from pipeline.run.summary import print_summary
from tests.helpers.finished_runs import made_up_manifest

MANIFEST: dict[str, Any] = {
    "started": "2026-01-01T00:00:00.000+00:00",
    "finished": "2026-01-01T00:00:20.000+00:00",
    "inputs": 20_000,
    "predictions": 19_996,
    "failures": 4,
    "failures_by_reason": {"empty": 1, "truncated": 3},
    "duplicates": 2,
    "skipped": 3,
    "skipped_by_kind": {
        "text": {"count": 2, "example": "/photos/[b]a.csv"},
        "hidden": {"count": 1, "example": "/photos/.DS_Store"},
    },
    "reused": 15_000,
    "most_frequent_labels": [{"class_id": 1, "label": "[bold]tench", "count": 1200}],
    "model": {"name": "m", "sha256": "0123456789abcdef"},
    "preprocess": {"views": 2},
    "kernel": "native (avx2)",
    "files": [
        {"name": f"predictions-{n}.parquet", "rows": 1, "size": 1, "sha256": ""} for n in range(4)
    ],
}


def test_the_summary_says_what_came_out_and_where() -> None:
    console = Console(file=io.StringIO(), width=100)
    print_summary(made_up_manifest(**MANIFEST), folder="labels", console=console)
    assert isinstance(console.file, io.StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "pictures       20,000",
        "labelled       19,996",
        "failed         4 (1 empty, 3 truncated)",
        "kept           15,000 (of these, from an earlier run)",
        "skipped        3 (2 text and tables, such as [b]a.csv; 1 hidden, such as .DS_Store)",
        "repeated       2 (listed before)",
        "most frequent  [bold]tench (1,200)",
        "time           20.0 s, 250 pictures/s",
        "model          m (tflite), 128x128, sha256 01234567, preprocessing eval, 2 views",
        "kernel         native (avx2)",
        "output         labels: 4 files, _MANIFEST.json",
    ]


def test_what_did_not_happen_has_no_line() -> None:
    nothing = {"duplicates": 0, "skipped": 0, "failures_by_reason": {}, "failures": 0}
    console = Console(file=io.StringIO(), width=100)
    print_summary(made_up_manifest(**{**MANIFEST, **nothing}), folder="labels", console=console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "failed         0" in text
    assert "skipped" not in text
    assert "repeated" not in text
