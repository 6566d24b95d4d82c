"""What must be true of every row, whatever the picture."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.run.folder.manifest import Manifest
from transforms.failures import Reason, Stage
from transforms.hashes import hashes_of
from transforms.network.classes import Classes
from transforms.rows.schema import PREDICTION_COLUMNS

Hashes = npt.NDArray[np.uint64]


def prediction_problems(table: pa.Table, manifest: Manifest) -> Iterator[str]:
    """What is wrong with rows of predictions, the picture named.

    Args:
        table: rows with all columns.
        manifest: of their run.
    """
    if len(manifest.model.classes):
        yield from _class_problems(table, manifest)
    else:
        named = np.any([table.column(name).is_valid() for name in _OF_CLASSES], axis=0)
        yield from _named(table, named, "it has a class, and its network has none")
    vectors = _matrix(table.column("embedding"), manifest.model.feature_size)
    if vectors is None:
        length = manifest.model.feature_size
        yield f"the feature vectors are not {length} long"
    else:
        yield from _named(table, ~np.isfinite(vectors).all(axis=1), "its embedding is not finite")


_OF_CLASSES = [column.name for column in PREDICTION_COLUMNS if column.of_classes]


def _class_problems(table: pa.Table, manifest: Manifest) -> Iterator[str]:
    top_k = manifest.options.top_k
    ids = table.column("class_id").to_numpy()
    classes = manifest.model.classes
    valid = (ids >= 0) & (ids < len(classes))
    yield from _named(table, ~valid, f"its class id is not one of the {len(classes)}")
    names, synsets = _names(classes)
    # A class id that is none would end the indexing below; it has been reported.
    safe = np.where(valid, ids, 0)
    labels = np.array(table.column("label").to_pylist(), object)
    yield from _named(table, valid & (names[safe] != labels), "its label is not its class's")
    found = np.array(table.column("synset").to_pylist(), object)
    yield from _named(table, valid & (synsets[safe] != found), "its synset is not its class's")
    yield from _named(
        table, ~_is_ranked(table, top_k, names), "its top classes are not the best first"
    )


def _is_ranked(table: pa.Table, top_k: int, names: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows have `top_k` classes, best first, the first of them class, label and score."""
    ids = _matrix(table.column("top_class_ids"), top_k)
    scores = _matrix(table.column("top_scores"), top_k)
    labels = _matrix(table.column("top_labels"), top_k)
    if ids is None or scores is None or labels is None:
        return np.zeros(table.num_rows, np.bool_)
    known = ((ids >= 0) & (ids < len(names))).all(axis=1)
    named = (names[np.clip(ids, 0, len(names) - 1)] == labels).all(axis=1)
    first = (ids[:, 0] == table.column("class_id").to_numpy()) & (
        scores[:, 0] == table.column("score").to_numpy()
    )
    falling = (np.diff(scores, axis=1) <= 0).all(axis=1)
    within = ((scores >= 0) & (scores <= 1)).all(axis=1)  # false for NaN
    ranked: npt.NDArray[np.bool_] = known & named & first & falling & within
    return ranked


def _matrix(column: pa.ChunkedArray, width: int) -> npt.NDArray[Any] | None:
    """A column of lists as [rows, width]; None if a list has another length."""
    lengths = pc.list_value_length(column)
    if not pc.all(pc.fill_null(pc.equal(lengths, width), False)).as_py():
        return None
    flat = pc.list_flatten(column)
    values = flat.to_pylist() if pa.types.is_string(flat.type) else flat.to_numpy()
    array = np.asarray(values, object if pa.types.is_string(flat.type) else None)
    return array.reshape(len(column), width)


@functools.cache
def _names(classes: Classes) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    return (
        np.array([name.label for name in classes], object),
        np.array([name.synset for name in classes], object),
    )


def failure_problems(table: pa.Table) -> Iterator[str]:
    """What is wrong with rows of failures."""
    for column, kind in (("stage", Stage), ("reason", Reason)):
        known = {member.value for member in kind}
        wrong = np.array([value not in known for value in table.column(column).to_pylist()])
        yield from _named(table, wrong, f"its {column} is not one of the known ones")


def _named(table: pa.Table, wrong: npt.NDArray[np.bool_], what: str) -> Iterator[str]:
    for at in np.flatnonzero(wrong):
        yield f"{table.column('uri')[int(at)].as_py()}: {what}"


class Repeats:
    """Which uris come more than once, at 8 bytes of memory for each uri."""

    def __init__(self) -> None:
        self._hashes: list[Hashes] = []

    @property
    def rows(self) -> int:
        """How many uris there were."""
        return sum(map(len, self._hashes))

    def add(self, uris: Sequence[str]) -> None:
        """Takes the uris of some rows."""
        self._hashes.append(hashes_of(uris))

    def suspects(self) -> Hashes:
        """Hashes that came more than once: of a repeated uri, or of two by a very rare chance."""
        hashes = self.hashes()
        return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])

    def hashes(self) -> Hashes:
        """Those of all uris, sorted."""
        hashes = np.concatenate([np.empty(0, np.uint64), *self._hashes])
        # In place, and once: both questions need them sorted.
        hashes.sort()
        self._hashes = [hashes]
        return hashes

    def among(self, uris: Sequence[str], suspects: Hashes) -> Iterator[str]:
        """The uris whose hashes are among `suspects`."""
        for at in np.flatnonzero(np.isin(hashes_of(uris), suspects)).tolist():
            yield uris[at]
