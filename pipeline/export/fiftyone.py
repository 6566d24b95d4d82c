"""FiftyOne's `FiftyOneImageClassificationDataset`: labels.json, and data.json with the paths."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import orjson

from pipeline.export.source import Counts, Source
from transforms.storage import files
from transforms.storage.addresses import is_utf8, name_of

# What the mimetypes of every Python call a picture; FiftyOne asks that and nothing else.
_SHOWN = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def write_fiftyone(source: Source, folder: str) -> Counts:
    """Writes both files; pictures stay where they are.

    The keys are numbers and not paths: of a key in data.json FiftyOne drops what follows its last
    full stop, and would not find it again. It opens files of this machine only, so pictures
    elsewhere and inside archives are left out, and so are those without the extension of a picture
    and those whose name is not UTF-8: one of them would end the import of all. A picture without a
    label of the label map has null.
    """
    rows, counts = 0, collections.Counter[str]()
    with (
        files.create(files.join(folder, "data.json")) as data,
        files.create(files.join(folder, "labels.json")) as labels,
    ):
        classes = orjson.dumps(source.choices)
        data.write(b"{")
        labels.write(b'{"classes":%b,\n"labels":{' % classes)
        for rows, (uri, label) in enumerate(_labels(source, counts), start=1):
            start = b'%b\n"%09d":' % (b"," if rows > 1 else b"", rows)
            data.write(start + orjson.dumps(uri))
            labels.write(start + orjson.dumps(label))
        data.write(b"}\n")
        labels.write(b"}}\n")
    return Counts(rows, counts["left out"], counts["gone"])


def _labels(
    source: Source, counts: collections.Counter[str]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for table in source.predictions(columns=["uri", *source.label_columns]):
        for row in table.to_pylist():
            path = name_of(source.file(row["uri"]) or "")
            if not (path.lower().endswith(_SHOWN) and is_utf8(path)):
                counts["left out"] += 1
            else:
                counts["gone"] += source.is_gone(row["uri"])
                label, confidence = source.label(row)
                known = {"label": label, "confidence": confidence}
                yield path, known if label is not None else None
