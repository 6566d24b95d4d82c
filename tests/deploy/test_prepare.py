"""The script that prepares a project: what it prints, and that it runs nothing unless told to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.root import ROOT

SCRIPT = ROOT / "deploy" / "dataflow" / "prepare.sh"
GIVEN = {
    "PROJECT": "my-project",
    "REGION": "europe-west1",
    "INPUT_BUCKET": "photos",
    "OUTPUT_BUCKET": "labels",
    "LAUNCHER": "user:ann@example.com",
}


@pytest.fixture
def gcloud(tmp_path: Path) -> Path:
    """A program of that name that notes what it is asked for; others come from the system."""
    program = tmp_path / "gcloud"
    program.write_text(f'#!/bin/sh\necho "gcloud $*" >> {tmp_path}/asked\n', "utf-8")
    program.chmod(0o755)
    return tmp_path


def _run(gcloud: Path, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    env = {**GIVEN, **changed, "PATH": f"{gcloud}:{os.environ['PATH']}"}
    command = ["bash", str(SCRIPT), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_it_prints_what_it_would_do_and_does_it_when_told_to(gcloud: Path) -> None:
    printed = _run(gcloud)
    assert printed.returncode == 0, printed.stderr
    assert not (gcloud / "asked").exists()
    worker = "serviceAccount:quantlabel-worker@my-project.iam.gserviceaccount.com"
    lines = printed.stdout.splitlines()
    assert {
        "gcloud storage buckets add-iam-policy-binding gs://photos --member "
        f"{worker} --role roles/storage.objectViewer ",
        "gcloud storage buckets add-iam-policy-binding gs://labels --member "
        f"{worker} --role roles/storage.objectUser ",
    } <= set(lines)
    assert _run(gcloud, "--go").returncode == 0
    asked = (gcloud / "asked").read_text("utf-8").splitlines()
    assert len(asked) == len(lines)
    assert [line.split()[:4] for line in asked] == [line.split()[:4] for line in lines]


def test_the_page_names_the_roles_that_the_script_gives(gcloud: Path) -> None:
    words = _run(gcloud).stdout.split()
    page = (ROOT / "docs" / "company.md").read_text("utf-8")
    table = page[page.index("| who |") : page.index("`verify`, `report`")]
    given = {word for word in words if word.startswith("roles/")}
    assert given == {word.strip("`") for word in table.split() if word.startswith("`roles/")}


@pytest.mark.parametrize(
    ("words", "changed", "said"),
    [
        (["--now"], {}, "--now: expected --go or nothing"),
        ([], {"REGION": ""}, "REGION: the region of the buckets"),
    ],
)
def test_a_mistake_runs_nothing(
    words: list[str], changed: dict[str, str], said: str, gcloud: Path
) -> None:
    done = _run(gcloud, *words, **changed)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (gcloud / "asked").exists()
