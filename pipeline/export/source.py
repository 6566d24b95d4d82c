"""What every exporter starts from: the rows, the classes, and which pictures others can open."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.labels.flags import flagged
from pipeline.labels.options import LabelKind
from pipeline.labels.pictures import Listed
from pipeline.run.folder.finished import FinishedRun
from pipeline.run.folder.own_labels import OwnLabels, own_labels
from transforms.flags import Flags
from transforms.inputs.archives.kinds import archive_of
from transforms.rows.kinds import RowKind
from transforms.rows.reader import read_predictions
from transforms.rows.schema import prediction_schema
from transforms.storage import files
from transforms.storage.addresses import name_of


@dataclasses.dataclass(frozen=True)
class Selection:
    """Some pictures of a run.

    Attributes:
        listed: whose rows are wanted, in the order of the run; None for all.
        order: uri to place of those that are wanted, in that order; None for no order.
        data: uri to what a task tells of the picture besides.
        flags: as `pipeline.labels.flags.flagged` takes them; none for all pictures.
    """

    listed: Listed | None = None
    order: Mapping[str, int] | None = None
    data: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    flags: Sequence[str] = ()

    @property
    def is_some(self) -> bool:
        """Whether it is less than everything."""
        return self.listed is not None or self.order is not None or bool(self.flags)

    @property
    def columns(self) -> Sequence[str]:
        """What it must know of a row besides `uri`."""
        return Flags._fields if self.flags else ()

    def of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The rows among those with `uri` and `columns` that are wanted; ordered, in one table."""
        if self.order is None:
            for table in tables:
                yield table.filter(self._wanted(table))
            return
        kept = [table.filter(self._wanted(table)) for table in tables]
        found = pa.concat_tables(kept)
        places = [self.order[uri] for uri in found["uri"].to_pylist()]
        yield found.take(pa.array(np.argsort(places), pa.int64()))

    def _wanted(self, table: pa.Table) -> pa.Array:
        uris = table["uri"].to_pylist()
        if self.order is not None:
            return pa.array([uri in self.order for uri in uris], pa.bool_())
        wanted = pa.array(self.listed.among(uris) if self.listed else [True] * len(uris))
        return pc.and_(wanted, flagged(table, self.flags)) if self.flags else wanted


