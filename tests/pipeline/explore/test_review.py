from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from pipeline.export.targets import TARGETS
from tests.helpers.answers import SKIP, annotated, tasks_of
from tests.helpers.finished_runs import write_run
from tests.helpers.label_studio import validated
from tests.helpers.rows import labelled, prediction
from transforms.flags import Flags
from transforms.inputs.listing import list_input
from transforms.records import Prediction


def _row(number: int, margin: float, direction: int) -> Prediction:
    embedding = np.full(256, 0.01, np.float32)
    embedding[direction] = 1
    second = (1 - margin) / 2
    return prediction(number, uri=f"/photos/{number:03d} a.jpg")._replace(
        sha256=f"{number:064x}"[::-1],
        top_labels=[f"kind {number % 50}", "other"],
        top_scores=[second + margin, second],
        embedding=embedding,
    )


def _run(folder: Path, rows: list[Prediction]) -> list[dict[str, str]]:
    write_run(folder, rows)
    assert main(["review", str(folder), "--budget", "20", "--json"]) == 0
    with (folder / "__review/review.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _numbers(rows: list[dict[str, str]], why: str) -> list[int]:
    return [int(row["uri"][8:11]) for row in rows if row["why"] == why]


def test_the_doubtful_are_chosen_and_a_tenth_at_random(tmp_path: Path) -> None:
    # 100 pictures that are all different, the doubtful ones first.
    rows = _run(tmp_path / "run", [_row(n, n / 100, n) for n in range(100)])
    assert len(rows) == 20
    assert len(_numbers(rows, "random")) == 2
    uncertain = _numbers(rows, "uncertain")
    without = [n for n in range(100) if n not in _numbers(rows, "random")]
    assert len(uncertain) == 18
    assert set(uncertain) <= set(without)
    assert uncertain[0] == without[0]
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins)


def test_only_pictures_with_a_flag_are_chosen(tmp_path: Path) -> None:
    none: dict[str, Any] = dict.fromkeys(Flags._fields, False)
    flags = [{**none, "grey": True}, {**none, "tiny": True}, none]
    rows = [_row(n, n / 100, n)._replace(**flags[n % 3]) for n in range(30)]
    write_run(tmp_path / "run", rows, options={"quality": True})
    for flag, expected in (("grey", range(0, 30, 3)), ("none", range(2, 30, 3))):
        assert main(["review", str(tmp_path / "run"), "--budget", "20", "--flag", flag]) == 0
        table = pandas.read_csv(tmp_path / "run/__review/review.csv")
        assert sorted(int(uri[8:11]) for uri in table["uri"]) == list(expected)


def test_labels_that_look_like_formulas_are_none_in_the_table(tmp_path: Path) -> None:
    rows = [
        _row(n, n / 100, n)._replace(label="=1+1", top_labels=["=1+1", "other"]) for n in range(3)
    ]
    for row in _run(tmp_path / "run", rows):
        number = row["uri"][8:11].lstrip("0") or "0"
        assert row["guess"] == f"'=1+1 ({number})"  # three classes of one name
        assert row["choices"] == f"{row['guess']}|other"
        assert row["uri"].startswith("/photos/")


def test_one_picture_stands_for_a_near_identical_group(tmp_path: Path) -> None:
    # Pictures 0 to 59 look in three directions, 60 to 99 each in another; all in great doubt.
    rows = _run(tmp_path / "run", [_row(n, 0.001 * n, n % 3 if n < 60 else n) for n in range(100)])
    uncertain = [n for n in _numbers(rows, "uncertain") if n < 60]
    assert len(uncertain) == len({n % 3 for n in uncertain}) <= 3


def test_clusters_of_the_doubtful_are_all_represented(tmp_path: Path) -> None:
    # 1,000 pictures of ten kinds, not similar enough to be near-identical.
    random = np.random.RandomState(0)
    rows = []
    for number in range(1000):
        embedding = np.abs(random.standard_normal(256)).astype(np.float32) * 0.04
        embedding[number % 10] = 1
        # Kind 0 is in more doubt than any other.
        margin = (0 if number % 10 == 0 else 0.3) + number / 10_000
        rows.append(_row(number, margin, 0)._replace(embedding=embedding))
    chosen = [n % 10 for n in _numbers(_run(tmp_path / "run", rows), "uncertain")]
    assert len(set(chosen)) > 1, "the most doubtful kind has taken everything"


def test_label_and_label_studio_take_the_manifest(tmp_path: Path) -> None:
    rows = _run(tmp_path / "run", [_row(n, n / 100, n) for n in range(100)])
    listed = list(list_input(str(tmp_path / "run/__review/review.csv")))
    assert [ref.uri for ref in listed] == [row["uri"] for row in rows]  # type: ignore[union-attr]
    assert rows[0]["image"] == "/data/local-files/?d=photos/" + rows[0]["uri"][8:11] + "%20a.jpg"
    tasks = tasks_of(tmp_path / "run/__review/label-studio")
    assert [task["data"]["uri"] for task in tasks] == [row["uri"] for row in rows]
    for task, row in zip(tasks, rows, strict=True):
        offered = [choice["value"] for choice in task["data"]["choices"]]
        assert offered == [*row["choices"].split("|"), "none of these"]
        assert task["data"]["image"] == row["image"]
        assert (task["data"]["why"], task["data"]["round"]) == (row["why"], 1)
        (result,) = task["predictions"][0]["result"]
        assert result["value"]["choices"] == [row["guess"]]
    found = validated(tmp_path / "run/__review/label-studio")
    assert (found["tasks"], found["errors"]) == (20, [])


