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
from transforms.members import Member, read_members
from transforms.packed import packing
from transforms.preprocess import Method, load
from transforms.records import Failure, Image, ImageRef
from transforms.sources import Skipped

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 1024 * 1024

_LEAST_FETCHES = 64
_FETCHES_A_CORE = 32
_MOST_FETCHES = 256
"""Remote pictures fetched at a time. A core labels 430 pictures a second, so at 50 ms a request 22
of them have to be under way; the rest covers slower ones."""

_ROOM_BYTES = 256 * 1024 * 1024

_WAITING_BYTES = 128 * 1024 * 1024
"""Encoded members of shards in flight, at most; one more if it is larger than that."""

_ROWS_A_TALLY = 256

_FAILURES = "failures"
_TALLY = "tally"


class LoadResult(NamedTuple):
    """What `LoadAndPreprocess` returns.

    Attributes:
        images: PCollection[Image], pixels uint8[size, size, 3].
        failures: PCollection[Failure], stages read and decode.
        tally: PCollection[tuple[str, int]], partial sums to add to those of `ReadResult`. They
            count the members of a shard, less one for the shard, which was listed as a picture.
    """

    images: beam.PCollection[Image]
    failures: beam.PCollection[Failure]
    tally: beam.PCollection[tuple[str, int]]


@dataclasses.dataclass(eq=False)
class LoadAndPreprocess(beam.PTransform):  # type: ignore[misc]
    """Reads, decodes and resamples pictures. Every reference becomes one Image or one Failure.

    A shard (`transforms.packed`) becomes one of them for each of its pictures: it is read by one
    worker as a stream, so its bytes cross no shuffle and memory does not grow with its size.

    The input must be in the global window: pictures are read ahead of the element being processed.

    Attributes:
        size: rows and columns of the result, in pixels: the input size of the network.
        method: how the picture is cropped and resampled, see `transforms.preprocess`.
        views: what `ClassifyImages` is told too, see `transforms.preprocess.VIEWS`.
        max_pixels: pictures with more are failures, told from the header.
        max_bytes: files with more are failures, told before they are read.
        image_key: which part of a packed input is the picture, see `transforms.members`.
    """

    size: int = 128
    method: Method = "eval"
    views: int = 1
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    image_key: str | None = None

    def expand(self, refs: beam.PCollection[ImageRef]) -> LoadResult:
        """Builds the graph: one ParDo with three outputs."""
        if not refs.windowing.is_default():
            raise ValueError("LoadAndPreprocess expects its input in the global window")
        loader = Loader(
            size=self.size,
            method=self.method,
            views=self.views,
            max_pixels=self.max_pixels,
            max_bytes=self.max_bytes,
        )
        loaded = refs | "Load" >> beam.ParDo(_Load(loader, self.image_key)).with_outputs(
            _FAILURES, _TALLY, main="images"
        )
        return LoadResult(loaded.images, loaded[_FAILURES], loaded[_TALLY])


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

    def submit_member(self, loader: Loader, member: Member) -> Future[Image | Failure]:
        """Decodes a picture of a shard, whose bytes have been read."""
        return self._local.submit(self._decode, loader, member.ref, member.data)

    def _load(self, loader: Loader, ref: ImageRef) -> Image | Failure:
        with self._room.lent() as reserve:
            found = loader.read(ref, reserve=reserve)
            return found if isinstance(found, Failure) else self._decode(loader, *found)

    def _decode(self, loader: Loader, ref: ImageRef, data: bytes) -> Image | Failure:
        scratch = self._scratches.get()
        try:
            return loader.decode(ref, data, scratch=scratch)
        finally:
            self._scratches.put(scratch)


class _Load(beam.DoFn):  # type: ignore[misc]
    def __init__(self, loader: Loader, image_key: str | None) -> None:
        self._loader = loader
        self._image_key = image_key
        self._shared = Shared()

    def setup(self) -> None:
        self._pool: LoaderPool = self._shared.acquire(LoaderPool)
        self._pending: collections.deque[tuple[Future[Image | Failure], int]] = collections.deque()

    def start_bundle(self) -> None:
        self._pending.clear()
        self._waiting = 0

    def process(self, ref: ImageRef) -> Iterator[Any]:
        if packing(ref.uri) is not None:
            yield from self._load_shard(ref)
        else:
            yield from self._add(self._pool.submit(self._loader, ref), size=0)

    def _load_shard(self, shard: ImageRef) -> Iterator[Any]:
        members = read_members(shard, image_key=self._image_key, max_bytes=self._loader.max_bytes)
        rows, skipped = -1, 0  # the shard was counted as a picture when it was listed
        for found in members:
            if isinstance(found, Skipped):
                skipped += 1
                continue
            rows += 1
            if isinstance(found, Failure):
                yield _tagged(found)
            else:
                future = self._pool.submit_member(self._loader, found)
                yield from self._add(future, size=len(found.data))
            if rows >= _ROWS_A_TALLY:
                yield from _tallies(rows=rows, skipped=skipped)
                rows = skipped = 0
        yield from _tallies(rows=rows, skipped=skipped)

    def _add(self, future: Future[Image | Failure], *, size: int) -> Iterator[Any]:
        """Puts a picture in flight; hands out the oldest ones if there are too many."""
        self._pending.append((future, size))
        self._waiting += size
        while len(self._pending) > self._pool.ahead or (
            self._waiting > _WAITING_BYTES and len(self._pending) > 1
        ):
            result = self._oldest()
            yield _tagged(result) if isinstance(result, Failure) else result

    def _oldest(self) -> Image | Failure:
        future, size = self._pending.popleft()
        self._waiting -= size
        return future.result()

    def finish_bundle(self) -> Iterator[Any]:
        while self._pending:
            result = self._oldest()
            value: WindowedValue = GlobalWindows.windowed_value(result)
            yield _tagged(value) if isinstance(result, Failure) else value

    def teardown(self) -> None:
        for future, _ in self._pending:  # a bundle has failed
            future.cancel()


def _tallies(*, rows: int, skipped: int) -> Iterator[beam.pvalue.TaggedOutput]:
    for name, count in (("entries", rows), ("inputs", rows), ("skipped", skipped)):
        yield beam.pvalue.TaggedOutput(_TALLY, (name, count))


def _tagged(value: Any) -> beam.pvalue.TaggedOutput:
    return beam.pvalue.TaggedOutput(_FAILURES, value)


def cores() -> int:
    """Processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
