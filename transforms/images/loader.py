"""Pictures to pixels without Beam: one after the other, or several at a time in order."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from transforms.failures import ImageError, Stage, failure
from transforms.images.orientation import with_orientation
from transforms.images.pixels import Scratch
from transforms.images.preprocess import load
from transforms.images.settings import Preprocessing
from transforms.inputs.file_types import named_by, require_read
from transforms.inputs.meta import meta_json
from transforms.inputs.picture_files import read_bytes
from transforms.kernel import Kernel
from transforms.records import Failure, Image, ImageRef
from transforms.storage.content import Reserve

ORIENTATION = "orientation"
"""In `meta`: the EXIF orientation by which a picture was turned that does not say one itself."""


@dataclasses.dataclass(frozen=True)
class Loader:
    """The pure part: one reference to one Image or Failure. See `LoadAndPreprocess`.

    Attributes:
        how: method, size and so on.
        kernel: what decodes JPEG.
    """

    how: Preprocessing
    kernel: Kernel = "auto"

    def read(
        self, ref: ImageRef, *, reserve: Reserve = lambda _: None
    ) -> tuple[ImageRef, bytes] | Failure:
        """Reads the picture; the reference gains size and version.

        Args:
            ref: which picture.
            reserve: as in `transforms.storage.files.read`.

        Raises:
            UserError: no picture can be read there, for want of credentials.
        """
        try:
            require_read(ref.uri)
            data, version = read_bytes(ref.uri, max_bytes=self.how.max_bytes, reserve=reserve)
        except ImageError as error:
            return failure(ref, Stage.READ, error)
        return ref._replace(size=len(data), version=version), data

    def decode(
        self,
        ref: ImageRef,
        data: bytes,
        *,
        scratch: Scratch,
        reserve: Reserve = lambda _: None,
        orientation: int = 1,
    ) -> Image | Failure:
        """Decodes and resamples what `read` has read; the arguments are those of `load`.

        With another `orientation` than 1, a picture that says none itself is turned by it, and its
        `meta` says so.
        """
        turned = with_orientation(data, orientation) if orientation > 1 else None
        if turned is not None:
            meta = meta_json({**json.loads(ref.meta or "{}"), ORIENTATION: orientation})
            ref = ref._replace(meta=meta)
        try:
            loaded = load(
                turned or data, self.how, scratch=scratch, reserve=reserve, kernel=self.kernel
            )
        except ImageError as error:
            return failure(ref, Stage.DECODE, named_by(ref.uri, error))
        return Image(
            ref,
            # Here, in the threads that decode: hashing lets other threads run.
            sha256=hashlib.sha256(data).hexdigest(),
            width=loaded.width,
            height=loaded.height,
            format=loaded.format,
            pixels=loaded.pixels,
            colour=loaded.colour,
            flags=loaded.flags,
        )