def test_with_a_label_map_doubt_is_between_its_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(number: int, top: dict[int, float], label: str | None, score: float) -> Prediction:
        vector = np.eye(1, 256, number, np.float32)[0]
        mapped = {"mapped_label": label, "mapped_score": score, "sha256": f"{number}" * 64}
        return labelled(f"/p/{number}.jpg", top, embedding=vector, **mapped)

    rows = [
        row(0, {282: 0.45, 283: 0.44, 1: 0.01}, "cat", 0.89),  # two cats
        row(1, {282: 0.4, 207: 0.3, 208: 0.05}, None, 0.4),  # cat or dog
        row(2, {1: 0.31, 2: 0.3, 3: 0.29}, None, 0.01),  # fish, of no interest
        row(3, {282: 0.5, 1: 0.25, 2: 0.2}, "cat", 0.5),  # cat or of no interest
    ]
    own = {"threshold": 0.45, "labels": {"cat": [282, 283], "dog": [207, 208]}}
    write_run(tmp_path / "run", rows, label_map=own)
    assert main(["review", str(tmp_path / "run"), "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)
    assert [(row["uri"][3], row["margin"], row["guess"]) for row in chosen] == [
        ("1", 0.05, None),
        ("3", 0.05, "cat"),
        ("0", 0.88, "cat"),
        ("2", 0.9, None),
    ]
    assert [row["score"] for row in chosen] == [0.4, 0.5, 0.89, 0.01]
    config = ElementTree.parse(tmp_path / "run/__review/label-studio/config.xml").getroot()
    assert [choice.get("value") for choice in config[0]] == ["cat", "dog", "none of these"]


def test_a_budget_above_the_run_takes_everything_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", [_row(n, 0.1, n) for n in range(9)])
    assert main(["review", str(tmp_path / "run"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sorted(row["uri"] for row in rows) == [f"/photos/{n:03d} a.jpg" for n in range(9)]


def test_what_no_task_can_show_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [_row(at, 0.1 * at, at) for at in range(5)]
    inside = [row._replace(uri=f"/photos/x.tar#{at}.jpg") for at, row in enumerate(rows[:2])]
    write_run(tmp_path / "run", [*inside, *rows[2:]])
    assert main(["review", str(tmp_path / "run")]) == 0
    assert "2 of them lie inside archives" in capsys.readouterr().out
    assert len(tasks_of(tmp_path / "run/__review/label-studio")) == 3


def test_a_second_round_passes_over_what_people_have_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _run(tmp_path / "run", [_row(n, n / 100, n) for n in range(50)])
    said = {row["uri"][8:]: "other" for row in rows[1:]} | {rows[0]["uri"][8:]: SKIP}
    tasks = annotated(tasks_of(tmp_path / "run/__review/label-studio"), {"ann": said})
    answers = [tmp_path / "1.json", tmp_path / "2.json"]
    answers[0].write_text(json.dumps(tasks), "utf-8")
    capsys.readouterr()
    words = ["review", str(tmp_path / "run"), "--budget", "20", "--json"]
    assert main([*words, "--answered", str(answers[0])]) == 0
    second = json.loads(capsys.readouterr().out)
    assert len(second) == 20
    assert not {row["uri"] for row in second} & {row["uri"] for row in rows}
    tasks = tasks_of(tmp_path / "run/__review/label-studio")
    assert {task["data"]["round"] for task in tasks} == {2}
    said = {row["uri"][8:]: "other" for row in second}
    answers[1].write_text(json.dumps(annotated(tasks, {"ann": said})), "utf-8")
    words += [word for path in answers for word in ("--answered", str(path))]
    assert main(words) == 0
    assert len(json.loads(capsys.readouterr().out)) == 10
    table = "file,label\n" + "".join(f"{n:03d} a.jpg,x\n" for n in range(50))
    (tmp_path / "3.csv").write_text(table, "utf-8")
    assert main([*words, "--answered", str(tmp_path / "3.csv")]) == 1
    assert "people have been asked about every picture" in capsys.readouterr().err


def test_the_chosen_are_written_for_every_target_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", [_row(n, (n * 7 % 30) / 30, n) for n in range(30)])
    # Pictures of the one would have to be there; others grow from export to export.
    targets = [to for to, each in TARGETS.items() if to != "imagefolder" and not each.commits]
    words = ["review", str(tmp_path / "run"), "--budget", "10", "--json"]
    assert main([*words, *(word for to in targets for word in ("--to", to))]) == 0
    uris = [row["uri"] for row in json.loads(capsys.readouterr().out)]
    place = tmp_path / "run/__review"
    assert list(pandas.read_csv(place / "csv/predictions.csv")["uri"]) == uris
    coco = json.loads((place / "coco-classification/annotations.json").read_bytes())
    assert [image["file_name"] for image in coco["images"]] == uris
    assert [*json.loads((place / "fiftyone/data.json").read_bytes()).values()] == uris
    assert pq.read_table(place / "huggingface/data")["uri"].to_pylist() == uris
    marker = json.loads((place / "_QUANTLABEL.json").read_bytes())
    assert set(marker["entries"]) == {"review.csv", *targets, *(f"{to}.json" for to in targets)}


def test_a_run_with_one_class_a_picture_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", [prediction(1)], options={"top_k": 1})
    assert main(["review", str(tmp_path / "run")]) == 2
    assert "labelled with --top-k 1" in capsys.readouterr().err
