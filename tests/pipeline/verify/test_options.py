"""Every option that changes a row, and every shape of label map: labelled, verified, resumed."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.cli import main
from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from pipeline.run.options import CHANGE_ROWS, KEEP_ROWS
from tests.helpers.pictures import make_pictures
from tests.helpers.profiles import PROFILES

VALUES: dict[str, list[str]] = {
    "model": ["--model", "other.tflite"],
    "classes": ["--classes", "names.txt"],
    "outputs": ["--outputs", "scores"],
    "input_range": ["--input-range", "unit"],
    "embedding_tensor": ["--embedding-tensor", "none"],
    "preprocess": ["--preprocess", "slim"],
    "top_k": ["--top-k", "3"],
    "views": ["--views", "2"],
    "colour": ["--colour", "ignore"],
    "quality": ["--quality"],
    "temperature": ["--temperature", "0.5"],
    "label_map": ["--label-map", "map.csv"],
    "label_threshold": ["--label-map", "map.csv", "--label-threshold", "0.99"],
    "max_pixels": ["--max-pixels", "6144"],
    "max_bytes": ["--max-bytes", "15000"],
    "image_key": ["--image-key", "other"],
}
"""Words that give each option a value other than its default."""

NO_MATTER: dict[str, list[str]] = {
    "inputs": ["--input", "more"],
    "output": [],  # it is where the rows are
    "format": ["--format", "jsonl"],
    "sha256": ["--sha256", hashlib.sha256(stand_in()).hexdigest()],
    "max_failure_rate": ["--max-failure-rate", "0.9"],
    "overwrite": ["--overwrite"],
    "resume": [],
    "retry_failures": ["--retry-failures"],
    "reuse_by": ["--reuse-by", "sha256"],
    "kernel": ["--kernel", "python"],
    "memory": ["--memory", "500000000"],
    "user_agent": ["--user-agent", "somebody (somebody@example.org)"],
    "allow_private_hosts": ["--allow-private-hosts"],
    "runner": ["--runner", "DirectRunner"],
    "beam_args": ["--direct_num_workers=1"],
    "allow_image": ["--allow-image"],
}

MODEL = ["--model", "network.tflite"]


def test_each_option_has_a_value_to_try() -> None:
    assert sorted(VALUES) == sorted(CHANGE_ROWS)
    assert sorted(NO_MATTER) == sorted(KEEP_ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small and a large picture, and a Parquet file with two columns of them; two networks."""
    folder = tmp_path_factory.mktemp("options")
    make_pictures(folder / "more", count=4)
    one, other, small, _ = sorted((folder / "more").iterdir())
    (folder / "photos").mkdir()
    small.rename(folder / "photos/small.jpg")
    with Image.open(folder / "photos/small.jpg") as picture:
        large = picture.resize((384, 256), Image.Resampling.NEAREST)
        icc = PROFILES["Display P3"]
        large.save(folder / "photos/large.png", compress_level=0, icc_profile=icc)
    columns = {"image": [one.read_bytes()], "other": [other.read_bytes()]}
    pq.write_table(pa.table(columns), folder / "photos/pictures.parquet")
    (folder / "network.tflite").write_bytes(stand_in())
    (folder / "other.tflite").write_bytes(stand_in(seed=1))
    names = [f"thing {number}\n" for number in range(1001)]
    (folder / "names.txt").write_text("".join(names), "utf-8")
    (folder / "map.csv").write_text("class,label\nn00015388,animal\n*,thing\n", "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def _label(out: Path, *words: str) -> int:
    return main(["label", "--quiet", "--input", "photos", "--output", str(out), *words])


def _rows(out: Path) -> list[dict[str, Any]]:
    run = open_run(str(out))
    tables = [*run.predictions(), *run.failures()]
    rows: list[dict[str, Any]] = pa.concat_tables(tables, promote_options="default").to_pylist()
    return rows


def _require_verified(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    status = main(["verify", str(out), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (status, result["wrong"]) == (0, 0), result
    predictions = open_run(str(out)).manifest.predictions
    assert result["checks"][-1]["name"] == "labelled again"
    assert result["checks"][-1]["found"] == f"{predictions} pictures, every column compared"


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """A run with nothing but defaults."""
    words = ["--input", folder / "photos", "--output", folder / "plain"]
    words += ["--model", folder / "network.tflite"]
    assert main(["label", "--quiet", *map(str, words)]) == 0
    return folder / "plain"


@pytest.mark.parametrize("name", CHANGE_ROWS)
def test_rows_of_an_option_are_verified_and_not_mixed_with_others(
    name: str, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = VALUES[name] if name == "model" else [*MODEL, *VALUES[name]]
    assert _label(tmp_path / "out", *words) == 0
    assert _rows(tmp_path / "out") != _rows(plain)
    _require_verified(tmp_path / "out", capsys)
    assert _label(tmp_path / "out", "--resume", *MODEL) == 1
    assert f"--{name.replace('_', '-')} " in capsys.readouterr().err


@pytest.mark.parametrize("name", KEEP_ROWS)
def test_other_options_keep_the_rows(
    name: str, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _rows(plain)
    out = shutil.copytree(plain, tmp_path / "out")
    assert _label(out, "--resume", *MODEL, *NO_MATTER[name]) == 0
    assert [row for row in _rows(out) if "/photos/" in row["uri"]] == before
    # The archive is read again: its two columns of pictures are a failure of its own.
    assert open_run(str(out)).manifest.reused == len(before) - 1
    _require_verified(out, capsys)


def _table(path: Path, rows: list[tuple[str, str]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("class", "label"), *rows])
    elif path.suffix == ".jsonl":
        lines = [json.dumps({"class": of, "label": label}) for of, label in rows]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        of, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"class": of, "label": labels}), path)


MAPS: dict[str, list[tuple[str, str]]] = {
    "ids.csv": [(str(class_id), f"no {class_id % 3}") for class_id in range(1001)],
    "synsets.jsonl": [("n02123045", "tabby"), ("n01440764", "tench"), ("*", "rest")],
    "names.parquet": [("tench", "fish"), ("tiger cat", "cat"), ("toilet tissue", "paper")],
    "groups.csv": [("n02084071", "dogs"), ("n02113335", "poodles"), ("n02121620", "cats")],
    "rest.jsonl": [("*", "all there is")],
    "odd.csv": [("*", 'a "b", c\n\u202e\N{GRINNING FACE}'), ("1", '{"x": 1}'), ("2", "*")],
    "odd.parquet": [("n00015388", "null"), ("*", "'; --"), ("0", "\N{EMPTY SET}")],
    "each.jsonl": [(str(class_id), f"\u00e9 {class_id}") for class_id in range(1001)],
    "narrow.parquet": [("7", "cock")],
}


@pytest.mark.parametrize(
    ("name", "threshold"), [*zip(MAPS, itertools.cycle(("0", "0.3", "1"))), ("groups.csv", "1")]
)
def test_every_shape_of_label_map_is_verified(
    name: str, threshold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _table(tmp_path / name, MAPS[name])
    words = ["--label-map", str(tmp_path / name), "--label-threshold", threshold]
    assert _label(tmp_path / "out", *MODEL, *words) == 0
    (tmp_path / name).unlink()  # the manifest says all of it
    _require_verified(tmp_path / "out", capsys)
