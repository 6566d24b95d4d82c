"""Which labels of a run are held against the truth: the network's, a label map's or a head's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.labels.answers.answer import says_none
from pipeline.labels.answers.votes import UNKNOWN
from pipeline.labels.options import LabelKind, TruthOptions
from pipeline.labels.truth import FOLDERS, folder_name, read_truths
from pipeline.labels.vocabularies import KnownLabels, NetworkClasses, Vocabulary
from pipeline.run.folder.finished import FinishedRun, StoredRows
from pipeline.run.folder.own_labels import OwnLabels, own_labels, require_labels_of
from transforms.errors import UserError


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

    kind: LabelKind
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


def labels_of(run: FinishedRun, kind: LabelKind | None, *, truth: TruthOptions) -> Labels:
    """What is compared.

    Args:
        run: with the labels.
        kind: what the user asked for; None for those labels of the run that the truth speaks of.
        truth: as in `pipeline.labels.truth.load_truth`.

    Raises:
        UserError: the run has no such labels, or the truth fits two kinds alike.
    """
    own = own_labels(run, kind or _meant(run, truth))
    if own is None and not len(run.manifest.model.classes):
        own = own_labels(run, None)  # a head is all that there can be
    require_labels_of(run, own, doing="evaluate")
    return _of_own(own) if own else _of_network(run)


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


def _of_own(own: OwnLabels) -> Labels:
    rows: StoredRows = own.run
    kind: LabelKind = "mapped"
    columns, of = own.columns, "the run's label map"
    # What a head wrote names its pictures itself: no need to read the run beside it.
    if own.head:
        rows, kind, columns, of = own.head, "head", ("label", "score"), "the head"
    return Labels(
        kind=kind,
        rows=rows,
        column=columns[0],
        score_column=columns[1],
        values=pa.array(own.labels, pa.string()),
        names=[{"label": label} for label in own.labels],
        vocabulary=KnownLabels(own.labels, of=of),
        fitted_on=own.fitted_on,
    )


def _mapped(run: FinishedRun) -> list[str]:
    label_map = run.manifest.label_map
    return list(label_map.labels) if label_map else []


def _meant(run: FinishedRun, truth: TruthOptions) -> LabelKind:
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
