"""PNG, WebP, GIF, TIFF, BMP and PPM to pixels, each by Pillow's reader of it."""

from __future__ import annotations

import io
import logging
import struct
import warnings

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from transforms import sniff
from transforms.failures import ImageError, Reason
from transforms.images import limits
from transforms.images.formats import animation, tiff_directory, tiff_strips
from transforms.images.formats.animation import Frame
from transforms.images.limits import check_pixels
from transforms.images.memory import picture_bytes
from transforms.images.orientation import exif_orientation, upright
from transforms.images.pixels import RGB, Decoded
from transforms.storage.content import Reserve

# What Pillow has to say comes back as an ImageError. Set once, here, because
# `warnings.catch_warnings` around a call would change the filters of other threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


# Pillow's own pixels, the same as RGBA and over white, 4 bytes each; and twice RGB for the array,
# which Pillow collects in pieces and then joins.
_BYTES_A_PIXEL = 18

_ONE_BAND_BYTES_A_PIXEL = 15

# Of formats whose size is known before they are opened. libwebp has two canvases more, at once.
_EARLY_BYTES_A_PIXEL = {"PNG": _BYTES_A_PIXEL, "WEBP": 26}


def decode_by_pillow(
    kind: str, data: bytes, *, max_pixels: int, reserve: Reserve, as_cmyk: bool = False
) -> Decoded:
    """Decodes the first picture of a file of a known format, upright and over white.

    The arguments are those of `transforms.images.decode.decode`.

    Raises:
        ImageError: as `transforms.images.decode.decode` says.
    """
    if kind in sniff.SIZES:
        size = sniff.SIZES[kind](data)
        check_pixels(*size, max_pixels=max_pixels)
        reserve(picture_bytes(*size, a_pixel=_EARLY_BYTES_A_PIXEL[kind], copied=len(data)))
    prepared, frame = _prepared(kind, data)
    image = open_picture(kind, prepared)
    check_pixels(*image.size, max_pixels=max_pixels)
    _check_work(image, len(data), max_pixels=max_pixels)
    if kind not in sniff.SIZES:
        reserve(_cost(image, len(data)))
    if isinstance(image, _Tiff):
        pixels = _tiff(image, data, as_cmyk=as_cmyk)
    elif isinstance(image, _Png) and image.key is not None:
        pixels = _on_white(image, prepared, image.key)
    else:
        pixels = rgb(load(kind, image))
    if frame is not None:
        pixels = frame.on_white(pixels)
    # After loading: in a PNG it may stand behind the pixels.
    pixels = upright(pixels, orientation(image))
    return Decoded(pixels, pixels.shape[1], pixels.shape[0], kind)


_HIGH_BYTES, _LOW_BYTES = "RGB;16B", "RGB;16L"


class _Png(PngImagePlugin.PngImageFile):
    """Pillow's reader of PNG, mended: it compares the transparent colour with other numbers.

    Attributes:
        key: the transparent colour of a picture with 16 bits a sample, of which Pillow keeps 8.
    """

    key: tuple[int, int, int] | None = None

    def _open(self) -> None:
        super()._open()
        known = self.info.get("transparency")
        layout = self.tile[0].args if self.tile else None
        if isinstance(known, int) and layout in ("L;2", "L;4"):
            most = 3 if layout == "L;2" else 15
            self.info["transparency"] = (known & most) * 255 // most  # as Pillow spreads samples
        elif isinstance(known, tuple) and layout == _HIGH_BYTES:
            self.key = self.info.pop("transparency")


def _on_white(image: _Png, data: bytes, key: tuple[int, int, int]) -> RGB:
    """A picture of 16 bits a sample with its transparent colour, compared in all bits."""
    found = np.array(load("PNG", image))
    low = open_picture("PNG", data)
    low.tile = [tile._replace(args=_LOW_BYTES) for tile in low.tile]
    is_key = (np.asarray(load("PNG", low)) == [value & 0xFF for value in key]).all(axis=2)
    found[is_key & (found == [value >> 8 for value in key]).all(axis=2)] = 255
    return found


