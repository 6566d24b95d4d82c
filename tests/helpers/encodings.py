"""One picture in every encoding that is read, and in many that are not, by others' writers.

A name is `REFERENCE, HOW.EXTENSION`: the file must be labelled as the PNG of its reference is. All
show `waves(96, 128)`, as the files of tests/data/pictures do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pillow_jxl
import tifffile
from PIL import Image

from tests.helpers.encoded import encoded, orientation_exif, png_chunk, sample, waves
from tests.helpers.profiles import (
    PROFILES,
    SRGB_CURVE,
    in_space,
    png_profile,
    press_profile,
    rgb_profile,
)
from tests.helpers.raws import RAW_MAKERS
from tests.helpers.tiffs import cells, pictures, tiff
from transforms.images.colour.space import SRGB_TO_XYZ

assert pillow_jxl  # it teaches Pillow to write JPEG XL

PHOTO = waves(96, 128)

_IMAGE = Image.fromarray(PHOTO)
_GREY = PHOTO[..., 0]
_PALETTE = _IMAGE.quantize(200)
_WIDE = PHOTO.astype(np.uint16) * 257

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what makes a picture upright."""


def references() -> dict[str, bytes]:
    """PNGs by the names of what they show."""
    found = {
        "photo": _IMAGE,
        "grey": Image.fromarray(_GREY),
        "palette": _PALETTE.convert("RGB"),
        "clear": _on_white(),
        **{f"turned {value}": _turned(value) for value in _TURNS},
    }
    return {name: encoded(image, "PNG") for name, image in found.items()}


def _turned(value: int) -> Image.Image:
    return _IMAGE.transpose(_TURNS[value])


def _alpha() -> npt.NDArray[np.uint8]:
    half = np.where(np.arange(128) < 64, 255, 0).astype(np.uint8)
    return np.dstack([PHOTO, np.broadcast_to(half, PHOTO.shape[:2])])


def _on_white() -> Image.Image:
    white = PHOTO.copy()
    white[:, 64:] = 255
    return Image.fromarray(white)


def read() -> dict[str, bytes]:
    """Files that are read."""
    return dict(
        [*_jpegs(), *_pngs(), *_tiffs(), *_webs(), *_others(), *_guarded(), *_spaces(), *_raws()]
    )


_Files = Iterator[tuple[str, bytes]]


def _jpegs() -> _Files:
    full: dict[str, Any] = {"quality": 98, "subsampling": "4:4:4"}
    variants: dict[str, dict[str, Any]] = {
        "baseline": {},
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_blocks": 2},
        "RGB": {"keep_rgb": True},
        "sRGB": {"icc_profile": rgb_profile(SRGB_TO_XYZ, SRGB_CURVE)},
        "EXIF": {"exif": orientation_exif(1)},
    }
    for how, options in variants.items():
        yield f"photo, {how}.jpg", encoded(_IMAGE, "JPEG", **{**full, **options})
    for subsampling in ("4:2:2", "4:2:0"):
        name = subsampling.replace(":", "")
        yield f"photo, {name}.jpeg", encoded(_IMAGE, "JPEG", quality=98, subsampling=subsampling)
    yield "photo, CMYK.jpg", encoded(_IMAGE.convert("CMYK"), "JPEG", quality=98)
    yield "photo, of OpenCV.jpg", _by_opencv(".jpg", [cv2.IMWRITE_JPEG_QUALITY, 100])
    yield "photo, several.mpo", encoded(_IMAGE, "MPO", save_all=True, append_images=[_turned(3)])
    yield "grey, grey.jpg", encoded(Image.fromarray(_GREY), "JPEG", quality=98)
    for value in _TURNS:
        exif = orientation_exif(value)
        yield f"turned {value}, EXIF.jpg", encoded(_IMAGE, "JPEG", exif=exif, **full)


