"""Objects in Cloud Storage, against the emulator behind a proxy that fails as it is told to."""

from __future__ import annotations

import errno
import gzip
import io
import os
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.emulator import BUCKET, Cloud
from tests.helpers.http_server import closed_port
from tests.helpers.root import ROOT
from transforms.errors import UserError
from transforms.failures import Reason
from transforms.storage import files, gcs, gcs_client, gcs_read

MEDIA = "/download/storage/v1/b/bkt/o/a.jpg"


def test_an_object_is_read_with_its_generation_in_one_request(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"0123456789")
    assert gcs.read(uri, max_bytes=10) == (b"0123456789", cloud.generation("a.jpg"))
    assert cloud.requests == [f"GET {MEDIA}?alt=media"]


def test_an_empty_object_is_read(cloud: Cloud) -> None:
    assert gcs.read(cloud.put("a.jpg", b""), max_bytes=10).data == b""


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("name", ["a b.jpg", "d/é%2F+?#[1].jpg", "//x.jpg"])
def test_names_of_objects_may_hold_anything(name: str) -> None:
    uri = f"gs://{BUCKET}/{name}"
    files.write_bytes(uri, name.encode())
    assert gcs.read(uri, max_bytes=100).data == name.encode()
    assert files.read_bytes(uri) == name.encode()


@pytest.mark.parametrize("what", [408, 429, 500, 502, 503, 504, "reset", "cut"])
def test_what_may_pass_is_tried_again(cloud: Cloud, what: object) -> None:
    uri = cloud.put("a.jpg", b"0123456789")
    cloud.fail(MEDIA, what, times=1)
    assert gcs.read(uri, max_bytes=10).data == b"0123456789"
    assert cloud.count(MEDIA) == 2


@pytest.mark.parametrize(
    ("what", "reason", "message"),
    [
        (429, Reason.UNAVAILABLE, "Cloud Storage answered 429"),
        (503, Reason.UNAVAILABLE, "Cloud Storage answered 503"),
        (504, Reason.TIMEOUT, "Cloud Storage answered 504"),
        ("reset", Reason.UNAVAILABLE, "the connection to Cloud Storage failed"),
        ("cut", Reason.UNAVAILABLE, "the connection to Cloud Storage failed"),
    ],
)
def test_what_does_not_pass_before_the_deadline_can_be_retried_by_another_run(
    cloud: Cloud, what: object, reason: Reason, message: str
) -> None:
    uri = cloud.put("a.jpg", b"0123456789")
    cloud.fail(MEDIA, what)
    with pytest.raises(OSError, match=message) as raised:
        gcs.read(uri, max_bytes=10, patience_s=0.2)
    assert Reason.from_os_error(raised.value) is reason
    assert reason.retryable


def test_a_server_that_does_not_answer_is_a_timeout(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"x")
    cloud.delay_s = 5
    with pytest.raises(TimeoutError, match="did not answer in time"):
        gcs.read(uri, max_bytes=10, patience_s=0.2)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (403, PermissionError, Reason.PERMISSION_DENIED),
        (404, FileNotFoundError, Reason.NOT_FOUND),
        (400, OSError, Reason.IO_ERROR),
    ],
)
def test_a_refusal_is_final_at_once(
    cloud: Cloud, status: int, kind: type[OSError], reason: Reason
) -> None:
    uri = cloud.put("a.jpg", b"x")
    cloud.fail(MEDIA, status)
    with pytest.raises(kind) as raised:
        gcs.read(uri, max_bytes=10)
    assert Reason.from_os_error(raised.value) is reason
    assert cloud.count(MEDIA) == 1


def test_credentials_that_are_no_good_stop_the_run(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"x")
    cloud.fail(MEDIA, 401)
    with pytest.raises(UserError, match="yours were refused"):
        gcs.read(uri, max_bytes=10)


