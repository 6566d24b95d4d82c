from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cli import main
from pipeline.explore.search import most_similar
from pipeline.run.options import LabelOptions
from tests.helpers.archives import write_tar
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import prediction
from transforms.records import Prediction
from transforms.rows.schema import prediction_table


def _row(number: int, *vector: float) -> Prediction:
    return prediction(number)._replace(embedding=np.array(vector, np.float32))


def _table(*rows: Prediction) -> pa.Table:
    return prediction_table(rows).select(["uri", "label", "score", "embedding"])


def test_the_nearest_come_first_whatever_table_they_are_in() -> None:
    tables = [_table(_row(1, 1, 0), _row(2, 3, 4)), _table(_row(3, 0, 9), _row(4, -1, 0))]
    found = most_similar(tables, np.array([0, 1], np.float32), k=3)
    assert [row["uri"][-5:] for row in found] == ["3.jpg", "2.jpg", "1.jpg"]
    np.testing.assert_allclose([row["similarity"] for row in found], [1, 0.8, 0], atol=1e-6)


def test_equals_come_by_uri_wherever_they_are_cut() -> None:
    rows = [_row(number, 0, 1) for number in (5, 3, 4, 1, 2)]
    for tables in ([_table(*rows)], [_table(*rows[:2]), _table(*rows[2:])]):
        found = most_similar(tables, np.array([0, 1], np.float32), k=2)
        assert [row["uri"][-5:] for row in found] == ["1.jpg", "2.jpg"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("search")
    make_pictures(folder / "photos", count=12)
    words = ["label", "--quiet", "--input", str(folder / "photos"), "--views", "2"]
    assert main([*words, "--output", str(folder / "run"), "--model", str(stand_in_file)]) == 0
    return folder


def test_a_picture_of_the_run_finds_itself_first(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(run / "photos/000007.jpg")
    assert main(["search", str(run / "run"), "--like", picture, "-k", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 3
    assert found[0]["uri"] == picture
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-6)
    assert found[1]["similarity"] < 0.9999
    assert set(found[0]) == {"similarity", "uri", "label", "score"}


def test_members_of_archives_are_looked_for_and_a_model_that_was_moved_is_named(
    run: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = run / "photos/000007.jpg"
    write_tar(tmp_path / "x.tar", [("d/a.jpg", picture.read_bytes())])
    moved = tmp_path / "moved.tflite"
    moved.write_bytes(stand_in_file.read_bytes())
    words = ["search", str(run / "run"), "-k", "1", "--json", "--model", str(moved)]
    assert main([*words, "--like", f"{tmp_path}/x.tar#d/a.jpg"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["uri"], found["similarity"]) == (str(picture), pytest.approx(1, abs=1e-6))
    assert main([*words, "--like", f"{tmp_path}/x.tar#b.jpg"]) == 1
    assert "x.tar has no such member. Expected a picture" in capsys.readouterr().err


def test_a_model_is_found_from_another_folder(
    stand_in_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = LabelOptions(inputs=("photos",), output="labels", model=stand_in_file.name)
    assert options.for_manifest().model == stand_in_file.name  # the name of a published one
    monkeypatch.chdir(stand_in_file.parent)
    assert options.for_manifest().model == str(stand_in_file)


def test_what_is_no_picture_is_refused_by_name(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", str(run / "run"), "--like", str(run / "nothing.jpg")]) == 1
    assert f"{run / 'nothing.jpg'}: not_found" in capsys.readouterr().err


def test_another_model_in_the_place_of_the_run_s_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((run / "run/_MANIFEST.json").read_text("utf-8"))
    manifest["model"]["sha256"] = "ab" * 32
    (tmp_path / "_MANIFEST.json").write_text(json.dumps(manifest), "utf-8")
    (tmp_path / "_SUCCESS").touch()
    assert main(["search", str(tmp_path), "--like", str(run / "photos/000000.jpg")]) == 1
    assert "sha256" in capsys.readouterr().err
