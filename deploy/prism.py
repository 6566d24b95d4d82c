"""Prism, Beam's runner in Go, built from source into the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from apache_beam import __version__ as beam_version
from platformdirs import user_cache_path

from transforms.errors import UserError


def prism() -> Path:
    """The program for `--prism_location`; built by the first call, which takes two minutes.

    Raises:
        UserError: Go is not installed, or its modules cannot be had.
    """
    folder = user_cache_path("quantlabel") / f"prism-{beam_version}"
    if not (folder / "prism").exists():
        if shutil.which("go") is None:
            raise UserError("go: not found. Prism is built with Go (https://go.dev/doc/install).")
        done = subprocess.run(
            ["go", "install", f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{beam_version}"],
            env={**os.environ, "GOBIN": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(f"go could not build Prism:\n{done.stderr.strip()[-2000:]}")
    return folder / "prism"
