"""Data sets in JSON: FiftyOne's labels.json and samples.json, and COCO with a class an image."""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pipeline.labels.answers import guesses
from pipeline.labels.answers.answer import SEVERAL, SKIPPED, Answer
from transforms.errors import UserError
from transforms.storage import files


def _named(path: str) -> dict[str, str]:
    """A picture by its whole path, or by the end of it."""
    return {"uri" if "://" in path or path.startswith("/") else "file": path}


def _label(where: str, found: Any) -> dict[str, str] | None:
    """What a classification says, a text or `{"label": ...}`.

    Raises:
        UserError: it has a confidence, which people do not give.
    """
    if isinstance(found, dict):
        for mark in ("confidence", "score"):
            if found.get(mark) is not None:
                raise UserError(
                    f"{where}: this label has a {mark}, so a model gave it. Export a field "
                    "that people filled in."
                )
        found = found.get("label")
    return None if found is None or not str(found).strip() else {"label": str(found)}


def _answer(where: str, picture: str, said: dict[str, str] | None) -> Answer:
    return Answer(where, _named(picture), said, missing="" if said else SKIPPED)


# --- FiftyOne


def fiftyone_labels(
    path: str, content: Mapping[str, Any], *, column: str | None
) -> Iterator[Answer]:
    """`labels.json` of FiftyOneImageClassificationDataset.

    Its keys are those of data.json beside it, or names without extension of the copies in data/
    beside it, or paths. It holds one field and neither that field's name nor confidences: guesses
    of which people corrected some look as answers do. Only who made it knows, and says `column`.

    Raises:
        UserError: a key is a name without extension, and neither data.json nor a copy tells it; or
            the field is that of our guesses.
    """
    if column == guesses.GUESS:
        raise UserError(
            f"{path}: {column} is the field of what the network guessed. Export the one that "
            "people filled in."
        )
    folder = posixpath.dirname(path) or "."
    data = files.join(folder, "data.json")
    paths: Mapping[str, str] = (
        orjson.loads(files.read_bytes(data))
        if files.exists(data)
        else {posixpath.splitext(name)[0]: name for name in files.names(files.join(folder, "data"))}
    )
    classes = content.get("classes")
    for key, found in content["labels"].items():
        where = f"{path} {key}"
        if isinstance(found, int) and classes:  # with include_confidence off and targets
            found = classes[found]
        answer = _answer(where, paths.get(key) or _path(where, key), _label(where, found))
        yield answer._replace(may_be_guess=column is None)


def _path(where: str, key: str) -> str:
    kind = mimetypes.guess_type(key)[0] or ""
    if key.startswith("/") or "://" in key or kind.startswith("image/"):
        return key
    raise UserError(
        f"{where}: a name without extension tells no picture, and there is no data.json beside it. "
        'Export with export_media="manifest" and data_path="data.json", or as FiftyOneDataset.'
    )


def fiftyone_samples(
    path: str, content: Mapping[str, Any], *, column: str | None
) -> Iterator[Answer]:
    """`samples.json` of FiftyOneDataset; where it copied the pictures, they are in data/.

    Raises:
        UserError: which field is the answer is not said, or it is a model's.
    """
    samples = content["samples"]
    field = column or _field(path, samples)
    for sample in samples:
        where = f"{path} {sample['filepath']}"
        picture = sample["filepath"].removeprefix("data/")
        yield _answer(where, picture, _label(where, sample.get(field)))


def _field(path: str, samples: list[Mapping[str, Any]]) -> str:
    """The one field of classifications without a confidence, and not that of our guesses.

    A guess that somebody put another label in place of has lost its confidence, so where all that
    are seen were corrected it passes for an answer; the rest of the field is not here.
    """
    fields: dict[str, bool] = {}
    for sample in samples:
        for name, value in sample.items():
            if isinstance(value, dict) and value.get("_cls") == "Classification":
                by_model = value.get("confidence") is not None
                fields[name] = fields.get(name, False) or by_model
    people = [name for name, by_model in fields.items() if not by_model and name != guesses.GUESS]
    if len(people) == 1:
        return people[0]
    raise UserError(
        f"{path}: which field did people fill in? Found {', '.join(fields) or 'no classification'}"
        f"{', none of people' if fields and not people else ''}. Name it with --truth-column."
    )


# --- COCO


def coco_answers(path: str, content: Mapping[str, Any]) -> Iterator[Answer]:
    """A class for each image; an annotation with a score is a guess.

    Raises:
        UserError: the annotations are guesses, or name what is not there.
    """
    names = {each["id"]: each["name"] for each in content["categories"]}
    found: dict[Any, set[str]] = {}
    for at, annotation in enumerate(content["annotations"], start=1):
        where = f"{path} annotation {annotation.get('id', at)}"
        label = names.get(annotation.get("category_id"))
        _label(where, {**annotation, "label": label})
        if label is None:
            raise UserError(f"{where}: no category {annotation.get('category_id')} is there")
        found.setdefault(annotation["image_id"], set()).add(label)
    for image in content["images"]:
        where = f"{path} image {image['id']}"
        labels = found.get(image["id"], set())
        said = {"label": next(iter(labels))} if len(labels) == 1 else None
        answer = _answer(where, image["file_name"], said)
        yield answer._replace(missing=SEVERAL) if len(labels) > 1 else answer
