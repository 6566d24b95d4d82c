"""Encoded bytes of a picture to an RGB array, or an `ImageError` that says why not.

Every function is pure and safe to call from several threads; the decoders release the GIL.

JPEG goes through simplejpeg: the same pixels as Pillow in about two thirds of the time, and it
reports what Pillow passes over, a picture that breaks off before its end marker and is grey from
there on. Everything else goes through Pillow's reader of the format that the first bytes name, and
through no other. The readers are called directly rather than by `Image.open`, whose size check is a
setting of the whole process.

A decoder in a thread cannot be stopped, so what it would take for ever for is refused before it
begins, or taken out: see `transforms.images.limits` and `transforms.images.formats.jpeg_header`.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from transforms import sniff
from transforms.exif import exif_orientation, upright
from transforms.failures import ImageError, Reason
from transforms.images import limits
from transforms.images.formats import jpeg_header, tiff_strips

# What Pillow has to say comes back as an ImageError. Set once, here, because
# `warnings.catch_warnings` around a call would change the filters of other threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

RGB = npt.NDArray[np.uint8]
"""uint8[height, width, 3]"""


class Decoded(NamedTuple):
    """A picture as an array.

    Attributes:
        pixels: uint8[h, w, 3], RGB, upright. A strided view if the picture was turned or mirrored.
            h and w are height and width divided by 1, 2, 4 or 8, rounded up.
        width: columns of the whole picture, upright.
        height: rows of the whole picture, upright.
        format: JPEG, PNG, WEBP, GIF, TIFF or BMP.
    """

    pixels: RGB
    width: int
    height: int
    format: str


class Scratch:
    """Memory that one thread decodes into again and again.

    Fresh memory for each picture has to be mapped and cleared by the kernel page by page, which
    costs a fifth of the decoding.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)

    def of(self, size: int) -> npt.NDArray[np.uint8] | None:
        """At least `size` bytes; None if they are too many to keep between pictures."""
        if size > _MAX_SCRATCH:
            return None
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer


_MAX_SCRATCH = 64 * 1024 * 1024
"""Bytes: 22 megapixels in RGB."""


def decode(
    data: bytes,
    *,
    max_pixels: int = 100_000_000,
    min_side: int | None = None,
    scratch: Scratch | None = None,
) -> Decoded:
    """Decodes the first picture of a file, upright and over white where it is transparent.

    Samples of 16 bits keep their high byte. CMYK is converted without a colour profile, and colour
    profiles are not applied.

    Args:
        data: the content of a JPEG, PNG, WebP, GIF, TIFF or BMP file.
        max_pixels: a picture with more is refused before memory is spent on it.
        min_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side
            keeps this many pixels. None: always at full size.
        scratch: memory to decode a JPEG into; the result is then good until it is used again.

    Raises:
        ImageError: empty, unknown_format, unsupported, too_many_pixels, too_complex, truncated or
            corrupt. A JPEG must reach its end marker: without it a progressive one cannot be told
            from one that lost its last scans. Bytes after the end marker are ignored.
    """
    if not data:
        raise ImageError(Reason.EMPTY, "the file is empty")
    kind = sniff.format_of(data)
    if kind == "JPEG":
        return _decode_jpeg(data, max_pixels=max_pixels, min_side=min_side, scratch=scratch)
    if kind in sniff.SIZES:
        _check_pixels(*sniff.SIZES[kind](data), max_pixels=max_pixels)
    image = _open(kind, _prepared(kind, data))
    _check_pixels(*image.size, max_pixels=max_pixels)
    _check_work(image, len(data), max_pixels=max_pixels)
    pixels = _tiff(image, data) if kind == "TIFF" else _rgb(_load(kind, image))
    # After loading: in a PNG it may stand behind the pixels.
    pixels = upright(pixels, _orientation(image))
    return Decoded(pixels, pixels.shape[1], pixels.shape[0], kind)


# --- readers, and what a file may ask of them


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Without what Pillow does at the end: read all metadata, further directories too."""

    def load_end(self) -> None:
        self._size = self.im.size  # as stored; Pillow swaps it where the picture lies on its side


_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # of a multi-picture file (MPO) it reads the first
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": _Tiff,
    "BMP": BmpImagePlugin.BmpImageFile,
}


def _check_pixels(width: int, height: int, *, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            Reason.TOO_MANY_PIXELS,
            f"{width} x {height} pixels are more than the limit of {max_pixels}",
        )


def _prepared(kind: str, data: bytes) -> bytes:
    """What Pillow's reader gets to see."""
    if kind == "PNG":
        return limits.png(data)
    if kind == "GIF":
        return limits.gif(data)
    if kind == "WEBP":
        limits.check_webp(data)
    if kind == "TIFF":
        limits.check_tiff(data)
    return data


