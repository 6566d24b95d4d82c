"""SkipFinished: which pictures have a row already, from this listing and the rows of earlier runs.

The listing and the stored rows meet in a join by bucket, so that no machine holds either as a
whole. Only what identifies a picture travels, compressed; feature vectors never leave their files.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from transforms.bundles import Packs, in_window, unpack
from transforms.errors import UserError
from transforms.inputs.archives.kinds import archive_kind, archive_of
from transforms.inputs.archives.members import Member, read_named
from transforms.inputs.buckets import unit_of
from transforms.records import ImageRef
from transforms.resume.check_files import Stored
from transforms.resume.row_values import BEGINNING, depends_on_profile, has_marks
from transforms.rows.kinds import NO_CLASS, Outcome, RowKind
from transforms.storage import files
from transforms.storage.addresses import name_of, text

KEPT = "kept"
TALLY = "tally"
OUTCOMES = "outcomes"
"""Tags of the outputs of `KeepRows`."""

# Objects whose size and version are asked for at a time, some milliseconds each.
_LOOKS_AT_ONCE = 16

Look = tuple["int | None", "str | None"]
"""Size and version of a picture as it is now."""

# Equal to no stored row.
_ABSENT: Look = (None, None)
_UNKNOWN: Look = (-1, None)

# The size of a member, which its archive does not tell from outside.
_MEMBER = -2


class Skipped(NamedTuple):
    """What `SkipFinished` returns.

    Attributes:
        refs: PCollection[ImageRef], pictures without a row.
        kept: rows of the others, as `CarryRows` expects them.
        outcomes: PCollection[tuple[Outcome, int]], partial sums over the rows that are kept.
        tally: PCollection[tuple[str, int]], partial sums: `reused` rows.
    """

    refs: beam.PCollection[ImageRef]
    kept: beam.PCollection[tuple[str, bytes]]
    outcomes: beam.PCollection[tuple[Outcome, int]]
    tally: beam.PCollection[tuple[str, int]]


class StoredRow(NamedTuple):
    """What a stored row says of its picture, and where the row is.

    Attributes:
        size: bytes of the picture.
        version: of the picture, as in `ImageRef`.
        meta: as in `ImageRef`.
        outcome: class id of a prediction, reason of a failure.
        retryable: whether it is a failure that may not happen again.
        path: of the file.
        row: in the file, from 0.
        by_profile: whether the row is right only if its picture has no colour profile.
    """

    size: int | None
    version: str | None
    meta: str | None
    outcome: int | str
    retryable: bool
    path: str
    row: int
    by_profile: bool = False

    @property
    def kind(self) -> RowKind:
        """Told by the outcome: ids of classes are numbers, reasons are words."""
        return RowKind.PREDICTION if isinstance(self.outcome, int) else RowKind.FAILURE


@dataclasses.dataclass(eq=False)
class SkipFinished(beam.PTransform):  # type: ignore[misc]
    """Splits pictures into those that have a row and those that need one.

    A picture has a row if one is stored for the same uri, size and version. Where the listing does
    not know size and version, the storage is asked for them; a picture whose version nobody knows
    has no row. A stored row that belongs to no picture of the listing is not kept, and one whose
    `meta` is not the listing's is kept with the listing's.

    Takes a dict with `refs`: PCollection[ImageRef], each uri once, and `stored`:
    PCollection[Stored].

    A member of an archive has a row if one is stored for it and for the version that the archive
    has, and if its `meta` holds what the listing says. How many members there are only the archive
    itself
    knows: it is passed on, with the uris of those that are `done`.

    Attributes:
        retry_failures: retryable failures count as no row.
        managed: rows of releases that did nothing about colour profiles are kept only for pictures
            that have none; their files are looked at.
        image_key: which part of archives is the picture.
        max_bytes: larger members of archives are not looked at.
    """

    retry_failures: bool = False
    managed: bool = True
    image_key: str | None = None
    max_bytes: int = sys.maxsize

    def expand(self, inputs: dict[str, beam.PCollection[Any]]) -> Skipped:
        """Builds the graph: keys of rows and references, packed, joined by bucket."""
        stored = inputs["stored"] | "Read keys" >> beam.ParDo(_ReadKeys())
        listed = inputs["refs"] | "Pack" >> beam.ParDo(_PackRefs())
        matched = (
            {"stored": stored, "listed": listed}
            | "Join" >> beam.CoGroupByKey()
            | "Match" >> beam.ParDo(_Match(self)).with_outputs(KEPT, OUTCOMES, TALLY, main="refs")
        )
        return Skipped(matched.refs, matched[KEPT], matched[OUTCOMES], matched[TALLY])


class _PackRefs(beam.DoFn):  # type: ignore[misc]
    def start_bundle(self) -> None:
        self._packs = Packs()

    def process(self, ref: ImageRef) -> Iterator[tuple[int, bytes]]:
        yield from self._packs.add(unit_of(text(ref.uri)), ref.listed)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(in_window, self._packs.flush())


class _ReadKeys(beam.DoFn):  # type: ignore[misc]
    """Files of rows to (bucket, pack of [uri, *StoredRow])."""

    def start_bundle(self) -> None:
        self._packs = Packs()

    def process(self, stored: Stored) -> Iterator[tuple[int, bytes]]:
        for uri, row in stored_rows(stored):
            yield from self._packs.add(unit_of(uri), [uri, *row])

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(in_window, self._packs.flush())


def stored_rows(stored: Stored) -> Iterator[tuple[str, StoredRow]]:
    """Uri and the rest of each row of a file that is not outdated."""
    outcome = stored.kind.outcome_column
    retry = [] if stored.kind is RowKind.PREDICTION else ["retryable"]
    columns = ["uri", "size", "version", "meta", outcome, *retry]
    for at, row in stored.current_rows(columns=columns):
        yield (
            row["uri"],
            StoredRow(
                row["size"],
                row["version"],
                row["meta"],
                NO_CLASS if row[outcome] is None else row[outcome],
                row.get("retryable", False),
                stored.piece.path,
                at,
                "format" in row and depends_on_profile(row, stored.made),
            ),
        )


class KeepRows(beam.DoFn):  # type: ignore[misc]
    """What the two joins of this package share: references come out, or rows are kept for them."""

    def start_bundle(self) -> None:
        """Begins to count anew."""
        self._packs = Packs()
        self._outcomes: collections.Counter[Outcome] = collections.Counter()

    def keep(
        self, outcome: Outcome, path: str, row: int, changes: list[Any] | None
    ) -> Iterator[Any]:
        """Keeps a row of a file, with what is new about its picture, as in `carry.REWRITTEN`."""
        self._outcomes[outcome] += 1
        for kept in self._packs.add(path, [row, changes]):
            yield beam.pvalue.TaggedOutput(KEPT, kept)

    def finish_bundle(self) -> Iterator[Any]:
        """Hands out the rest and the counts."""
        outputs: list[tuple[str, Any]] = [(KEPT, kept) for kept in self._packs.flush()]
        outputs += [(OUTCOMES, item) for item in self._outcomes.items()]
        outputs.append((TALLY, ("reused", sum(self._outcomes.values()))))
        for tag, value in outputs:
            yield in_window(beam.pvalue.TaggedOutput(tag, value))


class _Match(KeepRows):
    """(bucket, packs of both sides) to references that need a row, and the rows that stay."""

    def __init__(self, how: SkipFinished) -> None:
        self._how = how

    def setup(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKS_AT_ONCE, "look")

    def teardown(self) -> None:
        self._threads.shutdown()

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[Any]:
        _, packs = element
        stored, members = self._stored(packs["stored"])
        # Sorted, so that members of an archive follow each other in the next step too.
        refs = sorted(ImageRef(*fields) for fields in unpack(packs["listed"]))
        known = [ref for ref in refs if text(ref.uri) in stored or text(ref.uri) in members]
        looks = dict(zip((ref.uri for ref in known), self._looks(known), strict=True))
        if self._how.managed:
            self._without_marks(stored)
        for ref in refs:
            uri = text(ref.uri)
            if ref.uri not in looks:
                yield ref
            elif archive_kind(ref.uri) is not None:
                rows = {member: stored[member] for member in members[uri]}
                yield from self._archive(ref, looks[ref.uri], rows)
            else:
                yield from self._picture(ref, looks[ref.uri], stored[uri])

    def _stored(
        self, packs: Iterable[bytes]
    ) -> tuple[dict[str, list[StoredRow]], dict[str, set[str]]]:
        """Rows by uri, and uris of members by their archive."""
        stored: dict[str, list[StoredRow]] = collections.defaultdict(list)
        members: dict[str, set[str]] = collections.defaultdict(set)
        for uri, *rest in unpack(packs):
            row = StoredRow(*rest)
            if not (self._how.retry_failures and row.retryable):
                stored[uri].append(row)
                if archive := archive_of(uri):
                    members[archive].add(uri)
        return stored, members

    def _without_marks(self, stored: dict[str, list[StoredRow]]) -> None:
        """Leaves out rows that depend on the picture's profile where it may have one."""
        asked = [uri for uri, rows in stored.items() if any(row.by_profile for row in rows)]
        archives: dict[str, list[str]] = collections.defaultdict(list)
        for uri in asked:
            if archive := archive_of(uri):
                archives[archive].append(uri)
        marked = {
            uri
            for archive, uris in archives.items()
            for uri in _marked_members(archive, uris, self._how)
        }
        single = [uri for uri in asked if archive_of(uri) is None]
        found = self._threads.map(_is_marked, single)
        marked.update(uri for uri, is_marked in zip(single, found, strict=True) if is_marked)
        for uri in marked:
            stored[uri] = [row for row in stored[uri] if not row.by_profile]

    def _picture(self, ref: ImageRef, look: Look, stored: list[StoredRow]) -> Iterator[Any]:
        """Keeps the row of a picture, or passes it on."""
        found = _row_of(look, stored)
        if found is None:
            yield ref
        elif archive_of(ref.uri) is None:
            yield from self._keep(found, _changes(ref, found))
        elif _says(ref.meta, found.meta):
            yield from self._keep(found, None)
        else:
            yield ref

    def _archive(
        self, archive: ImageRef, look: Look, stored: dict[str, list[StoredRow]]
    ) -> Iterator[Any]:
        """Keeps the rows of an archive's members, and passes it on for the others."""
        done = []
        version = look[1]
        for uri, rows in sorted(stored.items()):
            found = _row_of((_MEMBER, version), rows) if version is not None else None
            if found and _says(archive.meta, found.meta):
                done.append(uri)
                yield from self._keep(found, None)
        for name in ("entries", "inputs"):
            yield beam.pvalue.TaggedOutput(TALLY, (name, len(done)))
        yield archive._replace(done=done)

    def _keep(self, row: StoredRow, changes: list[Any] | None) -> Iterator[Any]:
        return self.keep(row.kind.outcome(row.outcome), row.path, row.row, changes)

    def _looks(self, refs: Sequence[ImageRef]) -> Iterable[Look]:
        """Sizes and versions; remote ones are asked for many at a time."""
        # A set: the members of an archive ask for it once.
        far = {_file_of(ref) for ref in refs if ref.version is None and not files.is_local(ref.uri)}
        found = dict(zip(far, self._threads.map(_look_at_object, far), strict=True))
        for ref in refs:
            if ref.version is not None:
                yield ref.size, ref.version
                continue
            file = _file_of(ref)
            size, version = found[file] if file in found else _look_at(file)
            yield (size if file == ref.uri or version is None else _MEMBER), version


