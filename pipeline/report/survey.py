"""What is in a run: counts and the rows worth showing, in one pass and bounded memory."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = (
    "uri",
    "sha256",
    "width",
    "height",
    "format",
    "class_id",
    "synset",
    "label",
    "score",
    "top_labels",
    "top_scores",
    "size",
)
"""What a report reads of a prediction besides the feature vector."""

SCORE_BINS = 20
LEAST_CERTAIN = 120

_MEGAPIXEL_EDGES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
MEGAPIXEL_BINS = ("< 0.1", "0.1", "0.25", "0.5", "1", "2", "4", "8", "16", "32 +")
"""Megapixels from which each bin counts."""


@dataclasses.dataclass
class ClassCount:
    """One class as the first guess.

    Attributes:
        label: its name.
        synset: WordNet id, or the empty string.
        count: pictures.
        score_sum: of their scores.
    """

    label: str
    synset: str
    count: int = 0
    score_sum: float = 0.0


@dataclasses.dataclass
class Survey:
    """What `survey` found.

    Attributes:
        rows: predictions.
        classes: class id to its count.
        score_counts: int64[SCORE_BINS], bins of equal width over 0..1.
        format_counts: encoding to pictures.
        megapixel_counts: int64[len(MEGAPIXEL_BINS)].
        shapes: wide, tall and square to pictures.
        file_bytes: sum over the files whose size is known.
        sized: files whose size is known.
        least_certain: the rows with the lowest scores, lowest first, `LEAST_CERTAIN` at most.
        repeated: last 8 bytes of each sha256 that more than one row has, the most frequent first.
        repeats: rows that each of them has.
    """

    rows: int = 0
    classes: dict[int, ClassCount] = dataclasses.field(default_factory=dict)
    score_counts: npt.NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(SCORE_BINS, np.int64)
    )
    format_counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    megapixel_counts: npt.NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(len(MEGAPIXEL_BINS), np.int64)
    )
    shapes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    file_bytes: int = 0
    sized: int = 0
    least_certain: pa.Table | None = None
    repeated: npt.NDArray[np.uint64] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.uint64)
    )
    repeats: npt.NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.int64)
    )


def survey(tables: Iterable[pa.Table]) -> Survey:
    """Goes through the predictions of a run once.

    Memory holds eight bytes a row, for the hashes, and the rows to be shown.

    Args:
        tables: with `COLUMNS`.
    """
    found = Survey()
    hashes: list[npt.NDArray[np.uint64]] = []
    for table in tables:
        _count(found, table)
        found.least_certain = _lowest(_joined(found.least_certain, _lowest(table)))
        hashes.append(hash_numbers(table["sha256"]))
    if hashes:
        values, counts = np.unique(np.concatenate(hashes), return_counts=True)
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts > 1)]
        found.repeated, found.repeats = values[order], counts[order]
    return found


def hash_numbers(sha256: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """The last 8 bytes of each hash as a number: uint64[n]."""
    # Any 8 bytes of a hash are as good as others.
    digits = "".join(pc.utf8_slice_codeunits(sha256, 48, 64).to_pylist())
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)


def _count(found: Survey, table: pa.Table) -> None:
    found.rows += table.num_rows
    scores = table["score"].to_numpy()
    found.score_counts += np.histogram(scores, bins=SCORE_BINS, range=(0.0, 1.0))[0]
    _count_classes(found, table)
    for value in pc.value_counts(table["format"]).to_pylist():
        found.format_counts[value["values"]] += value["counts"]
    width, height = table["width"].to_numpy(), table["height"].to_numpy()
    bins = np.digitize(width.astype(np.int64) * height / 1e6, _MEGAPIXEL_EDGES) - 1
    found.megapixel_counts += np.bincount(bins, minlength=len(MEGAPIXEL_BINS))
    found.shapes["wide"] += int((width > height).sum())
    found.shapes["tall"] += int((width < height).sum())
    found.shapes["square"] += int((width == height).sum())
    found.sized += table.num_rows - table["size"].null_count
    found.file_bytes += pc.sum(table["size"]).as_py() or 0


def _count_classes(found: Survey, table: pa.Table) -> None:
    keys = ["class_id", "label", "synset"]
    grouped = table.select([*keys, "score"]).group_by(keys)
    for row in grouped.aggregate([("score", "count"), ("score", "sum")]).to_pylist():
        entry = found.classes.setdefault(row["class_id"], ClassCount(row["label"], row["synset"]))
        entry.count += row["score_count"]
        entry.score_sum += row["score_sum"]


def _joined(kept: pa.Table | None, new: pa.Table) -> pa.Table:
    return new if kept is None else pa.concat_tables([kept, new])


def _lowest(table: pa.Table) -> pa.Table:
    order = pc.sort_indices(table, [("score", "ascending"), ("uri", "ascending")])
    return table.take(order[:LEAST_CERTAIN])
