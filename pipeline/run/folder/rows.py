"""The rows of a finished run for programs and notebooks: Arrow, pandas, one after the other."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.run.folder import finished
from pipeline.run.folder.finished import FinishedRun
from pipeline.run.folder.manifest import Manifest
from transforms.errors import UsageError, UserError
from transforms.rows.kinds import RowKind
from transforms.rows.reader import read_rows
from transforms.storage.files import absolute

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Rows:
    """The predictions or the failures of a run, read anew each time that they are asked for.

    `len` counts them; a loop goes through them, each a dictionary.

    Attributes:
        run: whose they are.
        kind: which.
    """

    run: FinishedRun
    kind: RowKind

    def __len__(self) -> int:
        """How many there are."""
        return sum(shard.rows for shard in self.run.files if shard.kind is self.kind)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One after the other, a table of them in memory at a time."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def __repr__(self) -> str:
        """Says what they are; a notebook shows it."""
        return f"{len(self):,} {self.kind.value} of {self.run.folder}"

    def batches(self, *, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        """A stream of some thousand rows at a time, which DuckDB and Polars take as well.

        Args:
            columns: names, in this order; None for all.

        Raises:
            UsageError: there is no such column.
            UserError: a file is damaged or gone.
        """
        known = [column.name for column in self.kind.columns]
        for name in columns or ():
            if name not in known:
                raise UsageError(f"column {name!r}: expected one of {', '.join(known)}")
        paths = self.run.shards(self.kind)
        read = functools.partial(read_rows, kind=self.kind, columns=columns)
        tables = itertools.chain.from_iterable(map(read, paths))
        schema = self._schema(columns)
        # Shards of several releases differ in what their metadata say.
        cast = (table.cast(schema) for table in tables)
        batches = itertools.chain.from_iterable(table.to_batches() for table in cast)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def to_arrow(self, *, columns: Sequence[str] | None = None) -> pa.Table:
        """All of them in one table; arguments and errors as `batches` has them."""
        return self.batches(columns=columns).read_all()

    def to_pandas(self, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All of them in one frame, vectors as numpy arrays; as `batches` has the rest.

        Raises:
            UserError: pandas is not installed.
        """
        if importlib.util.find_spec("pandas") is None:
            raise UserError("to_pandas needs pandas, which is not installed: pip install pandas")
        return self.to_arrow(columns=columns).to_pandas()

    def _schema(self, columns: Sequence[str] | None) -> pa.Schema:
        model = self.run.manifest.model
        own = not model.classes.are_imagenet
        found = {
            column.name: column.field(model.feature_size, own_classes=own)
            for column in self.kind.columns
        }
        return pa.schema([found[name] for name in columns or found])


@dataclasses.dataclass(frozen=True, repr=False)
class LabelledRun:
    """A run that has finished: how many pictures it labelled, and its rows.

    Attributes:
        folder: where it is, absolute or remote.
        manifest: what its `_MANIFEST.json` says.
    """

    folder: str
    manifest: Manifest

    @property
    def counts(self) -> dict[str, int]:
        """Pictures, by the names that the manifest has: inputs = predictions + failures."""
        names = ("inputs", "predictions", "failures", "duplicates", "skipped", "reused")
        return {name: getattr(self.manifest, name) for name in names}

    @property
    def failures_by_reason(self) -> dict[str, int]:
        """How many pictures failed for which reason."""
        return dict(self.manifest.failures_by_reason)

    @property
    def rows(self) -> Rows:
        """The predictions."""
        return Rows(self._run, RowKind.PREDICTION)

    @property
    def failures(self) -> Rows:
        """The pictures that could not be labelled, each with its reason."""
        return Rows(self._run, RowKind.FAILURE)

    @property
    def _run(self) -> FinishedRun:
        return FinishedRun(self.folder, self.manifest.files, self.manifest)

    def __repr__(self) -> str:
        """Says how many pictures were labelled; a notebook shows it."""
        found = self.manifest
        return f"{self.folder}: {found.predictions:,} labelled, {found.failures:,} failed"


def open_run(folder: str | os.PathLike[str]) -> LabelledRun:
    """Opens what `quantlabel label` has written.

    Args:
        folder: its `--output`, here or in a bucket.

    Raises:
        UserError: no run has finished there.
    """
    folder = os.fspath(folder)
    return LabelledRun(absolute(folder), finished.open_run(folder).manifest)
