"""A run with a label map, as its user sees it: the labels of the map in place of the classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run.folder.manifest import Manifest

COLUMNS = ("mapped_label", "mapped_score")


@dataclasses.dataclass(frozen=True)
class OwnLabels:
    """What a report says of a label map.

    Attributes:
        labels: of the map.
        threshold: pictures with a smaller score have no label.
    """

    labels: Sequence[str]
    threshold: float

    @property
    def none(self) -> int:
        """In place of a class id, for the pictures without a label."""
        return len(self.labels)

    def replace(self, table: pa.Table) -> pa.Table:
        """Puts label, score and position of the label where those of the network's class were.

        Args:
            table: with `survey.COLUMNS` and `COLUMNS`.

        Returns:
            The table with `survey.COLUMNS`. `top_labels` and `top_scores` are the network's.
        """
        names = pa.array([*self.labels, f"no label, below {self.threshold:g}"])
        found = pc.index_in(table["mapped_label"], value_set=names[: self.none])
        position = pc.fill_null(found, self.none).to_numpy().astype(np.int32)
        replaced = {
            "class_id": pa.array(position),
            "label": names.take(pa.array(position)),
            "synset": pa.array([""] * table.num_rows, pa.string()),
            "score": table["mapped_score"],
        }
        kept = table.drop_columns(list(COLUMNS))
        for name, column in replaced.items():
            kept = kept.set_column(kept.schema.get_field_index(name), name, column)
        return kept


def own_labels(manifest: Manifest) -> OwnLabels | None:
    """The label map of a run, or None if it had none."""
    found = manifest.label_map
    return OwnLabels(found.labels, found.threshold) if found else None
