"""What this project changes or reads of Beam that Beam does not promise. Nothing else may.

Each place was read in Beam 2.77. In another version every function here fails: look at Beam's code
again, then change `READ_IN`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.abc
import importlib.metadata
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

READ_IN = "2.77"

_FILE_SYSTEMS = ("apache_beam.io.gcp.gcsfilesystem", "apache_beam.io.aws.s3filesystem")

# What `import apache_beam` takes along where it is installed, and does without where it is not:
# clients of BigQuery, Pub/Sub, Dataflow, MongoDB, Cloud Storage and S3, and pandas.
_CLOUD_SERVICES = (
    "apache_beam.io.gcp.bigquery",
    "apitools",
    "bson",
    "google.cloud.dataflow",
    "pymongo",
    "pandas",
    *_FILE_SYSTEMS,
)


@contextlib.contextmanager
def without_cloud_services() -> Iterator[None]:
    """Imports Beam as if the packages of cloud services were not installed: in 60 % of the time.

    For a process that runs one command on this machine and nothing else. Afterwards all of them can
    be imported, but Arrow makes no pandas objects; `load_file_systems` makes up for what Beam has
    missed. Does nothing where Beam is loaded.
    """
    if "apache_beam" in sys.modules:
        yield
        return
    hiding = _Hiding()
    # The first one, or another finder would find them.
    sys.meta_path.insert(0, hiding)
    try:
        yield
        # Arrow looks for pandas once, when it makes its first array.
        importlib.import_module("pyarrow").array([0])
    finally:
        sys.meta_path.remove(hiding)


class _Hiding(importlib.abc.MetaPathFinder):
    """Makes imports of `_CLOUD_SERVICES` fail as those of packages that are not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in _CLOUD_SERVICES:
            raise ModuleNotFoundError(f"{name} is not looked for", name=name)


def load_file_systems() -> None:
    """Lets Beam's file systems know gs:// and s3://, as far as their packages are installed.

    Beam looks for them once, when it is imported; see `without_cloud_services`.
    """
    require_version("FileSystems")
    for name in _FILE_SYSTEMS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from apache_beam.runners.dataflow import dataflow_runner
    from apache_beam.utils import retry

    with contextlib.suppress(ImportError):
        # Names that these modules leave empty where they find no such package.
        retry.HttpError = importlib.import_module("apitools.base.py.exceptions").HttpError
        errors = importlib.import_module("google.api_core.exceptions")
        retry.GoogleAPICallError = errors.GoogleAPICallError
        dataflow_runner.dataflow_api = importlib.import_module("google.cloud.dataflow")


def require_version(name: str) -> None:
    """Fails loudly where Beam is not the one that was read.

    Raises:
        RuntimeError: another minor version of Beam is installed.
    """
    installed = ".".join(importlib.metadata.version("apache-beam").split(".")[:2])
    if installed != READ_IN:
        raise RuntimeError(
            f"transforms/beam_internals.py: {name} was read in Beam {READ_IN}, and {installed} is "
            f"installed. Install apache-beam {READ_IN}.*, or read Beam's code again."
        )


def sample_steps_every(milliseconds: int) -> None:
    """Lets bundles end at once.

    While one runs, a thread of Beam's samples which step it is in, and sleeps in between, longer
    and longer up to 0.2 s; the bundle ends when the thread wakes. A run has twenty bundles, one
    after the other. Beam takes the longest sleep from a default argument.
    """
    require_version("StateSampler.__init__")
    from apache_beam.runners.worker.statesampler import StateSampler

    StateSampler.__init__.__defaults__ = (milliseconds,)


def inspect_once() -> None:
    """Keeps what Beam finds out about transforms and flags while it makes a graph.

    It asks for the parameters of every method of every DoFn ten times, and parses all flags again
    each time that a step looks at one of them: half of the processor time of a run over ten
    pictures.
    """
    require_version("get_function_args_defaults and PipelineOptions.view_as")
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core

    if not hasattr(PipelineOptions.view_as, "__wrapped__"):
        core.get_function_args_defaults = _kept_parameters(core.get_function_args_defaults)
        PipelineOptions.view_as = _kept_views(PipelineOptions.view_as)


def _kept_parameters(inspect: Callable[[Any], Any]) -> Callable[[Any], Any]:
    kept = weakref.WeakKeyDictionary[Any, Any]()

    @functools.wraps(inspect)
    def inspected(function: Any) -> Any:
        if not isinstance(function, types.MethodType):
            return inspect(function)
        # All objects of a class share it.
        if (found := kept.get(function.__func__)) is None:
            found = kept[function.__func__] = inspect(function)
        names, defaults = found
        return list(names), list(defaults)

    return inspected


