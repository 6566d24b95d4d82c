"""Where models come from, and what is believed about them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.models.store.store import (
    OFFICIAL_URL,
    PINS,
    Limits,
    Pin,
    StoredModel,
    cache_path,
    cached,
    model_names,
    resolve,
)
from tests.helpers.http_server import Reply, Server, closed_port, serve
from tests.helpers.models import OTHER_TFLITE, TFLITE, archive
from tests.helpers.root import ROOT
from transforms.errors import UsageError, UserError

FAST = Limits(attempts=2, connect_s=5, stall_s=5, first_delay_s=0, max_delay_s=0)
IMPATIENT = Limits(attempts=2, connect_s=0.2, stall_s=0.2, first_delay_s=0, max_delay_s=0)

HALF = Reply(b"xy", headers={"Content-Length": "9"})

PINNED = "mobilenet_v1_0.25_128_quant"
FREE = "mobilenet_v1_0.5_160_quant"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def official(name: str, tflite: bytes = TFLITE) -> bytes:
    """An archive laid out as the official ones."""
    return archive((f"./{name}.ckpt.meta", b"x" * 9999), (f"./{name}.tflite", tflite))


PINS_HERE = {PINNED: Pin(sha256(TFLITE), sha256(official(PINNED)))}
"""As `PINS`, for the files of these tests."""


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        for name in (PINNED, FREE):
            running.on(f"/m/{name}.tgz", Reply(official(name)))
        yield running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models in a cache of this test's own."""
    monkeypatch.setenv("QUANTLABEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QUANTLABEL_MODEL_BASE_URL", raising=False)
    return tmp_path / "cache" / "models"


def get(
    model: str, server: Server, *, sha256: str | None = None, limits: Limits = FAST
) -> StoredModel:
    return resolve(model, sha256=sha256, base_url=f"{server.url}/m/", pins=PINS_HERE, limits=limits)


def refused(model: str, server: Server, *, sha256: str | None = None, limits: Limits = FAST) -> str:
    with pytest.raises(UserError) as caught:
        get(model, server, sha256=sha256, limits=limits)
    return str(caught.value)


def stored(cache: Path) -> list[str]:
    """What the cache holds, the lock aside."""
    return sorted(path.name for path in cache.glob("*") if path.suffix != ".lock")


# ---- names and places -----------------------------------------------------------------------


def test_names() -> None:
    names = model_names()
    assert len(names) == len(set(names)) == 16
    assert names[0] == "mobilenet_v1_0.25_128_quant"
    assert names[5] == "mobilenet_v1_0.5_160_quant"
    assert names[15] == "mobilenet_v1_1.0_224_quant"


def test_published() -> None:
    assert OFFICIAL_URL + f"/{PINNED}.tgz" == (
        "https://storage.googleapis.com/download.tensorflow.org/models/mobilenet_v1_2018_08_02/"
        "mobilenet_v1_0.25_128_quant.tgz"
    )
    assert dict(PINS) == {
        "mobilenet_v1_0.25_128_quant": Pin(
            sha256="3799e7cdb3ec44beacaf47ef5c884111c919e51bb50b34ac836244b08d4b953b",
            archive_sha256="40230cd1a429a20cfd648f08f72b6d554ca8f4bff838341cb8210bd167962c0e",
        )
    }


def test_unknown_name(server: Server) -> None:
    message = refused("mobilenet_v1_0.25_128", server)
    assert message.startswith(
        "unknown model 'mobilenet_v1_0.25_128': did you mean mobilenet_v1_0.25_128_quant or "
    )
    for name in model_names():
        assert name in message


@pytest.mark.parametrize("model", ["", "resnet"])
def test_nothing_like_a_name(server: Server, model: str) -> None:
    assert refused(model, server).startswith(
        f"unknown model {model!r}: Expected one of mobilenet_v1_0.25_128_quant, "
    )


@pytest.mark.parametrize("function", [cache_path, cached])
def test_no_place_for_an_unknown_name(function: object) -> None:
    assert callable(function)
    with pytest.raises(UsageError, match=r"unknown model '\.\./x'"):
        function("../x")


