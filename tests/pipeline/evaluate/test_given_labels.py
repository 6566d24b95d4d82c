"""`quantlabel evaluate` of labels of one's own: those of a label map and those of a head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.emulator import BUCKET, Cloud
from pipeline.cli import main
from pipeline.report.evaluation import evaluation_part
from pipeline.run.folder.finished import open_run
from tests.helpers.contents import contents
from tests.helpers.finished_runs import write_run
from tests.helpers.rows import failed, labelled
from transforms.records import Prediction

MAP = {"threshold": 0.5, "labels": {"fish": [1, 2], "cat": [282, 283], "tench": [3]}}
TRUTH = "file,label\na.jpg,fish\nb.jpg,cat\nc.jpg,cat\nd.jpg,cat\ne.jpg,fish\nf.jpg,fish\n"


def _mapped(uri: str, label: str | None, score: float) -> Prediction:
    top = {1: 0.5, 2: 0.2, 282: 0.1, 283: 0.1, 3: 0.05}
    return labelled(uri, top, mapped_label=label, mapped_score=score)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five predictions, of which one got no label of the map, and a failure."""
    rows = [
        _mapped("/p/fish/a.jpg", "fish", 0.9),
        _mapped("/p/cat/b.jpg", "cat", 0.7),
        _mapped("/p/cat/c.jpg", "fish", 0.6),
        _mapped("/p/cat/d.jpg", None, 0.3),
        _mapped("/p/fish/e.jpg", "fish", 0.8),
    ]
    broken = [failed(0)._replace(uri="/p/fish/f.jpg")]
    write_run(tmp_path / "labels", rows, broken, rows_per_shard=2, label_map=MAP)
    return tmp_path / "labels"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return _table(tmp_path, TRUTH)


def _table(folder: Path, text: str) -> Path:
    (folder / "truth.csv").write_text(text, "utf-8")
    return folder / "truth.csv"


