"""Labelling runs end to end, through the command line, on the DirectRunner."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.conftest import unprivileged
from tests.helpers.pictures import make_pictures
from transforms.failures import ImageError, Reason
from transforms.inputs.picture_files import read_bytes
from transforms.rows.reader import read_predictions

MAPPED = ("mapped_label", "mapped_score")


def _label(*words: object) -> int:
    return main(["label", "--quiet", *map(str, words)])


def _rows(folder: Path) -> list[dict[str, Any]]:
    tables = [pq.read_table(path) for path in sorted(folder.glob("predictions-*.parquet"))]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return sorted(rows, key=lambda row: row["uri"])


def _failures(folder: Path) -> dict[str, tuple[str, str]]:
    rows = [
        json.loads(line)
        for path in folder.glob("__failures/failures-*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    found = {row["uri"]: (row["stage"], row["reason"]) for row in rows}
    assert len(found) == len(rows)
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "_MANIFEST.json").read_text("utf-8"))
    return manifest


def test_a_folder_becomes_rows_a_manifest_and_success(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (photos / "truth.csv").write_text("x", "utf-8")
    assert _label("--input", photos, "--output", out, "--model", stand_in_file) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == ["_MANIFEST.json", "_SUCCESS", "predictions-00000-of-00001.parquet"]
    rows = _rows(out)
    assert [row["uri"] for row in rows] == [str(photos / f"{n:06d}.jpg") for n in range(10)]
    assert {(row["width"], row["height"], row["format"]) for row in rows} == {(96, 64, "JPEG")}
    assert all(len(row["embedding"]) == 256 and len(row["top_scores"]) == 5 for row in rows)
    manifest = _manifest(out)
    counts = ("inputs", "predictions", "failures", "duplicates", "skipped", "status")
    assert [manifest[name] for name in counts] == [10, 10, 0, 0, 1, "succeeded"]
    assert manifest["model"]["name"] == "stand-in"
    assert manifest["preprocess"] == {"method": "eval", "size": 128, "views": 1}
    assert manifest["files"][0]["rows"] == 10
    assert manifest["files"][0]["size"] == (out / names[2]).stat().st_size
    assert sum(label["count"] for label in manifest["most_frequent_labels"]) == 10
    metadata = pq.read_schema(out / names[2]).metadata
    assert metadata[b"quantlabel.model_sha256"].decode() == manifest["model"]["sha256"]


def _bad_inputs(folder: Path) -> dict[str, tuple[str, str]]:
    """Fills a folder with what must fail; returns the stage and reason expected of each."""
    good = (folder / "000000.jpg").read_bytes()
    header = (
        b"\x89PNG\r\n\x1a\n"
        + b"\0\0\0\rIHDR"
        + struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0)
    )
    header += struct.pack(">I", zlib.crc32(header[12:]))
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"these are words\n" * 50, "unknown_format"),
        "half.jpg": (good[: len(good) // 2], "truncated"),
        "huge.png": (header + b"\0\0\0\0IDAT" + bytes(4), "too_many_pixels"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    subprocess.run(["mkfifo", folder / "pipe.jpg"], check=True)
    expected = {str(folder / name): ("decode", reason) for name, (_, reason) in contents.items()}
    expected[str(folder / "dangling.jpg")] = ("read", "not_found")
    expected[str(folder / "pipe.jpg")] = ("read", "not_a_file")
    return expected


def test_a_run_does_not_count_itself_as_a_text_of_the_user(
    photos: Path, stand_in_file: Path
) -> None:
    out = photos / "out"
    assert _label("--input", photos, "--output", out, "--model", stand_in_file) == 0
    manifest = _manifest(out)
    assert (manifest["inputs"], manifest["failures"]) == (10, 0)
    assert manifest["skipped_by_kind"].keys() == {"results"}


def test_every_bad_input_is_one_row_and_the_run_goes_on(
    photos: Path, stand_in_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = _bad_inputs(photos)
    good = (photos / "000000.jpg").read_bytes()
    wild = photos / 'it\'s "<b>" 😀\nnew line.jpg'
    wild.write_bytes(good)
    make_pictures(tmp_path / "tiny", count=1)
    import PIL.Image

    PIL.Image.new("RGB", (1, 1), "red").save(photos / "one.png")
    assert _label("--input", photos, "--output", tmp_path / "out", "--model", stand_in_file) == 0
    assert _failures(tmp_path / "out") == expected
    uris = [row["uri"] for row in _rows(tmp_path / "out")]
    assert len(uris) == len(set(uris)) == 12
    assert {str(wild), str(photos / "one.png")} < set(uris)
    manifest = _manifest(tmp_path / "out")
    assert manifest["inputs"] == 12 + len(expected)
    assert manifest["failures_by_reason"]["truncated"] == 1
    assert capfd.readouterr() == ("", "")


def test_a_file_without_permission_is_a_failure(public_folder: Path) -> None:
    closed = public_folder / "a.jpg"
    closed.write_bytes(b"x")
    closed.chmod(0)
    with unprivileged(), pytest.raises(ImageError) as raised:
        read_bytes(str(closed), max_bytes=10)
    assert raised.value.reason is Reason.PERMISSION_DENIED


def test_a_file_over_max_bytes_is_a_failure(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    large = photos / "large.jpg"
    large.write_bytes((photos / "000000.jpg").read_bytes() + bytes(100_000))
    arguments = ["--input", photos, "--output", tmp_path / "out", "--model", stand_in_file]
    assert _label(*arguments, "--max-bytes", 100_000) == 0
    assert _failures(tmp_path / "out") == {str(large): ("read", "too_large_bytes")}


def test_a_name_that_is_not_utf8_gets_its_row(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    content = (photos / "000000.jpg").read_bytes()
    with open(bytes(photos) + b"/caf\xe9.jpg", "wb") as file:
        file.write(content)
    assert _label("--input", photos, "--output", tmp_path / "out", "--model", stand_in_file) == 0
    assert str(photos) + "/caf\\xe9.jpg" in [row["uri"] for row in _rows(tmp_path / "out")]


def test_words_that_are_not_utf8_reach_the_manifest_or_are_refused(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.tflite")), tmp_path / "out"
    shutil.copy(stand_in_file, model)
    odd = os.fsdecode(b"caf\xe9")
    arguments = ["--input", photos, "--output", out, "--model", model]
    assert _label(*arguments, "--image-key", odd) == 2
    assert "--image-key: expected a name in UTF-8" in capsys.readouterr().err
    assert _label(*arguments, f"--job_name={odd}") == 0
    manifest = _manifest(out)
    assert manifest["model"]["name"] == "caf\\xe9"
    assert manifest["options"]["model"] == f"{tmp_path}/caf\\xe9.tflite"
    assert manifest["options"]["beam_args"] == ["--job_name=caf\\xe9"]
    assert main(["verify", str(out), "--model", str(model)]) == 0


def test_a_folder_whose_path_is_not_utf8_is_read(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    folder, out = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9")), tmp_path / "out"
    photos.rename(folder)
    arguments = ["--input", folder, "--output", out, "--model", stand_in_file]
    assert _label(*arguments) == 0
    assert {row["uri"] for row in _rows(out)} == {
        f"{tmp_path}/caf\\xe9/{number:06d}.jpg" for number in range(10)
    }
    assert _manifest(out)["options"]["inputs"] == [f"{tmp_path}/caf\\xe9"]
    assert _label(*arguments, "--resume") == 0
    assert _manifest(out)["reused"] == 10
    assert main(["verify", str(out)]) == 0


def test_an_output_whose_path_is_not_utf8_is_refused(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = os.fsdecode(bytes(tmp_path) + b"/\xff")
    assert _label("--input", photos, "--output", out, "--model", stand_in_file) == 2
    assert "--output: expected a folder whose path is valid UTF-8" in capsys.readouterr().err
    assert not os.path.lexists(out)


def test_manifest_columns_reach_predictions_and_failures(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    manifest = photos / "list.csv"
    manifest.write_text("uri,id\n000000.jpg,7\ngone.jpg,8\n000000.jpg,7\n", "utf-8")
    out = tmp_path / "out"
    assert _label("--input", manifest, "--output", out, "--model", stand_in_file) == 0
    assert [row["meta"] for row in _rows(out)] == ['{"id": "7"}']
    (line,) = (out / "__failures/failures-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["meta"] == '{"id": "8"}'
    assert _manifest(out)["duplicates"] == 1


def test_three_formats_hold_the_same_rows(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    import tensorflow as tf

    for format in ("parquet", "tfrecord", "jsonl"):
        out = tmp_path / format
        arguments = ["--input", photos, "--output", out, "--model", stand_in_file]
        assert _label(*arguments, "--format", format) == 0
    rows = _rows(tmp_path / "parquet")
    assert len(rows) == 10
    jsonl = tmp_path / "jsonl/predictions-00000-of-00001.jsonl"
    columns = "uri, sha256, class_id, label, top_class_ids, embedding::FLOAT[256]"
    by_duckdb = duckdb.execute(
        f"select {columns} from read_json('{jsonl}') order by uri"
    ).fetchall()
    records = tf.data.TFRecordDataset(
        [str(tmp_path / "tfrecord/predictions-00000-of-00001.tfrecord")]
    )
    by_tensorflow = [tf.train.Example.FromString(r.numpy()).features.feature for r in records]
    for row, line, feature in zip(rows, by_duckdb, by_tensorflow, strict=True):
        assert line[:5] == tuple(
            row[name] for name in ("uri", "sha256", "class_id", "label", "top_class_ids")
        )
        np.testing.assert_array_equal(np.float32(line[5]), np.float32(row["embedding"]))
        assert feature["image/source_id"].bytes_list.value == [row["uri"].encode()]
        assert feature["image/prediction/top_class_ids"].int64_list.value == row["top_class_ids"]
        np.testing.assert_array_equal(
            np.float32(feature["image/feature_vector"].float_list.value),
            np.float32(row["embedding"]),
        )


def test_two_processes_and_little_memory_give_the_same_rows(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    _bad_inputs(photos)
    for out, flags in (
        ("one", []),
        ("two", ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]),
        ("memory", ["--memory", "1"]),  # each picture alone
    ):
        arguments = ["--input", photos, "--output", tmp_path / out, "--model", stand_in_file]
        assert _label(*arguments, *flags) == 0
    for other in ("two", "memory"):
        assert _rows(tmp_path / "one") == _rows(tmp_path / other)
        assert _failures(tmp_path / "one") == _failures(tmp_path / other)


def test_a_finished_run_is_kept_unless_overwrite_says_so(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--output", tmp_path / "out", "--model", stand_in_file, "--input"]
    assert _label(*arguments, photos) == 0
    before = _rows(tmp_path / "out")
    assert _label(*arguments, photos / "000001.jpg") == 1
    assert "a finished run is there already" in capsys.readouterr().err
    assert _rows(tmp_path / "out") == before
    assert _label(*arguments, photos / "000001.jpg", "--overwrite", "--format", "jsonl") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_MANIFEST.json",
        "_SUCCESS",
        "predictions-00000-of-00001.jsonl",
    ]


def test_a_run_in_which_nothing_succeeds_has_failed(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.jpg").write_bytes(b"")
    out = tmp_path / "out"
    arguments = ["--output", out, "--model", stand_in_file, "--input"]
    assert _label(*arguments, tmp_path / "bad") == 1
    assert "none of the 1 pictures could be labelled (1 empty)" in capsys.readouterr().err
    assert _manifest(out)["status"] == "failed"
    assert _failures(out) == {str(tmp_path / "bad/a.jpg"): ("decode", "empty")}
    assert not (out / "_SUCCESS").exists()
    assert _label(*arguments, photos) == 0  # an unfinished run is in nobody's way
    assert (out / "_SUCCESS").exists()
    assert _failures(out) == {}


def test_failures_over_the_limit_fail_the_run(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    arguments = ["--input", photos, "--output", tmp_path / "out", "--model", stand_in_file]
    assert _label(*arguments, "--max-failure-rate", 0.05) == 1
    assert "1 of 11 pictures failed, a rate of 0.0909; the limit is 0.05" in capsys.readouterr().err
    assert not (tmp_path / "out/_SUCCESS").exists()
    assert _label(*arguments, "--max-failure-rate", 0.1) == 0


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--input", "/no/such/*.jpg"], 1, "--input /no/such/*.jpg: nothing matched"),
        (["--model", "no_such_model"], 2, "no_such_model"),
        (["--model", "/no/such.tflite"], 1, "/no/such.tflite"),
        (["--top-k", "0"], 2, "--top-k: expected a number from 1 to 1001, found 0"),
        (["--views", "3"], 2, "--views: invalid choice: 3 (choose from 1, 2, 4)"),
        (
            ["--views", "4", "--preprocess", "stretch"],
            2,
            "--views 4: expected a --preprocess that crops, eval or slim, found 'stretch'",
        ),
        (["--label-threshold", "2"], 2, "--label-threshold: expected a score from 0 to 1"),
        (["--label-threshold", "0.5"], 2, "--label-threshold: it is that of --label-map"),
        (["--label-map", "/no/such.csv"], 1, "/no/such.csv: cannot be read"),
        (["--temperature", "0"], 2, "--temperature: expected a number above 0, found 0.0"),
        (["--temperature", "nan"], 2, "--temperature: expected a number above 0, found nan"),
        (["--memory", "0"], 2, "--memory: expected a positive number, found 0"),
        (["--max-failure-rate", "2"], 2, "--max-failure-rate: expected a share from 0 to 1"),
        (["--format", "csv"], 2, "--format: invalid choice: 'csv' (choose from "),
        (["--preprocess", "best"], 2, "--preprocess: invalid choice: 'best' (choose from "),
        (["--runner", "NoRunner"], 2, "--runner NoRunner: Unexpected pipeline runner"),
        (["--formt", "jsonl"], 2, "--formt: neither a flag of quantlabel nor one of Beam. Did you"),
        (["--direct_num_workers=two"], 2, "a flag of Beam: argument --direct_num_workers"),
        (["--direct_running_mode=multi_threading"], 2, "loses pictures without a message"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    expected: str,
) -> None:
    defaults = {
        "--input": str(photos),
        "--output": str(tmp_path / "out"),
        "--model": str(stand_in_file),
    }
    flags = [
        word for flag, value in defaults.items() if flag not in words for word in (flag, value)
    ]
    assert _label(*flags, *words) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("quantlabel: ")
    assert expected in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    assert _label("--input", photos, "--output", tmp_path / "out", "--model", stand_in_file) == 1
    assert "this is a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "flags", [[], ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]]
)
def test_no_process_of_a_run_imports_tensorflow(
    photos: Path, stand_in_file: Path, tmp_path: Path, flags: list[str]
) -> None:
    # Whoever imports it gets this one, which leaves a trace.
    package, trace = tmp_path / "path/tensorflow", tmp_path / "imported"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(trace)!r}, 'w').close()\n", "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    words = ["--input", photos, "--output", tmp_path / "out", "--model", stand_in_file, *flags]
    command = [sys.executable, "-m", "pipeline", "label", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not trace.exists()
    subprocess.run([sys.executable, "-c", "import tensorflow"], env=environment, check=True)
    assert trace.exists()


@pytest.mark.parametrize(
    ("views", "first", "in_top"),
    [(1, 108, 152), (2, 109, 153), (4, 109, 159)],  # 54.0 and 76.0 %, 54.5 and 76.5, 54.5 and 79.5
)
def test_reference_model_reaches_its_accuracy(
    shared: Path, tmp_path: Path, views: int, first: int, in_top: int
) -> None:
    model = shared / "models/mobilenet_v1_0.25_128_quant.tflite"
    out = tmp_path / "out"
    words = ["--input", shared / "images/ilsvrc", "--output", out, "--model", model]
    # Published figures know no colour profiles; fifteen of these have another one than sRGB.
    assert _label(*words, "--views", views, "--colour", "ignore") == 0
    manifest = _manifest(out)
    assert [manifest[name] for name in ("predictions", "failures", "skipped")] == [200, 0, 1]
    with (shared / "images/ilsvrc/truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["file"]: int(row["class_id"]) for row in csv.DictReader(file)}
    tops = [(truth[Path(row["uri"]).name], row["top_class_ids"]) for row in _rows(out)]
    assert sum(ids[0] == class_id for class_id, ids in tops) == first
    assert sum(class_id in ids for class_id, ids in tops) == in_top


def test_a_label_map_adds_labels_in_every_format(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "map.csv").write_text("class,label\n*,other\nn00015388,animal\n", "utf-8")
    words = ["--input", photos, "--model", stand_in_file, "--top-k", 1001]
    words += ["--label-map", tmp_path / "map.csv", "--label-threshold", 0.6]
    for format in ("parquet", "jsonl", "tfrecord"):
        assert _label(*words, "--output", tmp_path / format, "--format", format) == 0
    rows = _rows(tmp_path / "parquet")
    for row in rows:
        scores = dict(zip(row["top_class_ids"], row["top_scores"], strict=True))
        animal = sum(scores[class_id] for class_id in range(1, 399))
        assert row["mapped_score"] == pytest.approx(max(animal, 1 - animal), rel=1e-4)
        sure = row["mapped_score"] >= 0.6
        assert row["mapped_label"] == (("other", "animal")[animal > 0.5] if sure else None)
    assert {row["mapped_label"] for row in rows} == {"animal", "other", None}
    own = [(row["mapped_label"], row["mapped_score"]) for row in rows]
    for format in ("jsonl", "tfrecord"):
        (path,) = (tmp_path / format).glob("predictions-*")
        table = pa.concat_tables(read_predictions(str(path))).sort_by("uri")
        assert list(zip(*(table[c].to_pylist() for c in MAPPED), strict=True)) == own
    manifest = _manifest(tmp_path / "parquet")
    assert manifest["label_map"]["threshold"] == 0.6
    assert manifest["label_map"]["labels"]["animal"] == [*range(1, 399)]


def test_without_a_label_map_its_columns_are_null(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    assert _label("--input", photos, "--model", stand_in_file, "--output", tmp_path / "out") == 0
    assert {row[column] for row in _rows(tmp_path / "out") for column in MAPPED} == {None}
    assert _manifest(tmp_path / "out")["label_map"] is None


def test_other_labels_are_not_added_to_a_run(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map.csv").write_text("class,label\n*,other\n", "utf-8")
    words = ["--input", photos, "--model", stand_in_file, "--output", tmp_path / "out"]
    assert _label(*words) == 0
    assert _label(*words, "--resume", "--label-map", tmp_path / "map.csv") == 1
    assert "(--label-map None there, " in capsys.readouterr().err
    assert _label(*words, "--resume", "--temperature", 2) == 1
    assert "were made otherwise (--temperature 1.0 there, 2.0 now)" in capsys.readouterr().err


def test_a_temperature_is_applied_and_can_be_read_back(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    words = ["--input", photos, "--model", stand_in_file, "--top-k", 1001, "--output"]
    assert _label(*words, tmp_path / "plain") == 0
    assert _label(*words, tmp_path / "sharp", "--temperature", 0.5) == 0
    assert _manifest(tmp_path / "sharp")["options"]["temperature"] == 0.5
    for plain, sharp in zip(_rows(tmp_path / "plain"), _rows(tmp_path / "sharp"), strict=True):
        assert sharp["top_class_ids"] == plain["top_class_ids"]
        squares = np.square(plain["top_scores"])
        np.testing.assert_allclose(sharp["top_scores"], squares / squares.sum(), rtol=1e-4)


def test_the_sibling_reads_160_pixels_and_gives_512_features(shared: Path, tmp_path: Path) -> None:
    model = shared / "models/mobilenet_v1_0.5_160_quant.tflite"
    pictures = shared / "images/ilsvrc/n0144*.JPEG"
    assert _label("--input", pictures, "--output", tmp_path / "out", "--model", model) == 0
    assert _manifest(tmp_path / "out")["preprocess"] == {"method": "eval", "size": 160, "views": 1}
    assert [len(row["embedding"]) for row in _rows(tmp_path / "out")] == [512]
    assert [row["label"] for row in _rows(tmp_path / "out")] == ["tench"]
