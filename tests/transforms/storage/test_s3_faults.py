"""S3 that answers late, twice, half or with nonsense: rows, failures or one line; no lock lost.

A real server of its interface, behind a proxy that does harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.retries import standard

from deploy.emulator import Cloud, Fault
from pipeline.cli import main
from pipeline.run.folder import lock
from pipeline.run.folder.finished import open_run
from tests.helpers import http_server
from tests.helpers.clock import FakeClock
from tests.helpers.http_server import Reply
from tests.helpers.runs import copy_pictures
from tests.helpers.s3_server import Bucket, environment, run_s3
from tests.helpers.storage import outcomes_of
from transforms import outage
from transforms.errors import UserError
from transforms.failures import Reason
from transforms.storage import files, s3


@pytest.fixture(scope="module")
def _running_s3() -> Iterator[Bucket]:
    with run_s3() as bucket:
        yield bucket


@pytest.fixture
def bucket(_running_s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty s3://bkt, for this process; what may pass is tried again at once."""
    for name, value in environment(_running_s3.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(outage, "CLOCK", FakeClock())
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    _running_s3.clear()
    outage.release()
    s3._client_of.cache_clear()
    yield _running_s3
    s3._client_of.cache_clear()


@pytest.mark.parametrize("what", [429, 500, 503, "reset", "lost", "cut", "long", "odd"])
def test_what_may_pass_is_tried_again(bucket: Bucket, what: Any) -> None:
    path = bucket.put("a.jpg", bytes(range(100)))
    bucket.fail("GET /bkt/a.jpg", what, times=1)
    assert files.read(path, max_bytes=1000).data == bytes(range(100))
    bucket.fail("GET /bkt/a.jpg", what, times=1)
    assert files.read_bytes(path) == bytes(range(100))


@pytest.mark.parametrize("what", [500, 503, "reset", "cut", "long", "odd"])
def test_what_does_not_pass_is_a_failure_that_another_run_may_retry(
    bucket: Bucket, what: Any
) -> None:
    path = bucket.put("a.jpg", bytes(100))
    bucket.fail("GET /bkt/a.jpg", what)
    with pytest.raises(OSError, match=r"\w") as raised:
        files.read(path, max_bytes=1000)
    assert Reason.from_os_error(raised.value).retryable
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("bucket")
def test_an_object_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "CLOCK", outage.Clock())
    monkeypatch.setattr(s3, "PATIENCE_S", 0.5)
    with http_server.serve() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        server.on("/bkt/a.jpg", Reply(bytes(500), headers={"ETag": "1"}, then="drip"))
        s3._client_of.cache_clear()
        with pytest.raises(TimeoutError, match="the object arrived too slowly"):
            files.read("s3://bkt/a.jpg", max_bytes=1000)


