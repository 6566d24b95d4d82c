"""The whole circle of docs/review-round.md, with Label Studio's own converter between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers.answers import SKIP, annotated, converted, tasks_of
from tests.helpers.archives import write_tar
from tests.helpers.exports import loaded
from tests.helpers.pictures import make_pictures

NONE = "none of these"


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def run(tmp_path: Path, stand_in_file: Path) -> Path:
    """24 pictures, half of them in an archive."""
    make_pictures(tmp_path / "photos", count=24)
    paths = sorted((tmp_path / "photos").iterdir())
    write_tar(tmp_path / "photos/x.tar", [(path.name, path.read_bytes()) for path in paths[12:]])
    for path in paths[12:]:
        path.unlink()
    words = ["--input", tmp_path / "photos", "--output", tmp_path / "labels", "--quiet"]
    assert main(["label", *map(str, words), "--model", str(stand_in_file)]) == 0
    return tmp_path / "labels"


@pytest.mark.slow
def test_answers_come_back_as_figures_heads_and_folders(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _run(capsys, "review", run, "--budget", 24, "--copy-pictures")
    place = run / "__review/label-studio"
    tasks = tasks_of(place)
    assert [task["data"]["uri"] for task in tasks] == [row["uri"] for row in rows]
    assert len(list((place / "__pictures").iterdir())) == 12
    ends = [row["uri"].rpartition("/")[2] for row in rows]
    guesses = [row["guess"] for row in rows]
    assert not {"tench", "goldfish"} & set(guesses)
    kinds = ["tench", "goldfish"] * 5
    ann = [*kinds, *guesses[10:14], *[NONE] * 4, SKIP, SKIP, *["tench"] * 4]
    said = {
        "ann": dict(zip(ends, ann, strict=True)),
        "bob": dict(zip([*ends[:10], *ends[20:]], [*kinds, *["goldfish"] * 4], strict=True)),
    }
    answered = annotated(tasks, said)
    for form, skipped in (("JSON", 2), ("JSON_MIN", 0), ("CSV", 0)):
        path = converted(answered, config=place / "config.xml", form=form, to=tmp_path / form)
        result = _run(capsys, "evaluate", run, "--truth", path)
        assert (result["top1"]["hits"], result["top1"]["of"]) == (4, 18)
        counts = {name: result["rows"][name] for name in ("none_of_these", "disputed", "skipped")}
        assert counts == {"none_of_these": 4, "disputed": 4, "skipped": skipped}
        agreement = result["answers"]["agreement"]
        assert (agreement["pictures"], agreement["unanimous"]) == (14, 10)
    for row in (answered[10:14], answered[20:]):
        for task in row:
            task["annotations"] = []
    path = converted(answered, config=place / "config.xml", form="JSON", to=tmp_path / "fit")
    fitted = _run(capsys, "head", "fit", run, "--truth", path, "--none-of-these")
    assert {each["label"]: each["truth"] for each in fitted["by_label"]} == {
        "tench": 5,
        "goldfish": 5,
        NONE: 4,
    }
    _run(capsys, "head", "apply", run)
    labels = pq.read_table(next((run / "__head").glob("predictions-*.parquet"))).to_pylist()
    assert {row["label"] for row in labels} <= {"tench", "goldfish", NONE}
    result = _run(capsys, "evaluate", run, "--truth", path, "--labels", "head")
    assert (result["labels"], result["top1"]["of"]) == ("head", 14)
    assert main(["report", str(run)]) == 0
    page = (run / "__report/index.html").read_text("utf-8")
    assert "agreement: 100.0 % over 10 pictures" in page
    assert page.count('"/9j/') == 24
    summary = _run(capsys, "export", run, "--to", "imagefolder", "--copy-pictures")
    assert (summary["rows"], summary["left_out"], summary["gone"]) == (24, 0, 0)
    sizes = loaded(tmp_path, "imagefolder", None, str(run / "__export/imagefolder"))["sizes"]
    assert sizes == [[96, 64]] * 24
    second = main(["review", str(run), "--answered", str(tmp_path / "JSON/JSON/result.json")])
    assert second == 1
    assert "people have been asked about every picture" in capsys.readouterr().err
