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
from transforms.inputs.picture_files import read_bytes
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
    rows: Sequence[Mapping[str, Any]], *, max_bytes: int, max_pixels: int
) -> Iterator[Thumbnail]:
    """Makes thumbnails, as many at a time as there are processors, in the order of `rows`.

    Args:
        rows: with `uri` and `sha256`; a picture that has changed since is not shown.
        max_bytes: files with more are not read.
        max_pixels: pictures with more are not decoded.
    """
    closed: dict[str, str] = {}
    room = Budget(default_budget(1), threads=cores()).decoded

    def one(row: Mapping[str, Any]) -> Thumbnail:
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
        # The page shows what was labelled, or nothing.
        if hashlib.sha256(data).hexdigest() != sha256:
            return Thumbnail(missing="changed since it was labelled")
        pixels = decode(data, max_pixels=max_pixels, min_side=SIDE, reserve=reserve).pixels
    except ImageError as error:
        return Thumbnail(missing=error.message)
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    shown, _ = conversion(embedded(data), "managed").convert(np.asarray(image))
    image = Image.fromarray(shown)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(jpeg=base64.b64encode(file.getvalue()).decode("ascii"))
