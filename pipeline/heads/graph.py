"""A head over the shards of a run, as a graph: a shard of vectors in, a shard of labels out."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import AsList
from threadpoolctl import threadpool_limits

from pipeline.heads.head import Head, embeddings
from pipeline.run.folder import attempts
from pipeline.run.folder.manifest import as_json, now
from pipeline.run.runners.progress import Report
from transforms.errors import UserError
from transforms.network.ranking import top_classes
from transforms.rows.kinds import RowKind
from transforms.rows.names import MANIFEST, SUCCESS
from transforms.rows.publish import Move, delete_markers, delete_stale, publish, require_sources
from transforms.rows.reader import read_predictions
from transforms.rows.shards import ROWS_PER_GROUP, Piece, write_piece
from transforms.storage import files

_TOP = 5
# What the files with labels are called as well, beside those of the run.
_KIND = RowKind.PREDICTION

# Rows labelled at a time: with 10,000 of them a run over 100,000 took 100 MB more.
_ROWS = 2_000

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


class Source(NamedTuple):
    """A shard of the run.

    Attributes:
        number: from 0 on.
        path: of the file.
        rows: how many the manifest says it has.
    """

    number: int
    path: str
    rows: int


class Labelled(NamedTuple):
    """A shard that has its labels.

    Attributes:
        number: as in `Source`.
        piece: the file with them.
        counts: rows by number of their label.
    """

    number: int
    piece: Piece
    counts: list[int]


def build(
    pipeline: beam.Pipeline,
    sources: Sequence[Source],
    *,
    head: Head,
    folder: str,
    staging: str,
    identity: Mapping[str, Any],
    progress_folder: str | None = None,
) -> None:
    """Adds the labelling of a run by a head to a pipeline.

    Args:
        pipeline: to add to.
        sources: the shards of the run.
        head: that labels them.
        folder: for the labels.
        staging: for files without their names, which no other run uses; deleted in the end.
        identity: of run and head, for the manifest.
        progress_folder: local folder for reports, see `pipeline.run.runners.progress`, or None.
    """
    labelled = (
        pipeline
        # Beam's own reshuffle would come before ours, and twice is once too often.
        | "Shards" >> beam.Create(sources, reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Label" >> beam.ParDo(LabelShard(head, staging, progress_folder))
    )
    _ = (
        pipeline
        | "End" >> beam.Impulse()
        | "Publish"
        >> beam.ParDo(PublishLabels(folder, staging, identity), labelled=AsList(labelled))
    )


@dataclasses.dataclass(eq=False)
class LabelShard(beam.DoFn):  # type: ignore[misc]
    """Source to Labelled. A retry writes another file; only what comes out is published.

    Attributes:
        head: as in `build`.
        staging: as in `build`.
        progress_folder: as in `build`.
    """

    head: Head
    staging: str
    progress_folder: str | None = None

    def process(self, source: Source) -> Iterator[Labelled]:
        """Labels one shard, some thousand rows at a time.

        Raises:
            UserError: the shard is missing, damaged or not that of the manifest.
        """
        counts = np.zeros(len(self.head.labels), np.int64)
        name = _KIND.file_name(uuid.uuid4().hex, format=_KIND.default_format)
        with threadpool_limits(1):  # other threads would only wait, and shards run side by side
            piece = write_piece(self.staging, name, self._tables(source, counts))
        if piece.shard.rows != source.rows:
            raise UserError(
                f"{source.path}: {piece.shard.rows} rows are there, {source.rows} in the manifest. "
                "quantlabel verify says more; label again."
            )
        yield Labelled(source.number, piece, counts.tolist())

    def _tables(self, source: Source, counts: npt.NDArray[np.int64]) -> Iterator[pa.Table]:
        report = self.progress_folder and Report(self.progress_folder)
        group: list[pa.Table] = []
        columns = ("uri", "embedding")
        for table in read_predictions(source.path, columns=columns, rows=_ROWS):
            labelled, labels = label_rows(table, self.head)
            counts += np.bincount(labels, minlength=len(counts))
            group.append(labelled)
            if len(group) * _ROWS >= ROWS_PER_GROUP:
                yield pa.concat_tables(group)
                group = []
            if report:
                report.add("labelled", table.num_rows)
        if group:
            yield pa.concat_tables(group)
        if report:
            report.write()


def label_rows(table: pa.Table, head: Head) -> tuple[pa.Table, npt.NDArray[np.intp]]:
    """Rows with `SCHEMA` for a table with the columns `uri` and `embedding`, and their labels.

    Returns:
        The rows, and int[n], the positions of their labels in the head.
    """
    scores = head.scores(embeddings(table))
    best = top_classes(scores, k=min(_TOP, len(head.labels)))
    values = np.take_along_axis(scores, best, axis=1)
    labels = pa.array(head.labels, pa.string())
    columns = [
        table["uri"],
        labels.take(pa.array(best[:, 0])),
        pa.array(values[:, 0]),
        _lists(labels.take(pa.array(best.ravel())), best.shape),
        _lists(pa.array(values.ravel()), best.shape),
    ]
    return pa.table(columns, schema=SCHEMA), best[:, 0]


def _lists(values: pa.Array, shape: tuple[int, ...]) -> pa.ListArray:
    rows, length = shape
    offsets = np.arange(0, rows * length + 1, length, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, values)


@dataclasses.dataclass(eq=False)
class PublishLabels(beam.DoFn):  # type: ignore[misc]
    """Gives the files their names and writes manifest and `_SUCCESS`. Doing it twice does no harm.

    Runs inside the graph, since the launcher may be gone by then.

    Attributes:
        folder: as in `build`.
        staging: as in `build`.
        identity: as in `build`.
    """

    folder: str
    staging: str
    identity: Mapping[str, Any]

    def process(self, _: bytes, labelled: list[Labelled]) -> Iterator[dict[str, Any]]:
        """Publishes all shards, in the order of the run's."""
        # By number: workers finish in any order.
        labelled = sorted(labelled)
        moves = [self._move(shard, of=len(labelled)) for shard in labelled]
        shards = [move.shard for move in moves]
        manifest = {
            **self.identity,
            "finished": now(),
            "rows": sum(shard.rows for shard in shards),
            "labels": self._counts(labelled),
            "files": [shard._asdict() for shard in shards],
        }
        require_sources(self.folder, moves)  # a late retry must not harm a later head
        content = as_json(manifest)
        # Before the old ones are gone: there may be no room for them.
        for name, made in ((MANIFEST, content), (SUCCESS, attempts.success(content))):
            files.write_bytes(files.join(self.staging, name), made)
        delete_markers(self.folder)
        publish(self.folder, moves)
        delete_stale(self.folder, kind=_KIND, current=shards)
        files.move(
            [
                (files.join(self.staging, name), files.join(self.folder, name))
                for name in (MANIFEST, SUCCESS)
            ]
        )
        files.delete_tree(self.staging)
        yield manifest

    def _move(self, labelled: Labelled, *, of: int) -> Move:
        name = _KIND.shard_name(labelled.number, of=of, format=_KIND.default_format)
        return Move(labelled.piece.path, labelled.piece.shard._replace(name=name))

    def _counts(self, labelled: Sequence[Labelled]) -> dict[str, int]:
        """Rows by label, the most frequent first, without those that no row has."""
        totals = np.sum([shard.counts for shard in labelled], axis=0)
        labels = self.identity["head"]["labels"]
        order = np.argsort(-totals, kind="stable")
        return {labels[at]: int(totals[at]) for at in order if totals[at]}
