"""Objects of a bucket, read whole or as a stream."""

from __future__ import annotations

import errno
import gzip
import io
import os
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.emulator import BUCKET, Cloud
from tests.helpers.clock import FakeClock
from tests.helpers.storage import MEDIA, outcomes_of
from transforms import outage
from transforms.failures import Reason
from transforms.storage import files, gcs, gcs_read
from transforms.storage.content import ChangedError


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


def test_a_storage_that_is_out_is_waited_for_and_given_up_at_last(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(now: float) -> None:
        if now > began + 120:  # each has a minute of its own
            cloud.faults.clear()

    clock = FakeClock(after=ends)
    monkeypatch.setattr(outage, "CLOCK", clock)
    uris = [cloud.put(f"{number}.jpg", b"good") for number in range(12)]
    began = clock.now()
    cloud.fail("alt=media", 503)
    assert outcomes_of(uris, clock) == ["good"] * 12
    cloud.fail("alt=media", "reset")
    began = float("inf")
    cloud.requests.clear()
    assert outcomes_of(uris, clock) == ["StorageOutError"] * 12
    assert cloud.count("alt=media") < 12 * 10 + 60
    cloud.faults.clear()
    clock.sleep(20)
    assert outcomes_of(uris[:1], clock) == ["good"]


@pytest.mark.parametrize(
    ("status", "error"), [(404, "FileNotFoundError"), (403, "PermissionError")]
)
def test_refusals_are_answers(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, status: int, error: str
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(outage, "CLOCK", clock)
    uris = [cloud.put(f"{number}.jpg", b"good") for number in range(12)]
    cloud.fail("alt=media", status)
    for _ in range(3):
        assert outcomes_of(uris, clock) == [error] * 12
        clock.sleep(60)
    cloud.faults.clear()
    assert outcomes_of(uris, clock) == ["good"] * 12
    assert len(cloud.requests) == 4 * 12


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


@pytest.mark.parametrize("gone", [True, False])
def test_a_stream_says_that_its_generation_is_gone(cloud: Cloud, gone: bool) -> None:
    uri = cloud.put("a.bin", b"0123456789")
    with files.open_read(uri) as stream:
        if gone:
            cloud.delete("a.bin")
        else:
            cloud.put("a.bin", b"another content")
        with pytest.raises(ChangedError, match="the object changed while it was read"):
            stream.read()
