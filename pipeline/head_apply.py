"""`quantlabel head apply`: a head's labels for every row of a run, without reading a picture."""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from pipeline import run_folder
from pipeline.finished import open_run
from pipeline.head import FILE, FOLDER, Head, embeddings, read_head
from transforms import storage
from transforms._version import VERSION
from transforms.errors import UsageError
from transforms.infer import top_classes
from transforms.publish import MANIFEST, SUCCESS
from transforms.read_rows import read_predictions

_TOP = 5

SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("top_labels", pa.list_(pa.string()), nullable=False),
        pa.field("top_scores", pa.list_(pa.float32()), nullable=False),
    ]
)
"""Of the rows that are written; `uri` as in the rows of the run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """What gets labels from which head.

    Attributes:
        folder: of a finished run.
        head: a file that `quantlabel head fit` wrote; None for `head/head.npz` in the folder.

    Raises:
        UsageError: one of them is empty.
    """

    folder: str
    head: str | None = None

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        if not self.folder:
            raise UsageError("DIR: expected the output folder of a run, found ''")
        if self.head == "":
            raise UsageError("--head: expected a file, found ''")


def apply(options: ApplyOptions, *, console: Console) -> dict[str, Any]:
    """Writes `head/predictions-*.parquet` in the folder of the run, a file for each of its own.

    Args:
        options: what gets labels from which head.
        console: where progress is shown.

    Returns:
        The manifest that is written with them.

    Raises:
        UserError: there is no finished run or no head, or they do not go together.
    """
    run = open_run(options.folder)
    path = options.head or storage.join(options.folder, FILE)
    head = read_head(path)
    head.require_fits(run)
    folder = storage.join(options.folder, FOLDER)
    _remove_earlier(folder)
    counts: collections.Counter[str] = collections.Counter()
    files = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("rows", total=run.manifest["predictions"])
        shards = run.shards("predictions")
        for at, shard in enumerate(shards):
            name = f"predictions-{at:05d}-of-{len(shards):05d}.parquet"
            rows = 0
            with (
                storage.create(storage.join(folder, name)) as file,
                pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
            ):
                for table in read_predictions(shard, columns=("uri", "embedding")):
                    labelled = label_rows(table, head)
                    writer.write_table(labelled)
                    counts.update(labelled["label"].to_pylist())
                    rows += table.num_rows
                    progress.advance(task, table.num_rows)
            files.append({"name": name, "rows": rows})
    manifest = {
        "version": VERSION,
        "finished": run_folder.now(),
        "run": {"started": run.manifest["started"]},
        "head": {"path": path, "labels": head.labels, **head.about},
        "rows": sum(counts.values()),
        "labels": dict(counts.most_common()),
        "files": files,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    storage.write_bytes(storage.join(folder, MANIFEST), f"{text}\n".encode())
    storage.write_bytes(storage.join(folder, SUCCESS), b"")
    return manifest


def _remove_earlier(folder: str) -> None:
    """What an earlier call wrote, the mark of its completeness first."""
    names = storage.names(folder)
    rows = [name for name in names if name.startswith("predictions-")]
    gone = [name for name in (SUCCESS, MANIFEST) if name in names] + rows
    storage.delete([storage.join(folder, name) for name in gone])


def label_rows(table: pa.Table, head: Head) -> pa.Table:
    """Rows with `SCHEMA` for a table with the columns `uri` and `embedding`."""
    scores = head.scores(embeddings(table))
    best = top_classes(scores, k=min(_TOP, len(head.labels)))
    values = np.take_along_axis(scores, best, axis=1)
    labels = np.array(head.labels, object)[best]
    columns = [
        table["uri"],
        pa.array(labels[:, 0], pa.string()),
        pa.array(values[:, 0]),
        _lists(labels, pa.string()),
        _lists(values, pa.float32()),
    ]
    return pa.table(columns, schema=SCHEMA)


def _lists(matrix: npt.NDArray[Any], kind: pa.DataType) -> pa.ListArray:
    rows, length = matrix.shape
    offsets = np.arange(0, rows * length + 1, length, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel(), kind))
