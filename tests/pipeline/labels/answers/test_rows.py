"""Which column of a table is the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.answers import read, said
from tests.helpers.truths import write_table
from transforms.errors import UserError

HEADING = (
    "annotation_id,annotator,choice,created_at,id,image,label,lead_time,score,updated_at,uri\n"
)


def _table(folder: Path, text: str) -> Path:
    return Path(write_table(folder, text))


def test_the_choice_counts_and_not_the_label_beside_it(tmp_path: Path) -> None:
    rows = "7,ann@x.org,cat,2026-01-01,1,/i,dog,3.2,0.9,2026-01-02,/p/a.jpg\n"
    (answer,) = read(_table(tmp_path, HEADING + rows))
    assert (answer.picture, answer.said) == ({"uri": "/p/a.jpg"}, {"label": "cat"})
    assert (answer.annotator, answer.time) == ("ann@x.org", "2026-01-02")


def test_the_answer_may_be_called_otherwise(tmp_path: Path) -> None:
    text = "annotation_id,annotator,id,lead_time,species,uri\n1,a,1,2,cat,/p/a.jpg\n"
    assert said(_table(tmp_path, text)) == [("a.jpg", "cat")]
    text = "annotation_id,annotator,batch,id,species,uri\n1,a,b,1,cat,/p/a.jpg\n"
    with pytest.raises(UserError, match="which column is the answer, batch or species"):
        said(_table(tmp_path, text))
    assert said(_table(tmp_path, text), column="species") == [("a.jpg", "cat")]


def test_an_answer_may_be_missing_or_be_several(tmp_path: Path) -> None:
    cells = ['"{""choices"": [""cat"", ""dog""]}"', "", '"{""choices"": [""cat""]}"', "N/A"]
    rows = "".join(f"{at},a,{cell},1,/p/{at}.jpg\n" for at, cell in enumerate(cells))
    found = said(_table(tmp_path, f"annotation_id,annotator,choice,id,uri\n{rows}"))
    assert found == [("0.jpg", "several"), ("1.jpg", "skipped"), ("2.jpg", "cat"), ("3.jpg", "N/A")]


def test_label_and_choice_without_a_sign_of_either_are_refused(tmp_path: Path) -> None:
    table = _table(tmp_path, "uri,label,choice\n/p/a.jpg,cat,dog\n")
    with pytest.raises(UserError, match="choice and label both say what the picture shows"):
        said(table)
    assert said(table, column="label") == [("a.jpg", "cat")]
    with pytest.raises(UserError, match="no column truth, as --truth-column says; found uri, la"):
        said(table, column="truth")
