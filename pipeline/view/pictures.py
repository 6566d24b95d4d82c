"""One picture of a run in full size, as a browser shows it."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from pipeline.report.thumbnails import as_jpeg
from pipeline.run.folder.manifest import Manifest
from pipeline.view.server import RefusedError
from transforms.failures import ImageError
from transforms.images.machine import cores, default_budget
from transforms.images.memory import Budget
from transforms.images.orientation import with_orientation
from transforms.inputs.archives.members import Member, named_archive, read_named
from transforms.inputs.picture_files import read_bytes
from transforms.records import Failure, ImageRef
from transforms.sniff import format_of
from transforms.storage.addresses import name_of

_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}
"""What every browser shows as it is; of everything else we make a JPEG."""

_QUALITY = 90

_LONGEST = 65_500
"""Pixels of a side of a JPEG (libjpeg's limit)."""


class Pictures:
    """Reads pictures within the limits of the run.

    Args:
        rows: with `uri` and `sha256`; nothing but these is read.
        manifest: of the run.
    """

    def __init__(self, rows: pa.Table, manifest: Manifest) -> None:
        self._uris, self._hashes = rows["uri"], rows["sha256"]
        self._limits = manifest.options
        self._room = Budget(default_budget(1), threads=cores()).decoded

    def __call__(self, row: int) -> tuple[bytes, str]:
        """The content of a picture and its media type.

        Args:
            row: its position among the rows.

        Raises:
            RefusedError: there is no such row, or its picture is gone or has changed since.
        """
        if not 0 <= row < len(self._uris):
            raise RefusedError(404, "there is no such row")
        try:
            data, orientation = self._read(self._uris[row].as_py())
            if hashlib.sha256(data).hexdigest() != self._hashes[row].as_py():
                raise RefusedError(404, "the picture has changed since it was labelled")
            if orientation > 1:
                data = with_orientation(data, orientation) or data
            type_ = _TYPES.get(format_of(data))
            return (data, type_) if type_ else (self._jpeg(data), "image/jpeg")
        except ImageError as error:
            raise RefusedError(404, error.message) from error

    def _read(self, uri: str) -> tuple[bytes, int]:
        """The file, and the orientation that an archive says beside it."""
        ref, most = ImageRef(name_of(uri)), self._limits.max_bytes
        if archive := named_archive(ref):
            image_key = self._limits.image_key
            (found,) = read_named(archive, [ref], image_key=image_key, max_bytes=most)
            if isinstance(found, Member):
                return found.data, found.orientation
            if isinstance(found, Failure):
                raise RefusedError(404, found.message)
        return read_bytes(ref.uri, max_bytes=most).data, 1

    def _jpeg(self, data: bytes) -> bytes:
        with self._room.lent() as reserve:
            return as_jpeg(
                data,
                side=_LONGEST,
                quality=_QUALITY,
                max_pixels=self._limits.max_pixels,
                reserve=reserve,
            )