def _row_of(look: Look, rows: Sequence[StoredRow]) -> StoredRow | None:
    """The row that is right for the picture as it is now.

    A run that was killed may have left several: they are equal, unless a failure came first.
    """
    right = [row for row in rows if look in ((row.size, row.version), (_MEMBER, row.version))]
    return min(right, key=_preferred, default=None)


def _preferred(row: StoredRow) -> tuple[bool, str, int]:
    """Predictions come before failures."""
    return row.kind is RowKind.FAILURE, row.path, row.row


def _file_of(ref: ImageRef) -> str:
    return archive_of(ref.uri) or ref.uri


def _look_at(file: str) -> Look:
    try:
        status = os.stat(file)
    except (OSError, ValueError):  # ValueError: a NUL character in the name
        return _ABSENT
    return status.st_size, str(status.st_mtime_ns)


def _look_at_object(uri: str) -> Look:
    if not files.tells_versions(uri):
        return _UNKNOWN
    try:
        found = files.find(uri)
    except (ImportError, OSError, UserError):  # reading it will tell why
        return _UNKNOWN
    return _ABSENT if found is None else found


def _is_marked(uri: str) -> bool:
    """Whether a picture may have a profile, or cannot be read, which labelling will tell."""
    try:
        file, _ = files.open_versioned(name_of(uri))
        with file:
            return has_marks(file.read(BEGINNING))
    except (OSError, ValueError):
        return True


def _marked_members(archive: str, uris: Sequence[str], how: SkipFinished) -> Iterator[str]:
    """Which members of an archive may have a profile, and those that are not read."""
    left = set(uris)
    refs = [ImageRef(uri) for uri in uris]
    for found in read_named(archive, refs, image_key=how.image_key, max_bytes=how.max_bytes):
        if isinstance(found, Member) and not has_marks(found.data[:BEGINNING]):
            left.discard(text(found.ref.uri))
    yield from left


def _says(listed: str | None, stored: str | None) -> bool:
    """Whether the `meta` of a member's row holds what the listing says; the archive adds to it."""
    there = json.loads(stored or "{}")
    return all(there.get(name) == value for name, value in json.loads(listed or "{}").items())


def _changes(ref: ImageRef, row: StoredRow) -> list[Any] | None:
    """What is new about the picture, in the order of `carry.REWRITTEN`."""
    if ref.meta == row.meta:
        return None
    return [text(ref.uri), row.size, row.version, ref.meta]
