"""Runs whose rows were changed by somebody who covered it up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_SHARD = "predictions-00000-of-00001.parquet"


def forge(run: Path, change: Callable[[pa.Table], pa.Table], **manifest: Any) -> None:
    """Changes predictions and makes manifest and marker agree with them.

    Args:
        run: the folder of a run with one Parquet shard.
        change: what is done to the rows.
        manifest: what else the manifest shall say.
    """
    table = change(pq.read_table(run / _SHARD))
    pq.write_table(table, run / _SHARD)
    content = (run / _SHARD).read_bytes()
    there = {**json.loads((run / "_MANIFEST.json").read_bytes()), **manifest}
    for file in there["files"]:
        if file["name"] == _SHARD:
            digest = hashlib.sha256(content).hexdigest()
            file.update(rows=table.num_rows, size=len(content), sha256=digest)
    text = json.dumps(there).encode()
    (run / "_MANIFEST.json").write_bytes(text)
    (run / "_SUCCESS").write_text(f"{hashlib.sha256(text).hexdigest()}  _MANIFEST.json\n", "utf-8")


def lose(run: Path, name: str) -> None:
    """Takes out the predictions whose uri ends with `name`, as if the run had never seen them."""

    def without(table: pa.Table) -> pa.Table:
        uris = table.column("uri").to_pylist()
        kept = [at for at, uri in enumerate(uris) if not uri.endswith(name)]
        assert len(kept) < len(uris)
        return table.take(kept)

    there = json.loads((run / "_MANIFEST.json").read_bytes())
    lost = pq.read_table(run / _SHARD).num_rows - without(pq.read_table(run / _SHARD)).num_rows
    counts = {kind: there[kind] - lost for kind in ("inputs", "predictions")}
    forge(run, without, **counts)
