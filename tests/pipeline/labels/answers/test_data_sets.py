"""FiftyOne's and COCO's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.answers import read, said
from transforms.errors import UserError


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_labels_of_fiftyone_are_found_by_data(tmp_path: Path) -> None:
    labels = {"1": "cat", "2.b": None, "3": {"label": "dog"}, "4": 1}
    path = _write(tmp_path / "labels.json", {"classes": ["cat", "dog"], "labels": labels})
    with pytest.raises(UserError, match=r"labels.json 1: a name without extension .* data.json"):
        read(path)
    (tmp_path / "data").mkdir()
    for name in ("1.jpg", "2.b.png", "3.jpg", "4.webp"):
        (tmp_path / "data" / name).touch()
    expected = [("1.jpg", "cat"), ("2.b.png", "skipped"), ("3.jpg", "dog"), ("4.webp", "dog")]
    assert said(path) == expected
    assert read(path)[0].picture == {"file": "1.jpg"}
    _write(tmp_path / "data.json", {key: f"/p/{key}.jpg" for key in labels})
    assert read(path)[0].picture == {"uri": "/p/1.jpg"}


def test_labels_of_fiftyone_may_have_paths(tmp_path: Path) -> None:
    labels = {"/p/a": "cat", "gs://b/c": "dog", "d/e.jpg": "cat"}
    path = _write(tmp_path / "labels.json", {"classes": None, "labels": labels})
    assert [answer.picture for answer in read(path)] == [
        {"uri": "/p/a"},
        {"uri": "gs://b/c"},
        {"file": "d/e.jpg"},
    ]


def test_samples_of_fiftyone_may_be_copies(tmp_path: Path) -> None:
    samples = [{**_sample("a.jpg", truth={"label": "cat"}), "filepath": "data/a.jpg"}]
    path = _write(tmp_path / "samples.json", {"samples": samples})
    assert read(path)[0].picture == {"file": "a.jpg"}


def _sample(name: str, **fields: dict[str, Any]) -> dict[str, Any]:
    known = {name: {"_cls": "Classification", **field} for name, field in fields.items()}
    return {"filepath": f"/p/{name}", "tags": [], **known}


def test_the_field_of_people_is_the_one_without_confidence(tmp_path: Path) -> None:
    guess = {"label": "dog", "confidence": 0.9}
    samples = [_sample("a.jpg", truth={"label": "cat"}, guess=guess), _sample("b.jpg", guess=guess)]
    path = _write(tmp_path / "samples.json", {"samples": samples})
    assert said(path) == [("a.jpg", "cat"), ("b.jpg", "skipped")]
    with pytest.raises(UserError, match="this label has a confidence, so a model gave it"):
        read(path, column="guess")
    path = _write(tmp_path / "samples.json", {"samples": samples[1:]})
    with pytest.raises(UserError, match="Found guess, none of people"):
        read(path)
    both = [_sample("a.jpg", one={"label": "cat"}, two={"label": "dog"})]
    path = _write(tmp_path / "samples.json", {"samples": both})
    with pytest.raises(UserError, match="which field did people fill in"):
        read(path)
    assert said(path, column="two") == [("a.jpg", "dog")]


def test_the_field_of_our_guesses_is_an_answer_only_if_named(tmp_path: Path) -> None:
    # What an edit leaves that replaces the whole label: no confidence.
    guess = {"label": "dog"}
    path = _write(tmp_path / "samples.json", {"samples": [_sample("a.jpg", guess=guess)]})
    with pytest.raises(UserError, match=r"Found guess, none of people\. Name it with"):
        read(path)
    assert said(path, column="guess") == [("a.jpg", "dog")]
    both = [_sample("a.jpg", guess=guess, answer={"label": "cat"})]
    assert said(_write(path, {"samples": both})) == [("a.jpg", "cat")]


def test_labels_of_fiftyone_may_be_guesses_unless_their_field_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "labels.json", {"labels": {"/p/a.jpg": "cat"}})
    assert read(path)[0].may_be_guess
    assert not read(path, column="answer")[0].may_be_guess
    with pytest.raises(UserError, match=r"labels.json: guess is the field of what the network"):
        read(path, column="guess")


def test_coco_has_a_class_an_image(tmp_path: Path) -> None:
    content: dict[str, Any] = {
        "images": [{"id": at, "file_name": f"/p/{at}.jpg"} for at in (1, 2, 3)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 2},
            {"id": 2, "image_id": 2, "category_id": 1},
            {"id": 3, "image_id": 2, "category_id": 2},
        ],
    }
    path = _write(tmp_path / "coco.json", content)
    assert said(path) == [("1.jpg", "dog"), ("2.jpg", "several"), ("3.jpg", "skipped")]
    content["annotations"][0]["score"] = 0.5
    with pytest.raises(UserError, match="annotation 1: this label has a score"):
        read(_write(path, content))
    content["annotations"] = [{"id": 9, "image_id": 1, "category_id": 7}]
    with pytest.raises(UserError, match="annotation 9: no category 7 is there"):
        read(_write(path, content))
