"""WritePredictions and WriteFailures: sorted, compressed shards that appear all at once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple, cast

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms import storage
from transforms.errors import UserError
from transforms.formats import FORMATS, encoded
from transforms.records import Failure, Prediction
from transforms.tables import failure_table, prediction_table

ROWS_PER_GROUP = 10_000
"""Rows of a Parquet row group and of a sorted run: 12 MB of Arrow memory."""

ROWS_PER_SHARD = 100_000
"""Rows after which a bundle begins another file."""

_ROWS_AS_OBJECTS = 1_000
"""Rows held as Python objects, 3 KB each, before they become Arrow memory, 1.2 KB each."""

MARKERS = ("_SUCCESS", "_MANIFEST.json")
"""What a finished run folder holds besides its shards; in the order in which they go away."""


class Shard(NamedTuple):
    """A written file.

    Attributes:
        name: of the file, in the output folder.
        rows: how many it holds.
        size: bytes.
        sha256: lower-case hex digest of the file.
    """

    name: str
    rows: int
    size: int
    sha256: str


@dataclasses.dataclass(eq=False)
class WritePredictions(beam.PTransform):  # type: ignore[misc]
    """Writes `predictions-SSSSS-of-NNNNN.EXT`; returns PCollection[Shard].

    Rows are sorted by uri within each run of 10,000. Shards appear in the folder when all of them
    are complete; shards that an earlier run left there disappear. No shard is empty, so no
    predictions make no file.

    Attributes:
        folder: where to, a local path or any that Beam can write to; made if it does not exist.
        format: a key of `transforms.formats.FORMATS`.
        metadata: stored in the schema of every Parquet file.
    """

    folder: str
    format: str = "parquet"
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def expand(self, predictions: beam.PCollection[Prediction]) -> beam.PCollection[Shard]:
        """Builds the graph: stage shards bundle by bundle, then publish them together."""
        writer = _ShardFiles(_PredictionTable(dict(self.metadata)), self.format)
        return predictions | _WriteShards(self.folder, "predictions", writer)


@dataclasses.dataclass(eq=False)
class WriteFailures(beam.PTransform):  # type: ignore[misc]
    """Writes `failures-SSSSS-of-NNNNN.jsonl`; returns PCollection[Shard].

    Attributes:
        folder: as in `WritePredictions`.
    """

    folder: str

    def expand(self, failures: beam.PCollection[Failure]) -> beam.PCollection[Shard]:
        """Builds the graph: stage shards bundle by bundle, then publish them together."""
        return failures | _WriteShards(self.folder, "failures", _ShardFiles(failure_table, "jsonl"))


@dataclasses.dataclass(frozen=True)
class _PredictionTable:
    metadata: Mapping[str, str]

    def __call__(self, rows: Sequence[Prediction]) -> pa.Table:
        return prediction_table(rows, metadata=self.metadata)


@dataclasses.dataclass(frozen=True)
class _ShardFiles:
    """How rows become files: the table that they make and the format of the file."""

    to_table: Callable[[Sequence[Any]], pa.Table]
    format: str


@dataclasses.dataclass(eq=False)
class _WriteShards(beam.PTransform):  # type: ignore[misc]
    folder: str
    kind: str
    files: _ShardFiles

    def expand(self, rows: beam.PCollection[Any]) -> beam.PCollection[Shard]:
        staging = storage.join(self.folder, f"_temporary-{self.kind}-{uuid.uuid4().hex[:12]}")
        staged = rows | "Stage" >> beam.ParDo(_Stage(staging, self.files))
        return (
            rows.pipeline
            | "Once" >> beam.Create([None])
            | "Publish"
            >> beam.ParDo(
                _Publish(self.folder, self.kind, self.files.format, staging),
                shards=beam.pvalue.AsList(staged),
            )
        )


class _Stage(beam.DoFn):  # type: ignore[misc]
    """Writes the rows of a bundle to files of its own in the staging folder."""

    def __init__(self, staging: str, files: _ShardFiles) -> None:
        self._staging = staging
        self._files = files

    def start_bundle(self) -> None:
        self._rows: list[Any] = []
        self._tables: list[pa.Table] = []
        self._held = 0
        self._shard: _OpenShard | None = None

    def process(self, row: Any) -> Iterator[Shard]:
        self._rows.append(row)
        if len(self._rows) == _ROWS_AS_OBJECTS:
            self._to_arrow()
            if self._held >= ROWS_PER_GROUP:
                yield from self._write_group(last=False)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._rows:
            self._to_arrow()
        for shard in self._write_group(last=True):
            yield GlobalWindows.windowed_value(shard)

    def _to_arrow(self) -> None:
        self._tables.append(self._files.to_table(self._rows))
        self._held += len(self._rows)
        self._rows = []

    def _write_group(self, *, last: bool) -> Iterator[Shard]:
        if self._tables:
            if self._shard is None:
                self._shard = _OpenShard.create(self._staging, self._files.format)
            group = pa.concat_tables(self._tables).combine_chunks()
            self._tables, self._held = [], 0
            self._shard.write(group.sort_by("uri"))
        if self._shard is not None and (last or self._shard.rows >= ROWS_PER_SHARD):
            shard, self._shard = self._shard, None
            yield shard.close()


class _HashingFile:
    """A write-only file that keeps count and digest of what passes through it."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self.digest.update(view)
        self.size += view.nbytes
        return self._file.write(view)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def writable(self) -> bool:
        return True


