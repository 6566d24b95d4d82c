"""Labelling runs on S3: a real server of its interface on this machine, and Beam's file system."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from pipeline.cli import main
from pipeline.run.folder import lock
from pipeline.run.folder.finished import open_run
from transforms.errors import UserError
from transforms.storage import files, s3


class Bucket:
    """The bucket `bkt`, past the code under test."""

    def __init__(self) -> None:
        self._client = boto3.client("s3")
        self._client.create_bucket(Bucket="bkt")

    def put(self, name: str, content: bytes, **more: str) -> str:
        self._client.put_object(Bucket="bkt", Key=name, Body=content, **more)
        return f"s3://bkt/{name}"

    def clear(self) -> None:
        for name in self.names(""):
            self._client.delete_object(Bucket="bkt", Key=name)

    def content(self, name: str) -> bytes:
        data: bytes = self._client.get_object(Bucket="bkt", Key=name)["Body"].read()
        return data

    def names(self, prefix: str) -> list[str]:
        found = self._client.list_objects_v2(Bucket="bkt", Prefix=prefix).get("Contents", [])
        return sorted(item["Key"] for item in found)


@pytest.fixture(scope="module")
def _server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(
    _server: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bucket]:
    """The pictures of `photos` in s3://bkt/photos, for this process."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", _server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = Bucket()
    for path in photos.iterdir():
        bucket.put(f"photos/{path.name}", path.read_bytes())
    s3._client_of.cache_clear()
    yield bucket
    bucket.clear()
    s3._client_of.cache_clear()


def _label(*words: object) -> int:
    return main(["label", "--quiet", *map(str, words)])


def _rows(folder: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.concat_tables(open_run(folder).predictions()).to_pylist()
    return sorted(rows, key=lambda row: str(row["uri"]))


def test_s3_gives_the_rows_of_the_same_folder(
    bucket: Bucket,
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _label("--input", photos, "--output", tmp_path / "o", "--model", stand_in_file) == 0
    words = ("--input", "s3://bkt/photos", "--output", "s3://bkt/o", "--model", stand_in_file)
    assert _label(*words) == 0
    assert bucket.names("o/") == [
        "o/_MANIFEST.json",
        "o/_SUCCESS",
        "o/predictions-00000-of-00001.parquet",
    ]
    remote = _rows("s3://bkt/o")
    assert len(remote) == 10
    for row in remote:
        row["uri"] = row["uri"].replace("s3://bkt", str(tmp_path))
    etags = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in photos.iterdir()}
    assert remote == [
        row | {"version": etags[Path(row["uri"]).name]} for row in _rows(str(tmp_path / "o"))
    ]
    assert main(["verify", "s3://bkt/o"]) == 0
    assert "10 pictures, every column compared" in capsys.readouterr().out
    assert main(["report", "s3://bkt/o"]) == 0
    assert b"pretzel" in bucket.content("o/__report/index.html")


def test_a_manifest_there_may_name_what_is_gone(bucket: Bucket, stand_in_file: Path) -> None:
    lines = b"photos/000000.jpg\nphotos/gone.jpg\ns3://no-such/a.jpg\ns3://bkt\nphotos/empty.jpg\n"
    bucket.put("photos/empty.jpg", b"")
    manifest = bucket.put("list.txt", lines)
    words = ("--input", manifest, "--output", "s3://bkt/o", "--model", stand_in_file)
    assert _label(*words) == 0
    assert {
        (row["uri"], row["stage"], row["reason"], row["retryable"])
        for table in open_run("s3://bkt/o").failures()
        for row in table.to_pylist()
    } == {
        ("s3://bkt/photos/gone.jpg", "read", "not_found", False),
        ("s3://no-such/a.jpg", "read", "not_found", False),
        ("s3://bkt", "read", "not_found", False),
        ("s3://bkt/photos/empty.jpg", "decode", "empty", False),
    }
    assert [row["uri"] for row in _rows("s3://bkt/o")] == ["s3://bkt/photos/000000.jpg"]


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("s3://no-such/a", "s3://bkt/o", "--input s3://no-such/a: no such bucket or object."),
        ("s3://bkt/none", "s3://bkt/o", "--input s3://bkt/none: nothing matched."),
        ("s3://bkt/photos", "s3://no-such/o", "--output s3://no-such/o: no such bucket or object."),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_a_run_that_cannot_begin_says_so_at_once(
    source: str,
    output: str,
    message: str,
    stand_in_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _label("--input", source, "--output", output, "--model", stand_in_file) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"quantlabel: {message}")
    assert error.count("\n") == 1


@pytest.mark.usefixtures("bucket")
def test_missing_credentials_are_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UserError, match="s3:// needs AWS credentials: none were found"):
        files.require_access("s3://bkt/photos", what="--input s3://bkt/photos")