def _pngs() -> _Files:
    yield "photo, RGB.png", encoded(_IMAGE, "PNG")
    yield "photo, of 16 bits.png", _by_opencv(".png", [], _WIDE)
    yield "photo, opaque.png", encoded(_IMAGE.convert("RGBA"), "PNG")
    yield "clear, alpha.png", encoded(_alpha(), "PNG")
    yield "photo, animated.png", encoded(_IMAGE, "PNG", save_all=True, append_images=[_turned(3)])
    yield "palette, palette.png", encoded(_PALETTE, "PNG")
    yield "grey, 8 bits.png", encoded(_GREY, "PNG")
    yield "grey, 16 bits.png", encoded(_WIDE[..., 0], "PNG")
    yield "grey, opaque.png", encoded(Image.fromarray(_GREY).convert("LA"), "PNG")
    for value in _TURNS:
        yield f"turned {value}, eXIf.png", encoded(_IMAGE, "PNG", exif=orientation_exif(value))


def _tiffs() -> _Files:
    shown = {"rgb8": "photo", "rgb16": "photo", "cmyk8": "photo", "cmyk16": "photo"}
    shown |= {"grey8": "grey", "grey16": "grey", "white8": "grey", "white16": "grey"}
    shown |= {"ycbcr8": "photo"}
    by_name = pictures(*PHOTO.shape[:2])
    for number, (name, _, how) in enumerate(cells()):
        kind = name.split(maxsplit=1)[0]
        # Every ninth of each kind: all layouts, byte orders and compressions come by.
        if kind in shown and number % 9 == 0:
            yield f"{shown[kind]}, {number} {kind}.tif", tiff(by_name[kind], **how)
    yield "palette, palette.tif", encoded(_PALETTE, "TIFF", compression="tiff_lzw")
    yield "photo, JPEG.tif", encoded(_IMAGE, "TIFF", compression="jpeg", quality=98)
    yield "photo, tiles.tiff", _by_tifffile(PHOTO, compression="zlib", tile=(32, 32))
    yield "photo, predictor.tiff", _by_tifffile(PHOTO, compression="zstd", predictor=True)
    yield "photo, several.tiff", _by_tifffile(np.stack([PHOTO, 255 - PHOTO]))
    yield (
        "photo, 16 bits in planes.tiff",
        _by_tifffile(np.moveaxis(_WIDE, 2, 0), photometric="rgb", planarconfig="separate"),
    )
    for value in _TURNS:
        tag = [(274, "H", 1, value, True)]
        yield f"turned {value}, tag.tif", _by_tifffile(PHOTO, extratags=tag)


def _webs() -> _Files:
    yield "photo, lossless.webp", encoded(_IMAGE, "WEBP", lossless=True)
    yield "photo, lossy.webp", encoded(_IMAGE, "WEBP", quality=100)
    yield "clear, alpha.webp", encoded(_alpha(), "WEBP", lossless=True)
    yield "photo, of OpenCV.webp", _by_opencv(".webp", [cv2.IMWRITE_WEBP_QUALITY, 101])
    moving = {"save_all": True, "append_images": [_turned(3)]}
    yield "photo, animated.webp", encoded(_IMAGE, "WEBP", lossless=True, **moving)
    for value in _TURNS:
        exif = orientation_exif(value)
        yield f"turned {value}, EXIF.webp", encoded(_IMAGE, "WEBP", lossless=True, exif=exif)


def _others() -> _Files:
    yield "palette, one.gif", encoded(_PALETTE, "GIF")
    yield (
        "palette, animated.gif",
        encoded(_PALETTE, "GIF", save_all=True, append_images=[_turned(3).quantize(200)]),
    )
    yield "photo, 24 bits.bmp", encoded(_IMAGE, "BMP")
    yield "palette, 8 bits.bmp", encoded(_PALETTE, "BMP")
    yield "grey, 8 bits.bmp", encoded(_GREY, "BMP")
    yield "photo, binary.ppm", encoded(_IMAGE, "PPM")
    wide = b"P6 128 96 65535\n" + _WIDE.astype(">u2").tobytes()
    yield "photo, 16 bits.ppm", wide
    text = " ".join(map(str, PHOTO.ravel().tolist()))
    yield "photo, text.pnm", f"P3\n# words\n128 96\n255\n{text}\n".encode()
    yield "grey, binary.pgm", encoded(_GREY, "PPM")
    yield "grey, 16 bits.pgm", b"P5 128 96 65535\n" + _WIDE[..., 0].astype(">u2").tobytes()


