"""Labels of a label map or a head in place of the classes, in every command that shows labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.labels.options import LabelKind
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.own_labels import own_labels
from tests.helpers.finished_runs import write_run
from tests.helpers.head_runs import MODEL, head_rows
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import failed
from transforms.errors import UserError

MAP = {"threshold": 0.5, "labels": {"big": [1, 2], "small": [3]}}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """12 pictures of ant, bee and cat in three shards, every second one without a mapped label."""
    rows = [
        row._replace(mapped_label=(None if at % 2 else "big"), mapped_score=(0.75, 0.25)[at % 2])
        for at, row in enumerate(head_rows(12, kinds=3))
    ]
    write_run(
        tmp_path / "labels",
        rows,
        [failed(0)],
        rows_per_shard=5,
        model=MODEL,
        label_map=MAP,
    )
    return tmp_path / "labels"


@pytest.fixture
def with_head(run: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["head", "fit", str(run), "--truth", "folders"]) == 0
    assert main(["head", "apply", str(run)]) == 0
    capsys.readouterr()
    return run


def _labels(folder: Path, kind: LabelKind | None) -> list[Any] | None:
    own = own_labels(open_run(str(folder)), kind)
    if own is None:
        return None
    label = own.columns[0]
    tables = [table for shard in own.shards(columns=["uri", label]) for table in shard]
    return [row[label] for table in tables for row in table.to_pylist()]


def test_those_of_a_head_come_before_those_of_a_map(with_head: Path) -> None:
    assert _labels(with_head, None) == ["ant", "bee", "cat"] * 4
    assert _labels(with_head, "head") == ["ant", "bee", "cat"] * 4
    assert _labels(with_head, "mapped") == ["big", None] * 6
    assert _labels(with_head, "network") is None


def test_without_a_head_the_map_counts_and_without_a_map_the_network(
    run: Path, tmp_path: Path
) -> None:
    assert _labels(run, None) == ["big", None] * 6
    with pytest.raises(UserError, match="no labels of a head are there"):
        _labels(run, "head")
    write_run(tmp_path / "plain", head_rows(3, kinds=3), model=MODEL)
    assert _labels(tmp_path / "plain", None) is None
    with pytest.raises(UserError, match="needs a run with a label map"):
        _labels(tmp_path / "plain", "mapped")


def test_a_head_of_an_earlier_run_counts_for_nothing(with_head: Path) -> None:
    path = with_head / "__head/_MANIFEST.json"
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**manifest, "run": {"started": "2020"}}), "utf-8")
    assert _labels(with_head, None) == ["big", None] * 6
    with pytest.raises(UserError, match="a run that was here before"):
        _labels(with_head, "head")


def test_rows_of_other_pictures_are_refused(with_head: Path) -> None:
    shards = sorted((with_head / "__head").glob("predictions-*.parquet"))
    table = pq.read_table(shards[1])
    pq.write_table(table.take([1, 0, 2, 3, 4]), shards[1])
    with pytest.raises(
        UserError, match=r"00001-of-00003\.parquet: the rows are not those of the run"
    ):
        _labels(with_head, "head")


def _exported(folder: Path, to: str, *words: str) -> Path:
    assert main(["export", str(folder), "--to", to, *words]) == 0
    return folder / "__export" / to


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_export_has_the_labels_that_are_asked_for(with_head: Path) -> None:
    first = _table(_exported(with_head, "csv") / "predictions.csv")[0]
    assert (first["head_label"], "mapped_label" in first) == ("ant", False)
    first = _table(_exported(with_head, "csv", "--labels", "mapped") / "predictions.csv")[0]
    assert (first["mapped_label"], "head_label" in first) == ("big", False)
    first = _table(_exported(with_head, "csv", "--labels", "network") / "predictions.csv")[0]
    assert not {"mapped_label", "head_label"} & set(first)

    coco = json.loads(
        (_exported(with_head, "coco-classification") / "annotations.json").read_text()
    )
    assert [each["name"] for each in coco["categories"]] == ["ant", "bee", "cat"]
    assert [each["category_id"] for each in coco["annotations"]] == [1, 2, 3] * 4

    config = ElementTree.parse(_exported(with_head, "label-studio") / "config.xml")
    values = [each.get("value") for each in config.iter("Choice")]
    assert values == ["ant", "bee", "cat", "none of these"]

    folder = _exported(with_head, "huggingface") / "data"
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"train-0000{at}-of-00003.parquet" for at in range(3)
    ]
    rows = [row for path in sorted(folder.iterdir()) for row in pq.read_table(path).to_pylist()]
    assert [row["head_label"] for row in rows] == [0, 1, 2] * 4
    assert "mapped_label" not in rows[0]


def test_a_head_that_knows_none_of_these_offers_it_once(with_head: Path) -> None:
    for path in (with_head / "__head").glob("predictions-*.parquet"):
        table = pq.read_table(path)
        labels = ["none of these" if it == "ant" else it for it in table["label"].to_pylist()]
        pq.write_table(table.set_column(1, table.schema.field(1), [labels]), path)
    path = with_head / "__head/_MANIFEST.json"
    path.write_text(path.read_text("utf-8").replace('"ant"', '"none of these"'), "utf-8")
    config = ElementTree.parse(_exported(with_head, "label-studio") / "config.xml")
    values = [each.get("value") for each in config.iter("Choice")]
    assert values == ["none of these", "bee", "cat"]


def test_exported_labels_of_a_head_are_no_truth(
    with_head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("uri,head_label\n/p/ant/000.jpg,ant\n", "utf-8")
    for words, expected in (
        ([], "these are rows of ours"),
        (["--truth-column", "head_label"], "the column head_label holds what the network guessed"),
    ):
        assert main(["evaluate", str(with_head), "--truth", str(table), *words]) == 1
        assert expected in capsys.readouterr().err


def test_a_selection_keeps_the_labels_of_its_pictures(with_head: Path, tmp_path: Path) -> None:
    uris = tmp_path / "some.csv"
    uris.write_text("file\n004.jpg\n008.jpg\n011.jpg\n", "utf-8")
    path = _exported(with_head, "csv", "--uris", str(uris)) / "predictions.csv"
    assert [row["head_label"] for row in _table(path)] == ["bee", "cat", "cat"]


def test_review_shows_guess_and_doubt_of_the_head(with_head: Path) -> None:
    best = [
        row
        for path in (with_head / "__head").glob("predictions-*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    expected = {row["uri"]: row for row in best}
    rows = _reviewed(with_head, "head")
    for row in rows:
        labels, scores = (expected[row["uri"]][name] for name in ("top_labels", "top_scores"))
        assert (row["guess"], row["choices"]) == (labels[0], "|".join(labels))
        assert float(row["margin"]) == pytest.approx(scores[0] - scores[1], abs=1e-4)
    assert {row["guess"] for row in _reviewed(with_head, "mapped")} == {"big", ""}
    assert {row["choices"] for row in rows}.isdisjoint(
        row["choices"] for row in _reviewed(with_head, "network")
    )


def _reviewed(folder: Path, kind: str) -> list[dict[str, str]]:
    assert main(["review", str(folder), "--budget", "12", "--labels", kind]) == 0
    rows = _table(folder / "__review/review.csv")
    assert len(rows) == 12
    return rows


def test_the_report_shows_the_labels_of_the_head_and_some_pictures(
    with_head: Path, tmp_path: Path
) -> None:
    page = with_head / "__report/index.html"
    assert main(["report", str(with_head)]) == 0
    text = page.read_text("utf-8")
    assert "3 of the 3 labels of the head are given to at least one picture." in text
    assert "13 pictures in labels</h1>" in text
    uris = tmp_path / "some.csv"
    uris.write_text("file\n004.jpg\n008.jpg\n011.jpg\n", "utf-8")
    assert main(["report", str(with_head), "--uris", str(uris)]) == 0
    text = page.read_text("utf-8")
    assert "2 of the 3 labels of the head are given to at least one picture." in text
    assert "3 of 13 pictures in labels</h1>" in text
    assert "000.jpg" not in text
    assert main(["report", str(with_head), "--labels", "mapped"]) == 0
    assert "1 of the 2 labels of the label map are given" in page.read_text("utf-8")


def test_a_report_on_none_of_the_pictures_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.csv").write_text("file\nelsewhere.jpg\n", "utf-8")
    assert main(["report", str(run), "--uris", str(tmp_path / "other.csv")]) == 1
    assert "it labelled none of the pictures in" in capsys.readouterr().err
    assert not (run / "__report").exists()


def test_search_and_summary_speak_of_the_map(
    tmp_path: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pictures(tmp_path / "photos", count=3)
    (tmp_path / "map.csv").write_text("class,label\n*,[b]thing\n", "utf-8")
    words = ["--input", str(tmp_path / "photos"), "--model", str(stand_in_file)]
    words += ["--output", str(tmp_path / "labels"), "--label-map", str(tmp_path / "map.csv")]
    assert main(["label", *words]) == 0
    assert "most frequent  [b]thing (3)" in capsys.readouterr().out
    picture = str(tmp_path / "photos/000001.jpg")
    search = ["search", str(tmp_path / "labels"), "--like", picture, "-k", "1"]
    assert main([*search, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found[0]["uri"], found[0]["label"]) == (picture, "[b]thing")
    assert found[0]["score"] == pytest.approx(1, abs=1e-3)
    assert main(search) == 0
    assert "[b]thing" in capsys.readouterr().out
    assert main([*search, "--json", "--labels", "network"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["label"] != "[b]thing"


@pytest.mark.parametrize("command", ["export --to csv", "report", "review", "search --like a.jpg"])
def test_a_kind_that_is_none_is_refused(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *words = command.split()
    assert main([first, str(run), *words, "--labels", "mine"]) == 2
    assert "--labels" in capsys.readouterr().err
    assert not (run / "__export").exists()
