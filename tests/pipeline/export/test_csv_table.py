"""Tables that pandas reads."""

from __future__ import annotations

from pathlib import Path

import pandas

from tests.helpers.exports import NAMES, exported


def test_csv_holds_every_row_and_every_failure(run: Path) -> None:
    assert exported(run, "csv")["rows"] == 5
    table = pandas.read_csv(run / "export/csv/predictions.csv")
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
    failures = pandas.read_csv(run / "export/csv/failures.csv")
    assert failures["reason"].tolist() == ["truncated", "truncated"]
