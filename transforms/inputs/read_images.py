"""ReadImages: patterns and input lists to distinct picture references, spread over the workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam

from transforms.bundles import in_window, pack, unpack
from transforms.inputs import listing as sources
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import named_archive
from transforms.inputs.buckets import to_bytes, unit_of
from transforms.inputs.remote import Part
from transforms.inputs.skips import Count, Note, Tally
from transforms.records import Failure, ImageRef

# References that a bundle packs at a time. Packed, 1,000,000 of them cost a grouping in the
# DirectRunner 55 MB and 3 s; one element each, 430 MB and 9 s.
_REFS_HELD = 50_000

_TALLY = "tally"
_FAILURES = "failures"
_FOUND = "found"
_SKIPPED = "skipped"
_NOTES = "notes"


class ReadResult(NamedTuple):
    """What `ReadImages` returns.

    Attributes:
        refs: PCollection[ImageRef], each uri once; an archive is one of them.
        failures: PCollection[Failure], what could not be listed.
        tally: PCollection[tuple[str, int]], partial sums to add up per name: `entries` (pictures
            listed), `duplicates` (entries whose uri had been seen), `inputs` (refs and failures),
            `skipped` (what is no input), `unread` (archives).
        listing: the part of `tally` that is complete before the first reference leaves.
        skipped: PCollection[tuple[str, Count]], partial counts of what was skipped, by kind, see
            `transforms.inputs.skips`.
        notes: PCollection[tuple[str, Count]], how input lists were understood.
    """

    refs: beam.PCollection[ImageRef]
    failures: beam.PCollection[Failure]
    tally: beam.PCollection[tuple[str, int]]
    listing: beam.PCollection[tuple[str, int]]
    skipped: beam.PCollection[tuple[str, Count]]
    notes: beam.PCollection[tuple[str, Count]]


@dataclasses.dataclass(eq=False)
class ReadImages(beam.PTransform):  # type: ignore[misc]
    """Lists pictures, drops repeated uris and spreads the rest over the workers.

    The grouping that finds repeated uris also breaks fusion, so no reshuffle has to follow.

    Attributes:
        inputs: folders, globs, input lists or files, see `transforms.inputs.listing.list_input`.
        image_key: which column of a Parquet file is the picture, see there.
    """

    inputs: Sequence[str]
    image_key: str | None = None

    def expand(self, begin: beam.pvalue.PBegin) -> ReadResult:
        """Builds the graph: list, pack, group by bucket, unpack."""
        listed = (
            begin
            | "Inputs" >> beam.Create([to_bytes(source) for source in self.inputs])
            | "Split" >> beam.FlatMap(_groups_of_parts, image_key=self.image_key)
            # What `Create` makes is fused to one worker, which would list everything.
            | "Spread" >> beam.Reshuffle()
            | "List"
            >> beam.ParDo(_List()).with_outputs(
                _TALLY, _FAILURES, _FOUND, _SKIPPED, _NOTES, main="refs"
            )
        )
        _ = (
            listed[_FOUND]
            | "Found" >> beam.CombinePerKey(sum)
            | "Require a picture" >> beam.MapTuple(_require_a_picture)
        )
        packed = listed.refs | "Pack" >> beam.ParDo(_Pack()).with_outputs(_TALLY, main="packed")
        unpacked = (
            packed.packed
            | "Group" >> beam.GroupByKey()
            | "Unpack" >> beam.ParDo(_Unpack()).with_outputs(_TALLY, main="refs")
        )
        listing = (listed[_TALLY], packed[_TALLY]) | "Listing" >> beam.Flatten()
        tally = (listing, unpacked[_TALLY]) | "Tally" >> beam.Flatten()
        return ReadResult(
            unpacked.refs, listed[_FAILURES], tally, listing, listed[_SKIPPED], listed[_NOTES]
        )


def _groups_of_parts(source: bytes, *, image_key: str | None) -> Iterator[list[Part]]:
    """As many parts as a worker lists at a time make an element.

    Args:
        source: one of the inputs, in bytes: a path need not be valid as a text.
        image_key: as in `ReadImages`.
    """
    parts = sources.parts(_to_text(source), image_key=image_key)
    for start in range(0, len(parts), sources.PARTS_AT_ONCE):
        yield parts[start : start + sources.PARTS_AT_ONCE]


def _require_a_picture(source: bytes, found: int) -> None:
    if not found:
        raise sources.nothing_matched(_to_text(source))


class _List(beam.DoFn):  # type: ignore[misc]
    def process(self, parts: list[Part]) -> Iterator[Any]:
        failures = pictures = 0
        skipped = Tally()
        for item in sources.list_together(parts):
            if isinstance(item, ImageRef):
                pictures += 1
                yield item
            elif isinstance(item, Failure):
                failures += 1
                yield beam.pvalue.TaggedOutput(_FAILURES, item)
            elif isinstance(item, Note):
                yield beam.pvalue.TaggedOutput(_NOTES, item.counted)
            else:
                skipped.add(item)
        yield beam.pvalue.TaggedOutput(_FOUND, (to_bytes(parts[0].source), pictures + failures))
        for name, count in (
            ("skipped", skipped.total),
            ("entries", failures),
            ("inputs", failures),
        ):
            yield beam.pvalue.TaggedOutput(_TALLY, (name, count))
        for of_kind in skipped.flush():
            yield beam.pvalue.TaggedOutput(_SKIPPED, of_kind)


class _Pack(beam.DoFn):  # type: ignore[misc]
    """References to (bucket, pack of [*ImageRef]), repeated uris dropped early."""

    def start_bundle(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._buckets: dict[int, dict[str, ImageRef]] = {}
        self._entries = 0
        self._duplicates = 0

    def process(self, ref: ImageRef) -> Iterator[Any]:
        bucket = self._buckets.setdefault(unit_of(ref.uri), {})
        self._entries += 1
        if ref.uri in bucket:
            self._duplicates += 1
            ref = _joined(bucket[ref.uri], ref)
        bucket[ref.uri] = ref
        if self._entries >= _REFS_HELD:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(in_window, self._flush())

    def _flush(self) -> Iterator[Any]:
        archives = 0
        for bucket, refs in self._buckets.items():
            archives += sum(archive_kind(uri) is not None for uri in refs)
            yield bucket, pack(ref.listed for ref in refs.values())
        yield beam.pvalue.TaggedOutput(_TALLY, ("entries", self._entries))
        yield beam.pvalue.TaggedOutput(_TALLY, ("duplicates", self._duplicates))
        yield beam.pvalue.TaggedOutput(_TALLY, ("unread", archives))
        self._clear()


class _Unpack(beam.DoFn):  # type: ignore[misc]
    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        _, packs = element
        refs: dict[str, ImageRef] = {}
        entries = 0
        for fields in unpack(packs):
            entries += 1
            ref = ImageRef(*fields)
            refs[ref.uri] = _joined(refs[ref.uri], ref) if ref.uri in refs else ref
        for uri in [uri for uri, ref in refs.items() if named_archive(ref) in refs]:
            del refs[uri]  # it comes with its archive
        # Sorted, so that the members of an archive follow each other and are read in one pass.
        yield from (refs[uri] for uri in sorted(refs))
        yield beam.pvalue.TaggedOutput(_TALLY, ("inputs", len(refs)))
        yield beam.pvalue.TaggedOutput(_TALLY, ("duplicates", entries - len(refs)))


def _joined(one: ImageRef, other: ImageRef) -> ImageRef:
    """One reference for a picture that is listed twice, whichever listing came first."""
    meta = min(one.meta or "", other.meta or "") or None
    looks = {(ref.size, ref.version) for ref in (one, other) if ref.version is not None}
    # Two versions: the picture changed between the listings. Whoever needs to know looks again.
    size, version = looks.pop() if len(looks) == 1 else (None, None)
    return ImageRef(one.uri, meta, size, version)


def _to_text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
