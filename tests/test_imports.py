"""Every module can be the first that a program imports: no hidden order, no cycle."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
import traceback

import pytest

from tests.helpers.root import ROOT

PACKAGES = ("pipeline", "transforms")


def _modules() -> list[str]:
    return [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
        if not module.name.endswith("__main__")
    ]


def _imports_alone(name: str) -> bool:
    """Imports a module in a child process that has none of ours, only what others wrote."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            importlib.import_module(name)
            status = 0
        except ImportError as error:
            if sys.version_info[:2] > (3, 13) and error.name == "tensorflow":
                status = 0  # it is not made for this Python
            else:
                traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> None:
    """Prints the modules that cannot be imported alone."""
    for name in _modules():
        with contextlib.suppress(ImportError):  # which the child will tell
            importlib.import_module(name)
    # What others wrote stays: it would take minutes to import it for each module again.
    for name in list(sys.modules):
        if name.partition(".")[0] in PACKAGES:
            del sys.modules[name]
    for name in _modules():
        if not _imports_alone(name):
            print(name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_every_module_can_be_imported_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(_modules()) > 100


def _loads(code: str) -> set[str]:
    """Which of the packages that take long to import a program has imported at its end."""
    print_loaded = "import sys\nprint(*sys.modules, file=sys.__stderr__)"
    command = [sys.executable, "-c", f"{code}\n{print_loaded}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "pipeline" in loaded
    return loaded & {"apache_beam", "numpy", "pyarrow", "tensorflow"}


def test_help_starts_without_them() -> None:
    assert not _loads(
        "import contextlib\n"
        "from pipeline.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(['label', '--help'])"
    )


def test_what_reads_the_rows_of_a_run_starts_without_beam() -> None:
    modules = [
        *("evaluate.evaluate", "export.write", "explore.duplicates", "explore.review"),
        *("heads.fit", "report.write"),
    ]
    code = "\n".join(f"import pipeline.{module}" for module in modules)
    assert _loads(code) == {"numpy", "pyarrow"}


if __name__ == "__main__":
    main()
