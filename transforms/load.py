"""LoadAndPreprocess: references to pixels, several at a time, in order, in bounded memory."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from transforms import storage
from transforms.content import Content, Reserve
from transforms.decode import Scratch
from transforms.failures import ImageError, Reason, Stage, failure
from transforms.preprocess import Method, load
from transforms.records import Failure, Image, ImageRef

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 1024 * 1024

_LEAST_FETCHES = 64
_FETCHES_A_CORE = 32
_MOST_FETCHES = 256
"""Remote pictures fetched at a time. A core labels 430 pictures a second, so at 50 ms a request 22
of them have to be under way; the rest covers slower ones."""

_ROOM_BYTES = 256 * 1024 * 1024

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
        views: what `ClassifyImages` is told too, see `transforms.preprocess.VIEWS`.
        max_pixels: pictures with more are failures, told from the header.
        max_bytes: files with more are failures, told before they are read.
    """

    size: int = 128
    method: Method = "eval"
    views: int = 1
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES

    def expand(self, refs: beam.PCollection[ImageRef]) -> LoadResult:
        """Builds the graph: one ParDo with two outputs."""
        if not refs.windowing.is_default():
            raise ValueError("LoadAndPreprocess expects its input in the global window")
        loader = Loader(
            size=self.size,
            method=self.method,
            views=self.views,
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
    views: int
    max_pixels: int
    max_bytes: int

    def read(self, ref: ImageRef, *, reserve: Reserve) -> tuple[ImageRef, bytes] | Failure:
        """Reads the picture; the reference gains size and version.

        Args:
            ref: which picture.
            reserve: as in `transforms.storage.read`.

        Raises:
            UserError: no picture can be read there, for want of credentials or of a package.
        """
        try:
            data, version = read_bytes(ref.uri, max_bytes=self.max_bytes, reserve=reserve)
        except ImageError as error:
            return failure(ref, Stage.READ, error)
        return ref._replace(size=len(data), version=version), data

    def decode(self, ref: ImageRef, data: bytes, *, scratch: Scratch) -> Image | Failure:
        """Decodes and resamples what `read` has read."""
        try:
            pixels, width, height, encoding = load(
                data,
                size=self.size,
                method=self.method,
                views=self.views,
                max_pixels=self.max_pixels,
                scratch=scratch,
            )
        except ImageError as error:
            return failure(ref, Stage.DECODE, error)
        return Image(ref, hashlib.sha256(data).hexdigest(), width, height, encoding, pixels)


def read_bytes(uri: str, *, max_bytes: int, reserve: Reserve = lambda _: None) -> Content:
    """The content of a picture's file or object; the arguments are those of `storage.read`.

    Raises:
        ImageError: the file is missing, not a regular file, not readable, or too large, or its
            storage has failed for a minute.
        UserError: no picture can be read there, for want of credentials or of a package.
    """
    try:
        return storage.read(uri, max_bytes=max_bytes, reserve=reserve)
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


class Room:
    """Memory that threads share for the encoded bytes in their hands.

    Args:
        size: bytes in all.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def lent(self) -> Iterator[Reserve]:
        """Yields a function that waits for so many bytes; they are given back in the end."""
        held = 0

        def reserve(size: int) -> None:
            nonlocal held
            self._give(held)
            held = 0  # another attempt at the same picture begins anew
            held = self._take(min(size, self._size))

        try:
            yield reserve
        finally:
            self._give(held)

    def _take(self, size: int) -> int:
        with self._turn, self._changed:  # one waits at a time, or small ones would starve a large
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        return size

    def _give(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


class LoaderPool:
    """The threads that load pictures, one set a process.

    Local files keep a core busy each, so there are as many threads for them as cores. Remote ones
    mostly wait for the network: many are fetched at a time, but no more are decoded than there are
    cores, and the encoded bytes of all of them fit into `_ROOM_BYTES`.
    """

    def __init__(self) -> None:
        self._local = ThreadPoolExecutor(cores(), "load")
        fetching = min(max(_LEAST_FETCHES, _FETCHES_A_CORE * cores()), _MOST_FETCHES)
        self._remote = ThreadPoolExecutor(fetching, "fetch")
        self._room = Room(_ROOM_BYTES)
        self._scratches: queue.LifoQueue[Scratch] = queue.LifoQueue()
        for _ in range(cores()):
            self._scratches.put(Scratch())
        self.ahead = 2 * fetching
        """Pictures worth having in flight: two inference batches at least."""

    def submit(self, loader: Loader, ref: ImageRef) -> Future[Image | Failure]:
        """Loads a picture; whatever is wrong with it becomes the Failure's reason."""
        threads = self._local if storage.is_local(ref.uri) else self._remote
        return threads.submit(self._load, loader, ref)

    def _load(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        with self._room.lent() as reserve:
            found = loader.read(ref, reserve=reserve)
            if isinstance(found, Failure):
                return found
            scratch = self._scratches.get()
            try:
                return loader.decode(*found, scratch=scratch)
            finally:
                self._scratches.put(scratch)


class _Load(beam.DoFn):  # type: ignore[misc]
    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._shared = Shared()

    def setup(self) -> None:
        self._pool: LoaderPool = self._shared.acquire(LoaderPool)
        self._pending: collections.deque[Future[Image | Failure]] = collections.deque()

    def start_bundle(self) -> None:
        self._pending.clear()

    def process(self, ref: ImageRef) -> Iterator[Any]:
        self._pending.append(self._pool.submit(self._loader, ref))
        if len(self._pending) > self._pool.ahead:
            result = self._pending.popleft().result()
            yield _tagged(result) if isinstance(result, Failure) else result

    def finish_bundle(self) -> Iterator[Any]:
        while self._pending:
            result = self._pending.popleft().result()
            value: WindowedValue = GlobalWindows.windowed_value(result)
            yield _tagged(value) if isinstance(result, Failure) else value

    def teardown(self) -> None:
        for future in self._pending:  # a bundle has failed
            future.cancel()


def _tagged(value: Any) -> beam.pvalue.TaggedOutput:
    return beam.pvalue.TaggedOutput(_FAILURES, value)


def cores() -> int:
    """Processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
