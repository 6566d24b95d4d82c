"""COCO's JSON with a class for each image and no boxes, as classification tools read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pipeline.export.source import Counts, Source
from transforms.storage import files


def write_coco(source: Source, folder: str) -> Counts:
    """Writes `annotations.json`.

    Ids count from 1 without gaps, which CVAT and COCO's own API expect. `file_name` is the uri. A
    picture that got no label of a label map has no annotation.
    """
    categories = {name: at for at, name in enumerate(source.choices, start=1)}
    with files.create(files.join(folder, "annotations.json")) as file:
        file.write(b'{"info":%b,\n"licenses":[],\n"images":[' % orjson.dumps(_info(source)))
        rows = 0
        for rows, image in enumerate(_images(source), start=1):
            file.write(b"%b\n%b" % (b"," if rows > 1 else b"", orjson.dumps(image)))
        # A second pass over the rows: JSON wants all images before, and they fit no memory.
        file.write(b'],\n"annotations":[')
        for number, annotation in enumerate(_annotations(source, categories), start=1):
            file.write(b"%b\n%b" % (b"," if number > 1 else b"", orjson.dumps(annotation)))
        listed = [
            {"id": number, "name": name, "supercategory": ""} for name, number in categories.items()
        ]
        file.write(b'],\n"categories":%b}\n' % orjson.dumps(listed))
    return Counts(rows)


def _info(source: Source) -> dict[str, str]:
    manifest = source.run.manifest
    model = manifest.model
    return {
        "description": f"labelled by {model.name}, sha256 {model.sha256}",
        "version": manifest.version,
        "date_created": manifest.finished,
    }


def _images(source: Source) -> Iterator[dict[str, Any]]:
    number = 0
    for table in source.predictions(columns=["uri", "width", "height"]):
        for row in table.to_pylist():
            number += 1
            size = {"width": row["width"], "height": row["height"]}
            picture = source.picture(row["uri"]) or row["uri"]
            yield {"id": number, "file_name": picture, **size}


def _annotations(source: Source, categories: dict[str, int]) -> Iterator[dict[str, Any]]:
    image, number = 0, 0
    for table in source.predictions(columns=["uri", *source.label_columns]):
        for row in table.to_pylist():
            image += 1
            label, score = source.label(row)
            if label is not None:
                number += 1
                category = categories[label]
                yield {"id": number, "image_id": image, "category_id": category, "score": score}