def _check_work(image: ImageFile.ImageFile, size: int, *, max_pixels: int) -> None:
    """Refuses what would cost more than so many pixels do."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tiff(image, size, max_pixels=max_pixels)
    elif image.tile and image.tile[0].codec_name == "bmp_rle":
        # A run-length code may ask for 255 rows more than there are.
        limit = limits.MAX_RUN_LENGTH
        _check_pixels(image.width, image.height + 255, max_pixels=min(max_pixels, limit))
        if size > limit:
            raise ImageError(
                Reason.TOO_COMPLEX, f"a BMP of {size} bytes with run lengths, the limit is {limit}"
            )


def _check_tiff(image: TiffImagePlugin.TiffImageFile, size: int, *, max_pixels: int) -> None:
    """Refuses what libtiff would take time or memory for, or print complaints about.

    Without compression libtiff is not used, and the lengths of the strips are often wrong.
    """
    tile = [
        *_integers(image, TiffImagePlugin.TILEWIDTH),
        *_integers(image, TiffImagePlugin.TILELENGTH),
    ]
    if len(tile) == 2 and all(step > 0 for step in tile):
        width, height = (
            -(-side // step) * step for side, step in zip(image.size, tile, strict=True)
        )
        _check_pixels(width, height, max_pixels=max_pixels)
    if _integers(image, TiffImagePlugin.COMPRESSION) in ([], [1]):
        return
    for offsets, lengths in (
        (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS),
        (TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS),
    ):
        spans = zip(_integers(image, offsets), _integers(image, lengths), strict=False)
        if any(start + length > size for start, length in spans):
            raise ImageError(Reason.TRUNCATED, "TIFF data end before the pixels do")


def _tiff(image: ImageFile.ImageFile, data: bytes) -> RGB:
    """The pixels, or an error, where libtiff would hand out memory that it has not written to."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    compression = _integers(image, TiffImagePlugin.COMPRESSION)
    if compression not in ([tiff_strips.GROUP_4], [tiff_strips.JPEG]):
        return _rgb(_load("TIFF", image))
    directory = {tag: found for tag in image.tag_v2 if (found := _integers(image, tag))}
    if compression == [tiff_strips.JPEG]:
        tiff_strips.check_jpegs(data, directory)
        return _rgb(_load("TIFF", image))
    taller, above = tiff_strips.with_white_above(data, directory)
    return _rgb(_load("TIFF", _open("TIFF", taller)))[above:]


def _integers(image: TiffImagePlugin.TiffImageFile, tag: int) -> list[int]:
    """The values of a tag; those of another type, which only a damaged file has, are left out."""
    try:
        found = image.tag_v2.get(tag, ())
    except _PILLOW_ERRORS as error:  # values are parsed when they are first asked for
        raise _verdict("TIFF", error, ended=False) from error
    values = found if isinstance(found, tuple) else (found,)
    return [value for value in values if isinstance(value, int)]


# --- JPEG