@dataclasses.dataclass(frozen=True)
class Source:
    """A run to export.

    Attributes:
        run: the rows.
        names: class id to a name that no other class has, in order of id: the label, with the id
            behind it where two classes share one, as the two cranes do. All classes of a network of
            the user's own; of ImageNet's those that the run names anywhere.
        own: labels in place of the classes, None for the network's.
        selection: which pictures, and in which order.
        copies: uri to the path of a copy of the picture, of those that were copied.
    """

    run: FinishedRun
    names: Mapping[int, str]
    own: OwnLabels | None = None
    selection: Selection = Selection()
    copies: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def predictions(self, *, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows that are exported, in the order of the run or that of the selection.

        Args:
            columns: as in `OwnLabels.shards`, `uri` among them.
        """
        return itertools.chain.from_iterable(self.shards(columns=columns))

    def shards(self, *, columns: Sequence[str]) -> list[Iterator[pa.Table]]:
        """The same, apart for each shard of the run; what was selected as one."""
        read = list(dict.fromkeys([*columns, *self.selection.columns]))
        if self.own:
            shards = self.own.shards(columns=read)
        else:
            paths = self.run.shards(RowKind.PREDICTION)
            shards = [read_predictions(path, columns=read) for path in paths]
        if not self.selection.is_some:
            return shards
        wanted = self.selection.of(itertools.chain.from_iterable(shards))
        return [(table.select(list(columns)) for table in wanted)]

    @functools.cached_property
    def added_columns(self) -> Sequence[str]:
        """Columns that are not the run's: those of a head."""
        return () if self.own is None or self.own.head is None else self.own.columns

    @functools.cached_property
    def schema(self) -> pa.Schema:
        """All columns of the rows, for tools that keep them as they are."""
        model = self.run.manifest.model
        schema = prediction_schema(
            model.feature_size,
            own_classes=not model.classes.are_imagenet,
            metadata={"quantlabel.version": self.run.manifest.version},
        )
        for name, type_ in zip(self.added_columns, (pa.string(), pa.float32()), strict=False):
            schema = schema.append(pa.field(name, type_))
        return schema

    def picture(self, uri: str) -> str | None:
        """Where other tools find a picture: its copy, or itself; None inside of archives."""
        if uri in self.copies:
            return self.copies[uri]
        return None if is_member(uri) else uri

    def file(self, uri: str) -> str | None:
        """The file of this machine that holds a picture, None if there is none."""
        path = self.picture(uri)
        return path if path is not None and files.is_local(path) else None

    def is_gone(self, uri: str) -> bool:
        """Whether a picture was a file of this machine and is there no more."""
        path = None if uri in self.copies else self.file(uri)
        return path is not None and not os.path.exists(name_of(path))

    @functools.cached_property
    def own_labels(self) -> list[str] | None:
        """The user's labels, those of `own`."""
        return list(self.own.labels) if self.own else None

    @functools.cached_property
    def choices(self) -> Sequence[str]:
        """Every label that a picture may have: the user's own, or else the names of the classes."""
        return self.own_labels or list(self.names.values())

    @property
    def label_columns(self) -> tuple[str, str]:
        """The columns that `label` needs, that of the score last."""
        return self.own.columns if self.own else ("class_id", "score")

    def label(self, row: Mapping[str, Any]) -> tuple[str | None, float]:
        """The one label of a picture and its score; None if it is below the label map's threshold.

        Args:
            row: with `label_columns`.
        """
        label, score = (row[name] for name in self.label_columns)
        return label if self.own_labels else self.names[label], rounded(score)


@dataclasses.dataclass(frozen=True)
class Counts:
    """What became of the predictions.

    Attributes:
        rows: exported.
        left_out: not exported, because the other tool could not open the picture.
        gone: whose files are not on this machine, see `ExportTarget.gone`.
        later: exported, but not counted by the run, whose inputs have changed since.
    """

    rows: int
    left_out: int = 0
    gone: int = 0
    later: int = 0


def open_source(run: FinishedRun, *, labels: LabelKind | None = None) -> Source:
    """Collects the classes: all of one's own; of ImageNet's those that rows name, in one pass.

    Args:
        run: the rows.
        labels: as in `own_labels`.
    """
    own = own_labels(run, labels)
    classes = run.manifest.model.classes
    if not classes.are_imagenet:
        return Source(run, unique_names(dict(enumerate(classes.labels))), own)
    found: set[tuple[int, str]] = set()
    for table in run.predictions(columns=["top_class_ids", "top_labels"]):
        pairs = pa.table(
            {
                "class_id": pc.list_flatten(table["top_class_ids"]),
                "label": pc.list_flatten(table["top_labels"]),
            }
        )
        # Each pair once a table: a run names a thousand classes millions of times.
        for row in pairs.group_by(["class_id", "label"]).aggregate([]).to_pylist():
            found.add((row["class_id"], row["label"]))
    return Source(run, unique_names(dict(sorted(found))), own)


def unique_names(labels: Mapping[int, str]) -> dict[int, str]:
    """The labels, with the class id where another class has the same."""
    classes: dict[str, int] = {}
    for label in labels.values():
        classes[label] = classes.get(label, 0) + 1
    return {
        class_id: label if classes[label] == 1 else f"{label} ({class_id})"
        for class_id, label in labels.items()
    }


def rounded(score: float) -> float:
    """Without the digits that float32 does not have."""
    return float(f"{score:.7g}")


def is_member(uri: str) -> bool:
    """Whether the picture is inside an archive, `archive#member`, where other tools cannot look."""
    return archive_of(uri) is not None
