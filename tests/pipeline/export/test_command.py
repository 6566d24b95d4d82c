"""`quantlabel export`: mistakes of the call."""

from __future__ import annotations

import pytest

from pipeline.cli import main


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["/no/such", "--to", "csv"], 1, "/no/such: no finished run is there"),
        (["", "--to", "csv"], 2, "DIR: expected the output folder of a run"),
        (["labels", "--to", "yolo"], 2, "--to: expected one of label-studio, fiftyone,"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, expected: str
) -> None:
    assert main(["export", *words]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
