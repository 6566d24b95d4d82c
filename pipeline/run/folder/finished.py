"""A finished run folder, read: what everything that comes after labelling starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.run.folder.manifest import Manifest, read_manifest
from transforms.errors import UsageError, UserError
from transforms.rows.kinds import RowKind
from transforms.rows.names import ASIDE, MANIFEST, SUCCESS
from transforms.rows.reader import read_rows
from transforms.rows.shards import Shard
from transforms.storage import files


@dataclasses.dataclass(frozen=True)
class StoredRows:
    """The shards of a folder.

    Attributes:
        folder: where they are, local or remote.
        files: the shards.
    """

    folder: str
    files: Sequence[Shard]

    def shards(self, kind: RowKind) -> list[str]:
        """Paths of the shards with rows of a kind, in order."""
        return [files.join(self.folder, shard.name) for shard in self.files if shard.kind is kind]

    def predictions(self, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All predictions as tables of some thousand rows, see `read_predictions`."""
        for path in self.shards(RowKind.PREDICTION):
            yield from read_rows(path, kind=RowKind.PREDICTION, columns=columns)

    def failures(self) -> Iterator[pa.Table]:
        """All failures as tables of some thousand rows."""
        for path in self.shards(RowKind.FAILURE):
            yield from read_rows(path, kind=RowKind.FAILURE)


@dataclasses.dataclass(frozen=True)
class FinishedRun(StoredRows):
    """A run that has succeeded.

    Attributes:
        folder: where it is, local or remote.
        files: those of the manifest.
        manifest: what `_MANIFEST.json` says.
    """

    manifest: Manifest

    def find(self, path: str) -> str:
        """Where something derived from the run is: here, or where versions before 0.2.0 wrote it.

        Args:
            path: of a file, relative to the folder of the run, as it is written today.
        """
        here = files.join(self.folder, path)
        before = files.join(self.folder, path.removeprefix(ASIDE))
        return before if files.exists(before) and not files.exists(here) else here


def open_run(folder: str, *, with_vectors: bool = False) -> FinishedRun:
    """Opens a finished run.

    Args:
        folder: what was given to `quantlabel label --output`.
        with_vectors: whether its rows must have feature vectors.

    Raises:
        UserError: no run has finished there, or its manifest cannot be read, or says that its rows
            have no feature vectors.
    """
    # A manifest alone may be that of a run that has failed.
    if not files.exists(files.join(folder, SUCCESS)):
        raise UserError(
            f"{folder}: no finished run is there ({SUCCESS} is missing). Expected the "
            "--output of a quantlabel label that has succeeded."
        )
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError as error:
        raise UserError(f"{folder}: {MANIFEST} is missing. Label again.") from error
    if with_vectors and not manifest.model.feature_size:
        raise UserError(
            f"{folder}: its rows have no feature vectors. Label again with --embedding-tensor NAME."
        )
    return FinishedRun(folder, manifest.files, manifest)


def require_quality(run: FinishedRun) -> None:
    """Makes sure that the rows of a run have flags.

    Raises:
        UsageError: they have none.
    """
    if not run.manifest.options.quality:
        raise UsageError(
            f"--flag: {run.folder} was labelled without --quality, which finds the flags. Label "
            "again with it."
        )
