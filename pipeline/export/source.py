"""What every exporter starts from: the rows, the classes, and which pictures others can open."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run.folder.finished import FinishedRun
from transforms.inputs.archives.kinds import archive_of
from transforms.storage import files


@dataclasses.dataclass(frozen=True)
class Source:
    """A run to export.

    Attributes:
        run: the rows.
        names: class id to a name that no other class has, in order of id: the label, with the id
            behind it where two classes share one, as the two cranes do. All classes of a network of
            the user's own; of ImageNet's those that the run names anywhere.
    """

    run: FinishedRun
    names: Mapping[int, str]

    @functools.cached_property
    def own_labels(self) -> list[str] | None:
        """The user's labels, of a run with `--label-map`."""
        label_map = self.run.manifest.label_map
        return list(label_map.labels) if label_map else None

    @functools.cached_property
    def choices(self) -> Sequence[str]:
        """Every label that a picture may have: the user's own, or else the names of the classes."""
        return self.own_labels or list(self.names.values())

    @property
    def label_columns(self) -> tuple[str, str]:
        """The columns that `label` needs, that of the score last."""
        return ("mapped_label", "mapped_score") if self.own_labels else ("class_id", "score")

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
    """

    rows: int
    left_out: int = 0


def open_source(run: FinishedRun) -> Source:
    """Collects the classes: all of one's own; of ImageNet's those that rows name, in one pass."""
    classes = run.manifest.model.classes
    if not classes.are_imagenet:
        return Source(run, unique_names(dict(enumerate(classes.labels))))
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
    return Source(run, unique_names(dict(sorted(found))))


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


def is_local_file(uri: str) -> bool:
    """Whether the picture is a file of its own on this machine."""
    return files.is_local(uri) and not is_member(uri)
