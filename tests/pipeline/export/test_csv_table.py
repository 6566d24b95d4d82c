"""Tables that pandas reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas

from pipeline.labels import tables
from tests.helpers.exports import NAMES, exported
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import prediction
from transforms.inputs.listing import list_input
from transforms.records import Failure, ImageRef


def test_csv_holds_every_row_and_every_failure(run: Path) -> None:
    assert exported(run, "csv")["rows"] == 5
    table = pandas.read_csv(run / "__export/csv/predictions.csv")
    assert " ".join(table.columns) == (
        "uri class_id synset label score label_2 score_2 width height format size sha256"
    )
    assert table["uri"].iloc[1] == str(run.parent / "photos" / NAMES[1])
    assert table.iloc[1][["class_id", "synset", "label", "score"]].tolist() == [
        518,
        "n03126707",
        "crane",
        0.25,
    ]
    assert table["label_2"].tolist() == ["crane", "crane", "goldfish", "tench", "goldfish"]
    failures = pandas.read_csv(run / "__export/csv/failures.csv")
    assert failures["reason"].tolist() == ["truncated", "truncated"]


def test_labels_that_look_like_formulas_are_none_in_a_csv_and_come_back(tmp_path: Path) -> None:
    label = '=HYPERLINK("http://example.com","x")'
    row = prediction(1, uri="/p/a.jpg")._replace(label=label, top_labels=[label, "-b"])
    failed = Failure("/p/b.jpg", "read", "missing", "@x", True)
    write_run(tmp_path / "run", [row], [failed])
    exported(tmp_path / "run", "csv")
    path = tmp_path / "run/__export/csv/predictions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        (cells,) = csv.DictReader(file)
    assert (cells["label"], cells["label_2"]) == ("'" + label, "'-b")
    assert cells["uri"] == "/p/a.jpg"
    (read,) = tables.rows(str(path))
    assert (read.values["label"], read.values["label_2"]) == (label, "-b")
    (ref,) = list_input(str(path))
    assert isinstance(ref, ImageRef)
    assert json.loads(ref.meta or "")["label"] == label
    failures = pandas.read_csv(tmp_path / "run/__export/csv/failures.csv")
    assert failures["message"].tolist() == ["'@x"]
