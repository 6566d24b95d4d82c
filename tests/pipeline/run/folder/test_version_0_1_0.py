"""No release makes anybody label again: what version 0.1.0 wrote is read by every command."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.cli import main
from pipeline.run import identity
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.manifest import as_json, read_manifest
from tests.helpers.version_0_1_0 import KEPT, RUNS, move_here

NEW = {"form": 1, "row_values": 1, "kernel": "", "skipped_by_kind": {}, "read_as": {}}
"""Keys that the manifest has gained since."""

NEW_OPTIONS = {
    "allow_image": False,
    "quality": False,
    "kernel": "auto",
    "memory": None,
    "colour": "ignore",
    "user_agent": None,
    "allow_private_hosts": False,
    "classes": None,
    "outputs": None,
    "input_range": None,
    "embedding_tensor": None,
}

NEW_OF_MODEL = {
    "classes": {"vocabulary": "imagenet-1001"},
    "outputs": "logits",
    "embedding_tensor": "",
    "pixel_values": "",
    "input_columns": None,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("version_0_1_0")
    move_here(folder, stand_in_file)
    return folder


@pytest.fixture(params=RUNS)
def run(made: Path, request: pytest.FixtureRequest) -> Path:
    """One of the two runs, in a copy that a test may change."""
    copy = made / f"copy of {request.param}"
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(made / request.param, copy)


_OPTIONS = {
    "plain": "",
    "mapped": "--label-threshold=0.3 --top-k=3 --views=2 --temperature=0.5 --preprocess=slim "
    "--format=jsonl",
}


def _label(run: Path, *words: str) -> int:
    kind, folder = run.name.removeprefix("copy of "), run.parent
    arguments = [
        *("--input", folder / "pictures"),
        *("--output", run),
        *("--model", folder / "stand-in.tflite"),
        *(["--label-map", folder / "map.csv"] if kind == "mapped" else []),
        *_OPTIONS[kind].split(),
    ]
    return main(["label", "--quiet", *map(str, arguments), *words])


def _rows(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.concat_tables(open_run(str(run)).predictions()).to_pylist()
    return rows


def _verified(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    status = main(["verify", str(run), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (status, result["wrong"]) == (0, 0), result
    return {check["name"]: check["found"] for check in result["checks"]}


@pytest.mark.parametrize("name", RUNS)
def test_the_manifest_is_written_as_it_was_but_for_what_is_new(name: str) -> None:
    content = read_manifest(str(KEPT / name)).as_dict()
    assert {key: content.pop(key) for key in NEW} == NEW
    assert {key: content["options"].pop(key) for key in NEW_OPTIONS} == NEW_OPTIONS
    assert {key: content["model"].pop(key) for key in NEW_OF_MODEL} == NEW_OF_MODEL
    assert as_json(content) == (KEPT / name / "_MANIFEST.json").read_bytes()


def test_verify_finds_nothing_wrong(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _verified(run, capsys)
    assert found["labelled again"] == "7 pictures, every column compared"
    assert found["inputs"] == "8 listed"


@pytest.mark.parametrize("version", ["0.1.0", "0.9.0"])
def test_resume_keeps_every_row(
    run: Path, version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _rows(run)
    monkeypatch.setattr(identity, "VERSION", version)
    assert _label(run, "--resume") == 0
    assert _rows(run) == before
    manifest = read_manifest(str(run))
    assert (manifest.version, manifest.reused, manifest.inputs) == (version, 8, 8)
    assert manifest.row_values == 2
    assert [shard.name for shard in manifest.files if shard.name.startswith("failures-")] == []
    assert not list(run.glob("failures-*"))
    assert len(list(run.glob("__failures/failures-*.jsonl"))) == 1
    assert _verified(run, capsys)["labelled again"] == "7 pictures, every column compared"


def test_rows_whose_values_a_later_release_changed_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "_MANIFEST.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, "row_values": 3}), "utf-8")
    assert _label(run, "--resume") == 1
    assert "made otherwise (row values 3 there, 2 now)" in capsys.readouterr().err


def test_everything_else_reads_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = run.name.endswith("mapped")
    labels = {"/cat/": "cat", "/dog/": "dogs, all"} if own else {"/cat/": "282", "/dog/": "258"}
    truth = run.parent / "truth.csv"
    with truth.open("w", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["uri", "label" if own else "class_id"])
        for uri in (row["uri"] for row in _rows(run)):
            writer.writerow([uri, next(labels[part] for part in labels if part in uri)])
    for words in (
        ["evaluate", run, "--truth", truth, "--labels", "mapped" if own else "network"],
        ["duplicates", run],
        ["head", "fit", run, "--truth", "folders"],
        ["head", "apply", run],
        ["evaluate", run, "--truth", "folders", "--labels", "head"],
        ["review", run, "--budget", 4],
        ["report", run],
        ["export", run, "--to", "csv"],
        ["search", run, "--like", run.parent / "pictures/dog/1.png", "-k", 1],
    ):
        assert main(list(map(str, words))) == 0, (words, capsys.readouterr().err)
    said = capsys.readouterr().out
    for path in sorted(run.glob("__*")):  # as earlier versions called them
        if path.name in ("__head", "__evaluation", "__duplicates"):
            path.rename(run / path.name.removeprefix("__"))
    for words in (
        ["head", "apply", run],
        ["evaluate", run, "--truth", "folders", "--labels", "head"],
        ["report", run],
    ):
        assert main(list(map(str, words))) == 0, (words, capsys.readouterr().err)
    capsys.readouterr()
    assert "dog/1.png" in said.replace("\n", "")
