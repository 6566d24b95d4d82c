"""Pictures to pixels without Beam: one after the other, or several at a time in order."""

from __future__ import annotations

import dataclasses
import hashlib

from transforms.errors import MissingExtraError
from transforms.failures import ImageError, Reason, Stage, failure
from transforms.images.pixels import Scratch
from transforms.images.preprocess import load
from transforms.images.settings import Preprocessing
from transforms.inputs.file_types import named_by, require_read
from transforms.kernel import Kernel
from transforms.records import Failure, Image, ImageRef
from transforms.storage import files
from transforms.storage.content import Content, Reserve


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
    ) -> Image | Failure:
        """Decodes and resamples what `read` has read; the arguments are those of `load`."""
        try:
            loaded = load(data, self.how, scratch=scratch, reserve=reserve, kernel=self.kernel)
        except ImageError as error:
            return failure(ref, Stage.DECODE, named_by(ref.uri, error))
        return Image(
            ref,
            sha256=hashlib.sha256(data).hexdigest(),
            width=loaded.width,
            height=loaded.height,
            format=loaded.format,
            pixels=loaded.pixels,
            colour=loaded.colour,
        )


def read_bytes(uri: str, *, max_bytes: int, reserve: Reserve = lambda _: None) -> Content:
    """The content of a picture's file or object; the arguments are those of `storage.read`.

    Raises:
        ImageError: the file is missing, not a regular file, not readable, or too large, or its
            storage has failed for a minute.
        UserError: no picture can be read there, for want of credentials.
    """
    try:
        return files.read(uri, max_bytes=max_bytes, reserve=reserve)
    except MissingExtraError as error:
        raise ImageError(Reason.UNSUPPORTED_URI, str(error)) from error
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error