def _evaluated(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["evaluate", *map(str, words), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result: dict[str, Any] = json.loads(captured.out)
    return result


def _refused(capsys: pytest.CaptureFixture[str], *words: object, status: int = 1) -> str:
    assert main(["evaluate", *map(str, words)]) == status
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_labels_of_the_map_are_held_against_truth_that_speaks_of_them(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _evaluated(capsys, run, "--truth", truth)
    assert result["labels"] == "mapped"
    shares = {key: (result[key]["hits"], result[key]["of"]) for key in ("answered", "precision")}
    assert shares == {"answered": (4, 6), "precision": (3, 4)}
    assert (result["top1"]["hits"], result["top1"]["of"], result["top5"]) == (3, 6, None)
    names = ("label", "truth", "predicted", "unanswered", "hits", "precision", "recall")
    assert [tuple(each[name] for name in names) for each in result["classes"]] == [
        ("fish", 3, 3, 0, 2, 2 / 3, 2 / 3),
        ("cat", 3, 1, 1, 1, 1.0, 1 / 3),
    ]
    assert result["confused"] == [
        {"truth": {"label": "cat"}, "predicted": {"label": "fish"}, "rows": 1}
    ]
    assert result["rows"]["predictions"] == 5
    assert result["calibration"]["score"] == pytest.approx((0.9 + 0.7 + 0.6 + 0.8) / 4)
    assert result["calibration"]["fitted"] is None
    assert (result["coverage"][65]["rows"], result["coverage"][65]["accuracy"]) == (3, 1.0)


def test_folders_can_be_called_like_labels_of_the_map(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_table = _evaluated(capsys, run, "--truth", truth)
    by_folder = _evaluated(capsys, run, "--truth", "folders")
    others = {"evaluated": 0, "truth": 0, "answers": 0}
    assert {**by_folder, **others} == {**by_table, **others}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("file,class_id\na.jpg,1\n", "network"),
        ("file,label,synset\na.jpg,tench,n01440764\n", "network"),
        ("file,label\na.jpg,goldfish\nb.jpg,tench\n", "network"),
        ("file,label\na.jpg,tench\nb.jpg,cat\n", "mapped"),
    ],
)
def test_the_truth_tells_which_labels_it_means(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, expected: str
) -> None:
    assert _evaluated(capsys, run, "--truth", _table(tmp_path, rows))["labels"] == expected


def test_truth_that_may_mean_both_is_refused_until_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = _table(tmp_path, "file,label\na.jpg,tench\n")
    message = _refused(capsys, run, "--truth", truth)
    assert "'tench' is a label of the run's label map and a class of the network" in message
    assert "Add --labels mapped or --labels network." in message
    network = _evaluated(capsys, run, "--truth", truth, "--labels", "network")
    assert (network["labels"], network["top1"]["hits"]) == ("network", 1)
    mapped = _evaluated(capsys, run, "--truth", truth, "--labels", "mapped")
    assert (mapped["labels"], mapped["top1"]["hits"]) == ("mapped", 0)


def test_what_cannot_be_compared_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = _table(tmp_path, "file,label\na.jpg,fish\nb.jpg,horse\n")
    expected = "truth.csv line 3: 'horse' is no label of the run's label map, which has fish, cat"
    assert expected in _refused(capsys, run, "--truth", truth)
    message = _refused(capsys, run, "--truth", truth, "--labels", "own", status=2)
    assert "--labels: expected one of network, mapped, head, found 'own'" in message
    assert "head apply first" in _refused(capsys, run, "--truth", truth, "--labels", "head")
    plain = tmp_path / "plain"
    write_run(plain, [_mapped("/a", None, 0), _mapped("/b", None, 0)])
    message = _refused(capsys, plain, "--truth", truth, "--labels", "mapped")
    assert "--labels mapped needs a run with a label map" in message
    assert "'fish' is no class" in _refused(capsys, plain, "--truth", truth)
    write_run(
        tmp_path / "other", [_mapped("/x/a", None, 0), _mapped("/x/b", None, 0)], label_map=MAP
    )
    words = ("--truth", "folders", "--labels", "mapped")
    assert "called like their label, such as fish" in _refused(capsys, tmp_path / "other", *words)


def test_a_person_sees_how_many_have_a_label(
    run: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    out = capsys.readouterr().out
    assert "of the label map" in out
    assert "66.7 % (95 % interval 30.0 to 90.3), 4 of 6" in out
    assert "75.0 % (95 % interval 30.1 to 95.4), 3 of 4" in out
    assert "50.0 % (95 % interval 18.8 to 81.2), 3 of 6" in out
    assert "every mistake was made once" in out.casefold()
    truth = _table(tmp_path, "file,label\nd.jpg,cat\n")
    assert main(["evaluate", str(run), "--truth", str(truth)]) == 0
    assert "0.0 % (95 % interval 0.0 to 79.3), 0 of 1" in capsys.readouterr().out


def test_the_report_tells_those_with_a_label_from_all(
    run: Path, truth: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _evaluated(capsys, run, "--truth", truth)
    part = evaluation_part(open_run(str(run)), paths=True)
    assert part is not None
    assert [(value, name.split(",")[0]) for value, name in part.tiles][:3] == [
        ("66.7%", "labelled"),
        ("75.0%", "right of those"),
        ("50.0%", "right of all"),
    ]
    assert part.confused == [("cat", "fish", 1)]


def _with_head(folder: Path) -> None:
    """Twenty pictures, whose vectors say ant or bee, but one that lies in the other's folder."""
    rows = []
    for at in range(20):
        vector = np.zeros(256, np.float32)
        vector[at % 2] = 5
        name = ("ant", "bee")[(at + (at == 7)) % 2]
        rows.append(labelled(f"/p/{name}/{at}.jpg", {1: 0.9, 2: 0.05}, embedding=vector))
    model = {"name": "net", "kind": "tflite", "sha256": "ab" * 32, "input_size": 128}
    write_run(
        folder, rows, [failed(0)._replace(uri="/p/ant/x.jpg")], rows_per_shard=10, model=model
    )


def test_labels_of_a_head_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "labels"
    _with_head(run)
    assert main(["head", "fit", str(run), "--truth", "folders"]) == 0
    assert main(["head", "apply", str(run)]) == 0
    capsys.readouterr()
    result = _evaluated(capsys, run, "--truth", "folders", "--labels", "head")
    assert (result["labels"], result["fitted_on"]) == ("head", "folders")
    assert (result["top1"]["hits"], result["top1"]["of"]) == (19, 21)  # a failure is a miss
    assert result["confused"] == [
        {"truth": {"label": "ant"}, "predicted": {"label": "bee"}, "rows": 1}
    ]
    assert main(["evaluate", str(run), "--truth", "folders", "--labels", "head"]) == 0
    assert "which has learned from this truth" in capsys.readouterr().out
    path = run / "__head/_MANIFEST.json"
    manifest = json.loads(path.read_text("utf-8"))
    for other in ({"started": "2026-02-02T00:00:00.000+00:00"}, {}):
        path.write_text(json.dumps({**manifest, "run": other}), "utf-8")
        message = _refused(capsys, run, "--truth", "folders", "--labels", "head")
        assert "labels of a run that was here before" in message


@pytest.mark.usefixtures("cloud")
def test_run_and_truth_may_be_in_a_bucket(
    run: Path, truth: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in contents(run).items():
        cloud.put(f"labels/{name}", content)
    there = cloud.put("truth.csv", truth.read_bytes())
    here = _evaluated(capsys, run, "--truth", truth)
    result = _evaluated(capsys, f"gs://{BUCKET}/labels", "--truth", there)
    assert result["top1"] == here["top1"]
    assert json.loads(cloud.content("labels/__evaluation/evaluation.json")) == result
