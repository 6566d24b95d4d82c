"""A sample of what a run would label, from a listing and from the beginnings of some archives."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import math
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from pipeline.run.costs.prices import Range
from pipeline.run.costs.requests import PAGE, Stored, place
from pipeline.run.options import LabelOptions
from transforms.errors import MissingExtraError
from transforms.inputs import listing
from transforms.inputs.archives.kinds import PARQUET, ZIP, archive_kind
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.remote import Part
from transforms.inputs.skips import Listed, Note, Skipped, Tally
from transforms.records import Failure, ImageRef
from transforms.storage import files

SIZE = 200
"""Pictures tried at most: a second or two of work, and shares known to about 7 points."""

_ARCHIVES = 8
# Of members held, of all archives together.
_MEMBER_BYTES = 64 * 1024 * 1024

_SEED = 0

# Spans of a listing, and entries in them, that say enough of the others.
_SPANS = 16
_ENOUGH = 100_000

# As `transforms.inputs.meta.meta_json` writes it: a number, or the text of a cell.
_SIZE_COLUMN = re.compile(r'"(?i:size)": "?([0-9]{1,15})[",}]')

_Item = TypeVar("_Item")
Sampled: TypeAlias = "ImageRef | Member | Failure"


@dataclasses.dataclass(frozen=True)
class Sample:
    """What there is, and some of it.

    Attributes:
        items: references of pictures, members of archives, and failures to read some.
        pictures: listed, and estimated for archives and for what was not listed.
        archives: listed, or estimated.
        opened: archives that were looked into.
        skipped: files of folders that are no input; in spans that were listed.
        unlisted: what could not be listed.
        spans: parts of the listings that a run lists by themselves.
        listed: those of them that were listed here; the others are taken to be like them.
        stored: what the inputs are in each storage.
    """

    items: Sequence[Sampled]
    pictures: Range
    archives: int
    opened: int
    skipped: int
    unlisted: int
    spans: int
    listed: int
    stored: Mapping[str, Stored]


class Reservoir(Generic[_Item]):
    """A uniform sample of a stream in bounded memory, the same at every call (Vitter's R)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._choose = random.Random(_SEED)
        self.items: list[_Item] = []
        self.seen = 0

    def add(self, item: _Item) -> None:
        """Takes an item into account."""
        self.seen += 1
        if self.seen <= self._size:
            self.items.append(item)
        # Each item so far has stayed with the same chance, size / seen.
        elif (place := self._choose.randrange(self.seen)) < self._size:
            self.items[place] = item


def take_sample(options: LabelOptions) -> Sample:
    """Lists the inputs, or enough of the spans that large ones are split into, and chooses.

    Raises:
        UserError: an input matches nothing.
    """
    kept = _Kept(Reservoir(SIZE), Reservoir(_ARCHIVES))
    surveys = [_survey(source, options, kept) for source in options.inputs]
    pictures, archives = kept
    if not pictures.seen and not archives.seen:
        raise listing.nothing_matched(" ".join(options.inputs))
    # Each may take its share of the sample, so the first does not fill it alone.
    looks = [_look_into(archive, options, share=len(archives.items)) for archive in archives.items]
    stored = _added(surveys, archive_bytes=sum(look.size for look in looks) / max(len(looks), 1))
    found = sum(each.archives for each in stored.values())
    members = mean_of([look.members for look in looks], of=round(found)).times(found)
    loose = Range(0, 0, 0)
    for survey in surveys:
        loose = loose.plus(survey.pictures)
    inside = [item for look in looks for item in look.items]
    return Sample(
        items=_mixed(pictures.items, inside, shares=(loose.expected, members.expected)),
        pictures=loose.plus(members),
        archives=round(found),
        opened=len(looks),
        skipped=sum(survey.skipped for survey in surveys),
        unlisted=sum(survey.unlisted for survey in surveys),
        spans=sum(survey.spans for survey in surveys),
        listed=sum(survey.listed for survey in surveys),
        stored=stored,
    )


class _Kept(NamedTuple):
    """Of all inputs together."""

    pictures: Reservoir[ImageRef]
    archives: Reservoir[ImageRef]


@dataclasses.dataclass
class _Survey:
    """What one input holds.

    Attributes:
        pictures: that are no archives.
        found: by storage.
        unsized: pictures and archives of which the listing does not tell the size, by storage.
        skipped: files that are no input.
        unlisted: what could not be listed.
        spans: of the listing.
        listed: of the spans.
    """

    pictures: Range
    found: Mapping[str, Stored]
    unsized: Mapping[str, int]
    skipped: int
    unlisted: int
    spans: int
    listed: int


def _survey(source: str, options: LabelOptions, kept: _Kept) -> _Survey:
    files.require_access(source, what=listing.named(source))
    spans = listing.parts(source, image_key=options.image_key)
    counts, passed = _Counts(spans), Tally()
    order = random.Random(_SEED).sample(range(len(spans)), len(spans))
    listed: list[int] = []
    while len(listed) < len(spans) and not (len(listed) >= _SPANS and counts.say_enough):
        some = order[len(listed) : len(listed) + listing.PARTS_AT_ONCE]
        listed += some
        for item in listing.list_together([spans[at] for at in some]):
            counts.add(item)
            if isinstance(item, ImageRef):
                (kept.archives if archive_kind(item.uri) else kept.pictures).add(item)
            elif isinstance(item, Skipped):
                passed.add(item)
    if not counts.total:
        raise listing.nothing_matched(source, skipped=passed.counts)
    factor = len(spans) / len(listed)
    loose = mean_of([counts.pictures[at] for at in listed], of=len(spans)).times(len(spans))
    found = {name: each.scaled(factor) for name, each in counts.stored().items()}
    here = found.setdefault(place(source), Stored())
    lists = [span.path for span in spans if listing.is_input_list(span)]
    found[place(source)] = dataclasses.replace(
        here,
        inputs=1,
        spans=len(spans),
        pages=factor * sum(counts.pages(at) for at in listed) if _has_pages(spans[0]) else 0,
        lists=len(lists),
        list_bytes=float(sum(_size(ImageRef(path)) for path in lists)),
    )
    return _Survey(
        loose, found, counts.unsized, passed.total, counts.failures, len(spans), len(listed)
    )


def _has_pages(span: Part) -> bool:
    return span.kind in ("remote folder", "remote glob")


class _Counts:
    """What spans hold, as they are listed at the same time."""

    def __init__(self, spans: Sequence[Part]) -> None:
        self._starts = [span.start or "" for span in spans]
        # Else these are several files or folders, of which each may be of another kind.
        self._is_split = len(set(self._starts)) == len(spans) > 1
        self._root = len("/".join(spans[0].path.split("/")[:3])) + 1
        self._all = [0] * len(spans)
        self._by_place: dict[str, collections.Counter[str]] = {}
        self.pictures = [0] * len(spans)
        self.failures = 0
        self.total = 0
        self.unsized: collections.Counter[str] = collections.Counter()

    def add(self, item: Listed) -> None:
        if isinstance(item, Note):
            return
        at = 0
        if self._is_split:  # by names in a bucket
            name = (item.path if isinstance(item, Skipped) else item.uri)[self._root :]
            at = bisect.bisect_right(self._starts, name) - 1
        self._all[at] += 1
        if isinstance(item, Skipped):
            return
        self.total += 1
        if isinstance(item, Failure):
            self.failures += 1
            return
        where = place(item.uri)
        found = self._by_place.setdefault(where, collections.Counter())
        size = item.size
        if size is None and where != "local":
            size = _said(item.meta)
        kind = archive_kind(item.uri)
        is_archive = kind is not None
        self.pictures[at] += not is_archive
        found["archives" if is_archive else "pictures"] += 1
        found["bytes"] += size or 0
        found["archive_bytes"] += (size or 0) * is_archive
        found["indexed"] += kind in (ZIP, PARQUET)
        self.unsized[f"{where} archives" if is_archive else where] += size is None

    @property
    def say_enough(self) -> bool:
        """Whether the spans that are not listed may be taken to be like the others."""
        return self._is_split and self.total >= _ENOUGH

    def pages(self, at: int) -> int:
        """Answers that the listing of a span comes in."""
        return max(1, -(-self._all[at] // PAGE))

    def stored(self) -> dict[str, Stored]:
        return {name: Stored(**found) for name, found in self._by_place.items()}


def _said(meta: str | None) -> int | None:
    """The size that an inventory tells of an object, in a column of that name."""
    found = _SIZE_COLUMN.search(meta) if meta else None
    return int(found[1]) if found else None


def mean_of(counts: Sequence[float], *, of: int | None = None) -> Range:
    """The mean of a sample, and two standard errors to either side.

    Args:
        counts: the sample.
        of: how many there are of which it is one; None for many more.
    """
    if not counts:
        return Range(0, 0, 0)
    mean = sum(counts) / len(counts)
    if len(counts) == of or len(counts) == 1:
        return Range(mean, mean, mean)
    variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    left = 1 - len(counts) / of if of else 1
    error = 2 * math.sqrt(variance / len(counts) * left)
    return Range(max(mean - error, 0), mean, mean + error)


def _added(surveys: Sequence[_Survey], *, archive_bytes: float) -> dict[str, Stored]:
    """What all inputs hold together; archives of unknown size are like those that were opened."""
    total: dict[str, Stored] = {}
    for survey in surveys:
        for name, found in survey.found.items():
            more = archive_bytes * survey.unsized.get(f"{name} archives", 0)
            sized = dataclasses.replace(
                found,
                bytes=found.bytes + more,
                archive_bytes=found.archive_bytes + more,
                unsized=survey.unsized.get(name, 0),
            )
            total[name] = total[name].plus(sized) if name in total else sized
    return total


@dataclasses.dataclass(frozen=True)
class _Look:
    """The beginning of an archive, and how many pictures the whole of it may hold."""

    items: Sequence[Member | Failure]
    members: float
    size: int


def _look_into(archive: ImageRef, options: LabelOptions, *, share: int) -> _Look:
    items: list[Member | Failure] = []
    read = 0
    for found in read_members(archive, image_key=options.image_key, max_bytes=options.max_bytes):
        if isinstance(found, Skipped | Note):
            continue
        items.append(found)
        read += len(found.data) if isinstance(found, Member) else 0
        if read and (len(items) >= SIZE // share or read > _MEMBER_BYTES // share):
            # As many pictures as fit into its bytes, if the rest is like its beginning.
            size = _size(archive)
            return _Look(items, max(len(items), len(items) * size / read), size)
    return _Look(items, len(items), _size(archive))


def _size(archive: ImageRef) -> int:
    if archive.size is not None:
        return archive.size
    try:
        with files.open_read(archive.uri) as file:
            return file.seek(0, os.SEEK_END)
    except (OSError, MissingExtraError):  # gone meanwhile, or not to be read; the run will tell
        return 0


def _mixed(
    pictures: Sequence[ImageRef],
    members: Sequence[Member | Failure],
    *,
    shares: tuple[float, float],
) -> list[Sampled]:
    """`SIZE` of both together, in the proportion of their shares."""
    wanted = round(SIZE * shares[1] / max(sum(shares), 1))
    return [*_some(pictures, SIZE - wanted), *_some(members, wanted)]


def _some(items: Iterable[_Item], count: int) -> list[_Item]:
    everything = list(items)
    # A generator of its own: the same pictures at every call.
    return random.Random(_SEED).sample(everything, min(count, len(everything)))
