"""A notebook from nothing: label, look at the rows, evaluate, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pictures import make_pictures

CELLS = (
    "import quantlabel\nrun = quantlabel.label('photos', 'labels', model='MODEL')\nrun",
    "run.rows.to_pandas(columns=['uri', 'label', 'score']).shape",
    "quantlabel.evaluate('labels', truth='truth.csv')['rows']['predictions']",
    "quantlabel.report('labels')['pictures']",
    "quantlabel.label('photos', 'labels', model='MODEL', views=3)",
)


@pytest.mark.slow
def test_a_notebook_labels_evaluates_and_reports(tmp_path: Path, stand_in_file: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    make_pictures(tmp_path / "photos", count=10)
    truth = [f"{tmp_path}/photos/{number:06d}.jpg,1" for number in range(10)]
    (tmp_path / "truth.csv").write_text("\n".join(["uri,class_id", *truth]), "utf-8")
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(cell.replace("MODEL", str(stand_in_file))) for cell in CELLS
    ]
    client = nbclient.NotebookClient(
        notebook, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    labelled, frame, evaluated, reported, mistake = (cell.outputs for cell in notebook.cells)
    progress, handle = map(_text, labelled)
    assert progress.startswith("10 of 10 pictures")
    assert handle == f"{tmp_path}/labels: 10 labelled, 0 failed"
    assert [_text(output) for output in frame] == ["(10, 3)"]
    assert [_text(output) for output in evaluated] == ["10"]
    assert [_text(output) for output in reported] == ["10"]
    assert [(output.output_type, output.ename) for output in mistake] == [("error", "UsageError")]


def _text(output: Any) -> str:
    return str(output.data["text/plain"] if "data" in output else output)