def _guarded() -> _Files:
    for name in ("plain", "444", "10-bits", "12-bits", "second-is-primary", "orientation-1"):
        yield f"photo, {name}.heic", sample(f"{name}.heic")
    for name in ("display-p3", "display-p3-codes"):
        yield f"photo, {name}.heif", sample(f"{name}.heic")
    yield "clear, alpha.heic", sample("transparent.heic")
    best = {"quality": 100, "subsampling": "4:4:4"}
    yield "photo, 444.avif", encoded(_IMAGE, "AVIF", **best)
    yield "photo, 420.avif", encoded(_IMAGE, "AVIF", quality=98)
    yield "clear, alpha.avif", encoded(_alpha(), "AVIF", **best)
    yield (
        "photo, animated.avif",
        encoded(_IMAGE, "AVIF", save_all=True, append_images=[_turned(3)], **best),
    )
    for bits in (10, 12):
        samples = PHOTO.astype(np.uint16) << bits - 8 | PHOTO >> 16 - bits
        data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits, pixelformat="444")
        yield f"photo, {bits} bits.avif", bytes(data)
    yield "photo, lossless.jxl", encoded(_IMAGE, "JXL", lossless=True)
    yield "photo, lossy.jxl", encoded(_IMAGE, "JXL", quality=99)
    yield "photo, container.jxl", encoded(_IMAGE, "JXL", lossless=True, use_container=True)
    yield "grey, 8 bits.jxl", encoded(_GREY, "JXL", lossless=True)
    yield "clear, alpha.jxl", encoded(Image.fromarray(_alpha()), "JXL", lossless=True)
    for name in ("orientation-1", "adobe-rgb", "display-p3"):
        yield f"photo, {name}.jxl", sample(f"{name}.jxl")
    yield "photo, lossless.jp2", encoded(_IMAGE, "JPEG2000")
    yield "photo, codestream.j2k", encoded(_IMAGE, "JPEG2000", no_jp2=True)
    yield (
        "photo, lossy.jp2",
        encoded(_IMAGE, "JPEG2000", irreversible=True, quality_mode="dB", quality_layers=[50]),
    )
    yield "photo, of imagecodecs.jp2", bytes(imagecodecs.jpeg2k_encode(PHOTO, level=0))
    yield "grey, 8 bits.jp2", encoded(_GREY, "JPEG2000")
    yield "grey, 16 bits.jp2", encoded(_WIDE[..., 0], "JPEG2000")
    for value in _TURNS:
        yield f"turned {value}, header.heic", sample(f"orientation-{value}.heic")
        yield f"turned {value}, header.jxl", sample(f"orientation-{value}.jxl")
        exif = orientation_exif(value)
        yield f"turned {value}, header.avif", encoded(_IMAGE, "AVIF", exif=exif, **best)


def _spaces() -> _Files:
    """The same colours in the numbers of other spaces; what they say is applied."""
    for name, icc in PROFILES.items():
        stored = Image.fromarray(in_space(PHOTO, icc))
        full = {"quality": 100, "subsampling": "4:4:4", "icc_profile": icc}
        yield f"photo, {name}.png", encoded(stored, "PNG", icc_profile=icc)
        yield f"photo, {name}.tif", encoded(stored, "TIFF", icc_profile=icc)
        yield f"photo, {name}.webp", encoded(stored, "WEBP", lossless=True, icc_profile=icc)
        if name != "linear":  # of which 8 bits with loss leave too little
            yield f"photo, {name}.jpg", encoded(stored, "JPEG", **full)
            yield f"photo, {name}.avif", encoded(stored, "AVIF", **full)
    p3 = in_space(PHOTO, PROFILES["Display P3"])
    plain = encoded(p3, "PNG")
    header = 8 + 25
    codes = png_chunk(b"cICP", bytes([12, 13, 0, 1]))
    yield "photo, cICP.png", plain[:header] + codes + plain[header:]
    profile = png_profile(PROFILES["Adobe RGB"])
    yield "photo, cICP before iCCP.png", plain[:header] + codes + profile + plain[header:]
    linear = encoded(in_space(PHOTO, PROFILES["linear"]), "PNG")
    gamma = png_chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    yield "photo, gAMA.png", linear[:header] + gamma + linear[header:]
    press = press_profile()
    inks = Image.fromarray(in_space(PHOTO, press, mode="CMYK"), "CMYK")
    yield "photo, press.tif", encoded(inks, "TIFF", icc_profile=press)
    yield "photo, press.jpg", encoded(inks, "JPEG", quality=100, icc_profile=press)