class _OpenShard:
    """A staged file that is being written."""

    def __init__(self, path: str, format: str) -> None:
        self._name = path.rsplit("/", 1)[-1]
        self._closing = contextlib.ExitStack()
        file = self._closing.enter_context(storage.create(path))
        self._hashing = _HashingFile(file)
        stream = self._closing.enter_context(
            encoded(cast("IO[bytes]", self._hashing), format=format)
        )
        self._writer = FORMATS[format](stream)
        self.rows = 0

    @classmethod
    def create(cls, staging: str, format: str) -> _OpenShard:
        return cls(storage.join(staging, f"{uuid.uuid4().hex}.{format}"), format)

    def write(self, table: pa.Table) -> None:
        self._writer.write(table)
        self.rows += table.num_rows

    def close(self) -> Shard:
        self._writer.close()
        self._closing.close()
        hashing = self._hashing
        return Shard(self._name, self.rows, hashing.size, hashing.digest.hexdigest())


class _Publish(beam.DoFn):  # type: ignore[misc]
    """Moves all staged shards to their final names. Doing it twice does no harm: runners retry."""

    def __init__(self, folder: str, kind: str, format: str, staging: str) -> None:
        self._folder = folder
        self._kind = kind
        self._format = format
        self._staging = staging

    def process(self, _: None, shards: list[Shard]) -> Iterator[Shard]:
        self._delete([name for name in MARKERS if name in storage.names(self._folder)])
        # The digest gives an order that does not depend on which worker finished first.
        staged = sorted(shards, key=lambda shard: (shard.sha256, shard.name))
        final = [
            shard._replace(name=f"{self._kind}-{at:05d}-of-{len(staged):05d}.{self._format}")
            for at, shard in enumerate(staged)
        ]
        self._move(staged, final)
        self._delete(self._stale({shard.name for shard in final}))
        storage.delete_tree(self._staging)
        yield from final

    def _move(self, staged: list[Shard], final: list[Shard]) -> None:
        present = set(storage.names(self._staging))
        pairs = []
        for source, target in zip(staged, final, strict=True):
            path = storage.join(self._folder, target.name)
            if source.name in present:
                pairs.append((storage.join(self._staging, source.name), path))
            else:  # an earlier try has moved it, or somebody has deleted it
                _require_moved(path, target)
        storage.move(pairs)

    def _stale(self, current: set[str]) -> list[str]:
        shard = re.compile(rf"{self._kind}-\d+-of-\d+\.({'|'.join(map(re.escape, FORMATS))})")
        found = storage.names(self._folder)
        return [name for name in found if shard.fullmatch(name) and name not in current]

    def _delete(self, names: list[str]) -> None:
        storage.delete([storage.join(self._folder, name) for name in names])


def _require_moved(path: str, shard: Shard) -> None:
    content = storage.read_bytes(path) if storage.exists(path) else None
    if content is None or hashlib.sha256(content).hexdigest() != shard.sha256:
        raise UserError(
            f"{path}: its {shard.rows} rows were written and then vanished before they got their "
            "name. Let no other run or program write to the folder, and run again."
        )
