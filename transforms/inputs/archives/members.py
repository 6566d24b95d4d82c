"""The members of an archive, each a reference `archive#member` with its bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator, Sequence
from typing import IO, NamedTuple, TypeAlias

from transforms.errors import MissingExtraError
from transforms.failures import ImageError, Reason, Stage, failure
from transforms.inputs.archives.base import Entry, Reading
from transforms.inputs.archives.exif_text import stored_orientation
from transforms.inputs.archives.kinds import archive_kind, archive_of, entries_of
from transforms.inputs.file_types import member_kind
from transforms.inputs.meta import meta_json
from transforms.inputs.skips import RESULTS, Note, Skipped
from transforms.records import Failure, ImageRef
from transforms.storage import files


class Member(NamedTuple):
    """A picture of an archive.

    Attributes:
        ref: uri `archive#member`, its own size, the archive's version.
        data: the encoded picture.
        orientation: EXIF orientation 1..8 that is said beside the picture.
    """

    ref: ImageRef
    data: bytes
    orientation: int = 1


Found: TypeAlias = "Member | Skipped | Failure | Note"


def read_members(
    archive: ImageRef, *, image_key: str | None, max_bytes: int
) -> Generator[Found, None, None]:
    """Reads an archive from its start to its end, one member in memory at a time.

    Args:
        archive: a file for which `transforms.inputs.archives.kinds.archive_kind` is not None.
        image_key: feature of a TFRecord or column of Parquet that holds the encoded picture; None
            for `image/encoded` and for the only column of bytes.
        max_bytes: members with more are failures and are not held in memory.

    Yields:
        A Member or a Failure a picture, a Skipped for each other file of an archive, and one
        Failure with the archive's own uri if it is damaged, cannot be read, or holds no picture; a
        Skipped instead if what it holds are rows of ours.
    """
    pictures = results = 0
    try:
        file, version = _open(archive.uri)
        archive = archive._replace(version=version)
        with file:
            for entry in _entries(file, archive.uri, image_key=image_key, max_bytes=max_bytes):
                pictures += isinstance(entry, Entry)
                results += isinstance(entry, Skipped) and entry.kind == RESULTS
                if isinstance(entry, Note):
                    entry = entry._replace(path=archive.uri)
                yield _found(archive, entry) if isinstance(entry, Entry) else entry
        if not pictures and not results:
            raise ImageError(Reason.NO_PICTURES, "the archive is intact and holds no picture")
    except ImageError as error:
        # Without size and version: they would pass for those of a picture that has its row.
        yield failure(ImageRef(archive.uri, archive.meta), Stage.READ, error)


def named_archive(ref: ImageRef) -> str | None:
    """The archive of a member that was listed by its name. A file of that very name is no member.

    Only the listing of a folder tells versions, and it lists files.
    """
    archive = archive_of(ref.uri)
    if archive is None:
        return None
    is_file = ref.version is not None or (files.is_local(ref.uri) and os.path.lexists(ref.uri))
    return None if is_file else archive


def uri_of(found: Member | Failure) -> str:
    """Of a picture that was found, or of what stands where one should be."""
    return found.uri if isinstance(found, Failure) else found.ref.uri


def read_named(
    archive: str, refs: Sequence[ImageRef], *, image_key: str | None, max_bytes: int
) -> Iterator[Member | Failure | ImageRef]:
    """Reads some members of an archive, in one pass that ends with the last of them.

    Args:
        archive: which one.
        refs: its members, each once.
        image_key: as in `read_members`.
        max_bytes: as in `read_members`.

    Yields:
        A Member or a Failure for each reference. The references themselves, if there is no such
        archive: then they may be objects that only look like members.
    """
    wanted = {ref.uri: ref for ref in refs}
    broken: Failure | None = None
    members = read_members(ImageRef(archive), image_key=image_key, max_bytes=max_bytes)
    while wanted and (found := next(members, None)) is not None:
        if isinstance(found, Skipped | Note):
            continue
        uri = uri_of(found)
        if uri == archive and isinstance(found, Failure):
            broken = found
        elif uri in wanted:
            yield _as_listed(found, wanted.pop(uri))
    # The generator may stand in the middle of the archive: this closes the file.
    members.close()
    for ref in wanted.values():
        if broken is not None and broken.reason == Reason.NOT_FOUND:
            yield ref
        else:
            yield _lost(ref, broken)


def _as_listed(found: Member | Failure, listed: ImageRef) -> Member | Failure:
    """With what the listing says of it."""
    if listed.meta is None:
        return found
    own = found.meta if isinstance(found, Failure) else found.ref.meta
    meta = meta_json({**json.loads(listed.meta), **json.loads(own or "{}")})
    if isinstance(found, Failure):
        return found._replace(meta=meta)
    return found._replace(ref=found.ref._replace(meta=meta))


def _lost(ref: ImageRef, broken: Failure | None) -> Failure:
    """A member that was not found in its archive, which may be `broken`."""
    if broken is not None:
        return broken._replace(uri=ref.uri, meta=ref.meta)
    message = f"{archive_of(ref.uri)} has no such member"
    return failure(ref, Stage.READ, ImageError(Reason.NOT_FOUND, message))


def _open(uri: str) -> tuple[IO[bytes], str | None]:
    try:
        return files.open_versioned(uri)
    except MissingExtraError as error:
        raise ImageError(Reason.UNSUPPORTED_URI, str(error)) from error
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


def _entries(
    file: IO[bytes], uri: str, *, image_key: str | None, max_bytes: int
) -> Iterator[Entry | Skipped | Note]:
    kind = archive_kind(uri)
    if kind is None:
        raise ValueError(f"{uri} is no archive by its name")
    how = Reading(
        uri=uri,
        image_key=image_key,
        max_bytes=max_bytes,
        kind_of=member_kind,
    )
    return entries_of(kind, file, how)


def _found(archive: ImageRef, entry: Entry) -> Member | Failure:
    ref = ImageRef(
        uri=f"{archive.uri}#{entry.name}",
        meta=meta_json({**json.loads(archive.meta or "{}"), **entry.meta}),
        size=entry.size,
        version=archive.version,
    )
    if isinstance(entry.content, ImageError):
        return failure(ref, Stage.READ, entry.content)
    return Member(ref, entry.content, stored_orientation(entry.meta))