def test_cache_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = Path("models", f"{FREE}.tflite")
    monkeypatch.delenv("QUANTLABEL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert cache_path(FREE) == tmp_path / "xdg" / "quantlabel" / file
    monkeypatch.setenv("QUANTLABEL_CACHE", str(tmp_path / "own"))
    assert cache_path(FREE) == tmp_path / "own" / file
    assert cache_path(FREE, cache_dir=tmp_path / "given") == tmp_path / "given" / file
    assert list(tmp_path.iterdir()) == []


# ---- a pinned name --------------------------------------------------------------------------


def test_pinned(server: Server, cache: Path) -> None:
    model = get(PINNED, server)
    assert model == StoredModel(
        name=PINNED,
        tflite=TFLITE,
        sha256=sha256(TFLITE),
        archive_sha256=sha256(official(PINNED)),
        source=f"{server.url}/m/{PINNED}.tgz",
        path=cache / f"{PINNED}.tflite",
    )
    assert cached(PINNED, pins=PINS_HERE) == get(PINNED, server) == model
    assert (cache / f"{PINNED}.tflite").read_bytes() == TFLITE
    assert server.requested == [f"/m/{PINNED}.tgz"]
    assert "tflite=" not in repr(model)


def test_wrong_archive(server: Server, cache: Path) -> None:
    wrong = official(PINNED) + b"\0"
    server.on(f"/m/{PINNED}.tgz", Reply(wrong))
    message = refused(PINNED, server)
    assert message.startswith(
        f"{server.url}/m/{PINNED}.tgz has sha256 {sha256(wrong)}, but "
        f"{sha256(official(PINNED))} was published; it was not kept."
    )
    assert stored(cache) == []


def test_wrong_tflite(server: Server, cache: Path) -> None:
    """An archive may be packed anew; what it holds may not differ."""
    server.on(f"/m/{PINNED}.tgz", Reply(OTHER_TFLITE))
    message = refused(PINNED, server)
    assert f"has sha256 {sha256(OTHER_TFLITE)}, but {sha256(TFLITE)} was published" in message
    assert stored(cache) == []


@pytest.mark.usefixtures("cache")
def test_another_hash_than_the_published_one_is_refused_at_once(server: Server) -> None:
    assert refused(PINNED, server, sha256="ab" * 32) == (
        f"{PINNED} is published with sha256 {sha256(TFLITE)}, not {'ab' * 32} as --sha256 asks; "
        "pass another export of it by its path or URL"
    )
    assert server.requested == []
    for good in (sha256(TFLITE), sha256(official(PINNED)), sha256(TFLITE).upper()):
        assert get(PINNED, server, sha256=good).tflite == TFLITE


def test_pinned_placed_by_hand(server: Server, cache: Path) -> None:
    path = cache_path(PINNED)
    path.parent.mkdir(parents=True)
    path.write_bytes(TFLITE)
    for sha in (None, sha256(TFLITE), sha256(official(PINNED))):
        model = get(PINNED, server, sha256=sha)
        assert (model.tflite, model.source, model.path) == (TFLITE, str(path), path)
    assert stored(cache) == [path.name]
    assert server.requested == []


@pytest.mark.usefixtures("cache")
def test_another_export_placed_by_hand(server: Server) -> None:
    path = cache_path(PINNED)
    path.parent.mkdir(parents=True)
    path.write_bytes(OTHER_TFLITE)
    assert refused(PINNED, server) == (
        f"{path} was placed there by hand and is not the published {PINNED}: its sha256 is "
        f"{sha256(OTHER_TFLITE)}, not {sha256(TFLITE)}. To use it, move it elsewhere and pass it "
        "as --model PATH; or delete it, and the published one is downloaded"
    )
    assert path.read_bytes() == OTHER_TFLITE
    assert get(str(path), server).sha256 == sha256(OTHER_TFLITE)
    assert server.requested == []


# ---- a name that nobody has published a hash of ---------------------------------------------


def test_trusted_on_first_use(server: Server, cache: Path) -> None:
    model = get(FREE, server)
    assert (model.tflite, model.path) == (TFLITE, cache / f"{FREE}.tflite")
    assert stored(cache) == [f"{FREE}.json", f"{FREE}.tflite"]
    assert cached(FREE) == get(FREE, server) == model
    assert len(server.requested) == 1


def test_changed_after_first_use(server: Server, cache: Path) -> None:
    path = get(FREE, server).path
    assert path is not None
    path.unlink()
    server.on(f"/m/{FREE}.tgz", Reply(official(FREE, OTHER_TFLITE)))
    record = cache / f"{FREE}.json"
    assert refused(FREE, server) == (
        f"the tflite in {server.url}/m/{FREE}.tgz has sha256 {sha256(OTHER_TFLITE)}, but the "
        f"first one, recorded in {record}, had {sha256(TFLITE)}; it was not kept. If you know that "
        "the change is right, delete that record; else pass --model PATH"
    )
    assert stored(cache) == [f"{FREE}.json"]
    record.unlink()
    assert get(FREE, server).tflite == OTHER_TFLITE


@pytest.mark.usefixtures("cache")
def test_the_same_tflite_packed_anew_is_the_same(server: Server) -> None:
    path = get(FREE, server).path
    assert path is not None
    path.unlink()
    server.on(f"/m/{FREE}.tgz", Reply(archive((f"{FREE}.tflite", TFLITE))))
    assert get(FREE, server).tflite == TFLITE


def test_sha256_pins_the_first_use(server: Server, cache: Path) -> None:
    url = f"{server.url}/m/{FREE}.tgz"
    assert refused(FREE, server, sha256="ab" * 32) == (
        f"{url} has sha256 {sha256(TFLITE)} (its archive {sha256(official(FREE))}), not "
        f"{'ab' * 32} as --sha256 asks; it was not kept; check where both come from"
    )
    assert stored(cache) == []
    for good in (sha256(official(FREE)), sha256(TFLITE)):
        assert get(FREE, server, sha256=good).tflite == TFLITE


def test_sha256_pins_what_is_cached(server: Server, cache: Path) -> None:
    get(FREE, server)
    message = refused(FREE, server, sha256="ab" * 32)
    tflite, record = cache / f"{FREE}.tflite", cache / f"{FREE}.json"
    assert message.endswith(
        f"not {'ab' * 32} as --sha256 asks; delete {tflite} and {record} to download it again"
    )
    assert len(server.requested) == 1


def test_placed_by_hand_is_recorded_on_first_use(server: Server, cache: Path) -> None:
    path = cache_path(FREE)
    path.parent.mkdir(parents=True)
    path.write_bytes(TFLITE)
    found = cached(FREE)
    assert found is not None
    assert (found.tflite, found.source) == (TFLITE, str(path))
    assert stored(cache) == [f"{FREE}.tflite"]
    assert "as --sha256 asks" in refused(FREE, server, sha256="ab" * 32)
    assert stored(cache) == [f"{FREE}.tflite"]
    assert get(FREE, server).tflite == TFLITE
    assert stored(cache) == [f"{FREE}.json", f"{FREE}.tflite"]
    assert server.requested == []
    path.write_bytes(OTHER_TFLITE)
    assert cached(FREE) is None
    assert get(FREE, server).tflite == TFLITE
    assert server.requested == [f"/m/{FREE}.tgz"]


def test_rubbish_placed_by_hand(server: Server, cache: Path) -> None:
    path = cache_path(FREE)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>")
    assert refused(FREE, server).startswith(f"{path} is not a tflite model")
    assert stored(cache) == [f"{FREE}.tflite"]


# ---- downloads that fail --------------------------------------------------------------------


@pytest.mark.parametrize("name", [PINNED, FREE])
@pytest.mark.parametrize(
    ("reply", "limits", "reason"),
    [
        (Reply(status=404), FAST, "the server answered 404 Not Found"),
        (Reply(status=503), FAST, "the server answered 503 Service Unavailable (attempt 2 of 2)"),
        (HALF, FAST, "the connection ended after 2 of 9 bytes"),
        (dataclasses.replace(HALF, then="stall"), IMPATIENT, "timed out"),
    ],
    ids=["404", "503", "truncated", "stalled"],
)
def test_download_fails(
    server: Server, cache: Path, name: str, reply: Reply, limits: Limits, reason: str
) -> None:
    server.on(f"/m/{name}.tgz", reply)
    message = refused(name, server, limits=limits)
    assert message.startswith(f"cannot download {server.url}/m/{name}.tgz: {reason}")
    assert message.endswith(
        f"; without a network pass --model PATH, or place the tflite at {cache}/{name}.tflite; "
        "QUANTLABEL_MODEL_BASE_URL names a mirror"
    )
    assert stored(cache) == []


def test_unreachable(cache: Path) -> None:
    base = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(UserError, match=r"Connection refused .* place the tflite at "):
        resolve(FREE, base_url=base, limits=FAST)
    assert stored(cache) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html>", "is not a tflite model"),
        (b"\x1f\x8bnonsense", "is a damaged archive"),
        (archive(("./other.tflite", TFLITE)), f"expected an archive with one {FREE}.tflite"),
        (archive((f"../{FREE}.tflite", TFLITE)), f"expected an archive with one {FREE}.tflite"),
        (archive((f"./{FREE}.tflite", b"rubbish")), "is not a tflite model"),
    ],
)
def test_download_is_no_model(server: Server, cache: Path, body: bytes, reason: str) -> None:
    server.on(f"/m/{FREE}.tgz", Reply(body))
    message = refused(FREE, server)
    assert f"{server.url}/m/{FREE}.tgz" in message
    assert reason in message
    assert stored(cache) == []


