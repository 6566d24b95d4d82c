"""Runs to export, and what is made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cli import main
from tests.helpers.finished_runs import plausible, write_run
from tests.helpers.rows import prediction
from transforms.network.classes import class_names
from transforms.records import Prediction

NAMES = ("a b#c é.jpg", 'it\'s "<b>" 😀+%20&.jpg', "plain")
"""Of the local pictures; the last has no extension."""


def row(uri: str, number: int, ids: list[int], score: float, sha256: str = "") -> Prediction:
    names = class_names()
    return prediction(number, uri=uri)._replace(
        sha256=sha256 or f"{number:064x}",
        width=96,
        height=64,
        class_id=ids[0],
        synset=names[ids[0]].synset,
        label=names[ids[0]].label,
        score=score,
        top_class_ids=ids,
        top_labels=[names[class_id].label for class_id in ids],
        top_scores=[score, *[0.01] * (len(ids) - 1)],
    )


def exported(folder: Path | str, to: str) -> dict[str, Any]:
    assert main(["export", str(folder), "--to", to]) == 0
    ledger: dict[str, Any] = json.loads(Path(f"{folder}/__export/{to}.json").read_bytes())
    return ledger


LOAD = """
import json, sys
import datasets, pyarrow.parquet
datasets.disable_progress_bars()
rows = datasets.load_dataset(*json.loads(sys.argv[1]), split="train", cache_dir=sys.argv[2])
found = {
    "columns": rows.column_names,
    "names": rows.features["label"].names,
    "labels": rows["label"][:],
    "sizes": [image and image.size for image in rows["image"][:]],
}
if "embedding" in rows.column_names:
    found["length"] = rows.features["embedding"].length
    found["second"] = rows[0]["embedding"][1]
    found["uris"] = rows["uri"][:]
    schema = pyarrow.parquet.read_schema(sys.argv[3])
    declared = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    types = datasets.Features.from_dict(declared).arrow_schema
    # Where they differ, `datasets` quietly takes what is stored; others take what is declared.
    found["misdeclared"] = [
        name for name in schema.names if types.field(name).type != schema.field(name).type
    ]
if "mapped_label" in rows.column_names:
    labels = rows.features["mapped_label"].names
    found["mapped"] = [labels, rows["mapped_label"][:], rows["mapped_score"][:]]
print(json.dumps(found))
"""


def loaded(tmp_path: Path, *words: str | None) -> dict[str, Any]:
    """What `datasets` makes of a folder, without a network."""
    first = next(Path(str(words[-1])).rglob("*.parquet"), "")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "USE_TF": "0", "USE_TORCH": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(words), str(tmp_path / "cache"), str(first)],
        capture_output=True,
        text=True,
        env={**os.environ, **offline, "HF_HOME": str(tmp_path / "home")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def bring_run(run: Path, *, rows: int) -> None:
    """Makes a run of so many made-up rows, in place of the one before, as `--resume` does."""
    new = run.with_name("new")
    write_run(new, plausible(rows), rows_per_shard=100)
    run.mkdir(exist_ok=True)
    for path in run.iterdir():
        if path.is_file():
            path.unlink()
    for path in new.iterdir():
        path.rename(run / path.name)
    new.rmdir()


NEEDS = {"iceberg": "pyiceberg", "lance": "lance"}
"""Targets and the package that each of them needs."""


def iceberg_table(folder: Path) -> Any:
    """The table of an export to Iceberg, opened by pyiceberg through its catalogue."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("quantlabel", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder))
    return catalog.load_table("quantlabel.predictions")


def lance_rows(folder: Path) -> pa.Table:
    """The rows of an export to Lance, as its library reads them."""
    import lance

    found: pa.Table = lance.dataset(str(folder / "predictions.lance")).to_table()
    return found
