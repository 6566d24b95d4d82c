from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyarrow.parquet as pq

from tests.helpers.root import ROOT

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
MINE = 'raise ValueError("a module of the user")\n'


def _label(program: tuple[object, ...], photos: Path, model: Path, *, cwd: Path) -> None:
    """Labels ten pictures with two processes, in a working folder."""
    words = ("label", "--quiet", "--input", photos, "--output", "labels", "--model", model)
    command = [*map(str, (*program, *words)), *TWO_PROCESSES]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert pq.read_table(cwd / "labels").num_rows == 10


def test_neither_command_nor_workers_import_from_the_working_folder(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    for module in ("pipeline/__init__.py", "pipeline/cli.py", "quantlabel/__init__.py"):
        (mine / module).parent.mkdir(parents=True, exist_ok=True)
        (mine / module).write_text(MINE)
    for module in ("transforms.py", "apache_beam.py", "numpy.py", "queue.py", "sitecustomize.py"):
        (mine / module).write_text(MINE)
    _label((Path(sys.executable).with_name("quantlabel"),), photos, stand_in_file, cwd=mine)


def test_a_checkout_that_is_not_installed_runs_its_own_workers(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    """With an interpreter whose path has a space, too, which a shell takes for two words."""
    checkout, venv = tmp_path / "a checkout", tmp_path / "an environment"
    for package in ("pipeline", "transforms"):
        shutil.copytree(ROOT / package, checkout / package)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _label((venv / "bin/python", "-m", "pipeline"), photos, stand_in_file, cwd=checkout)
