"""The bucket to try things with, as a newcomer starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.helpers.root import ROOT


def test_a_folder_is_labelled_and_verified_in_the_bucket(photos: Path, stand_in_file: Path) -> None:
    command = [sys.executable, "-m", "deploy.bucket", str(photos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as bucket:
        assert bucket.stdout is not None
        assert bucket.stdout.readline() == "gs://bkt/photos: 10 files\n"
        name, _, url = bucket.stdout.readline().removeprefix("export ").strip().partition("=")
        ours = [sys.executable, "-m", "pipeline"]
        label = [*ours, "label", "--input=gs://bkt/photos", "--output=gs://bkt/labels"]
        for words in ([*label, f"--model={stand_in_file}"], [*ours, "verify", "gs://bkt/labels"]):
            done = subprocess.run(
                words, env={**os.environ, name: url}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        bucket.send_signal(signal.SIGINT)
    assert bucket.returncode == 0
