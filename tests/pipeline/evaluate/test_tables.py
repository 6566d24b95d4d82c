"""What a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import labelled


def test_a_person_gets_tables(run: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    out = capsys.readouterr().out
    for expected in (
        "40.0 % (95 % interval 11.8 to 76.9), 2 of 5",
        "1 could not be labelled, counted as misses",
        "2 without truth, such as /p/unknown.jpg",
        "1 of the truth without row, such as gone.jpg",
        "mean 60.0 where 50.0 % are right",
    ):
        assert expected in out
    assert ["goldfish", "(2)", "tench", "(1)", "2"] in [line.split() for line in out.splitlines()]
    assert "No class has 5 pictures with a truth: recall of a class is noise." in out


def test_few_pictures_are_said_to_be_noise(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth.write_text("file,class_id\na.jpg,3\nb.jpg,2\nc.jpg,9\n", "utf-8")
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    out = capsys.readouterr().out
    assert "0.0 % (95 % interval 0.0 to 56.1), 0 of 3" in out
    assert "Every mistake was made once, which may be chance" in " ".join(out.split())
    assert "Most confused" not in out


def test_classes_with_enough_pictures_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [labelled(f"/p/tench/{at}.jpg", {1 + at // 5: 0.9, 3: 0.05}) for at in range(6)]
    write_run(tmp_path / "labels", [*rows, labelled("/p/shark/a.jpg", {2: 0.9, 3: 0.05})])
    (tmp_path / "t.csv").write_text(
        "file,class_id\na.jpg,2\n" + "".join(f"{at}.jpg,1\n" for at in range(6)), "utf-8"
    )
    assert main(["evaluate", str(tmp_path / "labels"), "--truth", str(tmp_path / "t.csv")]) == 0
    out = capsys.readouterr().out
    assert "1 classes with fewer than 5 pictures are not listed." in out
    assert ["tench", "(1)", "6", "83.3", "100.0"] in [line.split() for line in out.splitlines()]
