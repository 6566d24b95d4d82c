"""ReuseByContent: rows of pictures that have another name or another date now."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from transforms.bundles import Packs, in_window, unpack
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.buckets import bucket_of
from transforms.records import ImageRef
from transforms.resume.check_files import Stored
from transforms.resume.row_values import BEGINNING, depends_on_profile, has_marks
from transforms.resume.skip_finished import KEPT, OUTCOMES, TALLY, KeepRows, Skipped
from transforms.rows.kinds import RowKind
from transforms.storage import files
from transforms.storage.addresses import text

_UNREAD = "unread"
_CHUNK = BEGINNING
# Pictures that are read at a time, and those on their way, so that no thread waits for the oldest.
_THREADS = 16
_AHEAD = 128


@dataclasses.dataclass(eq=False)
class ReuseByContent(beam.PTransform):  # type: ignore[misc]
    """Splits pictures into those whose content has a prediction and those that need a row.

    Every picture is read, a megabyte at a time, and hashed; one with the sha256 of a stored
    prediction gets that row, with its own uri, size, version and meta. Those that cannot be read,
    and archives, are passed on.

    Takes a dict with `refs`: PCollection[ImageRef], and `stored`: PCollection[Stored].

    Attributes:
        max_bytes: pictures with more are passed on.
        managed: as in `transforms.resume.skip_finished.SkipFinished`.
    """

    max_bytes: int
    managed: bool = True

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> Skipped:
        """Builds the graph: digests of both sides, packed, joined by bucket."""
        hashed = inputs["refs"] | "Hash" >> beam.ParDo(_Hash(self.max_bytes)).with_outputs(
            _UNREAD, main="hashed"
        )
        stored = inputs["stored"] | "Read digests" >> beam.ParDo(_ReadDigests(self.managed))
        matched = (
            {"stored": stored, "hashed": hashed.hashed}
            | "Join" >> beam.CoGroupByKey()
            | "Match" >> beam.ParDo(_Match()).with_outputs(KEPT, OUTCOMES, TALLY, main="refs")
        )
        refs = (matched.refs, hashed[_UNREAD]) | "Rest" >> beam.Flatten()
        return Skipped(refs, matched[KEPT], matched[OUTCOMES], matched[TALLY])


class _Hash(beam.DoFn):  # type: ignore[misc]
    """References to (bucket, pack of [sha256, whether it has marks, *ImageRef])."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def setup(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "hash")

    def teardown(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def start_bundle(self) -> None:
        self._packs = Packs()
        self._pending: collections.deque[Future[tuple[ImageRef, str | None, bool]]] = (
            collections.deque()
        )

    def process(self, ref: ImageRef) -> Iterator[Any]:
        self._pending.append(self._threads.submit(hashed, ref, max_bytes=self._max_bytes))
        if len(self._pending) > _AHEAD:
            yield from self._oldest()

    def _oldest(self) -> Iterator[Any]:
        ref, sha256, marked = self._pending.popleft().result()
        if sha256 is None:
            yield beam.pvalue.TaggedOutput(_UNREAD, ref)
        else:
            yield from self._packs.add(bucket_of(sha256), [sha256, marked, *ref.listed])

    def finish_bundle(self) -> Iterator[Any]:
        while self._pending:
            for element in self._oldest():
                yield in_window(element)
        yield from map(in_window, self._packs.flush())


def hashed(ref: ImageRef, *, max_bytes: int) -> tuple[ImageRef, str | None, bool]:
    """The reference with size and version as they were read, the sha256, and `has_marks` of it.

    The reference comes back as it was, with None, if it is an archive, cannot be read or is larger
    than `max_bytes`: whoever labels it will say so.
    """
    if archive_kind(ref.uri) is not None:
        return ref, None, False
    sha256, size, marked = hashlib.sha256(), 0, False
    try:
        file, version = files.open_versioned(ref.uri)
        with file:
            while size <= max_bytes and (chunk := file.read(_CHUNK)):
                marked |= size == 0 and has_marks(chunk)
                sha256.update(chunk)
                size += len(chunk)
    except (OSError, ValueError):  # ValueError: a NUL character in the name
        return ref, None, False
    if size > max_bytes or version is None:
        return ref, None, False
    return ref._replace(size=size, version=version), sha256.hexdigest(), marked


class _ReadDigests(beam.DoFn):  # type: ignore[misc]
    """Files of predictions to (bucket, pack of [sha256, class id, path, row, by profile])."""

    def __init__(self, managed: bool) -> None:
        self._managed = managed

    def start_bundle(self) -> None:
        self._packs = Packs()

    def process(self, stored: Stored) -> Iterator[tuple[int, bytes]]:
        if stored.kind is not RowKind.PREDICTION:
            return
        for at, row in stored.current_rows(columns=["sha256", "class_id"]):
            sha256 = row["sha256"]
            by_profile = self._managed and "format" in row and depends_on_profile(row, stored.made)
            place = [sha256, row["class_id"], stored.piece.path, at, by_profile]
            yield from self._packs.add(bucket_of(sha256), place)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(in_window, self._packs.flush())


class _Match(KeepRows):
    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[Any]:
        _, packs = element
        rows: dict[str, list[Any]] = {}
        for sha256, *row in unpack(packs["stored"]):
            # One of equal content is as good as another; the same one in every run.
            rows[sha256] = min(row, rows.get(sha256, row), key=_place)
        for sha256, marked, *fields in unpack(packs["hashed"]):
            ref = ImageRef(*fields)
            if sha256 in rows and not (marked and rows[sha256][3]):
                class_id, path, row, _ = rows[sha256]
                changes = [text(ref.uri), ref.size, ref.version, ref.meta]
                yield from self.keep(RowKind.PREDICTION.outcome(class_id), path, row, changes)
            else:
                yield ref


def _place(row: list[Any]) -> tuple[bool, str, int]:
    """A row that is right whatever the profile is comes first."""
    return row[3], row[1], row[2]
