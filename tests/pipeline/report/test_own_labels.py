"""`quantlabel report` on a run with a label map."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.cli import main
from pipeline.report.own_labels import replace
from pipeline.run.folder.finished import FinishedRun
from pipeline.run.folder.own_labels import OwnLabels, own_labels
from tests.helpers.browser import chromium, open_page, texts
from tests.helpers.finished_runs import made_up_manifest, write_run
from tests.helpers.looking import choose, click, eventually, faults
from tests.helpers.rows import labelled
from transforms.records import Prediction
from transforms.rows.schema import prediction_table

MAP = {"threshold": 0.5, "labels": {"fish": [1, 2], "cat": [282], "bird": [8]}}


def _rows() -> list[Prediction]:
    given = [("fish", 0.75), (None, 0.25), ("bird", 0.5), ("fish", 1.0), (None, 0.375)]
    return [
        labelled(f"/p/{number}.jpg", {1: 0.125, 9: 0.0625}, mapped_label=label, mapped_score=score)
        for number, (label, score) in enumerate(given)
    ]


def test_a_label_takes_the_place_of_the_class() -> None:
    run = FinishedRun("labels", (), made_up_manifest(label_map=MAP))
    own = own_labels(run, "mapped")
    assert own == OwnLabels(run, ("fish", "cat", "bird"), 0.5)
    table = replace(own, prediction_table(_rows()))
    assert table["class_id"].type == pa.int32()
    assert table["class_id"].to_pylist() == [0, 3, 2, 0, 3]
    none = "no label, below 0.5"
    assert table["label"].to_pylist() == ["fish", none, "bird", "fish", none]
    assert table["score"].to_pylist() == [0.75, 0.25, 0.5, 1.0, 0.375]
    assert table["top_labels"].to_pylist() == [["tench", "hen"]] * 5


def test_the_page_speaks_of_the_users_labels(tmp_path: Path) -> None:
    write_run(tmp_path / "labels", _rows(), rows_per_shard=2, label_map=MAP)
    assert main(["report", str(tmp_path / "labels")]) == 0
    with chromium() as window:
        open_page(window, tmp_path / "labels/__report/index.html")
        assert texts(window, ".bar .word") == ["fish", "no label, below 0.5", "bird"]
        assert texts(window, ".bar .number") == ["2", "2", "1"]
        choose(window, "Order of labels", "sure")
        assert texts(window, ".bar .number") == ["88%", "50%", "31%"]
        assert texts(window, ".tile .word")[0] == "no label, below 0.5"
        assert texts(window, ".tile .number")[0] == "25%"
        click(window, ".tile", "")
        assert texts(window, "#zoom .guesses li") == ["tench\n13%", "hen\n6%"]
        window.switch_to.active_element.send_keys(Keys.ESCAPE)
        window.find_element(By.LINK_TEXT, "Facts").click()
        eventually(lambda: texts(window, ".tabs [aria-current]"), ["Facts"])
        tiles = dict(zip(texts(window, ".tiles span"), texts(window, ".tiles b"), strict=True))
        assert (tiles["labels of yours"], tiles["without a label"]) == ("2", "2")
        assert texts(window, "#classes .soft") == [
            "2 of the 3 labels of the label map are given to at least one picture. Pictures in "
            "which no label has a score of 0.5 have none."
        ]
        assert faults(window) == []


def test_without_a_threshold_every_picture_has_a_label(tmp_path: Path) -> None:
    rows = [row for row in _rows() if row.mapped_label]
    write_run(tmp_path / "labels", rows, label_map={**MAP, "threshold": 0.0})
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = (tmp_path / "labels/__report/index.html").read_text("utf-8")
    assert "given to at least one picture.</p>" in page
    assert "without a label" not in page
