"""Which labels of a run are held against the truth: the network's, a label map's or a head's."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.labels.answers.answer import says_none
from pipeline.labels.answers.votes import UNKNOWN
from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import FOLDERS, folder_name, read_truths
from pipeline.labels.vocabularies import KnownLabels, NetworkClasses, Vocabulary
from pipeline.run.folder.finished import FinishedRun, StoredRows
from pipeline.run.folder.manifest import from_json
from transforms.errors import UserError
from transforms.rows.names import HEAD_FOLDER, MANIFEST, SUCCESS
from transforms.rows.shards import Shard
from transforms.storage import files

Kind = Literal["network", "mapped", "head"]

_AGAIN = "Run quantlabel head apply again."

KINDS: tuple[Kind, ...] = ("network", "mapped", "head")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels that pictures got, as numbers.

    Attributes:
        kind: where they come from.
        rows: the run, or what a head wrote beside it.
        column: of the label in its rows.
        score_column: of the score.
        values: what the column holds for each number.
        names: what figures call each number.
        vocabulary: gives a truth the same numbers.
        fitted_on: the truth that a head was fitted on, else None.
    """

    kind: Kind
    rows: StoredRows
    column: str
    score_column: str
    values: pa.Array
    names: Sequence[Mapping[str, Any]]
    vocabulary: Vocabulary
    fitted_on: str | None = None

    @property
    def ranked(self) -> bool:
        """Whether the rows name several labels by number, with scores that follow from logits."""
        return self.kind == "network"

    def tables(self) -> Iterator[pa.Table]:
        """The rows that were labelled, with the columns that an evaluation needs."""
        columns = ["uri", self.column, self.score_column]
        if self.ranked:
            columns += ["top_class_ids", "top_scores"]
        return self.rows.predictions(columns=columns)

    def numbers(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Numbers of the labels, `UNKNOWN` where a row has none."""
        # A label that is not among the values counts as none.
        found = pc.index_in(table[self.column].combine_chunks(), value_set=self.values)
        numbers: npt.NDArray[np.int64] = found.fill_null(UNKNOWN).to_numpy().astype(np.int64)
        return numbers

    def scores(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """Scores of the labels."""
        scores: npt.NDArray[np.float64] = table[self.score_column].to_numpy().astype(np.float64)
        return scores


def labels_of(run: FinishedRun, kind: Kind | None, *, truth: TruthOptions) -> Labels:
    """What is compared.

    Args:
        run: with the labels.
        kind: what the user asked for; None for those labels of the run that the truth speaks of.
        truth: as in `pipeline.labels.truth.load_truth`.

    Raises:
        UserError: the run has no such labels, or the truth fits two kinds alike.
    """
    kind = kind or _meant(run, truth)
    if kind == "network":
        return _of_network(run)
    return _of_map(run) if kind == "mapped" else _of_head(run)


def _of_network(run: FinishedRun) -> Labels:
    classes = run.manifest.model.classes
    return Labels(
        kind="network",
        rows=run,
        column="class_id",
        score_column="score",
        values=pa.array(range(len(classes)), pa.int32()),
        names=[
            {"class_id": each.class_id, "synset": each.synset, "label": each.label}
            for each in classes
        ],
        vocabulary=NetworkClasses(classes),
    )


def _of_map(run: FinishedRun) -> Labels:
    labels = _mapped(run)
    if not labels:
        raise UserError(
            f"{run.folder}: --labels mapped needs a run with a label map. Label with --label-map, "
            "or leave --labels out."
        )
    vocabulary = KnownLabels(labels, of="the run's label map")
    return _own(run, "mapped", ("mapped_label", "mapped_score"), labels, vocabulary)


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


def _of_head(run: FinishedRun) -> Labels:
    marker = run.find(f"{HEAD_FOLDER}/{SUCCESS}")
    folder = posixpath.dirname(marker)
    if not files.exists(marker):
        raise UserError(
            f"{folder}: no labels of a head are there. Run quantlabel head apply first."
        )
    path = files.join(folder, MANIFEST)
    manifest = from_json(_HeadManifest, files.read_bytes(path), path, cure=_AGAIN)
    # The start of a run is its name: no two in a folder share it to the millisecond.
    if manifest.run.started != run.manifest.started:
        raise UserError(f"{folder}: these are labels of a run that was here before. {_AGAIN}")
    labels = manifest.head.labels
    vocabulary = KnownLabels(labels, of="the head")
    rows = StoredRows(folder, manifest.files)
    found = _own(rows, "head", ("label", "score"), labels, vocabulary)
    return dataclasses.replace(found, fitted_on=manifest.head.truth)


def _own(
    rows: StoredRows,
    kind: Kind,
    columns: tuple[str, str],
    labels: Sequence[str],
    vocabulary: Vocabulary,
) -> Labels:
    return Labels(
        kind=kind,
        rows=rows,
        column=columns[0],
        score_column=columns[1],
        values=pa.array(labels, pa.string()),
        names=[{"label": label} for label in labels],
        vocabulary=vocabulary,
    )


def _mapped(run: FinishedRun) -> list[str]:
    label_map = run.manifest.label_map
    return list(label_map.labels) if label_map else []


def _meant(run: FinishedRun, truth: TruthOptions) -> Kind:
    """The kind of the first label that only the label map has, or only the network.

    What neither has says nothing here: it is refused, or left out, where it is read.
    """
    mapped = set(_mapped(run))
    if not mapped:
        return "network"
    both = None
    for label in _folders(run) if FOLDERS in truth.truths else _labels(truth):
        own, network = label in mapped, bool(run.manifest.model.classes.find(label))
        # A label that only one of the two knows decides; one that both know says nothing.
        if own != network:
            return "mapped" if own else "network"
        if own:
            both = both or label
    if both is None:
        return "network"
    raise UserError(
        f"--truth {truth.named}: {both!r} is a label of the run's label map and a class of the "
        "network, and no other label tells which is meant. Add --labels mapped or --labels network."
    )


def _labels(truth: TruthOptions) -> Iterator[str]:
    """What each answer calls its picture; a class's id or synset before its label."""
    for answer in read_truths(truth):
        if answer.said and not says_none(answer.said):
            yield next(iter(answer.said.values())).strip()


def _folders(run: FinishedRun) -> Iterable[str]:
    for table in run.predictions(columns=("uri",)):
        yield from dict.fromkeys(map(folder_name, table["uri"].to_pylist()))
