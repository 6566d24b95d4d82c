"""LoadAndPreprocess: references to pixels, several at a time, in order, in bounded memory."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.decode import Scratch
from transforms.failures import ImageError, Reason, Stage, failure
from transforms.preprocess import Method, load
from transforms.records import Failure, Image, ImageRef

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 1024 * 1024

_AHEAD = 128
"""Pictures in flight. Two inference batches: the pool has work while the network runs one."""

_FAILURES = "failures"


class LoadResult(NamedTuple):
    """What `LoadAndPreprocess` returns.

    Attributes:
        images: PCollection[Image], pixels uint8[size, size, 3].
        failures: PCollection[Failure], stages read and decode.
    """

    images: beam.PCollection[Image]
    failures: beam.PCollection[Failure]


@dataclasses.dataclass(eq=False)
class LoadAndPreprocess(beam.PTransform):  # type: ignore[misc]
    """Reads, decodes and resamples pictures. Every reference becomes one Image or one Failure.

    The input must be in the global window: pictures are read ahead of the element being processed.

    Attributes:
        size: rows and columns of the result, in pixels: the input size of the network.
        method: how the picture is cropped and resampled, see `transforms.preprocess`.
        max_pixels: pictures with more are failures, told from the header.
        max_bytes: files with more are failures, told before they are read.
    """

    size: int = 128
    method: Method = "eval"
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES

    def expand(self, refs: beam.PCollection[ImageRef]) -> LoadResult:
        """Builds the graph: one ParDo with two outputs."""
        if not refs.windowing.is_default():
            raise ValueError("LoadAndPreprocess expects its input in the global window")
        loader = Loader(
            size=self.size,
            method=self.method,
            max_pixels=self.max_pixels,
            max_bytes=self.max_bytes,
        )
        loaded = refs | "Load" >> beam.ParDo(_Load(loader)).with_outputs(_FAILURES, main="images")
        return LoadResult(loaded.images, loaded[_FAILURES])


@dataclasses.dataclass(frozen=True)
class Loader:
    """The pure part: one reference to one Image or Failure. See `LoadAndPreprocess`."""

    size: int
    method: Method
    max_pixels: int
    max_bytes: int

    def __call__(self, ref: ImageRef, *, scratch: Scratch | None = None) -> Image | Failure:
        """Loads one picture; whatever is wrong with it becomes the Failure's reason."""
        try:
            data, version = read_bytes(ref.uri, max_bytes=self.max_bytes)
        except ImageError as error:
            return failure(ref, Stage.READ, error)
        ref = ref._replace(size=len(data), version=version)
        try:
            pixels, width, height, encoding = load(
                data,
                size=self.size,
                method=self.method,
                max_pixels=self.max_pixels,
                scratch=scratch,
            )
        except ImageError as error:
            return failure(ref, Stage.DECODE, error)
        return Image(ref, hashlib.sha256(data).hexdigest(), width, height, encoding, pixels)


class Content(NamedTuple):
    """The encoded bytes of a picture, and their version as in `ImageRef`."""

    data: bytes
    version: str


def read_bytes(uri: str, *, max_bytes: int) -> Content:
    """The content of a local file.

    Raises:
        ImageError: the file is missing, not a regular file (a pipe would block for ever), not
            readable, or larger than `max_bytes`.
    """
    if "://" in uri:
        raise ImageError(Reason.UNSUPPORTED_URI, "only local files can be read")
    try:
        descriptor = os.open(uri, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error
    except ValueError as error:  # a NUL character in the name
        raise ImageError(Reason.NOT_FOUND, "no file can have this name") from error
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(Reason.NOT_A_FILE, "not a regular file")
        if status.st_size > max_bytes:
            raise ImageError(
                Reason.TOO_LARGE_BYTES, f"{status.st_size} bytes, the limit is {max_bytes}"
            )
        try:
            return Content(file.read(), str(status.st_mtime_ns))
        except OSError as error:
            raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


class _Load(beam.DoFn):  # type: ignore[misc]
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def setup(self) -> None:
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(
            max_workers=cores(), thread_name_prefix="load", initializer=self._start_thread
        )

    def _start_thread(self) -> None:
        self._local.scratch = Scratch()

    def _work(self, ref: ImageRef) -> Image | Failure:
        return self._loader(ref, scratch=self._local.scratch)

    def start_bundle(self) -> None:
        self._pending: collections.deque[Future[Image | Failure]] = collections.deque()

    def process(self, ref: ImageRef) -> Iterator[Any]:
        self._pending.append(self._pool.submit(self._work, ref))
        if len(self._pending) > _AHEAD:
            result = self._pending.popleft().result()
            yield _tagged(result) if isinstance(result, Failure) else result

    def finish_bundle(self) -> Iterator[Any]:
        while self._pending:
            result = self._pending.popleft().result()
            value: WindowedValue = GlobalWindows.windowed_value(result)
            yield _tagged(value) if isinstance(result, Failure) else value

    def teardown(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _tagged(value: Any) -> beam.pvalue.TaggedOutput:
    return beam.pvalue.TaggedOutput(_FAILURES, value)


def cores() -> int:
    """Processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
