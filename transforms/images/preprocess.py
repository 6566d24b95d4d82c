"""Pictures to what the network is fed: cropped, resampled, uint8[rows, columns, 3].

How that is done decides the accuracy. The network was trained on pictures resampled without
anti-aliasing, by the bilinear kernel of TensorFlow 1, so `eval` is the default; `stretch` is what
most scripts do, and loses ten points of top-1.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt
from PIL import Image

from transforms.errors import UsageError
from transforms.flags import Flags
from transforms.images import native
from transforms.images.colour.conversion import Conversion, conversion
from transforms.images.colour.embedded import embedded
from transforms.images.decode import decode
from transforms.images.formats import raw
from transforms.images.pixels import RGB, Decoded, Scratch
from transforms.images.quality import SIDE, find_flags
from transforms.images.settings import METHODS, Method, Preprocessing, PreprocessingChanges
from transforms.kernel import Kernel
from transforms.records import ColourDone, Pixels
from transforms.storage.content import Reserve

# Of a side: 0.875, with which the published accuracy was measured, and 0.75.
_EIGHTHS = 7
_CLOSER_EIGHTHS = 6


class Loaded(NamedTuple):
    """A picture ready for the network.

    Attributes:
        pixels: uint8[rows, columns, 3], RGB, C-contiguous; with four views uint8[2, rows, columns,
            3], the two crops.
        width: columns of the whole picture, upright.
        height: rows of the whole picture, upright.
        format: as `transforms.sniff.format_of` says.
        colour: what was done about its colours.
        flags: what is odd about it, or None if nobody asked.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    colour: ColourDone
    flags: Flags | None = None


def load(
    data: bytes,
    how: Preprocessing = Preprocessing(),
    *,
    scratch: Scratch | None = None,
    reserve: Reserve = lambda _: None,
    kernel: Kernel = "auto",
    **changed: Unpack[PreprocessingChanges],
) -> Loaded:
    """Decodes and preprocesses one picture, always at its full size.

    That takes 3 bytes a pixel while it lasts, 300 MB for a picture of 100 megapixels, and for a
    progressive JPEG up to 9. At a reduced size the first class of some pictures becomes another.

    Args:
        data: the content of a picture file, see `transforms.sniff.format_of`.
        how: method, size and so on. With four views the picture is decoded once. Colours are
            converted in the pixels that are sampled, which is far cheaper than in all of them and
            gives the same: docs/colour.md.
        scratch: memory that a thread keeps from picture to picture; the result never lies in it.
        reserve: as in `transforms.images.decode.decode`.
        kernel: which code does it, if it is installed; `transforms.kernel.check_kernel` tells.
        changed: fields of `how` that shall be others: `load(data, size=160)`.

    Raises:
        ImageError: the picture cannot be decoded, see `transforms.images.decode.decode`.
    """
    how = dataclasses.replace(how, **changed)
    jpeg = raw.jpeg_of(data)
    if jpeg is not None:
        inner = load(jpeg, how, scratch=scratch, reserve=reserve, kernel=kernel)
        return inner._replace(format="RAW")
    wanted = conversion(embedded(data), how.colour)
    by_corners = wanted.by is not None and how.method in _BILINEAR
    tables = wanted.tables if by_corners else None
    taken = None
    if kernel != "python":
        corners = by_corners and tables is None
        taken = native.load_jpeg(data, how, corners=corners, colours=tables)
    if taken is not None:
        sides = taken.height, taken.width
        # By tables the kernel has converted the colours itself.
        if tables is not None:
            pixels, done = taken.pixels, wanted.done
        else:
            pixels, done = _converted(taken.pixels, sides, how, wanted)
        flags = _flags(data, None, how, scratch=scratch, reserve=reserve)
        return Loaded(pixels, taken.width, taken.height, "JPEG", done, flags)
    picture = decode(
        data,
        max_pixels=how.max_pixels,
        scratch=scratch,
        reserve=reserve,
        as_cmyk=wanted.by is not None,
    )
    if picture.pixels.shape[-1] == 4 and not wanted.of_cmyk:
        wanted = Conversion("unreadable")  # the profile is that of another picture
        picture = decode(data, max_pixels=how.max_pixels, scratch=scratch, reserve=reserve)
    if picture.profile is not None:
        wanted = conversion(picture.profile, how.colour)
    if wanted.by is not None and how.method in _BILINEAR:
        sampled = corners_of(picture.pixels, how)
    else:
        sampled = _preprocessed(picture.pixels, how)
    pixels, done = _converted(sampled, picture.pixels.shape[:2], how, wanted)
    flags = _flags(data, picture, how, scratch=scratch, reserve=reserve)
    return Loaded(pixels, picture.width, picture.height, picture.format, done, flags)


