"""Made-up rows for tests of everything that takes rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.network.classes import class_names
from transforms.records import Failure, Prediction

WILD_URI = '/photos/it\'s "<b>" 😀\nnew\tline.jpg'
"""Quotes, markup, an emoji, a line break: whatever a file may be called."""


def prediction(number: int, *, uri: str | None = None, meta: str | None = None) -> Prediction:
    """The row of picture `number`; its embedding holds number, number + 1/3, ..."""
    return Prediction(
        uri=uri or f"/photos/{number:06d}.jpg",
        sha256=f"{number:064x}",
        width=640 + number,
        height=480,
        format="JPEG",
        class_id=number % 1001,
        synset="n02123045",
        label="tabby",
        score=0.1,
        top_class_ids=[number % 1001, 5],
        top_labels=["tabby", "électric ray"],
        top_scores=[0.1, 0.05],
        embedding=(number + np.arange(256) / 3).astype(np.float32),
        size=100_000 + number,
        version=f"{1_700_000_000_000_000_000 + number}",
        meta=meta,
    )


def labelled(uri: str, top: dict[int, float], **others: Any) -> Prediction:
    """A row whose best classes and their scores are `top`, best first."""
    names = [class_names()[class_id] for class_id in top]
    return prediction(0, uri=uri)._replace(
        class_id=names[0].class_id,
        synset=names[0].synset,
        label=names[0].label,
        score=next(iter(top.values())),
        top_class_ids=list(top),
        top_labels=[name.label for name in names],
        top_scores=list(top.values()),
        **others,
    )


def failed(number: int) -> Failure:
    """The row of picture `number` that could not be labelled."""
    return Failure(f"/photos/{number:06d}.jpg", "decode", "truncated", "cut short", False)


def stream_of(uris: Sequence[str], *, rows: int) -> Iterator[pa.Table]:
    table = pa.table({"uri": list(uris), "row": list(range(len(uris)))})
    return (table.slice(at, rows) for at in range(0, len(uris), rows))
