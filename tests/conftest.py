"""Fixtures that several test files share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from deploy.emulator import Cloud, run_cloud
from pipeline.models.tflite.stand_in import stand_in
from tests.helpers.pictures import make_pictures
from tests.helpers.root import ROOT
from transforms import outage
from transforms.errors import UserError

# Jobs in the background ignore these, and runs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextlib.contextmanager
def _skipped_without_tensorflow() -> Iterator[None]:
    """Skips what imports tensorflow, but only on a Python that it is not made for."""
    try:
        yield
    except (ModuleNotFoundError, UserError, pytest.Module.CollectError) as error:
        names = {getattr(each, "name", None) for each in (error, error.__cause__)}
        if sys.version_info[:2] <= (3, 13) or "tensorflow" not in names:
            raise
        pytest.skip("there is no tensorflow for this Python", allow_module_level=True)


class _Module(pytest.Module):
    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        with _skipped_without_tensorflow():
            return super().collect()


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Modules of tests that import tensorflow."""
    return _Module.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Tests whose fixtures do."""
    with _skipped_without_tensorflow():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Single tests that do."""
    with _skipped_without_tensorflow():
        return (yield)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data: real model, labelled photographs, golden arrays."""
    folder = Path(os.environ.get("QUANTLABEL_SHARED", ROOT.parent / "shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"no reference data at {folder}; set QUANTLABEL_SHARED to its folder")
    return folder


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """An empty folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="quantlabel-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Gives up the superuser's power to read everything, for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture(scope="session")
def stand_in_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of the right shape whose labels mean nothing."""
    path = tmp_path_factory.mktemp("model") / "stand-in.tflite"
    path.write_bytes(stand_in())
    return path


@pytest.fixture(scope="session")
def saved_model(stand_in_file: Path) -> Path:
    """The stand-in as a SavedModel, exported once: tensorflow takes its time."""
    from pipeline.models.float_module import savedmodel
    from pipeline.models.float_module.source import read_network

    folder = stand_in_file.parent / "stand-in-float"
    savedmodel.save(read_network(str(stand_in_file)), folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with ten small pictures of coarse coloured blocks."""
    folder = tmp_path / "photos"
    make_pictures(folder, count=10)
    return folder


@pytest.fixture(scope="session")
def _running_cloud() -> Iterator[Cloud]:
    with run_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(_running_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Cloud Storage with one empty bucket, for this process and those that it starts."""
    _running_cloud.reset()
    outage.release()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", _running_cloud.url)
    return _running_cloud
