"""Labelling runs end to end with Cloud Storage on either side."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.run.folder.finished import open_run
from pipeline.run.options import LabelOptions
from tests.helpers.contents import contents
from transforms.storage import gcs


def _label(*words: object) -> int:
    return main(["label", "--quiet", *map(str, words)])


def _rows(folder: str) -> list[dict[str, Any]]:
    run = open_run(folder)
    rows = pa.concat_tables(run.predictions()).to_pylist()
    return sorted(rows, key=lambda row: row["uri"])


def _failures(folder: str) -> dict[str, tuple[str, str, bool]]:
    return {
        row["uri"].removeprefix("gs://bkt/"): (row["stage"], row["reason"], row["retryable"])
        for table in open_run(folder).failures()
        for row in table.to_pylist()
    }


@pytest.fixture
def bucket(cloud: Cloud, photos: Path) -> Cloud:
    """The pictures of `photos` in gs://bkt/photos."""
    for path in photos.iterdir():
        cloud.put(f"photos/{path.name}", path.read_bytes())
    return cloud


@pytest.mark.parametrize("format", ["parquet", "tfrecord", "jsonl"])
def test_a_bucket_gives_the_rows_of_the_same_folder(
    bucket: Cloud, photos: Path, stand_in_file: Path, tmp_path: Path, format: str
) -> None:
    model = bucket.put("models/m.tflite", stand_in_file.read_bytes())
    flags = ("--format", format, "--overwrite")
    assert (
        _label("--input", photos, "--output", tmp_path / "o", "--model", stand_in_file, *flags) == 0
    )
    assert (
        _label("--input", "gs://bkt/photos", "--output", "gs://bkt/o", "--model", model, *flags)
        == 0
    )
    assert bucket.names("o/") == [
        "o/_MANIFEST.json",
        "o/_SUCCESS",
        f"o/predictions-00000-of-00001.{format}",
    ]
    local, remote = _rows(str(tmp_path / "o")), _rows("gs://bkt/o")
    assert len(remote) == 10
    for row in remote:
        name = row["uri"].removeprefix("gs://bkt/")
        assert row["version"] == bucket.generation(name)
        row["uri"], row["version"] = str(tmp_path / name), None
    assert remote == [row | {"version": None} for row in local]
    # One request a picture, whatever else the run asks for.
    assert bucket.count("GET /download/storage/v1/b/bkt/o/photos") == 10