def test_oversized(server: Server, cache: Path) -> None:
    limits = Limits(max_tflite_bytes=len(TFLITE) - 1)
    assert f"'./{FREE}.tflite' in {server.url}" in refused(FREE, server, limits=limits)
    assert stored(cache) == []


# ---- mirrors --------------------------------------------------------------------------------


@pytest.mark.usefixtures("cache")
def test_mirror_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLABEL_MODEL_BASE_URL", f"{server.url}/m?token=x")
    model = resolve(FREE)
    assert model.source == f"{server.url}/m/{FREE}.tgz"
    assert server.requested == [f"/m/{FREE}.tgz?token=x"]


@pytest.mark.usefixtures("cache")
def test_mirror_without_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLABEL_MODEL_BASE_URL", "http://mirror.example/m?token=x")
    with pytest.raises(UsageError) as caught:
        resolve(FREE)
    assert str(caught.value).startswith("http://mirror.example/m is refused: without https")


# ---- paths ----------------------------------------------------------------------------------


def test_tflite_path(server: Server, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "my.model.tflite"
    path.write_bytes(TFLITE)
    assert get(str(path), server, sha256=sha256(TFLITE)) == StoredModel(
        "my.model", TFLITE, sha256(TFLITE), None, source=str(path), path=path
    )
    assert not cache.exists()


@pytest.mark.parametrize("suffix", [".tgz", ".tar.gz", ""])
def test_archive_path(server: Server, tmp_path: Path, suffix: str) -> None:
    data = official(PINNED, OTHER_TFLITE)
    path = tmp_path / f"{PINNED}{suffix}"
    path.write_bytes(data)
    assert get(str(path), server, sha256=sha256(data)) == StoredModel(
        PINNED, OTHER_TFLITE, sha256(OTHER_TFLITE), sha256(data), source=str(path), path=path
    )


def test_path_with_another_hash(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TFLITE)
    assert refused(str(path), server, sha256="ab" * 32) == (
        f"{path} has sha256 {sha256(TFLITE)}, not {'ab' * 32} as --sha256 asks; check where both "
        "come from"
    )


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "a" * 65, "a" * 64 + "\n"])
def test_malformed_sha256(server: Server, text: str) -> None:
    with pytest.raises(UsageError, match="expected 64 hexadecimal digits"):
        get(FREE, server, sha256=text)
    assert server.requested == []