def test_bytes_that_arrive_damaged_are_asked_for_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = cloud.put("a.jpg", b"0123456789")
    sums = iter([1, 2])
    real = google_crc32c.value
    monkeypatch.setattr(google_crc32c, "value", lambda data: next(sums, real(data)))
    assert gcs.read(uri, max_bytes=10).data == b"0123456789"
    assert cloud.count(MEDIA) == 3


def test_an_object_that_is_too_large_is_refused_before_its_bytes_are_read(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"0123456789")
    reserved: list[int] = []
    with pytest.raises(OSError, match="10 bytes, the limit is 9") as raised:
        gcs.read(uri, max_bytes=9, reserve=reserved.append)
    assert raised.value.errno == errno.EFBIG
    assert Reason.from_os_error(raised.value) is Reason.TOO_LARGE_BYTES
    assert reserved == []
    gcs.read(uri, max_bytes=10, reserve=reserved.append)
    assert reserved == [10]


def test_an_object_stored_as_gzip_is_unpacked_and_cannot_burst(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", gzip.compress(bytes(100_000)), encoding="gzip")
    assert gcs.read(uri, max_bytes=100_000).data == bytes(100_000)
    with pytest.raises(OSError, match="1001 bytes, the limit is 1000"):
        gcs.read(uri, max_bytes=1000)


def test_every_process_makes_one_client_for_all_its_threads(cloud: Cloud) -> None:
    uris = [cloud.put(f"{n}.jpg", bytes([n])) for n in range(40)]
    with ThreadPoolExecutor(20) as pool:
        read = list(pool.map(lambda uri: gcs.read(uri, max_bytes=1).data, uris))
        clients = set(pool.map(lambda _: id(gcs_client.connection()), range(40)))
    assert read == [bytes([n]) for n in range(40)]
    assert len(clients) == 1
    process = os.fork()
    if process == 0:
        same = (
            id(gcs_client.connection()) in clients or gcs.read(uris[7], max_bytes=1).data != b"\7"
        )
        os._exit(same)
    assert os.waitpid(process, 0)[1] == 0


# ---- streams --------------------------------------------------------------------------------


def test_a_stream_seeks_and_reads_a_chunk_at_a_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs_read, "CHUNK_BYTES", 1000)
    data = os.urandom(3500)
    with files.open_read(cloud.put("a.bin", data)) as stream:
        assert stream.read(10) == data[:10]
        assert stream.read(10) == data[10:20]
        assert cloud.count("alt=media") == 1
        assert stream.seek(-100, os.SEEK_END) == 3400
        assert stream.read() == data[3400:]
        assert stream.seek(20) == 20
        assert stream.read() == data[20:]
    assert cloud.count("generation=") == cloud.count("alt=media")


def test_text_is_requested_a_chunk_at_a_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_read, "CHUNK_BYTES", 100_000)
    lines = [f"gs://bkt/folder/{number:06d}.jpg\n" for number in range(8_000)]
    uri = cloud.put("list.txt", "".join(lines).encode())
    with io.TextIOWrapper(files.open_read(uri), "utf-8") as text:
        assert list(text) == lines
    assert cloud.count("alt=media") == 3  # 224 kB


def test_a_stream_survives_what_passes(cloud: Cloud) -> None:
    uri = cloud.put("a.bin", b"0123456789")
    cloud.fail("alt=media", 503, times=1)
    cloud.fail("alt=media", "cut", times=1)
    assert files.read_bytes(uri) == b"0123456789"


def test_pyarrow_reads_parquet_from_a_bucket(cloud: Cloud, tmp_path: Path) -> None:
    table = pa.table({"n": list(range(100_000))})
    pq.write_table(table, tmp_path / "t.parquet")
    uri = cloud.put("t.parquet", (tmp_path / "t.parquet").read_bytes())
    with files.open_read(uri) as stream:
        assert pq.read_table(stream).equals(table)


# ---- files ----------------------------------------------------------------------------------


