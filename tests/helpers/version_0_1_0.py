"""Runs that version 0.1.0 wrote, see `tests/data/version_0_1_0/README.md`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.root import ROOT

KEPT = ROOT / "tests/data/version_0_1_0"
RUNS = ("plain", "mapped")

_WAS_IN = "/srv/quantlabel-0.1.0"


def move_here(folder: Path, model: Path) -> None:
    """Copies pictures, runs and label map as if all had been in `folder` from the beginning.

    Args:
        folder: where to; it exists.
        model: the stand-in network.
    """
    shutil.copytree(KEPT, folder, dirs_exist_ok=True)
    shutil.copy(model, folder / "stand-in.tflite")
    for name in RUNS:
        _move(folder / name, folder)
    rows = pq.read_table(folder / "plain/predictions-00000-of-00001.parquet").to_pylist()
    lines = (folder / "plain/failures-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    for row in [*rows, *map(json.loads, lines)]:
        os.utime(row["uri"], ns=(int(row["version"]),) * 2)


def _move(run: Path, folder: Path) -> None:
    manifest = json.loads((run / "_MANIFEST.json").read_text("utf-8").replace(_WAS_IN, str(folder)))
    for file in manifest["files"]:
        path = run / file["name"]
        if path.suffix == ".parquet":
            _move_table(path, folder)
        else:
            path.write_text(path.read_text("utf-8").replace(_WAS_IN, str(folder)), "utf-8")
        content = path.read_bytes()
        file.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (run / "_MANIFEST.json").write_text(text, "utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (run / "_SUCCESS").write_text(f"{digest}  _MANIFEST.json\n", "utf-8")


def _move_table(path: Path, folder: Path) -> None:
    table = pq.read_table(path)
    uris = [uri.replace(_WAS_IN, str(folder)) for uri in table["uri"].to_pylist()]
    at = table.schema.get_field_index("uri")
    field = table.schema.field(at)
    moved = table.set_column(at, field, pa.array(uris, field.type))
    pq.write_table(moved, path, compression="zstd")
