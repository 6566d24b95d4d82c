"""The cache under kills, crowds and rot, with real processes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.models.store.store import StoredModel, cached, resolve
from tests.helpers.http_server import Reply, Server, serve
from tests.helpers.models import OTHER_TFLITE, TFLITE, archive
from tests.helpers.root import ROOT
from transforms.errors import UserError

NAME = "mobilenet_v1_0.5_160_quant"
ARCHIVE = archive((f"./{NAME}.tflite", TFLITE))
SHA256 = hashlib.sha256(TFLITE).hexdigest()

RESOLVE = """
import sys
from pathlib import Path
from pipeline.models.store.store import resolve
print(resolve(sys.argv[1], cache_dir=Path(sys.argv[2]), base_url=sys.argv[3]).sha256)
"""

KILL_AT_RENAME = """
import os, signal, sys
real, left = os.replace, int(sys.argv[4])
def replace(source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(source, target)
os.replace = replace
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.on(f"/{NAME}.tgz", Reply(ARCHIVE))
        yield running


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir())


def resolve_here(cache: Path, server: Server) -> StoredModel:
    return resolve(NAME, cache_dir=cache, base_url=server.url)


COMPLETE = [f".{NAME}.lock", f"{NAME}.json", f"{NAME}.tflite"]


def test_many_processes_at_once(tmp_path: Path, server: Server) -> None:
    """Each reply differs: only if the first download counts for all do they agree."""
    other = archive((f"./{NAME}.tflite", OTHER_TFLITE))
    server.on(f"/{NAME}.tgz", Reply(ARCHIVE), Reply(other))
    running = [start(RESOLVE, NAME, tmp_path, server.url) for _ in range(6)]
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 6
    assert said == {SHA256}
    assert len(server.requested) == 1
    assert files(tmp_path) == COMPLETE


def test_many_threads_at_once(tmp_path: Path, server: Server) -> None:
    barrier = threading.Barrier(8)

    def one(_: int) -> str:
        barrier.wait()
        return resolve_here(tmp_path, server).sha256

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(8))) == {SHA256}
    assert len(server.requested) == 1
    assert files(tmp_path) == COMPLETE


def test_killed_while_downloading(tmp_path: Path, server: Server) -> None:
    half = Reply(ARCHIVE[:100], headers={"Content-Length": "999"}, then="stall")
    server.on(f"/{NAME}.tgz", half, Reply(ARCHIVE))
    process = start(RESOLVE, NAME, tmp_path, server.url)
    while not server.requested:
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert files(tmp_path) == [f".{NAME}.lock"]
    assert cached(NAME, cache_dir=tmp_path) is None
    assert resolve_here(tmp_path, server).tflite == TFLITE
    assert files(tmp_path) == COMPLETE


@pytest.mark.parametrize(
    ("renames", "left"),
    [
        (0, [f".{NAME}.lock", f"{NAME}.json.new"]),
        (1, [f".{NAME}.lock", f"{NAME}.json", f"{NAME}.tflite.new"]),
    ],
)
def test_killed_while_writing(
    tmp_path: Path, server: Server, renames: int, left: list[str]
) -> None:
    process = start(KILL_AT_RENAME + RESOLVE, NAME, tmp_path, server.url, renames)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert files(tmp_path) == left
    assert cached(NAME, cache_dir=tmp_path) is None
    assert resolve_here(tmp_path, server).tflite == TFLITE
    assert files(tmp_path) == COMPLETE


@pytest.mark.parametrize("limit", [50, 500])
def test_disk_full(tmp_path: Path, server: Server, limit: int) -> None:
    """No file may be larger than this: 50 bytes stop the download, 500 the writing to the cache."""
    assert 50 < len(ARCHIVE) <= 500 < len(TFLITE)
    limited = "import sys; sys.dont_write_bytecode = True  # or modules are kept cut off\n"
    limited += f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    process = start(limited + RESOLVE, NAME, tmp_path, server.url)
    said = process.communicate(timeout=60)[1].strip().splitlines()[-1]
    expected = {
        50: "cannot write a temporary file: File too large; free some room, or set TMPDIR to a "
        "folder that has it",
        500: f"cannot use the cache folder {tmp_path}/models: File too large; set "
        "QUANTLABEL_CACHE to a folder that can be written to, or pass --model PATH",
    }
    assert said == "transforms.errors.UserError: " + expected[limit]
    assert cached(NAME, cache_dir=tmp_path) is None
    assert not [name for name in files(tmp_path) if name.endswith((".new", ".tflite"))]


@pytest.mark.parametrize("damage", [b"", TFLITE[:-1], TFLITE[:-1] + b"x"])
def test_damaged_model_is_downloaded_again(
    tmp_path: Path, server: Server, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = resolve_here(tmp_path, server).path
    assert path is not None
    path.write_bytes(damage)
    assert cached(NAME, cache_dir=tmp_path) is None
    assert f"{path} is damaged, its sha256 is not {SHA256}: not used" in caplog.text
    assert resolve_here(tmp_path, server).tflite == TFLITE
    assert path.read_bytes() == TFLITE
    assert len(server.requested) == 2


def test_damaged_model_offline(tmp_path: Path, server: Server) -> None:
    path = resolve_here(tmp_path, server).path
    assert path is not None
    path.write_bytes(b"rot")
    server.on(f"/{NAME}.tgz", Reply(status=404))
    with pytest.raises(UserError) as caught:
        resolve_here(tmp_path, server)
    assert str(caught.value) == (
        f"cannot download {server.url}/{NAME}.tgz: the server answered 404 Not Found; "
        f"the cached {path} is damaged and not used; without a network pass --model PATH, "
        f"or place the tflite at {path}; QUANTLABEL_MODEL_BASE_URL names a mirror"
    )


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"sha256": "x"}', b"\xff"])
def test_damaged_record(tmp_path: Path, server: Server, damage: bytes) -> None:
    resolve_here(tmp_path, server)
    record = tmp_path / "models" / f"{NAME}.json"
    record.write_bytes(damage)
    with pytest.raises(UserError) as caught:
        resolve_here(tmp_path, server)
    assert f"{record}, the record of a cached model, is damaged (" in str(caught.value)
    assert "delete it and the model beside it to download both again" in str(caught.value)


def test_record(tmp_path: Path, server: Server) -> None:
    resolve(NAME, cache_dir=tmp_path, base_url=server.url + "?sig=x")
    assert json.loads((tmp_path / "models" / f"{NAME}.json").read_text()) == {
        "sha256": SHA256,
        "archive_sha256": hashlib.sha256(ARCHIVE).hexdigest(),
        "source": f"{server.url}/{NAME}.tgz",
    }


def test_a_second_run_needs_neither_network_nor_a_folder_to_write_to(
    tmp_path: Path, server: Server
) -> None:
    first = resolve_here(tmp_path, server)
    (tmp_path / "models" / f".{NAME}.lock").unlink()
    before = files(tmp_path)
    assert resolve_here(tmp_path, server) == first
    assert files(tmp_path) == before
    assert len(server.requested) == 1


def test_a_folder_that_is_none(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        resolve_here(tmp_path / "file", server)
    assert str(caught.value) == (
        f"cannot read {tmp_path}/file/models/{NAME}.json: Not a directory; set QUANTLABEL_CACHE to "
        "a folder that can be read, or pass --model PATH"
    )