_ADOBE_DEFLATE = 8
_YCBCR = 6


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Pillow's reader of TIFF, mended.

    Attributes:
        inverted: whether 0 is white in samples that Pillow takes as they are.
    """

    inverted = False

    def _setup(self) -> None:
        """Knows what Pillow does not, and leaves to libtiff what Pillow reads as noise.

        That is, without compression: 16 bits in planes, of which Pillow takes the first byte each,
        and YCbCr, which it takes for pixels of four bytes.
        """
        bits = _integers(self, TiffImagePlugin.BITSPERSAMPLE)
        photometric = _integers(self, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
        if bits in ([12], [16]) and photometric in ([], [0]):
            self.inverted = True
            self.tag_v2[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1
        planar = _integers(self, TiffImagePlugin.PLANAR_CONFIGURATION) == [2]
        plain = _integers(self, TiffImagePlugin.COMPRESSION) in ([], [1])
        if plain and (planar or photometric == [_YCBCR]):
            # Whatever is compressed libtiff reads, and goes by the file.
            self.tag_v2[TiffImagePlugin.COMPRESSION] = _ADOBE_DEFLATE
        super()._setup()

    def load_end(self) -> None:
        """Without what Pillow does there: read all metadata, further directories too."""
        self._size = self.im.size  # as stored; Pillow swaps it where the picture lies on its side


_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,  # of a multi-picture file (MPO) it reads the first
    "PNG": _Png,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": _Tiff,
    "BMP": BmpImagePlugin.BmpImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}


def _prepared(kind: str, data: bytes) -> tuple[bytes, Frame | None]:
    """What Pillow's reader gets to see, and where the first frame is if that is only a part."""
    if kind == "PNG":
        return animation.of_png(data, limits.png_chunks(data)) or (limits.png(data), None)
    if kind == "GIF":
        prepared, start = limits.gif(data)
        return prepared, animation.of_gif(data, start)
    if kind == "WEBP":
        limits.check_webp(data)
        return animation.with_alpha(data), None
    if kind == "TIFF":
        return tiff_directory.check(data), None
    return data, None


def _cost(image: ImageFile.ImageFile, size: int) -> int:
    """Bytes at the peak. Whether a picture is transparent may be known when it is decoded only."""
    a_pixel = _BYTES_A_PIXEL if len(image.getbands()) > 1 else _ONE_BAND_BYTES_A_PIXEL
    sides = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        sides = _whole_tiles(image)
    return picture_bytes(*sides, a_pixel=a_pixel, copied=size)


def _check_work(image: ImageFile.ImageFile, size: int, *, max_pixels: int) -> None:
    """Refuses what would cost more than so many pixels do."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tiff(image, size, max_pixels=max_pixels)
    elif image.tile and image.tile[0].codec_name in ("ppm", "ppm_plain"):
        limit = limits.MAX_INTERPRETED
        check_pixels(*image.size, max_pixels=min(max_pixels, limit))
        if size > 20 * limit:
            text = f"a PPM of {size} bytes as text, the limit is {20 * limit}"
            raise ImageError(Reason.TOO_COMPLEX, text)
    elif image.tile and image.tile[0].codec_name == "bmp_rle":
        # A run-length code may ask for 255 rows more than there are.
        limit = limits.MAX_RUN_LENGTH
        check_pixels(image.width, image.height + 255, max_pixels=min(max_pixels, limit))
        if size > limit:
            raise ImageError(
                Reason.TOO_COMPLEX, f"a BMP of {size} bytes with run lengths, the limit is {limit}"
            )


def _check_tiff(image: TiffImagePlugin.TiffImageFile, size: int, *, max_pixels: int) -> None:
    """Refuses what libtiff would take time or memory for, or print complaints about.

    Without compression libtiff is not used, and the lengths of the strips are often wrong.
    """
    check_pixels(*_whole_tiles(image), max_pixels=max_pixels)
    if _integers(image, TiffImagePlugin.COMPRESSION) in ([], [1]):
        return
    for offsets, lengths in (
        (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS),
        (TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS),
    ):
        spans = zip(_integers(image, offsets), _integers(image, lengths), strict=False)
        if any(start + length > size for start, length in spans):
            raise ImageError(Reason.TRUNCATED, "TIFF data end before the pixels do")


def _whole_tiles(image: TiffImagePlugin.TiffImageFile) -> tuple[int, int]:
    """Width and height of a TIFF, up to where its last tiles end."""
    width, height = image.size
    tile = [
        *_integers(image, TiffImagePlugin.TILEWIDTH),
        *_integers(image, TiffImagePlugin.TILELENGTH),
    ]
    if len(tile) == 2 and all(step > 0 for step in tile):
        width, height = (
            -(-side // step) * step for side, step in zip((width, height), tile, strict=True)
        )
    return width, height


def _tiff(image: ImageFile.ImageFile, data: bytes, *, as_cmyk: bool) -> RGB:
    """The pixels, or an error, where libtiff would hand out memory that it has not written to."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    compression = _integers(image, TiffImagePlugin.COMPRESSION)
    if compression not in ([tiff_strips.GROUP_4], [tiff_strips.JPEG]):
        return cmyk_or_rgb(load("TIFF", image), as_cmyk=as_cmyk)
    directory = {tag: found for tag in image.tag_v2 if (found := _integers(image, tag))}
    if compression == [tiff_strips.JPEG]:
        tiff_strips.check_jpegs(data, directory)
        return cmyk_or_rgb(load("TIFF", image), as_cmyk=as_cmyk)
    taller, above = tiff_strips.with_white_above(data, directory)
    whole = load("TIFF", open_picture("TIFF", taller))
    # Cut before it is converted: one strip alone makes it twice as tall.
    return rgb(whole.crop((0, above, whole.width, whole.height)))


