"""Rows written by a pipeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.helpers.contents import contents
from tests.helpers.rows import WILD_URI, prediction
from transforms.rows.shards import Shard

ROWS = [
    prediction(2, meta='{"id": 7}'),
    prediction(1),
    prediction(3, uri=WILD_URI),
    prediction(4, uri="/photos/caf\udce9.jpg"),
]


def write_rows(folder: Path, rows: Sequence[Any], transform: beam.PTransform) -> list[Shard]:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        shards = pipeline | beam.Create(list(rows), reshuffle=False) | transform
        (
            shards
            | beam.Map(json.dumps)
            | beam.io.WriteToText(str(folder.parent / "shards"), shard_name_template="")
        )
    lines = (folder.parent / "shards").read_text("utf-8").splitlines()
    return sorted(Shard(*json.loads(line)) for line in lines)


def names_in(folder: Path) -> list[str]:
    return [*contents(folder)]
