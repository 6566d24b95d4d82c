"""A user's own labels in place of the network's classes: those of a label map, or of a head."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.labels.options import LabelKind
from pipeline.run.folder.finished import FinishedRun, StoredRows
from pipeline.run.folder.manifest import from_json
from transforms.errors import UserError
from transforms.rows.kinds import RowKind
from transforms.rows.names import HEAD_FOLDER, MANIFEST, SUCCESS
from transforms.rows.reader import read_predictions
from transforms.rows.shards import Shard
from transforms.storage import files

_AGAIN = "Run quantlabel head apply again."

_OF_HEAD = {
    "head_label": "label",
    "head_score": "score",
    "head_top_labels": "top_labels",
    "head_top_scores": "top_scores",
}
"""What the columns of a head's rows are called beside those of the run."""


@dataclasses.dataclass(frozen=True)
class OwnLabels:
    """Labels that pictures of a run have besides the network's.

    Attributes:
        run: whose pictures.
        labels: all that a picture may have.
        threshold: pictures with a smaller score have no label; 0 of a head, which gives each one.
        head: what a head wrote, a shard for each of the run's; None for those of the label map.
        fitted_on: the truth that the head was fitted on, else None.
    """

    run: FinishedRun
    labels: Sequence[str]
    threshold: float = 0.0
    head: StoredRows | None = None
    fitted_on: str | None = None

    @property
    def of(self) -> str:
        """Where they come from, for people."""
        return "head" if self.head else "label map"

    @property
    def columns(self) -> tuple[str, str]:
        """The names of label and score in `shards`."""
        return ("head_label", "head_score") if self.head else ("mapped_label", "mapped_score")

    def shards(self, *, columns: Sequence[str]) -> list[Iterator[pa.Table]]:
        """The predictions of each shard of the run, as tables of some thousand rows.

        Args:
            columns: of the run's rows; and `head_label`, `head_score`, `head_top_labels` and
                `head_top_scores`, if these are labels of a head.

        Raises:
            UserError: the head's rows are not those of the run; or see `read_predictions`.
        """
        paths = self.run.shards(RowKind.PREDICTION)
        if self.head is None:
            return [read_predictions(path, columns=columns) for path in paths]
        own = self.head.shards(RowKind.PREDICTION)
        if len(own) != len(paths):
            raise _not_the_runs(self.head.folder)
        return [_joined(*pair, columns=columns) for pair in zip(paths, own, strict=True)]


def own_labels(run: FinishedRun, kind: LabelKind | None) -> OwnLabels | None:
    """The labels that a command shows, or None for the network's.

    Args:
        run: whose pictures.
        kind: what the user asked for; None for those of a head if one was applied to this run, else
            those of its label map if it has one.

    Raises:
        UserError: the run has no such labels, or what a head wrote is damaged.
    """
    if kind == "network":
        return None
    if kind == "head" or (kind is None and _has_head(run)):
        return _of_head(run)
    label_map = run.manifest.label_map
    if label_map:
        return OwnLabels(run, label_map.labels, label_map.threshold)
    if kind == "mapped":
        raise UserError(
            f"{run.folder}: --labels mapped needs a run with a label map. Label with --label-map, "
            "or leave --labels out."
        )
    return None


def require_labels_of(run: FinishedRun, own: OwnLabels | None, *, doing: str) -> None:
    """Refuses to go on where pictures have no labels at all.

    Args:
        run: whose pictures.
        own: what `own_labels` gave.
        doing: what needs labels, the first words of the message.

    Raises:
        UserError: the network of the run gives feature vectors alone, and no head was applied.
    """
    if own is None and not len(run.manifest.model.classes):
        raise UserError(
            f"{run.folder}: {doing} needs labels, and the network of this run has no classes, it "
            "gives feature vectors alone. Teach it some: quantlabel head fit, then head apply."
        )


@dataclasses.dataclass(frozen=True)
class _Labelled:
    started: str = ""


@dataclasses.dataclass(frozen=True)
class _Head:
    labels: tuple[str, ...]
    truth: str


@dataclasses.dataclass(frozen=True)
class _HeadManifest:
    """What counts here of the manifest that `pipeline.heads.graph` writes."""

    run: _Labelled
    head: _Head
    files: tuple[Shard, ...]


def _has_head(run: FinishedRun) -> bool:
    """Whether a head was applied to this run, and not to one that was here before."""
    marker = run.find(f"{HEAD_FOLDER}/{SUCCESS}")
    return files.exists(marker) and _is_of(_head_manifest(posixpath.dirname(marker)), run)


def _head_manifest(folder: str) -> _HeadManifest:
    path = files.join(folder, MANIFEST)
    return from_json(_HeadManifest, files.read_bytes(path), path, cure=_AGAIN)


def _is_of(manifest: _HeadManifest, run: FinishedRun) -> bool:
    # The start of a run is its name: no two in a folder share it to the millisecond.
    return manifest.run.started == run.manifest.started


def _of_head(run: FinishedRun) -> OwnLabels:
    marker = run.find(f"{HEAD_FOLDER}/{SUCCESS}")
    folder = posixpath.dirname(marker)
    if not files.exists(marker):
        raise UserError(
            f"{folder}: no labels of a head are there. Run quantlabel head apply first."
        )
    manifest = _head_manifest(folder)
    if not _is_of(manifest, run):
        raise UserError(f"{folder}: these are labels of a run that was here before. {_AGAIN}")
    rows, head = StoredRows(folder, manifest.files), manifest.head
    return OwnLabels(run, head.labels, head=rows, fitted_on=head.truth)


def _joined(path: str, own_path: str, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a shard with those that a head wrote for it, which are in the same order."""
    wanted = [name for name in columns if name not in _OF_HEAD]
    added = {name: _OF_HEAD[name] for name in columns if name in _OF_HEAD}
    # Whole: a shard has 100,000 rows at most, and these columns are narrow.
    tables = read_predictions(own_path, columns=["uri", *added.values()])
    own, start = pa.concat_tables(tables), 0
    for table in read_predictions(path, columns=list(dict.fromkeys(["uri", *wanted]))):
        here = own.slice(start, table.num_rows)
        start += table.num_rows
        if here["uri"].combine_chunks() != table["uri"].combine_chunks():
            raise _not_the_runs(own_path)
        for name, column in added.items():
            table = table.append_column(name, here[column])
        yield table.select(list(columns))


def _not_the_runs(path: str) -> UserError:
    return UserError(f"{path}: the rows are not those of the run. {_AGAIN}")
