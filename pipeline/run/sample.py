"""A sample of what a run would label, from a listing and from the beginnings of some archives."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from pipeline.run.options import LabelOptions
from transforms.inputs import listing
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.skips import Note, Skipped, Tally
from transforms.records import Failure, ImageRef
from transforms.storage import files

SIZE = 200
"""Pictures tried at most: a second or two of work, and shares known to about 7 points."""

_ARCHIVES = 8
# Of members held, of all archives together.
_MEMBER_BYTES = 64 * 1024 * 1024

_SEED = 0

_Item = TypeVar("_Item")
Sampled: TypeAlias = "ImageRef | Member | Failure"


@dataclasses.dataclass(frozen=True)
class Sample:
    """What there is, and some of it.

    Attributes:
        items: references of pictures, members of archives, and failures to read some.
        pictures: listed, and estimated for the archives.
        archives: listed.
        opened: archives that were looked into.
        skipped: files of folders that are no input.
        unlisted: what could not be listed.
    """

    items: Sequence[Sampled]
    pictures: int
    archives: int
    opened: int
    skipped: int
    unlisted: int


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
    """Lists the inputs and chooses from them.

    Raises:
        UserError: an input matches nothing.
    """
    pictures: Reservoir[ImageRef] = Reservoir(SIZE)
    archives: Reservoir[ImageRef] = Reservoir(_ARCHIVES)
    unlisted = skipped = 0
    for source in options.inputs:
        passed = Tally()
        files.require_access(source, what=listing.named(source))
        found = 0
        for item in listing.list_together(listing.parts(source, image_key=options.image_key)):
            found += isinstance(item, ImageRef | Failure)
            if isinstance(item, ImageRef):
                (pictures if archive_kind(item.uri) is None else archives).add(item)
            elif isinstance(item, Failure):
                unlisted += 1
            elif isinstance(item, Skipped):
                passed.add(item)
        if not found:
            raise listing.nothing_matched(source, skipped=passed.counts)
        skipped += passed.total
    if not pictures.seen and not archives.seen:
        raise listing.nothing_matched(" ".join(options.inputs))
    # Each may take its share of the sample, so the first does not fill it alone.
    looks = [_look_into(archive, options, share=len(archives.items)) for archive in archives.items]
    members = round(sum(look.members for look in looks) * archives.seen / max(len(looks), 1))
    inside = [item for look in looks for item in look.items]
    return Sample(
        items=_mixed(pictures.items, inside, shares=(pictures.seen, members)),
        pictures=pictures.seen + members,
        archives=archives.seen,
        opened=len(looks),
        skipped=skipped,
        unlisted=unlisted,
    )


@dataclasses.dataclass(frozen=True)
class _Look:
    """The beginning of an archive, and how many pictures the whole of it may hold."""

    items: Sequence[Member | Failure]
    members: float


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
            return _Look(items, max(len(items), len(items) * _size(archive) / read))
    return _Look(items, len(items))


def _size(archive: ImageRef) -> int:
    if archive.size is not None:
        return archive.size
    try:
        with files.open_read(archive.uri) as file:
            return file.seek(0, os.SEEK_END)
    except OSError:  # gone meanwhile; the run will tell
        return 0


def _mixed(
    pictures: Sequence[ImageRef], members: Sequence[Member | Failure], *, shares: tuple[int, int]
) -> list[Sampled]:
    """`SIZE` of both together, in the proportion of their shares."""
    wanted = round(SIZE * shares[1] / max(sum(shares), 1))
    return [*_some(pictures, SIZE - wanted), *_some(members, wanted)]


def _some(items: Iterable[_Item], count: int) -> list[_Item]:
    everything = list(items)
    # A generator of its own: the same pictures at every call.
    return random.Random(_SEED).sample(everything, min(count, len(everything)))
