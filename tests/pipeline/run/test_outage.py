"""A storage that is out during a run: waited for, then the run stops and keeps its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from deploy.emulator import Cloud, Fault
from pipeline.cli import main
from pipeline.run.folder.finished import open_run
from tests.helpers.clock import FakeClock
from tests.helpers.http_server import Server, serve
from tests.helpers.runs import copy_pictures
from tests.helpers.s3_server import environment, run_s3
from transforms import outage
from transforms.storage import http_options, s3

COUNT = 500


@pytest.fixture
def pictures(photos: Path) -> Path:
    copy_pictures(photos, count=COUNT - 10)
    return photos


def _label(source: str, out: Path, model: Path, *words: str) -> int:
    given = ["--input", source, "--output", str(out), "--model", str(model), *words]
    return main(["label", "--quiet", *given])


def _require_stopped(said: str, out: Path) -> None:
    """One line, rows kept, not one picture given up."""
    assert said.startswith("quantlabel: storage is out: ")
    assert said.endswith("(add --resume to go on where it stopped)\n")
    assert said.count("\n") == 1
    (attempt,) = out.glob("_unfinished-*")
    assert list(attempt.glob("predictions-*.arrow"))
    assert not list(attempt.glob("failures-*.arrow"))
    assert not (out / "_SUCCESS").exists()


def _require_whole(out: Path) -> None:
    manifest = open_run(str(out)).manifest
    assert (manifest.inputs, manifest.failures) == (COUNT, 0)
    assert manifest.reused > 0


def _upload(pictures: Path, cloud: Cloud) -> None:
    for path in pictures.iterdir():
        cloud.put(f"photos/{path.name}", path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("what", [503, "reset"])
def test_cloud_storage_goes_away_and_comes_back(
    cloud: Cloud,
    pictures: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    what: int | str,
) -> None:
    _upload(pictures, cloud)
    monkeypatch.setattr(outage, "CLOCK", FakeClock(pace_s=0.0005))
    cloud.faults = [Fault("photos", what, after=400)]  # type: ignore[arg-type]
    assert _label("gs://bkt/photos", tmp_path / "o", stand_in_file) == 1
    _require_stopped(capsys.readouterr().err, tmp_path / "o")
    cloud.faults = []
    assert _label("gs://bkt/photos", tmp_path / "o", stand_in_file, "--resume") == 0
    _require_whole(tmp_path / "o")


@pytest.mark.slow
def test_a_run_goes_on_when_an_outage_ends(
    cloud: Cloud,
    pictures: Path,
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _upload(pictures, cloud)

    def ends(now: float) -> None:
        if now > began + 540:
            cloud.faults = []

    clock = FakeClock(pace_s=0.01, after=ends)
    began = clock.now()
    monkeypatch.setattr(outage, "CLOCK", clock)
    monkeypatch.setattr(outage, "OUT_S", 1e6)  # time passes faster than requests are answered
    cloud.faults = [Fault("photos", 503, after=400)]
    assert _label("gs://bkt/photos", tmp_path / "o", stand_in_file) == 0
    manifest = open_run(str(tmp_path / "o")).manifest
    assert manifest.inputs == COUNT
    # This clock runs ahead of requests that are under way when it all begins: their minute is over.
    assert manifest.failures <= 25


@pytest.mark.slow
def test_s3_goes_away(
    pictures: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _at_once)
    monkeypatch.setattr(outage, "CLOCK", FakeClock(pace_s=0.0005))
    with run_s3() as bucket:
        for name, value in environment(bucket.url).items():
            monkeypatch.setenv(name, value)
        s3._client_of.cache_clear()
        for path in pictures.iterdir():
            bucket.put(f"photos/{path.name}", path.read_bytes())
        bucket.faults = [Fault("GET /bkt/photos/", 503, after=400)]
        assert _label("s3://bkt/photos", tmp_path / "o", stand_in_file) == 1
        _require_stopped(capsys.readouterr().err, tmp_path / "o")
        bucket.faults = []
        assert _label("s3://bkt/photos", tmp_path / "o", stand_in_file, "--resume") == 0
    s3._client_of.cache_clear()
    _require_whole(tmp_path / "o")


def _at_once(*_: object) -> float:
    return 0.0


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(outage, "CLOCK", FakeClock(pace_s=0.0005))
    http_options.use(user_agent=None, allow_private_hosts=True)
    with serve() as server:
        yield server
    FileSystems.set_options(None)


def test_the_only_web_server_goes_away(
    web: Server,
    pictures: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing = tmp_path / "list.txt"
    urls = [web.put(f"/{path.name}", path.read_bytes(), ETag='"1"') for path in pictures.iterdir()]
    listing.write_text("".join(f"{url}\n" for url in urls), "utf-8")
    web.out_after = 400
    more = ["--allow-private-hosts"]
    assert _label(str(listing), tmp_path / "o", stand_in_file, *more) == 1
    _require_stopped(capsys.readouterr().err, tmp_path / "o")
    web.out_after = None
    assert _label(str(listing), tmp_path / "o", stand_in_file, "--resume", *more) == 0
    _require_whole(tmp_path / "o")