def _integers(image: TiffImagePlugin.TiffImageFile, tag: int) -> list[int]:
    """The values of a tag; those of another type, which only a damaged file has, are left out."""
    try:
        found = image.tag_v2.get(tag, ())
    except PILLOW_ERRORS as error:  # values are parsed when they are first asked for
        raise verdict("TIFF", error, ended=False) from error
    values = found if isinstance(found, tuple) else (found,)
    return [value for value in values if isinstance(value, int)]


# What its readers raise on data that are not as they expect.
PILLOW_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


# Parts of Pillow's messages that mean: a kind of picture that it does not know.
_UNSUPPORTED = (
    "cannot handle",
    "not available",  # a decoder that this build of Pillow lacks
    "not installed",
    "not supported",
    "unknown pixel mode",
    "unknown raw mode",
    "unsupported",
)


def open_picture(kind: str, data: bytes) -> ImageFile.ImageFile:
    """Reads the header only."""
    stream = io.BytesIO(data)
    try:
        return _READERS[kind](stream)
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, str(error)) from error
    except PILLOW_ERRORS as error:
        # The WebP reader always takes the whole file; its header says how long that should be.
        ended = (
            8 + int.from_bytes(data[4:8], "little") > len(data)
            if kind == "WEBP"
            else stream.tell() >= len(data)
        )
        raise verdict(kind, error, ended=ended) from error


def orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 to 8."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        found = _integers(image, ExifTags.Base.Orientation)
        return found[0] if found and 1 <= found[0] <= 8 else 1
    return exif_orientation(image.info.get("exif"))


def load(kind: str, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Decodes the pixels, in place."""
    try:
        image.load()
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.TOO_MANY_PIXELS, str(error)) from error
    except PILLOW_ERRORS as error:
        raise verdict(kind, error, ended=False) from error
    return image


# Parts of them that mean: more should have come.
_TOO_EARLY = ("truncated", "reached eof", "not enough image data")


def verdict(kind: str, error: BaseException, *, ended: bool) -> ImageError:
    """What to say of an error of a reader; `ended`: it was at the end of the file."""
    text = str(error).lower()
    if any(part in text for part in _UNSUPPORTED):
        return ImageError(Reason.UNSUPPORTED, f"a kind of {kind} that is not supported ({error})")
    if ended or any(part in text for part in _TOO_EARLY):
        return ImageError(Reason.TRUNCATED, f"{kind} data end too early ({error})")
    return ImageError(Reason.CORRUPT, f"{kind} data are corrupt ({error})")


def cmyk_or_rgb(image: Image.Image, *, as_cmyk: bool) -> RGB:
    """uint8[h, w, 3], or 4 of a picture in CMYK if that is asked for."""
    return np.asarray(image) if as_cmyk and image.mode == "CMYK" else rgb(image)


def rgb(image: Image.Image) -> RGB:
    """Any of Pillow's modes to uint8[h, w, 3]."""
    if image.mode.startswith("I;16"):
        return _rgb_from_16_bits(image)
    if isinstance(image, PpmImagePlugin.PpmImageFile) and image.mode == "I":
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
    except PILLOW_ERRORS as error:
        raise verdict(str(image.format), error, ended=False) from error


def _rgb_from_16_bits(image: Image.Image) -> RGB:
    """The high byte, as Pillow does for colour. Its own conversion of grey cuts off at 255."""
    samples = np.array(image)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        # White, on which everything transparent is laid.
        samples[samples == transparent] = 0xFFFF
    used = 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow leaves 12 bits where they are, at the lower end.
        used = 12 if _integers(image, TiffImagePlugin.BITSPERSAMPLE) == [12] else 16
    grey = (samples >> (used - 8)).astype(np.uint8)
    if isinstance(image, _Tiff) and image.inverted:
        grey = 255 - grey
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