def test_keys_may_be_given_as_flags_of_beam(
    bucket: Bucket, stand_in_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    words = ("--input", "s3://bkt/photos", "--output", "s3://bkt/o", "--model", stand_in_file)
    assert _label(*words, "--s3_access_key_id=a", "--s3_secret_access_key=5ec2e7") == 0
    assert b"5ec2e7" not in bucket.content("o/_MANIFEST.json")


def test_half_an_object_never_appears(bucket: Bucket) -> None:
    def fail() -> None:
        with files.create("s3://bkt/o/half") as file:
            file.write(b"half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    files.write_bytes("s3://bkt/o/empty", b"")
    files.write_bytes("s3://bkt/o/large", bytes(20 << 20))
    assert bucket.names("o/") == ["o/empty", "o/large"]
    assert bucket.content("o/empty") == b""
    assert bucket.content("o/large") == bytes(20 << 20)


def test_an_object_that_is_too_large_is_not_read(bucket: Bucket) -> None:
    path = bucket.put("large.jpg", bytes(1000))
    asked: list[int] = []
    assert files.read(path, max_bytes=1000, reserve=asked.append).data == bytes(1000)
    with pytest.raises(OSError, match="1000 bytes, the limit is 999"):
        files.read(path, max_bytes=999, reserve=asked.append)
    assert asked == [1000]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"s3:// needs an extra: pip install 'quantlabel\[aws\]'"):
        files.require_access("s3://bkt/a", what="--input")


def _pictures_read(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Names of the pictures that the server was asked for since the last look."""
    found = re.findall(r"GET /bkt/photos/(\S+)", caplog.text)
    caplog.clear()
    return sorted(found)


def test_finished_objects_are_not_read_again(
    bucket: Bucket, photos: Path, stand_in_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "werkzeug")
    words = ("--input", "s3://bkt/photos", "--output", "s3://bkt/o", "--model", stand_in_file)
    assert _label(*words) == 0
    assert len(_pictures_read(caplog)) == 10
    bucket.put("photos/000003.jpg", (photos / "000004.jpg").read_bytes())
    assert _label(*words, "--resume") == 0
    assert _pictures_read(caplog) == ["000003.jpg"]
    assert open_run("s3://bkt/o").manifest.reused == 9


def test_only_who_knows_the_version_writes_or_deletes(bucket: Bucket) -> None:
    path = "s3://bkt/o/lock"
    assert files.claim(path, b"a", version=None)
    assert files.claim(path, b"a", version=None)  # an answer that got lost
    assert not files.claim(path, b"b", version=None)
    _, first = files.open_versioned(path)
    assert files.claim(path, b"b", version=first)
    assert not files.claim(path, b"c", version=first)
    files.delete_version(path, version=first)
    assert bucket.content("o/lock") == b"b"
    files.delete_version(path, version=files.open_versioned(path)[1])
    assert bucket.names("o/") == []
    assert not files.claim(path, b"c", version=first)


def test_a_run_that_has_lost_its_folder_ends_and_leaves_the_lock_alone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    there = {"host": "elsewhere", "pid": 7, "started": "x", "runner": None, "beats": 3}
    content = json.dumps({**there, "attempt": "_unfinished-b"}).encode()

    def lose() -> None:
        with lock.held("s3://bkt/o", attempt="_unfinished-a", started="now"):
            bucket.put("o/_RUNNING.json", content)
            time.sleep(60)  # is interrupted

    with pytest.raises(UserError, match="taken the folder over, host elsewhere, process 7"):
        lose()
    assert bucket.content("o/_RUNNING.json") == content


def test_a_stream_is_of_one_version(bucket: Bucket) -> None:
    path = bucket.put("large", bytes(range(256)) * 40_000)
    with files.open_read(path) as file:
        assert file.read(3) == b"\0\1\2"
        file.seek(-2, 2)
        assert file.read() == b"\xfe\xff"
        bucket.put("large", b"other")
        file.seek(0)
        with pytest.raises(ConnectionError, match="the object changed while it was read"):
            file.read(3)


def test_objects_stored_as_gzip_are_unpacked(bucket: Bucket) -> None:
    uri = bucket.put("a.csv", gzip.compress(b"uri\na.jpg\n"), ContentEncoding="gzip")
    assert files.read(uri, max_bytes=99).data == b"uri\na.jpg\n"
    with files.open_read(uri) as file:
        assert file.read() == b"uri\na.jpg\n"
    with pytest.raises(OSError, match="the limit is 5"):
        files.read(uri, max_bytes=5)
    assert files.read(bucket.put("b", b"x"), max_bytes=5).data == b"x"


def test_a_file_is_read_in_large_requests(bucket: Bucket) -> None:
    path = bucket.put("list.txt", b"s3://bkt/a.jpg\n" * 10_000)
    asked: list[str] = []

    def note(request: Any, **_: Any) -> None:
        asked.append(request.headers.get("Range", b"").decode())

    assert files.exists(path)  # from here on there is a client
    events = s3._client().meta.events
    events.register("before-send.s3.GetObject", note)
    try:
        with files.open_read(path) as file:
            assert file.read() == b"s3://bkt/a.jpg\n" * 10_000
        with files.open_read(path) as file:
            assert sum(1 for _ in io.TextIOWrapper(file)) == 10_000
    finally:
        events.unregister("before-send.s3.GetObject", note)
    assert asked == ["bytes=0-149999", "bytes=0-149999"]
