"""The inputs of a run, listed again: which pictures should have a row and have none?"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.run.folder.manifest import Manifest
from pipeline.verify.rows import Hashes
from transforms.errors import MissingExtraError, UserError
from transforms.failures import Reason
from transforms.hashes import hashes_of
from transforms.inputs import listing
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import read_members
from transforms.inputs.skips import Note, Skipped, Tally
from transforms.records import Failure, ImageRef
from transforms.storage import files as storage
from transforms.storage.addresses import name_of, text

# Pictures that are looked up at a time.
_AT_ONCE = 1000

# What is newer than this is no time at which something came: a clock was wrong.
_CLOCKS_APART_S = 86_400.0

# Files that are asked at a time when they came to be there, some milliseconds each.
_LOOKS_AT_ONCE = 32

# Failures that were the same when the run met them; others may have come up since.
_OF_CONTENT = (Reason.BAD_LIST_ROW, Reason.DAMAGED_ARCHIVE, Reason.NO_PICTURES)


class _Picture(NamedTuple):
    """What must have a row.

    Attributes:
        uri: as rows spell it.
        file: whose age counts: its own, that of its archive, or of the input list that names it.
    """

    uri: str
    file: str


class ListedAgain:
    """A second listing of a run's inputs, held against the uris of its rows.

    Memory holds the hashes and a byte for each of them. Archives are read from their
    start to their end, as nothing else says what is in them.

    Args:
        manifest: of the run.
        rows: hashes of the uris of its rows, sorted, none twice.

    Attributes:
        pictures: listed so far.
        missing: pictures without a row that have been there since before the run.
        new: pictures without a row that came, or changed, after the run had begun.
        unlisted: inputs that cannot be listed now, and why.
        unread: folders and archives in them that cannot be read now.
        skipped: what is no input.
    """

    def __init__(self, manifest: Manifest, rows: Hashes) -> None:
        options = manifest.options
        self._inputs = [name_of(source) for source in options.inputs]
        self._image_key = options.image_key
        self._max_bytes = options.max_bytes
        self._began = datetime.datetime.fromisoformat(manifest.started).timestamp()
        self._rows = rows
        self._seen: npt.NDArray[np.bool_] = np.zeros(len(rows), np.bool_)
        self.pictures = self.missing = self.new = self.unread = 0
        self.unlisted: list[str] = []
        self.skipped = Tally()

    @property
    def gone(self) -> int:
        """Rows whose pictures are not among those that were listed."""
        return int(len(self._rows) - np.count_nonzero(self._seen))

    def problems(self) -> Iterator[str]:
        """Lists everything; yields what is wrong."""
        with ThreadPoolExecutor(_LOOKS_AT_ONCE, "age") as threads:
            for source in self._inputs:
                yield from self._problems_of(source, threads)

    def _problems_of(self, source: str, threads: ThreadPoolExecutor) -> Iterator[str]:
        pictures = self._listed(source)
        until = time.time() + _CLOCKS_APART_S
        while some := list(itertools.islice(pictures, _AT_ONCE)):
            self.pictures += len(some)
            has_row = self._find([picture.uri for picture in some])
            without = [some[at] for at in np.flatnonzero(~has_row)]
            # Each file once: a thousand pictures may come from one archive.
            files = list({picture.file for picture in without})
            ages = dict(zip(files, threads.map(_changed, files), strict=True))
            for uri, file in without:
                age = ages[file]
                # In doubt it came later: only what surely was there can be missing.
                if age is None or self._began <= age <= until:
                    self.new += 1
                    continue
                self.missing += 1
                since = "the picture" if text(file) == uri else text(file)
                yield f"{uri} has no row, and {since} has not changed since before the run"

    def _find(self, uris: list[str]) -> npt.NDArray[np.bool_]:
        """Which of some uris have a row; notes those rows."""
        if not len(self._rows):
            return np.zeros(len(uris), np.bool_)
        hashes = hashes_of(uris)
        at = np.minimum(np.searchsorted(self._rows, hashes), len(self._rows) - 1)
        found: npt.NDArray[np.bool_] = self._rows[at] == hashes
        self._seen[at[found]] = True
        return found

    def _listed(self, source: str) -> Iterator[_Picture]:
        try:
            yield from self._pictures(source)
        except UserError as error:
            self.unlisted.append(text(str(error)))

    def _pictures(self, source: str) -> Iterator[_Picture]:
        storage.require_access(source, what=listing.named(source))
        parts = listing.parts(source, image_key=self._image_key)
        # A picture as old as the hills may have been added to an input list a minute ago.
        input_list = parts[0].path if listing.is_input_list(parts[0]) else None
        for item in listing.list_together(parts):
            if isinstance(item, Skipped):
                self.skipped.add(item)
                continue
            if isinstance(item, Note):
                continue
            for uri in self._uris(item):
                yield _Picture(text(uri), input_list or item.uri)

    def _uris(self, item: ImageRef | Failure) -> Iterator[str]:
        members: Iterable[Any] = [item]
        if isinstance(item, ImageRef) and archive_kind(item.uri) is not None:
            members = read_members(item, image_key=self._image_key, max_bytes=self._max_bytes)
        for member in members:
            if isinstance(member, Failure):
                yield from self._uri_of_failure(member, of=item.uri)
            elif isinstance(member, Skipped):
                self.skipped.add(member._replace(path=f"{item.uri}#{member.path}"))
            elif not isinstance(member, Note):
                yield member.uri if isinstance(member, ImageRef) else member.ref.uri

    def _uri_of_failure(self, failure: Failure, *, of: str) -> Iterator[str]:
        """Its uri, unless what cannot be read now was readable for the run."""
        is_whole = failure.uri == of
        if not is_whole or failure.reason in _OF_CONTENT or self._find([text(of)]).all():
            yield failure.uri
        else:
            self.unread += 1


def _changed(path: str) -> float | None:
    with contextlib.suppress(OSError, MissingExtraError):  # nobody can tell
        return storage.changed(path)
    return None
