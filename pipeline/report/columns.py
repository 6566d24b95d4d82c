"""Rows as the page's script reads them: columns of numbers in base64, and the words they stand for.

A number takes as few bytes as the largest of its column needs, little-endian. 100,000 rows with
map and neighbours are some 10 MB of text this way, a quarter of what they are as JSON objects.
"""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.explore.neighbours import Neighbours
from transforms.inputs.archives.kinds import archive_of
from transforms.rows.schema import PREDICTION_COLUMNS

FLAGS = tuple(each.name for each in PREDICTION_COLUMNS if pa.types.is_boolean(each.type))
"""Columns of a row that say what is odd about the picture, null where nobody asked."""

NEIGHBOURS = 5
TOP = 5
"""Of the labels that a row names, as many as the page shows."""

_FINE = 60_000
"""Steps between 0 and 1 of scores and coordinates, in two bytes; whole percents stay exact."""

_COARSE = 200
"""Steps of cosines, which are only read by people, in one byte."""


def numbers(values: npt.ArrayLike) -> dict[str, Any]:
    """Whole numbers from 0 to 2**32 - 1 as `{"width": bytes of each, "data": base64}`."""
    array = np.asarray(values, "<u4").ravel()
    width = max(1, (int(array.max(initial=0)).bit_length() + 7) // 8)
    data = array.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    return {"width": width, "data": base64.b64encode(data).decode("ascii")}


def shares(values: npt.ArrayLike, *, steps: int = _FINE) -> dict[str, Any]:
    """Numbers from 0 to 1 as steps between them, see `numbers`; what is no number is 0."""
    array = np.nan_to_num(np.asarray(values, np.float64)).clip(0, 1)
    return {**numbers(np.rint(array * steps)), "steps": steps}


def row_columns(rows: pa.Table, labels: Sequence[int], *, paths: bool) -> dict[str, Any]:
    """What is in the rows themselves.

    Args:
        rows: with `survey.COLUMNS`.
        labels: the class ids in the order in which the page names them.
        paths: whether the page may say where pictures are; else it has only their names.
    """
    place = np.zeros(max(labels) + 1, np.int64)
    place[list(labels)] = np.arange(len(labels))
    formats = rows["format"].combine_chunks().dictionary_encode()
    return {
        "rows": rows.num_rows,
        **_uris(rows["uri"].to_pylist(), paths=paths),
        "label": numbers(place[rows["class_id"].to_numpy()]),
        "score": shares(rows["score"].to_numpy()),
        "width": numbers(rows["width"].to_numpy()),
        "height": numbers(rows["height"].to_numpy()),
        "formats": formats.dictionary.to_pylist(),
        "format": numbers(formats.indices.to_numpy()),
        "top": _top(rows),
    }


def _uris(uris: Sequence[str], *, paths: bool) -> dict[str, Any]:
    if not paths:
        return {"names": list(map(file_name, uris))}
    parts = [_folder_and_name(uri) for uri in uris]
    folders = {folder: number for number, folder in enumerate(dict.fromkeys(f for f, _ in parts))}
    return {
        "names": [name for _, name in parts],
        "folders": list(folders),
        "folder": numbers([folders[folder] for folder, _ in parts]),
    }


def file_name(uri: str) -> str:
    """The last part of an address, without what a web address asks for."""
    if uri.startswith(("http://", "https://")):
        uri = uri.partition("?")[0]
    return posixpath.basename(uri.rstrip("/")) or "picture"


def _folder_and_name(uri: str) -> tuple[str, str]:
    archive = archive_of(uri) if "#" in uri else None
    at = max(uri.rfind("/") + 1, len(archive) + 1 if archive else 0)
    return uri[:at], uri[at:]


def _top(rows: pa.Table) -> dict[str, Any]:
    """The best labels of each row, as many as the row with the fewest names."""
    column = rows["top_labels"].combine_chunks()
    k = min(TOP, pc.min(pc.list_value_length(column)).as_py() or 0)
    names = _first(column, k).dictionary_encode()
    scores = _first(rows["top_scores"].combine_chunks(), k)
    return {
        "k": k,
        "words": names.dictionary.to_pylist(),
        "label": numbers(names.indices.to_numpy()),
        "score": shares(scores.to_numpy()),
    }


def _first(lists: pa.ListArray, k: int) -> pa.Array:
    """The first k values of each list, one after another; every list has as many."""
    return pc.list_slice(lists, 0, k).flatten() if k else pa.array([], lists.type.value_type)


def map_columns(points: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Coordinates, float32[n, 2], scaled alike to 0..1 with the smaller extent in the middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / extent + 0.5
    return {"x": shares(scaled[:, 0]), "y": shares(1 - scaled[:, 1])}


def neighbour_columns(neighbours: Neighbours) -> dict[str, Any]:
    """The nearest `NEIGHBOURS` of each row."""
    positions = neighbours.positions[:, :NEIGHBOURS]
    return {
        "k": positions.shape[1],
        "row": numbers(positions),
        "cosine": shares(neighbours.cosines[:, :NEIGHBOURS], steps=_COARSE),
    }


def truth_columns(truth: pa.Array, right: pa.Array) -> dict[str, Any]:
    """What the pictures show: a word for each row, 0 for no word; and 1 right, 2 wrong, 0 unknown.

    Args:
        truth: strings, null where nobody knows.
        right: of the same length, whether the label is the truth.
    """
    words = truth.dictionary_encode()
    verdict = pc.fill_null(pc.if_else(right, 1, 2), 0)
    return {
        "words": words.dictionary.to_pylist(),
        "truth": numbers(pc.fill_null(pc.add(words.indices, 1), 0).to_numpy()),
        "verdict": numbers(verdict.to_numpy()),
    }


def flag_columns(rows: pa.Table) -> dict[str, Any] | None:
    """Names of flags that some row has, and a bit a flag for each row; None if nobody asked.

    Args:
        rows: with any number of columns of truth values.
    """
    found = {
        name: pc.fill_null(rows[name], False).to_numpy()
        for name, type_ in zip(rows.schema.names, rows.schema.types, strict=True)
        if pa.types.is_boolean(type_) and rows[name].null_count < rows.num_rows
    }
    if not found:
        return None
    bits = sum(values.astype(np.int64) << at for at, values in enumerate(found.values()))
    return {"names": [name.replace("_", " ") for name in found], "bits": numbers(bits)}


def thumbnail_columns(jpegs: Mapping[int, str]) -> dict[str, Any]:
    """Pictures by the position of their row, in base64."""
    return {"row": numbers(list(jpegs)), "jpegs": list(jpegs.values())}
