"""`quantlabel report`: mistakes of the call."""

from __future__ import annotations

import pytest

from pipeline.cli import main


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["/no/such/folder"], 1, "/no/such/folder: no finished run is there"),
        (["", "--max-pictures", "3"], 2, "DIR: expected the output folder of a run"),
        (["labels", "--max-pictures", "-1"], 2, "--max-pictures: expected 0 or a positive number"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, expected: str
) -> None:
    assert main(["report", *words]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
