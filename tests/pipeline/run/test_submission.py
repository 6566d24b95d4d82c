"""`label --dry-run`: what would be submitted, and that nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.emulator import BUCKET, Cloud
from pipeline.cli import main
from pipeline.run.runners.dataflow import image_tag

IMAGE = f"us-docker.pkg.dev/test-project/quantlabel/worker:{image_tag()}"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def bucket(cloud: Cloud, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cloud:
    """A bucket with ten pictures and a broken one, and credentials of nobody."""
    for path in photos.iterdir():
        cloud.put(f"photos/{path.name}", path.read_bytes())
    cloud.put("photos/half.jpg", (photos / "000000.jpg").read_bytes()[:500])
    names = ("client_id", "client_secret", "refresh_token", "token")
    key = {**dict.fromkeys(names, "none"), "type": "authorized_user"}
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({**key, "expiry": "2099-01-01T00:00:00Z"}), "utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return cloud


def _words(model: Path, *more: str) -> list[str]:
    paths = [f"--input=gs://{BUCKET}/photos", f"--output=gs://{BUCKET}/labels", f"--model={model}"]
    cloud = ["--project=test-project", "--region=us-central1", f"--temp_location=gs://{BUCKET}/tmp"]
    return ["label", *paths, "--runner=DataflowRunner", *cloud, *more]


def _said(out: str) -> dict[str, str]:
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines() if "   " in line]
    return {row[0]: row[1] for row in rows}


def test_a_dry_run_says_what_would_be_submitted_and_does_nothing(
    bucket: Cloud, stand_in_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = bucket.names("")
    image = f"--sdk_container_image={IMAGE}"
    flags = [image, "--worker_machine_type=t2a-standard-2", "--max_num_workers=7"]
    assert main(_words(stand_in_file, "--dry_run=true", *flags)) == 0
    shown = capfd.readouterr()
    assert "must hold linux/arm64" in shown.err
    said = _said(shown.out)
    assert re.fullmatch(r"quantlabel-\d{8}-\d{6}-[0-9a-f]{4}", said.pop("job"))
    assert re.fullmatch(r"\d+ steps, [\d.]+ kB with the network", said["graph"])
    expected = {
        "runner": "DataflowRunner",
        "output folder": f"gs://{BUCKET}/labels",
        "project": "test-project",
        "machine": "t2a-standard-2",
        "workers": "the service's choice, at most 7",
        "image": IMAGE,
        "threads a process": "2",
        "pictures": "11",
        "failures": "1",
    }
    assert expected.items() <= said.items()
    assert "Dataflow, t2a-standard-2" in shown.out
    assert shown.out.endswith("Nothing was written or submitted.\n")
    assert bucket.names("") == before


def test_a_dry_run_makes_the_checks_of_a_run(
    bucket: Cloud, stand_in_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = bucket.names("")
    image = f"--sdk_container_image={IMAGE}"
    for dry in ([], ["--dry-run"]):
        assert main(_words(stand_in_file, image, "--job_name=Bad_Name", *dry)) == 2
        assert "Invalid job_name (Bad_Name)" in capfd.readouterr().err
    nowhere = [word.replace("/photos", "/nothing") for word in _words(stand_in_file, image)]
    assert main([*nowhere, "--dry-run"]) == 1
    assert f"gs://{BUCKET}/nothing" in capfd.readouterr().err
    assert main(_words(stand_in_file, image, "--dry_run=maybe")) == 2
    assert "maybe: expected true or false" in capfd.readouterr().err
    assert bucket.names("") == before


@pytest.mark.parametrize("name", ["temp_location", "staging_location", "template_location"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_buckets_of_a_job_are_asked_for_before_anything_is_written(
    name: str,
    dry: list[str],
    bucket: Cloud,
    stand_in_file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = bucket.names("")
    flag = f"--{name}=gs://no-such-bucket/place"
    words = _words(stand_in_file, f"--sdk_container_image={IMAGE}", flag, *dry)
    assert main(words) == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"quantlabel: --{name} gs://no-such-bucket/place: ")
    assert bucket.names("") == before


def test_a_local_run_can_be_tried_dry_too(
    photos: Path, tmp_path: Path, stand_in_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["label", f"--input={photos}", f"--output={tmp_path / 'new'}"]
    assert main([*words, f"--model={stand_in_file}", "--dry-run", "--num_workers=4"]) == 0
    shown = capfd.readouterr()
    assert shown.err == "without effect on DirectRunner: --num_workers\n"
    assert {"runner": "DirectRunner", "pictures": "10"}.items() <= _said(shown.out).items()
    assert not (tmp_path / "new").exists()
