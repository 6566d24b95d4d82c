"""A finished run of any number of made-up rows, for what is measured at millions.

    python -m tests.helpers.many_rows FOLDER ROWS
    /usr/bin/time -v quantlabel verify FOLDER --no-inputs --sample 0

The rows of the first shard come again in each, under other names. Vectors are random codes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.run.folder.attempts import success
from tests.helpers.finished_runs import made_up_manifest, manifest_json, plausible
from transforms.rows.schema import prediction_table

_ROWS_A_SHARD = 100_000


def write_many_rows(folder: Path, rows: int) -> None:
    """Writes a run of Parquet shards, manifest and marker; `rows` in whole shards."""
    folder.mkdir(parents=True)
    random = np.random.RandomState(0)
    made_up = made_up_manifest()
    first = prediction_table(
        [
            row._replace(embedding=(random.randint(0, 16, 256) / 16).astype(np.float32))
            for row in plausible(_ROWS_A_SHARD)
        ],
        metadata={
            "quantlabel.model_sha256": made_up.model.sha256,
            "quantlabel.preprocess": json.dumps(made_up.preprocess.as_dict()),
        },
    )
    count, files = -(-rows // _ROWS_A_SHARD), []
    for shard in range(count):
        name = f"predictions-{shard:05d}-of-{count:05d}.parquet"
        uris = [f"/photos/{shard:04d}/IMG_{number:07d}.jpg" for number in range(_ROWS_A_SHARD)]
        field = first.schema.field("uri")
        table = first.set_column(0, field, pa.array(uris, pa.string()))
        pq.write_table(table, folder / name, compression="zstd", row_group_size=10_000)
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files.append({"name": name, "rows": _ROWS_A_SHARD, "size": len(content), "sha256": digest})
    total = count * _ROWS_A_SHARD
    manifest = json.dumps(manifest_json(inputs=total, predictions=total, files=files)).encode()
    (folder / "_MANIFEST.json").write_bytes(manifest)
    (folder / "_SUCCESS").write_bytes(success(manifest))


if __name__ == "__main__":
    write_many_rows(Path(sys.argv[1]), int(sys.argv[2]))
