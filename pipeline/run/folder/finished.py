"""A finished run folder, read: what everything that comes after labelling starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.run.folder import ledger
from transforms.errors import UserError
from transforms.rows.reader import read_failures, read_predictions
from transforms.storage import files


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run that has succeeded.

    Attributes:
        folder: where it is, local or remote.
        manifest: what `_MANIFEST.json` says.
    """

    folder: str
    manifest: Mapping[str, Any]

    def shards(self, kind: str) -> list[str]:
        """Paths of the shards of a kind, `predictions` or `failures`, in order."""
        names = [file["name"] for file in self.manifest["files"]]
        return [files.join(self.folder, name) for name in names if name.startswith(f"{kind}-")]

    def predictions(self, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All predictions as tables of some thousand rows, see `read_predictions`."""
        for path in self.shards("predictions"):
            yield from read_predictions(path, columns=columns)

    def failures(self) -> Iterator[pa.Table]:
        """All failures as tables of some thousand rows."""
        for path in self.shards("failures"):
            yield from read_failures(path)


def open_run(folder: str) -> FinishedRun:
    """Opens a finished run.

    Args:
        folder: what was given to `quantlabel label --output`.

    Raises:
        UserError: no run has finished there.
    """
    if not files.exists(files.join(folder, ledger.SUCCESS)):
        raise UserError(
            f"{folder}: no finished run is there ({ledger.SUCCESS} is missing). Expected the "
            "--output of a quantlabel label that has succeeded."
        )
    try:
        return FinishedRun(folder, ledger.read_manifest(folder))
    except (FileNotFoundError, ValueError) as error:
        raise UserError(
            f"{folder}: {ledger.MANIFEST} is missing or damaged. Label again."
        ) from error
