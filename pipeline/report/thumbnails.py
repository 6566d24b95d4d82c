"""Thumbnails of pictures that were labelled, from the originals."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from transforms.errors import UserError
from transforms.failures import ImageError
from transforms.images.colour.conversion import conversion
from transforms.images.colour.embedded import embedded
from transforms.images.decode import decode
from transforms.images.machine import cores, default_budget
from transforms.images.memory import Budget
from transforms.inputs.archives.members import Member, named_archive, read_named
from transforms.inputs.picture_files import read_bytes
from transforms.records import Failure, ImageRef
from transforms.storage.addresses import name_of
from transforms.storage.content import Reserve

SIDE = 176
"""Pixels of the longer side: about 6 kB of JPEG."""

_QUALITY = 72


class Thumbnail(NamedTuple):
    """A small picture, or why there is none.

    Attributes:
        jpeg: base64 of a JPEG file; empty if there is none.
        missing: why there is none; empty if there is one.
    """

    jpeg: str = ""
    missing: str = ""


def thumbnails(
    rows: Sequence[Mapping[str, Any]],
    *,
    max_bytes: int,
    max_pixels: int,
    image_key: str | None = None,
) -> Iterator[Thumbnail]:
    """Makes thumbnails, as many at a time as there are processors, in the order of `rows`.

    Each archive is read once, up to the last of its members.

    Args:
        rows: with `uri` and `sha256`; a picture that has changed since is not shown.
        max_bytes: files with more are not read.
        max_pixels: pictures with more are not decoded.
        image_key: of archives, as the run had it.
    """
    of_members = dict(
        _of_members(rows, max_bytes=max_bytes, max_pixels=max_pixels, image_key=image_key)
    )
    closed: dict[str, str] = {}
    room = Budget(default_budget(1), threads=cores()).decoded

    def one(row: Mapping[str, Any]) -> Thumbnail:
        if row["uri"] in of_members:
            return of_members[row["uri"]]
        scheme = row["uri"].partition("://")[0]
        if scheme in closed:
            return Thumbnail(missing=closed[scheme])
        try:
            with room.lent() as reserve:
                return _thumbnail(
                    row["uri"],
                    row["sha256"],
                    max_bytes=max_bytes,
                    max_pixels=max_pixels,
                    reserve=reserve,
                )
        except UserError as error:  # no credentials for any picture of this kind
            closed[scheme] = str(error)
            return Thumbnail(missing=closed[scheme])

    with ThreadPoolExecutor(cores(), thread_name_prefix="thumbnail") as pool:
        yield from pool.map(one, rows)


def _thumbnail(
    uri: str, sha256: str, *, max_bytes: int, max_pixels: int, reserve: Reserve
) -> Thumbnail:
    try:
        data = read_bytes(name_of(uri), max_bytes=max_bytes).data
    except ImageError as error:
        return Thumbnail(missing=error.message)
    return _of_bytes(data, sha256, max_pixels=max_pixels, reserve=reserve)


def _of_members(
    rows: Sequence[Mapping[str, Any]], *, max_bytes: int, max_pixels: int, image_key: str | None
) -> Iterator[tuple[str, Thumbnail]]:
    """Thumbnails of the members of archives, by their uri."""
    archives: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        name = name_of(row["uri"])
        if archive := named_archive(ImageRef(name)):
            archives.setdefault(archive, {})[name] = row
    for archive, wanted in archives.items():
        refs = [ImageRef(name) for name in wanted]
        try:
            for found in read_named(archive, refs, image_key=image_key, max_bytes=max_bytes):
                if isinstance(found, Member):
                    row = wanted[found.ref.uri]
                    yield (
                        row["uri"],
                        _of_bytes(found.data, row["sha256"], max_pixels=max_pixels),
                    )
                elif isinstance(found, Failure):
                    yield wanted[found.uri]["uri"], Thumbnail(missing=found.message)
        except UserError as error:  # no credentials for the archive
            for row in wanted.values():
                yield row["uri"], Thumbnail(missing=str(error))


def _of_bytes(
    data: bytes, sha256: str, *, max_pixels: int, reserve: Reserve = lambda _: None
) -> Thumbnail:
    # The page shows what was labelled, or nothing.
    if hashlib.sha256(data).hexdigest() != sha256:
        return Thumbnail(missing="changed since it was labelled")
    try:
        jpeg = as_jpeg(data, side=SIDE, quality=_QUALITY, max_pixels=max_pixels, reserve=reserve)
    except ImageError as error:
        return Thumbnail(missing=error.message)
    return Thumbnail(jpeg=base64.b64encode(jpeg).decode("ascii"))


def as_jpeg(data: bytes, *, side: int, quality: int, max_pixels: int, reserve: Reserve) -> bytes:
    """A picture of any format as a JPEG file in sRGB.

    Args:
        data: the content of its file.
        side: pixels of the longer side at most.
        quality: of the JPEG, 1 to 95.
        max_pixels: pictures with more are not decoded.
        reserve: as in `decode`.

    Raises:
        ImageError: it cannot be decoded.
    """
    picture = decode(data, max_pixels=max_pixels, min_side=side, reserve=reserve)
    image = Image.fromarray(picture.pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    profile = embedded(data) if picture.profile is None else picture.profile
    shown, _ = conversion(profile, "managed").convert(np.asarray(image))
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()
