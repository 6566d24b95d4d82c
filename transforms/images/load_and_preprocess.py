"""LoadAndPreprocess: references to pixels, several at a time, in order, in bounded memory."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, Unpack

import apache_beam as beam
from apache_beam.utils.shared import Shared

from transforms.ahead import Ahead, InFlight
from transforms.bundles import in_window
from transforms.images.loader import Loader
from transforms.images.loader_pool import LoaderPool
from transforms.images.settings import Preprocessing, PreprocessingChanges
from transforms.inputs.archives.finished import FinishedArchive, as_counts
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import (
    Found,
    Member,
    named_archive,
    read_members,
    read_named,
    uri_of,
)
from transforms.inputs.skips import Count, Note, Skipped, Tally, joined
from transforms.kernel import Kernel, check_kernel
from transforms.records import Failure, Image, ImageRef
from transforms.storage import files
from transforms.storage.addresses import text

# Encoded members of archives in flight, at most; one more if it is larger than that.
_WAITING_BYTES = 128 * 1024 * 1024

# Pictures that a thread loads before the next one may: threads take turns at Python's lock, and
# handing a picture over costs more of it than reading one.
_TOGETHER = 8
# Or as many as take so much together, so that no thread is left with all the large ones.
_TOGETHER_BYTES = 1024 * 1024

# Members of an archive that are counted at a time: a large one shows progress while it is read.
_ROWS_A_TALLY = 256

FAILURES = "failures"
"""Tag of the output of failures."""

_TALLY = "tally"
_SKIPPED = "skipped"
_NOTES = "notes"
_ARCHIVES = "archives"


class LoadResult(NamedTuple):
    """What `LoadAndPreprocess` returns.

    Attributes:
        images: PCollection[Image], pixels uint8[size, size, 3].
        failures: PCollection[Failure], stages read and decode.
        tally: PCollection[tuple[str, int]], partial sums to add to those of `ReadResult`. They
            count the members of an archive, less one for the archive, which was listed as a
            picture, and take it from the `unread`.
        skipped: PCollection[tuple[str, Count]], the same for members that are no pictures.
        notes: PCollection[tuple[str, Count]], how archives were understood.
        archives: PCollection[FinishedArchive], those that were read to their end.
    """

    images: beam.PCollection[Image]
    failures: beam.PCollection[Failure]
    tally: beam.PCollection[tuple[str, int]]
    skipped: beam.PCollection[tuple[str, Count]]
    notes: beam.PCollection[tuple[str, Count]]
    archives: beam.PCollection[FinishedArchive]


class LoadAndPreprocess(beam.PTransform):  # type: ignore[misc]
    """Reads, decodes and resamples pictures. Every reference becomes one Image or one Failure.

    An archive (`transforms.inputs.archives.base`) becomes one of them for each of its pictures: it
    is read by one
    worker as a stream, so its bytes cross no shuffle and memory does not grow with its size.

    The input must be in the global window: pictures are read ahead of the element being processed.

    Args:
        how: method, size and so on.
        image_key: which part of an archive is the picture, see
            `transforms.inputs.archives.members`.
        memory: bytes that the pictures of a process may take, encoded and decoded; None for
            `transforms.images.machine.default_budget`. A picture that costs more is decoded alone.
        processes: that share a machine, for that default; None for one for each processor.
        kernel: what decodes JPEG; the pixels do not depend on it.
        changed: fields of `how` that shall be others: `LoadAndPreprocess(size=160)`. The same
            `views` must be told to `ClassifyImages`.
    """

    def __init__(
        self,
        how: Preprocessing = Preprocessing(),
        *,
        image_key: str | None = None,
        memory: int | None = None,
        processes: int | None = 1,
        kernel: Kernel = "auto",
        **changed: Unpack[PreprocessingChanges],
    ) -> None:
        super().__init__()
        self.how = dataclasses.replace(how, **changed)
        self.image_key = image_key
        self.memory = memory
        self.processes = processes
        self.kernel = kernel

    def expand(self, refs: beam.PCollection[ImageRef]) -> LoadResult:
        """Builds the graph: one ParDo with six outputs."""
        if not refs.windowing.is_default():
            raise ValueError("LoadAndPreprocess expects its input in the global window")
        loader = Loader(self.how, self.kernel)
        load = beam.ParDo(_Load(loader, self.memory, self.processes, self.image_key))
        others = (FAILURES, _TALLY, _SKIPPED, _NOTES, _ARCHIVES)
        loaded = refs | "Load" >> load.with_outputs(*others, main="images")
        return LoadResult(loaded.images, *(loaded[tag] for tag in others))


class LoadsAhead(beam.DoFn):  # type: ignore[misc]
    """What steps that load pictures have in common: the threads, and what they have in flight.

    Args:
        loader: how.
        memory: as in `LoadAndPreprocess`.
        processes: as in `LoadAndPreprocess`.
    """

    def __init__(self, loader: Loader, memory: int | None, processes: int | None) -> None:
        self._loader = loader
        self._memory = memory
        self._processes = processes
        # One pool for a process, however many threads of Beam have a copy of this object.
        self._shared = Shared()

    def setup(self) -> None:
        """Makes the threads, or takes those that are there."""
        # Here too: a worker may be another machine than the one where the options were checked.
        check_kernel(self._loader.kernel)
        self._pool: LoaderPool = self._shared.acquire(
            functools.partial(LoaderPool, memory=self._memory, processes=self._processes)
        )
        self._ahead: Ahead[Image | Failure] = Ahead()

    def start_bundle(self) -> None:
        """Forgets a bundle that has failed."""
        self._ahead.clear()

    def _add(self, pictures: InFlight[Image | Failure]) -> Iterator[Any]:
        """Puts pictures in flight; hands out the oldest ones if there are too many."""
        self._ahead.append(pictures)
        while self._ahead.count > self._pool.ahead or (
            self._ahead.bytes > _WAITING_BYTES and len(self._ahead) > 1
        ):
            yield from self._pop()

    def _pop(self) -> Iterator[Any]:
        for result in self._ahead.pop():
            yield tagged(result) if isinstance(result, Failure) else result

    def finish_bundle(self) -> Iterator[Any]:
        """Hands out the rest."""
        while self._ahead:
            yield from map(in_window, self._pop())

    def teardown(self) -> None:
        """Drops what is in flight, if a bundle has failed."""
        self._ahead.clear()


class _Load(LoadsAhead):
    def __init__(
        self,
        loader: Loader,
        memory: int | None,
        processes: int | None,
        image_key: str | None,
    ) -> None:
        super().__init__(loader, memory, processes)
        self._image_key = image_key

    def start_bundle(self) -> None:
        super().start_bundle()
        self._named: list[ImageRef] = []
        self._archive = ""
        self._waiting: list[ImageRef] = []
        self._waiting_bytes = 0

    def process(self, ref: ImageRef) -> Iterator[Any]:
        archive = named_archive(ref)
        # `ReadImages` sorts by uri, so members of one archive follow each other.
        if self._named and self._archive != archive:
            yield from self._load_named()
        if archive is not None:
            self._archive = archive
            self._named.append(ref)
        elif archive_kind(ref.uri) is not None:
            yield from self._load_archive(ref)
        elif not files.is_local(ref.uri):
            yield from self._add(self._pool.submit(self._loader, [ref]))
        else:
            self._waiting.append(ref)
            self._waiting_bytes += ref.size or 0
            if len(self._waiting) == _TOGETHER or self._waiting_bytes >= _TOGETHER_BYTES:
                yield from self._load_waiting()

    def _load_waiting(self) -> Iterator[Any]:
        """Local pictures that are to be loaded together."""
        refs, self._waiting, self._waiting_bytes = self._waiting, [], 0
        yield from self._add(self._pool.submit(self._loader, refs))

    def _load_named(self) -> Iterator[Any]:
        """Members that were listed by their names: references that follow each other."""
        named, self._named = self._named, []
        for found in read_named(
            self._archive, named, image_key=self._image_key, max_bytes=self._loader.how.max_bytes
        ):
            if isinstance(found, Failure):
                yield tagged(found)
            elif isinstance(found, Member):
                yield from self._add(self._pool.submit_member(self._loader, found))
            else:
                yield from self._add(self._pool.submit(self._loader, [found]))

    def _load_archive(self, archive: ImageRef) -> Iterator[Any]:
        members = read_members(
            archive, image_key=self._image_key, max_bytes=self._loader.how.max_bytes
        )
        done = set(archive.done)
        rows = -1  # the archive was counted as a picture when it was listed
        skipped = Tally()
        whole = _Whole(archive.uri)
        for found in members:
            whole.add(found)
            if isinstance(found, Skipped):
                skipped.add(found._replace(path=f"{archive.uri}#{found.path}"))
                continue
            if isinstance(found, Note):
                yield beam.pvalue.TaggedOutput(_NOTES, found.counted)
                continue
            # `done` comes from rows, which hold names as text.
            if done and text(uri_of(found)) in done:
                continue
            rows += 1
            if isinstance(found, Failure):
                yield tagged(found)
            else:
                yield from self._add(self._pool.submit_member(self._loader, found))
            if rows >= _ROWS_A_TALLY:
                yield from _tallies(rows=rows, skipped=skipped)
                rows = 0
        yield from _tallies(rows=rows, skipped=skipped)
        yield beam.pvalue.TaggedOutput(_TALLY, ("unread", -1))
        if (finished := whole.record()) is not None:
            yield beam.pvalue.TaggedOutput(_ARCHIVES, finished)

    def finish_bundle(self) -> Iterator[Any]:
        if self._named:
            yield from map(in_window, self._load_named())
        if self._waiting:
            yield from map(in_window, self._load_waiting())
        yield from super().finish_bundle()


class _Whole:
    """What there is in an archive, from its first member to its last.

    Args:
        uri: of the archive.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._version: str | None = None
        self._rows = 0
        self._is_broken = False
        self._skipped = Tally()
        self._notes: dict[str, Count] = {}

    def add(self, found: Found) -> None:
        """Takes what was found next."""
        if isinstance(found, Skipped):
            self._skipped.add(found._replace(path=f"{self._uri}#{found.path}"))
        elif isinstance(found, Note):
            what, one = found.counted
            self._notes[what] = joined([one, self._notes[what]]) if what in self._notes else one
        else:
            self._rows += 1
            self._is_broken |= uri_of(found) == self._uri
            self._version = found.version if isinstance(found, Failure) else found.ref.version

    def record(self) -> FinishedArchive | None:
        """What a later run may go by; None where it has to read the archive again."""
        if self._is_broken or self._version is None:
            return None
        skipped, notes = as_counts(self._skipped.counts), as_counts(self._notes)
        return FinishedArchive(text(self._uri), self._version, self._rows, skipped, notes)


def _tallies(*, rows: int, skipped: Tally) -> Iterator[beam.pvalue.TaggedOutput]:
    for name, count in (("entries", rows), ("inputs", rows), ("skipped", skipped.total)):
        yield beam.pvalue.TaggedOutput(_TALLY, (name, count))
    for of_kind in skipped.flush():
        yield beam.pvalue.TaggedOutput(_SKIPPED, of_kind)


def tagged(found: Failure) -> beam.pvalue.TaggedOutput:
    """A failure, for the output of failures."""
    return beam.pvalue.TaggedOutput(FAILURES, found)