def test_files_are_written_listed_moved_and_deleted(cloud: Cloud) -> None:
    folder = "gs://bkt/run[1]"  # not a pattern
    neighbour = cloud.put("run1/a", b"not ours")
    for name in ("a", "b", "sub/c"):
        files.write_bytes(files.join(folder, name), name.encode())
    assert files.names(folder) == ["a", "b", "sub"]
    files.move([(f"{folder}/a", f"{folder}/z"), (f"{folder}/sub/c", f"{folder}/b")])
    assert cloud.names("run[") == ["run[1]/b", "run[1]/z"]
    assert cloud.content("run[1]/b") == b"sub/c"
    files.delete([f"{folder}/z", f"{folder}/gone already"])
    assert files.names(folder) == ["b"]
    assert files.exists(f"{folder}/b")
    files.delete_tree(folder)
    assert not files.exists(f"{folder}/b")
    assert files.names(folder) == []
    assert files.exists(neighbour)


def test_a_file_whose_writing_fails_does_not_appear(cloud: Cloud) -> None:
    def write_half() -> None:
        with files.create("gs://bkt/a.bin") as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert cloud.names() == []


def test_an_error_of_an_upload_does_not_show_its_session(cloud: Cloud) -> None:
    cloud.fail("PUT .*upload_id=", 403)
    with pytest.raises(PermissionError) as raised:
        files.write_bytes("gs://bkt/a.bin", b"x")
    text = "".join(traceback.format_exception(raised.value))
    assert "permission denied" in text
    assert "upload_id" not in text
    assert cloud.count("upload_id") == 1


# ---- access ---------------------------------------------------------------------------------


def _refusal(path: str) -> str:
    with pytest.raises(UserError) as raised:
        files.require_access(path, what=f"--input {path}")
    return str(raised.value)


def test_a_bucket_that_does_not_exist_is_named_with_the_cure(cloud: Cloud) -> None:
    assert _refusal("gs://no-such/a") == (
        "--input gs://no-such/a: no such bucket or object. Check the name; a bucket has to be "
        "there before the run."
    )
    assert cloud.count("no-such/o") == 2


def test_a_bucket_without_permission_is_named_with_the_cure(cloud: Cloud) -> None:
    cloud.fail("/b/bkt", 403)
    assert _refusal("gs://bkt/a") == (
        "--input gs://bkt/a: permission denied. Give your account a role on the bucket "
        "(roles/storage.objectViewer to read, roles/storage.objectUser to write), or log in as "
        "another: gcloud auth application-default login"
    )


def test_a_server_that_is_down_costs_seconds_and_not_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr(gcs, "_PREFLIGHT_S", 1.0)
    assert _refusal("gs://bkt/a") == (
        "--input gs://bkt/a: the connection to Cloud Storage failed. Check the network and try "
        "again."
    )


def test_missing_credentials_are_found_at_once(tmp_path: Path) -> None:
    """In a process of its own, as google-auth reads its environment once."""
    code = (
        "from transforms.storage import files; files.require_access('gs://bkt/a', what='--input x')"
    )
    hidden = {"STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    address = f"127.0.0.1:{closed_port()}"  # no metadata server either
    environment |= {"CLOUDSDK_CONFIG": str(tmp_path), "GCE_METADATA_IP": address}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,  # google-auth alone would ask three times for three seconds, and twice
        check=False,
    )
    assert done.stderr.splitlines()[-1] == (
        "transforms.errors.UserError: gs:// needs Google credentials: none were found. Log in with "
        "'gcloud auth application-default login', or let GOOGLE_APPLICATION_CREDENTIALS name a key "
        "file."
    )


def test_a_key_file_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    assert f"gs:// needs Google credentials: File {tmp_path}/key.json was not" in _refusal(
        "gs://b/a"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("azfs://bkt/a", "azfs:// needs an extra: pip install 'apache-beam[azure]'"),
        ("hdfs://host/a", "hdfs:// needs an extra: pip install 'apache-beam[hadoop]'"),
        ("ftp://host/a", "--input ftp://host/a: expected a local path, gs:// or s3://, not ftp://"),
    ],
)
def test_other_storage_says_what_to_install(path: str, message: str) -> None:
    assert _refusal(path).startswith(message)