def _raws() -> _Files:
    jpeg = encoded(_IMAGE, "JPEG", quality=98, subsampling="4:4:4")
    for name, make in RAW_MAKERS.items():
        yield f"photo, raw.{name}", make(jpeg, size=(130, 98))


def refused() -> dict[str, tuple[bytes, str, str]]:
    """Files that are not read: the content, the reason, and words of the message."""
    found: dict[str, tuple[bytes, str, str]] = {
        "icon.ico": (encoded(_IMAGE, "ICO"), "unsupported_format", "Windows icon"),
        "texture.dds": (encoded(_IMAGE, "DDS"), "unsupported_format", "DirectDraw"),
        "targa.tga": (encoded(_IMAGE, "TGA"), "unsupported_format", "Targa"),
        "pcx.pcx": (encoded(_IMAGE, "PCX"), "unsupported_format", "PCX"),
        "silicon.sgi": (encoded(_IMAGE, "SGI"), "unsupported_format", "SGI"),
        "script.eps": (encoded(_IMAGE, "EPS"), "unsupported_format", "PostScript"),
        "layers.psd": (b"8BPS" + bytes(99), "unsupported_format", "Photoshop"),
        "ok.qoi": (bytes(imagecodecs.qoi_encode(PHOTO)), "unsupported_format", "QOI"),
        "xr.jxr": (bytes(imagecodecs.jpegxr_encode(PHOTO)), "unsupported_format", "JPEG XR"),
        "moving.jxl": (sample("animated.jxl"), "unsupported", "animated"),
        "wide.jp2": (bytes(imagecodecs.jpeg2k_encode(_WIDE, level=0)), "unsupported", "bits"),
        "wide.jpg": (_jpeg_of_12_bits(), "unsupported", "12 bits"),
        "lossless.jls": (bytes(imagecodecs.jpegls_encode(PHOTO)), "unsupported", "JPEG-LS"),
    }
    by_name = pictures(*PHOTO.shape[:2])
    for name in ("float32", "signed8", "signed16", "grey32"):
        words = {"float32": "floating-point", "grey32": "32 bits"}.get(name, "with a sign")
        found[f"{name}.tif"] = (tiff(by_name[name]), "unsupported", words)
    codecs = {"webp": "WebP", "lerc": "LERC", "jpegxl": "JPEG XL", "jpeg2000": "JPEG 2000"}
    for codec, name in {**codecs, "png": "PNG", "jpegxr": "JPEG XR"}.items():
        found[f"{codec}.tif"] = (_by_tifffile(PHOTO, compression=codec), "unsupported", name)
    preview = encoded(_IMAGE.resize((100, 75)), "JPEG")
    for name, make in RAW_MAKERS.items():
        size = "the JPEG in it has 100 x 75 pixels, the picture 130 x 98"
        found[f"preview.{name}"] = (make(preview, size=(130, 98)), "unsupported", size)
    return found


def _jpeg_of_12_bits() -> bytes:
    return bytes(imagecodecs.jpeg8_encode(PHOTO.astype(np.uint16) << 4, bitspersample=12))


def _by_opencv(extension: str, options: list[int], samples: npt.NDArray[Any] = PHOTO) -> bytes:
    done, data = cv2.imencode(extension, samples[..., ::-1], options)
    assert done
    return data.tobytes()


def _by_tifffile(samples: npt.NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **{"photometric": "rgb", **options})
    return file.getvalue()


def some(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """One of each format, for the containers."""
    by_extension = {name.rpartition(".")[2]: name for name in files}
    return {name: files[name] for name in sorted(by_extension.values())}
