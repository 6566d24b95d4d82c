"""Labelling runs in processes of their own, which tests may stop as they like."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_PROGRAM = """
import sys
import transforms.rows.stage_rows
from pipeline.cli import main
transforms.rows.stage_rows.CHECKPOINT_SECONDS = float(sys.argv.pop(1))
sys.exit(main(sys.argv[1:]))
"""


def copy_pictures(folder: Path, *, count: int) -> None:
    """Links each picture of a folder often enough to make `count` more."""
    pictures = sorted(folder.glob("*.jpg"))
    for number in range(count):
        os.link(
            pictures[number % len(pictures)], folder / f"x{number:06d}.jpg", follow_symlinks=False
        )


def start_label(
    photos: Path,
    out: Path | str,
    model: Path,
    *flags: object,
    copies: int = 0,
    saved_every: float = 10.0,
    before: str = "",
    stdout: int | None = None,
) -> subprocess.Popen[str]:
    """Starts `quantlabel label`.

    Args:
        photos: folder with pictures.
        out: the output folder.
        model: file.
        flags: more words of the command line.
        copies: pictures to add to the folder first.
        saved_every: seconds between checkpoints.
        before: Python code that the process runs first.
        stdout: as for `subprocess.Popen`.
    """
    copy_pictures(photos, count=copies)
    words = ["label", "--quiet", "--input", photos, "--output", out, "--model", model, *flags]
    command = [sys.executable, "-c", before + _PROGRAM, saved_every, *words]
    return subprocess.Popen(
        list(map(str, command)), stdout=stdout, stderr=subprocess.PIPE, text=True
    )


def wait_for_pieces(process: subprocess.Popen[str], out: Path) -> None:
    """Returns once a run has saved the first of its rows: from then on some are always there."""
    while not any(out.glob("_unfinished-*/predictions-*.arrow")):
        assert process.poll() is None
        time.sleep(0.01)