def test_a_label_map_may_be_in_a_bucket(
    cloud: Cloud, photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    words = ("--input", photos, "--output", tmp_path / "o", "--model", stand_in_file)
    label_map = cloud.put("maps/m.csv", b"class,label\ntench,fish\n*,rest\n")
    assert _label(*words, "--label-map", label_map) == 0
    assert {row["mapped_label"] for row in _rows(str(tmp_path / "o"))} == {"rest"}
    manifest = json.loads((tmp_path / "o/_MANIFEST.json").read_text("utf-8"))
    assert manifest["label_map"]["labels"]["fish"] == [1]
    assert manifest["options"]["label_map"] == label_map


def test_a_label_map_that_is_not_there_stops_the_run(
    cloud: Cloud,
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.put("maps/other.csv", b"")
    words = ("--input", photos, "--output", tmp_path / "o", "--model", stand_in_file)
    assert _label(*words, "--label-map", "gs://bkt/maps/m.csv") == 1
    message = capsys.readouterr().err
    assert "gs://bkt/maps/m.csv: no such bucket or object" in message
    assert message.count("\n") == 1


def test_processes_make_clients_of_their_own(bucket: Cloud, stand_in_file: Path) -> None:
    words = ("--input", "gs://bkt/photos", "--output", "gs://bkt/o", "--model", stand_in_file)
    processes = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert _label(*words, *processes) == 0
    assert len(_rows("gs://bkt/o")) == 10
    assert bucket.count("GET /download/storage/v1/b/bkt/o/photos") == 10


def test_whatever_is_wrong_with_an_object_is_one_row(
    bucket: Cloud, stand_in_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(gcs.read.__kwdefaults__ or {}, "patience_s", 3.0)
    bucket.put("photos/empty.jpg", b"")
    bucket.put("photos/text.jpg", b"these are words\n" * 50)
    for name in ("vanishes", "closed", "busy", "slow"):
        bucket.put(f"photos/{name}.jpg", b"x")
    # Listed, and gone when it is read.
    bucket.fail("download.*vanishes", 404)
    bucket.fail("download.*closed", 403)
    bucket.fail("download.*busy", 503)
    bucket.fail("download.*slow", 504)
    manifest = bucket.put(
        "list.txt", b"photos/none.jpg\n\ngs://no-such/a.jpg\nhttps://host/a.jpg?sig=5ec2e7\nx://y\n"
    )
    out = ("--output", "gs://bkt/o", "--model", stand_in_file)
    assert _label("--input", "gs://bkt/photos", "--input", manifest, *out) == 0
    assert _failures("gs://bkt/o") == {
        "photos/empty.jpg": ("decode", "empty", False),
        "photos/text.jpg": ("decode", "unknown_format", False),
        "photos/vanishes.jpg": ("read", "not_found", False),
        "photos/closed.jpg": ("read", "permission_denied", True),
        "photos/busy.jpg": ("read", "unavailable", True),
        "photos/slow.jpg": ("read", "timeout", True),
        "photos/none.jpg": ("read", "not_found", False),
        "gs://no-such/a.jpg": ("read", "not_found", False),
        "https://host/a.jpg?sig=***a00db90b": ("read", "unsupported_uri", False),
        "x://y": ("read", "unsupported_uri", False),
    }
    manifest = json.loads(bucket.content("o/_MANIFEST.json"))
    assert (manifest["inputs"], manifest["predictions"], manifest["failures"]) == (20, 10, 10)


def test_a_run_survives_a_storage_that_fails_now_and_then(
    bucket: Cloud, stand_in_file: Path
) -> None:
    for what in (503, 429, "reset", "cut"):
        bucket.fail("GET /download.*photos", what, times=2)
    for what in (503, "reset"):
        bucket.fail("/rewriteTo/", what, times=1)
        bucket.fail("DELETE", what, times=1)
        bucket.fail("POST /upload", what, times=1)
    out = ("--output", "gs://bkt/o", "--model", stand_in_file)
    assert _label("--input", "gs://bkt/photos", *out) == 0
    assert len(_rows("gs://bkt/o")) == 10
    assert [name for name in bucket.names("o/") if "_unfinished" in name] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--input", "gs://no-such/photos", "--output", "gs://bkt/o"),
            "--input gs://no-such/photos: no such bucket or object. Check the name;",
        ),
        (
            ("--input", "gs://bkt/none", "--output", "gs://bkt/o"),
            "--input gs://bkt/none: nothing matched.",
        ),
        (
            ("--input", "gs://bkt/*.jpg", "--output", "gs://bkt/o"),
            "--input gs://bkt/*.jpg: nothing matched.",
        ),
        (
            ("--input", "gs://bkt/photos", "--output", "gs://no-such/o"),
            "--output gs://no-such/o: no such bucket or object. Check the name;",
        ),
        (
            (
                "--input",
                "gs://bkt/photos",
                "--output",
                "gs://bkt/o",
                "--model",
                "gs://bkt/m.tflite",
            ),
            "cannot read gs://bkt/m.tflite: no such bucket or object. Check the name;",
        ),
        (
            ("--input", "https://host/list.csv?sig=5ec2e7", "--output", "gs://bkt/o"),
            "--input https://host/list.csv: addresses with a password or a signature are not read",
        ),
        (
            ("--input", "hdfs://host/photos", "--output", "gs://bkt/o"),
            "hdfs:// needs an extra: pip install 'apache-beam[hadoop]'",
        ),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_a_run_that_cannot_begin_says_so_at_once(
    stand_in_file: Path,
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _label("--model", stand_in_file, *words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"quantlabel: {message}")
    assert error.count("\n") == 1


def test_an_output_that_may_be_read_but_not_written_stops_the_run_before_it_begins(
    bucket: Cloud, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.fail("POST /upload", 403)
    out = ("--output", "gs://bkt/o", "--model", stand_in_file)
    assert _label("--input", "gs://bkt/photos", *out) == 1
    assert capsys.readouterr().err.startswith(
        "quantlabel: --output gs://bkt/o: nothing can be written there: permission denied. Give "
        "your account a role on the bucket (roles/storage.objectViewer to read, "
        "roles/storage.objectUser to write)"
    )
    assert bucket.count("GET /download/storage/v1/b/bkt/o/photos") == 0


def test_no_secret_reaches_what_a_run_writes_or_says(
    photos: Path, stand_in_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "".join(reversed("7e2ce5"))
    (photos / "list.csv").write_text(
        f"uri,n\n000000.jpg,1\nhttps://u:{secret}@host/a.jpg?X-Goog-Signature={secret},2\n", "utf-8"
    )
    words = ["--verbose", "--output", tmp_path / "o", f"--s3_secret_access_key={secret}"]
    words += ["--s3_session_token", secret, "--input", photos / "list.csv"]
    assert _label(*words, "--model", stand_in_file) == 0
    model = f"https://127.0.0.1:9/m.tflite?X-Goog-Signature={secret}"
    assert _label(*words, "--overwrite", "--model", model) == 1
    written = [*contents(tmp_path / "o").values()]
    metadata = pq.read_schema(next((tmp_path / "o").glob("*.parquet"))).metadata
    assert b"s3_secret_access_key=***" in metadata[b"quantlabel.options"]
    assert any(b"@host/a.jpg?X-Goog-Signature=***" in content for content in written)
    said = capfd.readouterr()
    assert "cannot download https://127.0.0.1:9/m.tflite" in said.err
    assert secret not in said.out + said.err
    assert not any(secret.encode() in content for content in written)


def test_what_a_manifest_says_of_the_options_opens_no_door() -> None:
    options = LabelOptions(
        inputs=("https://host/list.csv?sig=5ec2e7", "gs://bkt/what?.jpg"),
        output="o",
        model="https://u:5ec2e7@host/m.tflite?sig=5ec2e7",
        beam_args=("--azure_connection_string=5ec2e7", "--s3_session_token", "5ec2e7", "--more"),
    )
    said = dataclasses.asdict(options.for_manifest())
    assert said["inputs"] == ("https://host/list.csv?sig=***a00db90b", "gs://bkt/what?.jpg")
    assert said["model"] == "https://host/m.tflite"
    assert said["beam_args"] == (
        "--azure_connection_string=***",
        "--s3_session_token",
        "***",
        "--more",
    )


def test_nothing_is_unpickled_that_came_as_data(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    """A pickle that leaves a trace when it is loaded, wherever data may stand."""
    trace = tmp_path / "trace"
    payload = b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR."
    for name in ("a.jpg", "b.png", "c.tiff"):
        (photos / name).write_bytes(payload)
    (photos / "list.jsonl").write_bytes(payload + b"\n")
    words = ("--input", photos, "--input", photos / "list.jsonl", "--output", tmp_path / "o")
    assert _label(*words, "--model", stand_in_file) == 0
    assert not trace.exists()
    assert (
        json.loads((tmp_path / "o/_MANIFEST.json").read_bytes())["failures"]
        == 3 + payload.count(b"\n") + 1
    )


def test_very_many_duplicate_lines_are_one_picture(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (photos / "list.txt").write_text("000000.jpg\n" * 200_000, "utf-8")
    words = ("--input", photos / "list.txt", "--output", tmp_path / "o", "--model", stand_in_file)
    assert _label(*words) == 0
    manifest = json.loads((tmp_path / "o/_MANIFEST.json").read_bytes())
    assert (manifest["inputs"], manifest["predictions"]) == (1, 1)
    assert manifest["duplicates"] == 199_999
