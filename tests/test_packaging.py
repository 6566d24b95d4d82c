"""What the distribution holds and needs: a wheel is built the way Beam and pip build it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.helpers.root import ROOT
from transforms._version import VERSION

PACKAGES = ("pipeline", "quantlabel", "transforms")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
RUNTIME = {
    "ai-edge-litert",
    "apache-beam",
    "flatbuffers",
    "google-crc32c",
    "jinja2",
    "markupsafe",
    "numpy",
    "orjson",
    "pi-heif",
    "pillow",
    "platformdirs",
    "protobuf",
    "pyarrow",
    "requests",
    "rich",
    "simplejpeg",
    "threadpoolctl",
    "urllib3",
}
OPTIONAL = ("analysis", "aws", "demo", "gcp", "iceberg", "jxl", "lance", "tensorflow", "yaml")
"""Extras that users ask for."""

GCP = {"google.api_core", "google.auth", "google.cloud"}
"""Modules that come with the extra `gcp`."""

AWS = {"boto3", "botocore"}
"""Modules that come with the extra `aws`."""

ANALYSIS = {"faiss-cpu", "openTSNE", "scikit-learn", "scipy"}
"""Packages of the extra `analysis`."""

JXL = {"pillow-jxl-plugin"}
"""Packages of the extra `jxl`."""

LAKEHOUSE = {"pyiceberg", "pylance", "sqlalchemy"}
"""Packages of the extras `iceberg` and `lance`."""

KERNEL = {"quantlabel_native"}
"""The compiled kernel, which is in some wheels of ours; without it everything works."""

NOTEBOOK = {"IPython", "pandas"}
"""Used where they are: in a notebook, and for rows as frames."""

FLOAT = {
    *(ROOT / "pipeline/models/float_module").glob("*.py"),
    *(ROOT / "pipeline/models/convert").glob("*.py"),
    ROOT / "transforms/network/savedmodel.py",
}
"""What needs the extra `tensorflow`; nothing else may import it."""

DISTRIBUTION_OF = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "apache_beam": "apache-beam",
    "faiss": "faiss-cpu",
    "google.protobuf": "protobuf",
    "lance": "pylance",
    "google_crc32c": "google-crc32c",
    "pi_heif": "pi-heif",
    "pillow_jxl": "pillow-jxl-plugin",
    "sklearn": "scikit-learn",
}
"""Names of imports that differ from the name of their distribution."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from an sdist, so that a file the sdist lacks is missed here and not by a user.

    The tree is copied first: a build leaves folders beside setup.py that a later one would pick up.
    """
    tree = tmp_path_factory.mktemp("tree")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in (*PACKAGES, "tests", "scripts"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    _run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", "dist", cwd=tree)
    (sdist,) = (tree / "dist").iterdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", str(sdist), cwd=tree)
    (built,) = tree.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Distribution:
    """The metadata in the wheel."""
    return PathDistribution(zipfile.Path(wheel, f"quantlabel-{VERSION}.dist-info/"))


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def _requirements(metadata: Distribution, *, extra: str | None) -> list[Requirement]:
    """Those of the runtime, or those that an extra adds, on the oldest Python."""
    parsed = [Requirement(line) for line in metadata.requires or []]
    if extra is None:
        return [each for each in parsed if each.marker is None]
    return [each for each in parsed if each.marker and _wanted(each, extra, PYTHONS[0])]


def _wanted(requirement: Requirement, extra: str, python: str) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({"extra": extra, "python_version": python})


def test_wheel_holds_both_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("/LICENSE") for name in names)


def test_runtime_is_lean(metadata: Distribution) -> None:
    runtime = {each.name for each in _requirements(metadata, extra=None)}
    assert runtime == RUNTIME
    assert not any(each.extras for each in _requirements(metadata, extra=None))


def test_extras_bring_what_the_runtime_leaves_out(metadata: Distribution) -> None:
    extras = metadata.metadata.get_all("Provides-Extra") or []
    assert set(extras) == {*OPTIONAL, "bench", "dev"}
    assert {each.name for each in _requirements(metadata, extra="tensorflow")} == {"tensorflow"}
    assert {each.name for each in _requirements(metadata, extra="analysis")} == ANALYSIS
    assert {each.name for each in _requirements(metadata, extra="jxl")} == JXL
    assert {each.name for each in _requirements(metadata, extra="aws")} == {"boto3"}
    yaml = {each.name for each in _requirements(metadata, extra="yaml")}
    assert yaml == {"docstring-parser", "jsonschema", "pandas"}
    assert {each.name for each in _requirements(metadata, extra="gcp")} == {
        "apache-beam",
        "google-auth",
        "google-cloud-storage",
    }


def test_every_import_is_a_requirement() -> None:
    sources = set(_sources())
    known = _imports(sources - FLOAT)
    extras = GCP | AWS | ANALYSIS | JXL | LAKEHOUSE | KERNEL | NOTEBOOK
    assert known - RUNTIME - set(PACKAGES) <= extras
    assert _imports(FLOAT & sources) <= RUNTIME | set(PACKAGES) | {"tensorflow"}


def _imports(sources: set[Path]) -> set[str]:
    """Third-party distributions that files import anywhere; of `google.x` both parts."""
    modules: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [module.split(".") for module in modules]
    names = {".".join(part[: 2 if part[0] == "google" else 1]) for part in parts}
    return {DISTRIBUTION_OF.get(name, name) for name in names - set(sys.stdlib_module_names)}


def test_requirements_file_has_the_bounds_of_setup_py(metadata: Distribution) -> None:
    # The tests need no rival of the benchmark.
    requirements = [Requirement(line) for line in metadata.requires or []]
    declared = {
        _bounds(each) for each in requirements if 'extra == "bench"' not in str(each.marker)
    }
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith(("#", "-e"))]
    assert {_bounds(Requirement(line)) for line in listed} == declared
    assert "-e ." in lines


def test_the_image_of_dataflow_holds_versions_within_the_bounds(metadata: Distribution) -> None:
    lines = (ROOT / "deploy/dataflow/requirements.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    needed = _requirements(metadata, extra=None) + _requirements(metadata, extra="gcp")
    outside = [str(each) for each in needed if not each.specifier.contains(pins[each.name])]
    assert outside == []


def _bounds(requirement: Requirement) -> tuple[str, str, tuple[str, ...]]:
    """Name, versions, and the Pythons on which any extra brings it."""
    extras = (*OPTIONAL, "dev")
    pythons = [
        python for python in PYTHONS if any(_wanted(requirement, extra, python) for extra in extras)
    ]
    return requirement.name, str(requirement.specifier), tuple(pythons)


def test_the_same_pythons_are_named_everywhere(metadata: Distribution) -> None:
    prefix = "Programming Language :: Python :: "
    classifiers = metadata.metadata.get_all("Classifier") or []
    named = [each.removeprefix(prefix) for each in classifiers if each.startswith(prefix)]
    assert tuple(named) == PYTHONS
    allowed = SpecifierSet(metadata.metadata["Requires-Python"])
    assert [python for python in ("3.10", *PYTHONS, "3.15") if f"{python}.0" in allowed] == named
    for file in ("README.md", "CONTRIBUTING.md", "Makefile", "requirements.txt"):
        assert "Python 3.11 to 3.14" in (ROOT / file).read_text("utf-8"), file
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (tried,) = re.findall(r"^PYTHON \?= python3 (.*)$", makefile, re.MULTILINE)
    assert {f"python{python}" for python in PYTHONS} == set(tried.split())
    assert "(3, 11) <= sys.version_info[:2] <= (3, 14)" in makefile


def test_only_tensorflow_is_not_for_every_python(metadata: Distribution) -> None:
    requirements = [Requirement(line) for line in metadata.requires or []]
    fewer = {each.name for each in requirements if "python_version" in str(each.marker)}
    assert fewer == {"tensorflow", "tensorflow-hub", "tf-keras"}


def test_versions_agree(metadata: Distribution) -> None:
    assert metadata.version == VERSION
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = next(line for line in changelog.splitlines() if line.startswith("## ["))
    assert first.startswith((f"## [{VERSION}]", "## [Unreleased]"))


def test_command_is_installed(metadata: Distribution) -> None:
    (script,) = metadata.entry_points
    assert (script.group, script.name) == ("console_scripts", "quantlabel")
    assert callable(script.load())


def test_make_refuses_an_interpreter_that_it_cannot_use(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(
        ["make", "test", "PYTHON=false /no/such/python"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No usable Python among: false /no/such/python." in done.stderr
    assert "make test PYTHON=/path/to/python3.13" in done.stderr
    assert "Installing" not in done.stdout