def test_missing_path(server: Server, tmp_path: Path) -> None:
    assert refused(f"{tmp_path}/m.tflite", server) == f"there is no file {tmp_path}/m.tflite"
    assert refused(f"{FREE}.tgz", server) == (
        f"there is no file {FREE}.tgz; --model {FREE}, without folder and suffix, downloads it"
    )


def test_folder(server: Server, tmp_path: Path) -> None:
    assert refused(str(tmp_path), server) == (
        f"{tmp_path} is not a file; pass a .tflite, or a .tgz that holds one"
    )


def test_path_in_the_home_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.tflite").write_bytes(TFLITE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get("~/m.tflite", server).path == tmp_path / "m.tflite"


def test_real_models(shared: Path, server: Server) -> None:
    folder = shared / "models"
    for name, expected in (
        (PINNED, "73f77532b1b02e3e49e151de7b04d00a6b48cd6f5dab9184bc24e5d97ce8c0a9"),
        (FREE, "eb2136bf4866bf4dae98277b0c29268995397a50979d52fcb3f81314e566dd81"),
    ):
        model = get(str(folder / f"{name}.tflite"), server, sha256=expected)
        assert (model.name, model.sha256) == (name, expected)


# ---- URLs and Cloud Storage -----------------------------------------------------------------


