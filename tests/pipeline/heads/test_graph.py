"""`quantlabel head apply` as a graph: shards, processes, retries, buckets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deploy.emulator import BUCKET, Cloud
from pipeline.cli import main
from pipeline.console.progress_bar import Counts
from pipeline.heads import graph
from pipeline.heads.graph import Labelled, LabelShard, PublishLabels, Source
from pipeline.heads.head import read_head
from pipeline.run.runners.progress import Report, read_counts
from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, NAMES, head_rows
from transforms.errors import UserError

WRITTEN = ("_MANIFEST.json", "_QUANTLABEL.json", "_SUCCESS", "head.npz")
SHARDS = ["predictions-00000-of-00002.parquet", "predictions-00001-of-00002.parquet"]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """60 pictures of three kinds in two shards, and a head for them."""
    folder = tmp_path / "labels"
    write_run(folder, head_rows(60, kinds=3), rows_per_shard=30, model=MODEL)
    assert main(["head", "fit", str(folder), "--truth", "folders"]) == 0
    capsys.readouterr()
    return folder


def _apply(folder: object, *words: object) -> int:
    return main(["head", "apply", str(folder), *map(str, words)])


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "__head").iterdir()}


def _uris(path: Path) -> list[str]:
    uris: list[str] = pq.read_table(path)["uri"].to_pylist()
    return uris


def test_each_shard_of_the_run_becomes_one_of_labels(run: Path) -> None:
    assert _apply(run) == 0
    assert sorted(_files(run)) == [
        "_MANIFEST.json",
        "_QUANTLABEL.json",
        "_SUCCESS",
        "head.npz",
        *SHARDS,
    ]
    for name in SHARDS:
        assert _uris(run / "__head" / name) == _uris(run / name)
    manifest = json.loads(_files(run)["_MANIFEST.json"])
    assert [file["rows"] for file in manifest["files"]] == [30, 30]
    assert manifest["labels"] == dict.fromkeys(NAMES, 20)
    assert manifest["run"] == {"started": "2026-01-02T03:04:05.000+00:00"}


def test_few_rows_are_labelled_and_many_written_at_a_time(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _apply(run) == 0
    expected = pq.read_table(run / "__head" / SHARDS[0])
    monkeypatch.setattr(graph, "_ROWS", 7)
    monkeypatch.setattr(graph, "ROWS_PER_GROUP", 14)
    assert _apply(run) == 0
    written = pq.ParquetFile(run / "__head" / SHARDS[0])
    assert written.read() == expected
    sizes = [written.metadata.row_group(at).num_rows for at in range(written.num_row_groups)]
    assert sizes == [14, 14, 2]


def test_processes_write_the_same(run: Path) -> None:
    assert _apply(run) == 0
    here = _files(run)
    words = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert _apply(run, *words) == 0
    there = _files(run)
    assert there.keys() == here.keys()
    assert {name: there[name] for name in SHARDS} == {name: here[name] for name in SHARDS}


def _labelled(run: Path) -> list[Labelled]:
    """What comes out when every shard is labelled twice, as after a worker that died."""
    head = read_head(str(run / "__head/head.npz"))
    label = LabelShard(head, str(run / "__head/_temporary-x"))
    sources = [Source(at, str(run / name), 30) for at, name in enumerate(SHARDS)]
    tries = [[next(label.process(source)) for source in sources] for _ in range(2)]
    assert len(list((run / "__head/_temporary-x").iterdir())) == 4
    return tries[1]


def test_retries_double_nothing(run: Path) -> None:
    assert _apply(run) == 0
    expected = _files(run)
    finish = PublishLabels(
        str(run / "__head"), str(run / "__head/_temporary-x"), {"head": {"labels": NAMES}}
    )
    labelled = _labelled(run)
    for _ in range(2):  # the step that publishes may be tried again as well
        (manifest,) = finish.process(b"", labelled[::-1])
        assert (manifest["rows"], manifest["labels"]) == (60, dict.fromkeys(NAMES, 20))
        assert _files(run).keys() == expected.keys()
        for name in SHARDS:
            assert _files(run)[name] == expected[name]


@pytest.mark.parametrize("damage", ["missing", "short", "other"])
def test_labels_of_before_stay_when_a_shard_cannot_be_read(
    run: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    assert _apply(run) == 0
    before = _files(run)
    shard = run / SHARDS[1]
    if damage == "missing":
        shard.unlink()
    elif damage == "short":
        shard.write_bytes(shard.read_bytes()[:-100])
    else:
        pq.write_table(pq.read_table(shard).slice(5), shard)
    capsys.readouterr()
    assert _apply(run) == 1
    message = capsys.readouterr().err
    expected = {
        "missing": "the file is missing. Restore it, or label again.",
        "short": "not readable as Parquet",
        "other": "25 rows are there, 30 in the manifest",
    }
    assert message.startswith(f"quantlabel: {shard}: {expected[damage]}")
    assert message.count("\n") == 1
    assert _files(run) == before


def test_what_a_killed_one_left_is_removed(run: Path) -> None:
    (run / "__head/_temporary-old").mkdir()
    (run / "__head/_temporary-old/predictions-1.parquet").write_bytes(b"half")
    assert _apply(run) == 0
    assert sorted(_files(run)) == [
        "_MANIFEST.json",
        "_QUANTLABEL.json",
        "_SUCCESS",
        "head.npz",
        *SHARDS,
    ]


def test_flags_that_nobody_knows_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in (
        (["--haed=x"], "--haed=x: neither a flag of quantlabel nor one of Beam. Did you mean"),
        (["--runner=No"], "--runner No: "),
        (["--direct_running_mode=multi_threading"], "loses pictures"),
    ):
        assert _apply(run, *words) == 2
        assert expected in capsys.readouterr().err
    names = sorted(path.name for path in (run / "__head").iterdir())
    assert names == ["_QUANTLABEL.json", "head.npz"]


def test_rows_are_counted_while_they_are_labelled(run: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    Report(str(reports)).add("listed", 60)
    label = LabelShard(read_head(str(run / "__head/head.npz")), str(tmp_path / "x"), str(reports))
    list(label.process(Source(0, str(run / SHARDS[0]), 30)))
    assert read_counts(str(reports)) == Counts(60, 30, 0)
    with pytest.raises(UserError, match="30 rows are there, 31 in the manifest"):
        list(label.process(Source(0, str(run / SHARDS[0]), 31)))


def test_run_truth_and_head_may_be_in_a_bucket(
    run: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in run.iterdir():
        if path.is_file():
            cloud.put(f"labels/{path.name}", path.read_bytes())
    rows = "".join(f"{row.uri},{row.uri.split('/')[2]}\n" for row in head_rows(60, kinds=3))
    truth = cloud.put("truth/mine.csv", f"file,label\n{rows}".encode())
    head, there = f"gs://{BUCKET}/heads/own.npz", f"gs://{BUCKET}/labels"
    assert _apply(there, "--head", head) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"quantlabel: {head}: no head is there.")
    assert message.count("\n") == 1
    words = ["head", "fit", there, "--truth", truth, "--output", head, "--json"]
    assert main(words) == 0
    fitted: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (fitted["rows"]["with_truth"], fitted["accuracy"]["hits"]) == (60, 60)
    assert _apply(there, "--head", head) == 0
    assert cloud.names("labels/__head/") == [
        f"labels/__head/{name}" for name in ("_MANIFEST.json", "_SUCCESS", *SHARDS)
    ]
    assert _apply(run) == 0
    for name in SHARDS:
        assert cloud.content(f"labels/__head/{name}") == _files(run)[name]
    assert main(["evaluate", there, "--truth", truth, "--labels", "head", "--json"]) == 0