def _flags(
    data: bytes,
    picture: Decoded | None,
    how: Preprocessing,
    *,
    scratch: Scratch | None,
    reserve: Reserve,
) -> Flags | None:
    """What is odd about a picture, if that is asked for.

    A JPEG is decoded once more at a fraction of its size: that costs less than to reduce it, the
    compiled kernel leaves nothing to look at, and with and without it the flags shall be the same.
    """
    if not how.quality:
        return None
    if picture is None or picture.format == "JPEG" or picture.pixels.shape[-1] == 4:
        picture = decode(
            data,
            max_pixels=how.max_pixels,
            min_side=SIDE,
            scratch=scratch,
            reserve=reserve,
        )
    return find_flags(picture.pixels, width=picture.width, height=picture.height)


_BILINEAR = ("eval", "slim")
"""Methods that mix each value of their result from four pixels."""


def _crops(how: Preprocessing) -> tuple[int, ...]:
    """Eighths of the side that each one keeps."""
    return (_EIGHTHS, _CLOSER_EIGHTHS) if how.views == 4 else (_EIGHTHS,)


def corners_of(pixels: RGB, how: Preprocessing) -> Pixels:
    """The pixels that `preprocess` by `eval` or `slim` mixes its result from.

    Args:
        pixels: uint8[h, w, 3], or 4 of CMYK.
        how: method, size and views.

    Returns:
        uint8[crops, 2 * rows, 2 * columns, 3 or 4]: the rows of the lower neighbours, then those of
        the upper ones, and so the columns.
    """
    found = []
    for eighths in _crops(how):
        rows, columns = (
            np.concatenate([taps.lower, taps.upper])
            for taps in _both_taps(pixels.shape[:2], how, eighths)
        )
        found.append(pixels[np.ix_(rows, columns)])
    return np.stack(found)


def _both_taps(sides: tuple[int, ...], how: Preprocessing, eighths: int) -> tuple[_Taps, _Taps]:
    shape = how.size, how.columns or how.size
    rows, columns = _spans(sides[0], sides[1], shape, method=how.method, eighths=eighths)
    return _taps(rows, shape[0]), _taps(columns, shape[1])


def _converted(
    sampled: Pixels, sides: tuple[int, ...], how: Preprocessing, wanted: Conversion
) -> tuple[Pixels, ColourDone]:
    """What the network is fed, of corners or of what is mixed already, and what was done."""
    pixels, done = wanted.convert(sampled)
    if wanted.by is None or how.method not in _BILINEAR:
        return pixels, done
    mixed = [
        _between(each, *_both_taps(sides, how, eighths))
        for eighths, each in zip(_crops(how), pixels, strict=True)
    ]
    return np.stack(mixed) if how.views == 4 else mixed[0], done


def _between(corners: Pixels, rows: _Taps, columns: _Taps) -> Pixels:
    """The result, of its corners."""
    return _legacy_bilinear(corners, _in_corners(rows), _samples_of(_in_corners(columns)))


def _in_corners(taps: _Taps) -> _Taps:
    """Where what is mixed lies among the corners."""
    places = np.arange(len(taps.weight))
    return taps._replace(lower=places, upper=places + len(places))


def _preprocessed(pixels: RGB, how: Preprocessing) -> Pixels:
    """All views."""
    views = [
        preprocess(pixels, size=how.size, columns=how.columns, method=how.method, eighths=eighths)
        for eighths in _crops(how)
    ]
    return np.stack(views) if how.views == 4 else views[0]


def preprocess(
    pixels: RGB,
    *,
    size: int = 128,
    columns: int | None = None,
    method: Method = "eval",
    eighths: int = _EIGHTHS,
) -> Pixels:
    """Crops and resamples a picture.

    Args:
        pixels: uint8[h, w, 3], RGB, at least 1 x 1; any strides.
        size: rows of the result, and columns.
        columns: of a result that is no square.
        method: see `Method`.
        eighths: of the side that the crop keeps, 1..8; without meaning for a method that does not
            crop.

    Returns:
        uint8[size, columns, 3], C-contiguous.

    Raises:
        UsageError: no such method.
    """
    shape = size, columns or size
    if method == "stretch":
        return _resize(pixels, shape, Image.Resampling.BICUBIC)
    if method == "stretch-nearest":
        return _resize(pixels, shape, Image.Resampling.NEAREST)
    rows, across = _spans(pixels.shape[0], pixels.shape[1], shape, method=method, eighths=eighths)
    return _legacy_bilinear(pixels, _taps(rows, shape[0]), _samples(across, shape[1]))


