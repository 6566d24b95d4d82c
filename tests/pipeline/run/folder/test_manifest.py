"""A manifest that is damaged, foreign or of the future is one line, whoever reads it."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.labels.label_map import load_label_map
from pipeline.run.folder.manifest import FORM, parse
from tests.helpers.finished_runs import made_up_manifest, manifest_json
from tests.helpers.version_0_1_0 import KEPT
from transforms.errors import UserError
from transforms.images.settings import Preprocessing
from transforms.network.classes import imagenet
from transforms.network.label_map import LabelMap
from transforms.network.scoring import Scoring

DEEP = b"[" * 100_000 + b"]" * 100_000

DAMAGED = {
    "empty": b"",
    "cut": b'{"version": "0.1.0", ',
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "no keys": b"{}",
    "deep": DEEP,
    "deep inside": b'{"version": ' + DEEP + b"}",
    "half a surrogate": json.dumps(manifest_json(version="\ud800")).encode(),
    "no number": json.dumps(manifest_json(inputs=float("nan"))).encode(),
    "too large": json.dumps(manifest_json(inputs=10**5000 // 10**4000)).encode(),
    "a path": json.dumps(
        manifest_json(files=[{"name": "../predictions-0", "rows": 1, "size": 1, "sha256": ""}])
    ).encode(),
    "a time": json.dumps(manifest_json(started="yesterday")).encode(),
    "no time zone": json.dumps(manifest_json(finished="2026-01-02T03:04:05")).encode(),
    "an option": json.dumps(manifest_json(options={"top_k": 2_000})).encode(),
    "a class": json.dumps(
        manifest_json(label_map={"threshold": 0, "labels": {"a": [1001]}})
    ).encode(),
    "a label": json.dumps(manifest_json(label_map={"threshold": 0, "labels": {"a": []}})).encode(),
    "two labels": json.dumps(
        manifest_json(label_map={"threshold": 0, "labels": {"a": [1], "b": [1]}})
    ).encode(),
    "a threshold": json.dumps(
        manifest_json(label_map={"threshold": "x", "labels": {"a": [1]}})
    ).encode(),
}


def _is_one_line(error: UserError) -> None:
    text = str(error)
    assert text.startswith("here: ")
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_manifest_is_one_line(content: bytes) -> None:
    with pytest.raises(UserError, match="damaged, or not written by this program") as raised:
        parse(content, "here")
    _is_one_line(raised.value)


def _places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


FULL = manifest_json(
    label_map={"threshold": 0.5, "labels": {"fish": [1, 2], "cat": [282]}},
    files=[{"name": "predictions-0.parquet", "rows": 1, "size": 1, "sha256": ""}],
    failures_by_reason={"empty": 1},
    most_frequent_labels=[{"class_id": 1, "label": "tench", "count": 4}],
    discarded=["a"],
    error="x",
    form=1,
)


def test_whatever_is_wrong_anywhere_is_one_line_or_no_matter() -> None:
    parse(json.dumps(FULL).encode(), "here")
    refused = 0
    values: list[Any] = [None, True, -1, 7, 0.5, "x", "", [], {}, [[]], {"x": {}}, 10**30]
    for path in _places(FULL):
        for value in [*values, _places]:
            content = copy.deepcopy(FULL)
            *above, last = path
            at: Any = content
            for key in above:
                at = at[key]
            if value is _places:
                del at[last]
            else:
                at[last] = value
            try:
                parse(json.dumps(content).encode(), "here")
            except UserError as error:
                _is_one_line(error)
                refused += 1
    assert refused > 400


@pytest.mark.parametrize("key", [key for key in manifest_json() if key != "status"])
def test_a_missing_key_is_named(key: str) -> None:
    content = manifest_json()
    del content[key]
    with pytest.raises(UserError, match=rf"\({key} is missing\)"):
        parse(json.dumps(content).encode(), "here")


def test_keys_of_later_versions_are_passed_over_but_not_a_later_form() -> None:
    later = manifest_json(options={"new": 1}, new={"deep": [1]}, form=FORM)
    assert parse(json.dumps(later).encode(), "here") == made_up_manifest()
    with pytest.raises(UserError) as raised:
        parse(b'{"form": 2}', "here")
    assert str(raised.value) == (
        "here: written by a newer quantlabel (form 2, this one knows 1). Update it: "
        "pip install --upgrade quantlabel"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["report"],
        ["evaluate", "--truth=folders"],
        ["duplicates"],
        ["review"],
        ["export", "--to=csv"],
        ["search", "--like=a.jpg"],
        ["head", "fit", "--truth=folders"],
        ["head", "apply"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("content", [b'{"form": 2}', DEEP, b"{}"], ids=["newer", "deep", "none"])
def test_every_command_says_so(
    tmp_path: Path, words: list[str], content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(KEPT / "plain", tmp_path / "run")
    (tmp_path / "run/_MANIFEST.json").write_bytes(content)
    assert main([*words, str(tmp_path / "run")]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"quantlabel: {tmp_path}/run/_MANIFEST.json: ")
    assert message.count("\n") == 1
    assert ("newer" if b"form" in content else "damaged") in message


@pytest.mark.parametrize("content", [b'{"form": 2}', DEEP, b"{}"], ids=["newer", "deep", "none"])
@pytest.mark.parametrize("name", ["_MANIFEST.json", "_unfinished-0/_RUN.json"])
def test_resume_says_so_and_overwrite_replaces_it(
    tmp_path: Path,
    photos: Path,
    stand_in_file: Path,
    name: str,
    content: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(KEPT / "plain", tmp_path / "run")
    (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "run" / name).write_bytes(content)
    words = ["--input", photos, "--output", tmp_path / "run", "--model", stand_in_file]
    label = ["label", "--quiet", *map(str, words)]
    assert main([*label, "--resume"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"quantlabel: {tmp_path}/run/{name}: ")
    assert message.count("\n") == 1
    assert main([*label, "--overwrite"]) == 0


def test_preprocessing_and_scoring_are_rebuilt_whole(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("class,label\n1,a\nn02121620,b\n*,rest\n", "utf-8")
    label_map = load_label_map(str(tmp_path / "map.csv"), classes=imagenet(), threshold=0.25)
    options = {
        "preprocess": "slim",
        "views": 2,
        "top_k": 7,
        "temperature": 1.5,
        "max_pixels": 123,
        "colour": "ignore",
        "max_bytes": 456,
        "label_map": "map.csv",
        "label_threshold": 0.25,
        "quality": True,
    }
    manifest = made_up_manifest(
        options=options,
        preprocess={"method": "slim", "size": 160, "columns": 96, "views": 2},
        label_map=json.loads(json.dumps(label_map.as_dict())),
    )
    assert manifest.preprocess == Preprocessing(
        "slim", 160, 2, 123, 456, "ignore", columns=96, quality=True
    )
    assert manifest.scoring == Scoring(7, 2, 1.5, label_map)
    # No field may be forgotten: each of them has another value than by default.
    for made in (manifest.preprocess, manifest.scoring):
        for field in dataclasses.fields(made):
            assert getattr(made, field.name) != field.default, field.name


@pytest.mark.parametrize(
    "text",
    [
        "1,a\n2,b\n0,c\n",
        "*,only\n",
        '1000,"b, c"\n282,a\n283,"b, c"\n',
        '1,"{""x"": [1]}"\n2,\N{GRINNING FACE} \u202e\n3,null\n4,1\n*,*\n',
        "n02084071,dogs\nn02113335,poodles\n",
    ],
)
def test_a_label_map_comes_back_from_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.csv").write_text(f"class,label\n{text}", "utf-8")
    label_map = load_label_map(str(tmp_path / "map.csv"), classes=imagenet(), threshold=0.3)
    content = json.loads(json.dumps(label_map.as_dict()))
    assert LabelMap.from_dict(content) == label_map