@pytest.mark.parametrize("body", [TFLITE, official("any")])
def test_url(server: Server, cache: Path, body: bytes) -> None:
    url = server.on("/a%20b/my.model.tflite", Reply(body))
    assert get(url + "?sig=x", server, sha256=sha256(body)) == StoredModel(
        name="my.model",
        tflite=TFLITE,
        sha256=sha256(TFLITE),
        archive_sha256=None if body == TFLITE else sha256(body),
        source=url,
        path=None,
    )
    assert server.requested == ["/a%20b/my.model.tflite?sig=x"]
    assert not cache.exists()


def test_url_without_https(server: Server) -> None:
    message = refused("http://models.example/m.tflite?sig=x", server)
    assert message.startswith("http://models.example/m.tflite is refused: without https")


def test_url_that_fails(server: Server) -> None:
    url = server.on("/m.tflite", Reply(status=403))
    assert refused(url + "?sig=x", server) == (
        f"cannot download {url}: the server answered 403 Forbidden; check the URL, or download it "
        "by other means and pass --model PATH"
    )


def test_url_with_another_hash(server: Server) -> None:
    url = server.on("/m.tflite", Reply(TFLITE))
    message = refused(url + "?sig=x", server, sha256="ab" * 32)
    assert message.startswith(f"{url} has sha256 {sha256(TFLITE)}, not {'ab' * 32} as --sha256")


@pytest.mark.parametrize("model", ["s3://bucket/m.tflite", "file:///m.tflite", "://", "x://["])
def test_unknown_scheme(server: Server, model: str) -> None:
    with pytest.raises(UsageError, match=r":// is not supported; pass a name, a path, gs://"):
        get(model, server)


@pytest.mark.parametrize("model", ["gs://", "gs://bucket", "gs://bucket/", "gs:///object"])
def test_malformed_storage_path(server: Server, model: str) -> None:
    with pytest.raises(UsageError, match="expected gs://BUCKET/OBJECT"):
        get(model, server)


def test_storage_without_the_extra() -> None:
    code = """
import sys
sys.modules["google.cloud.storage"] = None
from pipeline.models.store.store import resolve
resolve("gs://bucket/m.tflite")
"""
    done = run(code)
    assert done.stderr.strip().splitlines()[-1] == (
        "transforms.errors.MissingExtraError: gs:// needs an extra: pip install 'quantlabel[gcp]'"
    )


@pytest.fixture
def storage(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Makes `server` stand for Cloud Storage, in front of the real client."""
    pytest.importorskip(
        "apache_beam.io.gcp.gcsfilesystem", reason="needs quantlabel[gcp]", exc_type=ImportError
    )
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    return server


def test_storage(storage: Server) -> None:
    data = official("m")
    described = json.dumps({"name": "a/m.tgz", "size": len(data), "generation": "7"}).encode()
    headers = {"Content-Type": "application/json"}
    storage.on("/storage/v1/b/bkt/o/a%2Fm.tgz", Reply(described, headers=headers))
    storage.on("/download/storage/v1/b/bkt/o/a%2Fm.tgz", Reply(data))
    assert get("gs://bkt/a/m.tgz", storage, sha256=sha256(data)) == StoredModel(
        "m", TFLITE, sha256(TFLITE), sha256(data), source="gs://bkt/a/m.tgz", path=None
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "permission denied. Give your"), (404, "no such bucket or object.")],
)
def test_storage_refuses(storage: Server, status: int, reason: str) -> None:
    storage.on("/storage/v1/b/bkt/o/m.tflite", Reply(status=status))
    assert refused("gs://bkt/m.tflite", storage).startswith(
        f"cannot read gs://bkt/m.tflite: {reason}"
    )


def test_imports_neither_beam_nor_tensorflow() -> None:
    code = """
import sys
import pipeline.models.store.store
print([name for name in ("apache_beam", "tensorflow", "numpy") if name in sys.modules])
"""
    assert run(code).stdout == "[]\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