def _spans(
    height: int, width: int, shape: tuple[int, int], *, method: Method, eighths: int
) -> tuple[_Span, _Span]:
    """Rows and columns of a crop for a result of that shape."""
    if method == "eval":
        sides = _largest(height, width, shape)
        down, across = (max(1, side * eighths // 8) for side in sides)
        return _central(height, down), _central(width, across)
    if method == "slim":
        # As tf.image.central_crop: the same whole number of pixels from both ends.
        margin = 8 - eighths
        rows = _central(height, height - height * margin // 16 * 2)
        return rows, _central(width, width - width * margin // 16 * 2)
    raise UsageError(f"preprocessing {method!r}: expected one of {', '.join(METHODS)}")


def unit_range(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Bytes 0..255 to float32 [0, 1], the input convention of the public module: byte / 255."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _resize(pixels: RGB, shape: tuple[int, int], kernel: Image.Resampling) -> Pixels:
    # Four channels are CMYK, and no transparency, which Pillow would mix otherwise.
    mode = "CMYK" if pixels.shape[-1] == 4 else "RGB"
    return np.asarray(Image.fromarray(pixels, mode).resize(shape[::-1], kernel))


def _largest(height: int, width: int, form: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the largest rectangle of a form, rows to columns, in a picture."""
    rows, columns = form
    if width * rows > height * columns:
        return height, height * columns // rows
    return width * rows // columns, width


class _Span(NamedTuple):
    """Part of one side of the picture, in pixels."""

    start: int
    length: int


def _central(side: int, length: int) -> _Span:
    return _Span((side - length) // 2, length)


class _Taps(NamedTuple):
    """For one axis: each result pixel is `lower` + `weight` * (`upper` - `lower`)."""

    lower: npt.NDArray[np.intp]
    upper: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


@functools.lru_cache(maxsize=256)  # cameras know few sizes, and this is a tenth of the resampling
def _taps(span: _Span, size: int) -> _Taps:
    """Where the legacy kernel samples one axis.

    TensorFlow 1's `resize_bilinear` without `align_corners` and `half_pixel_centers`: result pixel
    i samples position i * length / size of the crop, computed in float32, and never reads beyond
    the crop.
    """
    scale = np.float32(span.length) / np.float32(size)
    in_crop = np.arange(size, dtype=np.float32) * scale
    last = span.start + span.length - 1
    # In float64: float32 would round the weight where the crop begins far from 0.
    position = np.minimum(span.start + in_crop.astype(np.float64), last)
    lower = np.floor(position).astype(np.intp)
    weight = (position - lower).astype(np.float32)
    return _Taps(lower, np.minimum(lower + 1, last), weight)


class _Samples(NamedTuple):
    """`_Taps` of columns, for rows of R, G and B one after the other.

    Attributes:
        first: the first column that is read.
        last: the last one.
        lower: int[size * 3], samples after the first one of column `first`.
        upper: the same.
        weight: float32[size * 3].
    """

    first: int
    last: int
    lower: npt.NDArray[np.intp]
    upper: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


@functools.lru_cache(maxsize=256)
def _samples(span: _Span, size: int) -> _Samples:
    """Where the legacy kernel samples rows, see `_taps`."""
    return _samples_of(_taps(span, size))


def _samples_of(taps: _Taps) -> _Samples:
    first, last = int(taps.lower[0]), int(taps.upper[-1])
    lower, upper = (
        ((columns - first)[:, None] * 3 + np.arange(3)).ravel()
        for columns in (taps.lower, taps.upper)
    )
    return _Samples(first, last, lower, upper, taps.weight.repeat(3))


def _legacy_bilinear(pixels: RGB, rows: _Taps, columns: _Samples) -> Pixels:
    """The kernel itself: float32, then truncated.

    Rows first, on the columns between the first and the last that are read, because whole runs of
    a row are the cheapest thing to gather. TensorFlow does columns first; after truncation the two
    are equal on all of its golden pictures.
    """
    band = pixels[:, columns.first : columns.last + 1]
    if band.shape[1] > _WIDE:
        band, columns = _only_needed(band, columns)
    size = len(rows.weight)
    both = band[np.concatenate([rows.lower, rows.upper])].reshape(2 * size, -1).astype(np.float32)
    lines = _lerp(both[:size], both[size:], rows.weight[:, None])
    # The places are within the lines; with mode="raise" numpy would look at each of them again.
    lower = lines.take(columns.lower, axis=1, mode="clip")
    upper = lines.take(columns.upper, axis=1, mode="clip")
    return _lerp(lower, upper, columns.weight).astype(np.uint8).reshape(size, -1, 3)


# Columns: more than a JPEG can have. The rows above would take 250 MB, and with a picture of one
# row and 100 million columns more than any machine has.
_WIDE = 65_536


def _only_needed(band: RGB, columns: _Samples) -> tuple[RGB, _Samples]:
    """The columns that are read, next to each other, and where each of them is then."""
    needed = np.unique(np.concatenate([columns.lower, columns.upper]) // 3)
    lower, upper = (
        np.searchsorted(needed, places // 3) * 3 + places % 3
        for places in (columns.lower, columns.upper)
    )
    return band[:, needed], columns._replace(lower=lower, upper=upper)


def _lerp(
    low: npt.NDArray[np.float32], high: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """`low` + (`high` - `low`) * `weight`, in the memory of `high`."""
    high -= low
    high *= weight
    high += low
    return high