@pytest.mark.usefixtures("bucket")
def test_bytes_that_arrive_damaged_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the checksum that S3 keeps of an object."""
    sums = {"x-amz-checksum-crc32": "AAAAAA==", "ETag": "1"}
    with http_server.serve() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        server.on("/bkt/a.jpg", Reply(b"good", headers=sums), Reply(b"good", headers={"ETag": "1"}))
        s3._client_of.cache_clear()
        assert files.read("s3://bkt/a.jpg", max_bytes=1000).data == b"good"
    assert server.requested == ["/bkt/a.jpg"] * 2


def test_a_storage_that_is_out_is_waited_for(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(now: float) -> None:
        if now > began + 120:
            bucket.faults.clear()

    clock = FakeClock(after=ends)
    monkeypatch.setattr(outage, "CLOCK", clock)
    paths = [bucket.put(f"{number}.jpg", b"good") for number in range(12)]
    began = clock.now()
    bucket.fail("GET /bkt/", 503)
    assert outcomes_of(paths, clock) == ["good"] * 12


@pytest.mark.parametrize("what", [500, "reset", "lost"])
def test_a_lock_is_taken_once_however_often_it_is_asked_for(bucket: Bucket, what: Any) -> None:
    path = "s3://bkt/o/lock"
    bucket.fail("PUT /bkt/o/lock", what, times=1)
    assert files.claim(path, b"a", version=None)
    assert bucket.content("o/lock") == b"a"
    bucket.fail("PUT /bkt/o/lock", what, times=1)
    assert not files.claim(path, b"b", version=None)
    _, version = files.open_versioned(path)
    bucket.fail("PUT /bkt/o/lock", what, times=1)
    assert files.claim(path, b"b", version=version)
    bucket.fail("DELETE /bkt/o/lock", what, times=1)
    files.delete_version(path, version=version)
    assert bucket.content("o/lock") == b"b"
    bucket.fail("DELETE /bkt/o/lock", what, times=1)
    files.delete_version(path, version=files.open_versioned(path)[1])
    assert bucket.names() == []


def _label(out: str, model: Path, *words: str) -> int:
    given = ["--input", "s3://bkt/photos", "--output", out, "--model", str(model), *words]
    return main(["label", "--quiet", *given])


def _upload(bucket: Bucket, photos: Path) -> None:
    for path in photos.iterdir():
        bucket.put(f"photos/{path.name}", path.read_bytes())


def test_a_run_in_a_storm_is_published_whole(
    bucket: Bucket,
    photos: Path,
    stand_in_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    _upload(bucket, photos)
    bucket.faults = [
        Fault("GET /bkt/(photos|o)/", what, times=1)
        for what in (503, "reset", "cut", "long", "odd", "lost")
    ]
    bucket.faults += [Fault("(PUT|DELETE) /bkt/o/", what, times=1) for what in (500, "lost")]
    assert _label("s3://bkt/o", stand_in_file) == 0, capsys.readouterr().err
    assert bucket.names("o/") == [
        "o/_MANIFEST.json",
        "o/_SUCCESS",
        "o/predictions-00000-of-00001.parquet",
    ]
    assert open_run("s3://bkt/o").manifest.predictions == 10
    assert [fault.times for fault in bucket.faults if "GET" in fault.pattern] == [0] * 6


# ---- credentials that end in the middle of a run ------------------------------------------------

_EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"


@pytest.mark.parametrize("kind", ["gs", "s3"])
def test_credentials_that_expire_stop_the_run_and_keep_its_rows(
    bucket: Bucket,
    cloud: Cloud,
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr("transforms.rows.stage_rows.CHECKPOINT_SECONDS", 0.1)
    # Fewer in flight than there are pictures, on a machine of many cores as well.
    monkeypatch.setattr("transforms.images.loader_pool._MOST_FETCHES", 16)
    copy_pictures(photos, count=200)
    where: Any = bucket if kind == "s3" else cloud
    for path in photos.iterdir():
        where.put(f"photos/{path.name}", path.read_bytes())
    if kind == "s3":
        bucket.fail("GET /bkt/", 400, body=_EXPIRED)
    else:
        cloud.fail("GET /(download/)?storage/v1/b/bkt/o/", 401)
    where.faults[0].after = 150
    words = ["label", "--quiet", "--input", f"{kind}://bkt/photos", "--model", str(stand_in_file)]
    words += ["--output", str(tmp_path / "o")]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "credentials: yours were refused (" in said
    assert said.endswith("(add --resume to go on where it stopped)\n")
    assert said.count("\n") == 1
    where.faults.clear()
    assert main([*words, "--resume"]) == 0
    manifest = open_run(str(tmp_path / "o")).manifest
    assert (manifest.inputs, manifest.failures) == (210, 0)
    assert manifest.reused > 0


def test_all_that_s3_says_of_credentials_stops(bucket: Bucket) -> None:
    path = bucket.put("a.jpg", b"a")
    for code in ("ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"):
        body = f"<Error><Code>{code}</Code><Message>x</Message></Error>".encode()
        bucket.faults.clear()
        bucket.fail("GET /bkt/", 403, body=body)
        with pytest.raises(UserError, match=rf"yours were refused \({code}\)"):
            files.read(path, max_bytes=9)
        bucket.faults.clear()
        bucket.fail("GET /bkt/a.jpg", 403, body=body)  # and every other object is given
        with pytest.raises(PermissionError, match=rf"permission denied \(.*{code}"):
            files.read(path, max_bytes=9)
    bucket.faults.clear()
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    bucket.fail("GET /bkt/a.jpg", 403, body=denied)
    with pytest.raises(PermissionError, match="permission denied"):
        files.read(path, max_bytes=9)
