"""The connection to Cloud Storage, and what its errors say."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.emulator import Cloud
from tests.helpers.http_server import closed_port
from tests.helpers.root import ROOT
from tests.helpers.storage import refusal_of
from transforms.errors import UserError
from transforms.storage import gcs, gcs_client


def test_credentials_that_are_no_good_stop_the_run(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"x")
    cloud.fail("", 401)
    for ask in (lambda: gcs.read(uri, max_bytes=10), lambda: gcs.open_read(uri)):
        with pytest.raises(UserError, match="yours were refused"):
            ask()


def test_one_object_that_is_refused_is_none_of_the_credentials_faults(cloud: Cloud) -> None:
    uri = cloud.put("a.jpg", b"x")
    cloud.fail("o/a.jpg", 401)
    for ask in (lambda: gcs.read(uri, max_bytes=10), lambda: gcs.open_read(uri)):
        with pytest.raises(PermissionError, match=r"permission denied \(401\)"):
            ask()
    cloud.faults.clear()
    cloud.fail("o/a.jpg", 401, times=1)
    assert gcs.read(uri, max_bytes=10).data == b"x"


@pytest.mark.parametrize(
    "uri",
    ["gs://a b/x", "gs://b\u00fcckt/x", "gs://bkt?a/x", "gs://u:p@bkt/x", "gs:///x", "gs://bkt"],
)
def test_what_no_object_can_be_called_is_not_asked_for(cloud: Cloud, uri: str) -> None:
    with pytest.raises(FileNotFoundError, match="expected gs://BUCKET/OBJECT"):
        gcs.read(uri, max_bytes=10)
    assert cloud.requests == []


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


def test_a_bucket_that_does_not_exist_is_named_with_the_cure(cloud: Cloud) -> None:
    assert refusal_of("gs://no-such/a") == (
        "--input gs://no-such/a: no such bucket or object. Check the name; a bucket has to be "
        "there before the run."
    )
    assert cloud.count("no-such/o") == 2


def test_a_bucket_without_permission_is_named_with_the_cure(cloud: Cloud) -> None:
    cloud.fail("/b/bkt", 403)
    assert refusal_of("gs://bkt/a") == (
        "--input gs://bkt/a: permission denied. Give your account a role on the bucket "
        "(roles/storage.objectViewer to read, roles/storage.objectUser to write), or log in as "
        "another: gcloud auth application-default login"
    )


def test_a_server_that_is_down_costs_seconds_and_not_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr(gcs, "_PREFLIGHT_S", 1.0)
    assert refusal_of("gs://bkt/a") == (
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
    assert f"gs:// needs Google credentials: File {tmp_path}/key.json was not" in refusal_of(
        "gs://b/a"
    )
