"""A run as its user sees it: labels of a label map or of a head in place of the classes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run.folder.own_labels import OwnLabels


def no_label(own: OwnLabels) -> int:
    """In place of a class id, for the pictures without a label."""
    return len(own.labels)


def unlabelled(table: pa.Table) -> pa.Table:
    """Rows of a network without classes, as if all were of one class, for a table as in `replace`.

    A page that shows them leaves out what it says of classes and scores.
    """
    rows = table.num_rows
    made = {
        "class_id": pa.array([0] * rows, pa.int32()),
        "label": pa.array(["Some of them"] * rows, pa.string()),
        "synset": pa.array([""] * rows, pa.string()),
        "score": pa.array([0.0] * rows, pa.float32()),
    }
    for name, column in made.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def replace(own: OwnLabels, table: pa.Table) -> pa.Table:
    """Puts label, score and position of the label where those of the network's class were.

    Args:
        own: the labels.
        table: with `survey.COLUMNS` and `own.columns`.

    Returns:
        The table with `survey.COLUMNS`. `top_labels` and `top_scores` are the network's.
    """
    label, score = own.columns
    none = no_label(own)
    names = pa.array([*own.labels, f"no label, below {own.threshold:g}"])
    found = pc.index_in(table[label], value_set=names[:none])
    position = pc.fill_null(found, none).to_numpy().astype(np.int32)
    replaced = {
        "class_id": pa.array(position),
        "label": names.take(pa.array(position)),
        "synset": pa.array([""] * table.num_rows, pa.string()),
        "score": table[score],
    }
    kept = table.drop_columns(list(own.columns))
    for name, column in replaced.items():
        kept = kept.set_column(kept.schema.get_field_index(name), name, column)
    return kept