def _kept_views(view_as: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    kept = weakref.WeakKeyDictionary[Any, dict[Any, Any]]()

    @functools.wraps(view_as)
    def viewed(flags: Any, group: Any) -> Any:
        views = kept.setdefault(flags, {})
        view = views.get(group)
        # Values are in a dict that all views share.
        if view is None or view._all_options is not flags._all_options:
            view = views[group] = view_as(flags, group)
        return view

    return viewed


def file_system_flags() -> Any:
    """The flags that Beam's file systems have been given, PipelineOptions or None.

    `FileSystems.set_options` is public, what it has set is not.
    """
    require_version("FileSystems._pipeline_options")
    from apache_beam.io.filesystems import FileSystems

    return FileSystems._pipeline_options


def flags(parser: argparse.ArgumentParser) -> list[str]:
    """Adds every flag of Beam to a parser, and returns their names.

    Beam parses its own command line this way, but takes no other parser.
    """
    require_version("PipelineOptions._add_argparse_args")
    from apache_beam.options.pipeline_options import PipelineOptions

    for group in _subclasses(PipelineOptions):
        group._add_argparse_args(parser)
    return [flag for action in parser._actions for flag in action.option_strings]


def flags_of(groups: Iterable[Any]) -> argparse.ArgumentParser:
    """A parser of the flags of some groups of Beam's options, which tells those that were given.

    What was not given is absent from what it parses.

    Args:
        groups: subclasses of PipelineOptions.
    """
    require_version("PipelineOptions._add_argparse_args")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for group in groups:
        group._add_argparse_args(parser)
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return parser


def problems(flags: Any, runner: Any) -> list[str]:
    """What Beam would refuse of its flags when a job is made; no storage is asked.

    Args:
        flags: PipelineOptions of a job for Dataflow.
        runner: that will run the graph.
    """
    require_version("PipelineOptionsValidator")
    from apache_beam.options.pipeline_options import GoogleCloudOptions, TestOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    validator = PipelineOptionsValidator(flags, runner)
    cloud = flags.view_as(GoogleCloudOptions)
    # Where none of them is right Beam makes a bucket of its own, without a word.
    named = [name for name in ("temp_location", "staging_location") if getattr(cloud, name)]
    found = [text for name in named for text in validator.validate_gcs_path(cloud, name)]
    if found:
        return found
    tests = flags.view_as(TestOptions)
    tests.dry_run = True  # or it asks for the policies of the buckets
    try:
        return list(validator.validate())
    finally:
        tests.dry_run = False


def _subclasses(cls: Any) -> Iterator[Any]:
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)


_LOOK_S = 0.1


def start_worker_processes(command: bytes, *, died: str) -> None:
    """Has Beam's runner in this process start its worker processes with a command of ours.

    Beam waits for ever for the answers of a worker that is gone; here the handler gives them. When
    a run is interrupted it waits until each worker has done its bundle; here they end.

    Args:
        command: for a shell, a single program; the worker finds everything else in its environment.
        died: the error of whatever a worker that has died was asked.
    """
    require_version("SubprocessSdkWorkerHandler")
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_fn_api_pb2
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
        SubprocessSdkWorkerHandler,
        WorkerHandler,
    )

    class Handler(SubprocessSdkWorkerHandler):  # type: ignore[misc]
        def __init__(self, _: bytes, *arguments: Any) -> None:
            # Beam keeps the process to itself, and a shell before it.
            descriptor, self._pid_file = tempfile.mkstemp(prefix="quantlabel-worker-")
            os.close(descriptor)
            # `$$` is the number of the shell, and `exec` leaves it to the worker.
            noted = f"echo $$ >{shlex.quote(self._pid_file)}; exec ".encode()
            super().__init__(noted + command, *arguments)
            self._closing = threading.Event()

        def start_worker(self) -> None:
            super().start_worker()
            threading.Thread(target=self._stand_in, name="worker_stand_in", daemon=True).start()

        def _stand_in(self) -> None:
            self.worker_thread.join()  # until the process ends
            while not self._closing.wait(_LOOK_S):
                # A copy: threads of Beam add and remove requests meanwhile.
                for request, future in list(self.control_conn._futures_by_id.items()):
                    answer = beam_fn_api_pb2.InstructionResponse(instruction_id=request, error=died)
                    future.set(answer)

        def close(self) -> None:
            self._closing.set()
            try:
                super().close()
            finally:
                os.unlink(self._pid_file)

        def stop_worker(self) -> None:
            # Beam comes here on every way out; only the exception that is under way tells them
            # apart.
            if isinstance(sys.exc_info()[1], KeyboardInterrupt):
                self._terminate()
            super().stop_worker()

        def _terminate(self) -> None:
            while self.worker_thread.is_alive():
                with open(self._pid_file, "rb") as file:
                    pid = file.read().strip()
                if pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGTERM)
                    return
                time.sleep(_LOOK_S)  # the shell has not begun

    # Beam finds handlers by urn, so this one takes the place of its own.
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(Handler)


def yaml_source(transform: type) -> type:
    """Tells Beam YAML that a transform begins a pipeline: it would ask for inputs otherwise."""
    require_version("_yaml_requires_inputs")
    transform._yaml_requires_inputs = False  # type: ignore[attr-defined]
    return transform