def _decode_jpeg(
    data: bytes, *, max_pixels: int, min_side: int | None, scratch: Scratch | None
) -> Decoded:
    header = jpeg_header.read_header(data)
    width, height = header.width, header.height
    _check_pixels(width, height, max_pixels=max_pixels)
    orientation = exif_orientation(header.exif)
    reduction = _reduction(width, height, min_side, mirrored=orientation > 1)
    pixels = _jpeg_pixels(
        data,
        header,
        height=-(-height // reduction),
        width=-(-width // reduction),
        scratch=scratch,
    )
    if orientation > 4:
        width, height = height, width
    return Decoded(upright(pixels, orientation), width, height, "JPEG")


def _reduction(width: int, height: int, min_side: int | None, *, mirrored: bool) -> int:
    """The largest of 8, 4 and 2 that leaves `min_side` pixels, else 1.

    A side that does not divide evenly ends in a partial pixel. Mirroring would bring it to the
    front, where it would shift the picture; such a picture is not reduced so far.
    """
    if min_side is None:
        return 1
    for factor in (8, 4, 2):
        even = width % factor == 0 and height % factor == 0
        if min(width, height) >= factor * min_side and (even or not mirrored):
            return factor
    return 1


def _jpeg_pixels(
    data: bytes,
    header: jpeg_header.Header,
    *,
    height: int,
    width: int,
    scratch: Scratch | None,
) -> RGB:
    """uint8[height, width, 3], or of full size if only Pillow can decode the file."""
    cmyk = header.components == 4
    channels = 4 if cmyk else 3
    try:
        pixels: RGB = simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if cmyk else "RGB",
            min_height=height,
            min_width=width,
            strict=True,
            buffer=scratch.of(height * width * channels) if scratch else None,
        )
    except (ValueError, KeyError) as error:
        _raise_if_damaged(error)
        return _rgb(_load("JPEG", _open("JPEG", jpeg_header.without_metadata(data, header))))
    return _rgb_from_cmyk(pixels, inverted=header.adobe) if cmyk else pixels


_JPEG_DAMAGE = (
    ("premature end", Reason.TRUNCATED),
    ("bad huffman code", Reason.CORRUPT),
    ("bad arithmetic code", Reason.CORRUPT),
    ("instead of rst", Reason.CORRUPT),
)
"""Parts of libjpeg's messages (jerror.h) after which some pixels are made up.

Its other complaints (bytes between two segments, odd scan parameters) leave the pixels whole, or
are fatal to Pillow too: there Pillow decides.
"""


def _raise_if_damaged(error: Exception) -> None:
    text = str(error).lower()
    for part, reason in _JPEG_DAMAGE:
        if part in text:
            raise ImageError(reason, f"JPEG data are {reason.value} ({error})") from error


def _rgb_from_cmyk(cmyk: RGB, *, inverted: bool) -> RGB:
    """Adobe's programs store CMYK in JPEG inverted, and mark it so."""
    if inverted:
        cmyk = 255 - cmyk
    return np.asarray(Image.fromarray(cmyk, "CMYK").convert("RGB"))


# --- Pillow


_PILLOW_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What its readers raise on data that are not as they expect."""

_UNSUPPORTED = (
    "cannot handle",
    "not supported",
    "unknown pixel mode",
    "unknown raw mode",
    "unsupported",
)
"""Parts of Pillow's messages that mean: a kind of picture that it does not know."""


def _open(kind: str, data: bytes) -> ImageFile.ImageFile:
    """Reads the header only."""
    stream = io.BytesIO(data)
    try:
        return _READERS[kind](stream)
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, str(error)) from error
    except _PILLOW_ERRORS as error:
        # The WebP reader always takes the whole file; its header says how long that should be.
        ended = (
            8 + int.from_bytes(data[4:8], "little") > len(data)
            if kind == "WEBP"
            else stream.tell() >= len(data)
        )
        raise _verdict(kind, error, ended=ended) from error


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 to 8."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        found = _integers(image, ExifTags.Base.Orientation)
        return found[0] if found and 1 <= found[0] <= 8 else 1
    return exif_orientation(image.info.get("exif"))


def _load(kind: str, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Decodes the pixels, in place."""
    try:
        image.load()
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, str(error)) from error
    except _PILLOW_ERRORS as error:
        raise _verdict(kind, error, ended=False) from error
    return image


def _verdict(kind: str, error: BaseException, *, ended: bool) -> ImageError:
    text = str(error).lower()
    if any(part in text for part in _UNSUPPORTED):
        return ImageError(Reason.UNSUPPORTED, f"a kind of {kind} that is not supported ({error})")
    if ended or "truncated" in text:
        return ImageError(Reason.TRUNCATED, f"{kind} data end too early ({error})")
    return ImageError(Reason.CORRUPT, f"{kind} data are corrupt ({error})")


def _rgb(image: ImageFile.ImageFile) -> RGB:
    """Any of Pillow's modes to uint8[h, w, 3]."""
    if image.mode.startswith("I;16"):
        return _rgb_from_16_bits(image)
    if image.mode in ("I", "F"):
        raise ImageError(
            Reason.UNSUPPORTED, f"{image.format} with 32 bits a sample has no known black and white"
        )
    try:
        if image.has_transparency_data:
            colour = image.convert("RGBA")
            white = Image.new("RGB", image.size, "white")
            white.paste(colour, mask=colour)
            return np.asarray(white)
        return np.asarray(image.convert("RGB"))
    except _PILLOW_ERRORS as error:
        raise _verdict(str(image.format), error, ended=False) from error


def _rgb_from_16_bits(image: ImageFile.ImageFile) -> RGB:
    """The high byte, as Pillow does for colour. Its own conversion of grey cuts off at 255."""
    samples = np.array(image)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        samples[samples == transparent] = 0xFFFF
    used = 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        used = 12 if _integers(image, TiffImagePlugin.BITSPERSAMPLE) == [12] else 16
    grey = (samples >> (used - 8)).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
