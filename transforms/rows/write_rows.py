"""WritePredictions and WriteFailures: sorted, compressed shards that appear all at once."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam

from transforms.records import Failure, Prediction
from transforms.rows.kinds import RowKind
from transforms.rows.merge_pieces import MergePieces
from transforms.rows.publish import delete_markers, delete_stale, final_names, publish
from transforms.rows.shards import Piece, Shard
from transforms.rows.stage_rows import StageRows
from transforms.storage import files


@dataclasses.dataclass(eq=False)
class WritePredictions(beam.PTransform):  # type: ignore[misc]
    """Writes `predictions-SSSSS-of-NNNNN.EXT`; returns PCollection[Shard].

    The rows of a shard are sorted by uri. Shards appear in the folder when all of them are
    complete; shards that an earlier run left there disappear. No shard is empty, so no predictions
    make no file.

    Attributes:
        folder: where to, a local path or any that Beam can write to; made if it does not exist.
        format: a key of `transforms.rows.formats.FORMATS`.
        metadata: stored in the schema of every Parquet file.
    """

    folder: str
    format: str = RowKind.PREDICTION.default_format
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def expand(self, predictions: beam.PCollection[Prediction]) -> beam.PCollection[Shard]:
        """Builds the graph: pieces bundle by bundle, merged to shards, published together."""
        return predictions | _WriteShards(
            self.folder, RowKind.PREDICTION, self.format, self.metadata
        )


@dataclasses.dataclass(eq=False)
class WriteFailures(beam.PTransform):  # type: ignore[misc]
    """Writes `__failures/failures-SSSSS-of-NNNNN.jsonl`; returns PCollection[Shard].

    Attributes:
        folder: as in `WritePredictions`.
    """

    folder: str

    def expand(self, failures: beam.PCollection[Failure]) -> beam.PCollection[Shard]:
        """Builds the graph: pieces bundle by bundle, merged to shards, published together."""
        kind = RowKind.FAILURE
        return failures | _WriteShards(self.folder, kind, kind.default_format, {})


@dataclasses.dataclass(eq=False)
class _WriteShards(beam.PTransform):  # type: ignore[misc]
    folder: str
    kind: RowKind
    format: str
    metadata: Mapping[str, str]

    def expand(self, rows: beam.PCollection[Any]) -> beam.PCollection[Shard]:
        staging = files.join(self.folder, f"_temporary-{self.kind.value}-{uuid.uuid4().hex[:12]}")
        staged = rows | StageRows(staging, self.kind)
        merge = MergePieces(staging, self.kind, self.format, self.metadata)
        merged = staged.pieces | merge
        return (
            rows.pipeline
            | "End" >> beam.Impulse()
            | "Publish"
            >> beam.ParDo(
                _Publish(self.folder, self.kind, self.format, staging),
                pieces=beam.pvalue.AsList(merged),
            )
        )


class _Publish(beam.DoFn):  # type: ignore[misc]
    def __init__(self, folder: str, kind: RowKind, format: str, staging: str) -> None:
        self._folder = folder
        self._kind = kind
        self._format = format
        self._staging = staging

    def process(self, _: bytes, pieces: list[Piece]) -> Iterator[Shard]:
        moves = final_names(pieces, kind=self._kind, format=self._format)
        shards = [move.shard for move in moves]
        # Markers first: from here on nobody takes the folder for a finished one.
        delete_markers(self._folder)
        publish(self._folder, moves)
        delete_stale(self._folder, kind=self._kind, current=shards)
        files.delete_tree(self._staging)
        yield from shards
