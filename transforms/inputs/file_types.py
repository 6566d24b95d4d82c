"""What a file is by its name: a picture, one of a type that is not read, or none and of which kind.

What a user may have meant as a picture is read, or is a failure that names its type.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import IMAGE_EXTENSIONS
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.skips import HIDDEN, OTHER

_EXTENSIONS = {
    "text": "cfg cls conf css csv err geojson htm html ini js json jsonl log md ndjson out py rst"
    " sh srt sum toml tsv txt vtt xml xmp yaml yml aae",
    "document": "djvu doc docx epub key mobi numbers odp ods odt pages pdf ppt pptx rtf tex xls"
    " xlsm xlsx",
    "data": "arrow avro beton bin ckpt dat db feather h5 hdf5 idx lmdb mat mdb npy npz onnx orc pb"
    " pickle pkl pt pth rec safetensors sqlite sqlite3 tflite",
    "video": "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv",
    "sound": "aac aif aiff flac m4a mid mp3 oga ogg opus wav wma",
}
_KINDS = {
    f".{extension}": kind for kind, names in _EXTENSIONS.items() for extension in names.split()
}

_PICTURES = {
    "JPEG 2000 with several pages": "jpm",
    "JPEG-LS": "jls",
    "JPEG XR": "hdp jxr wdp",
    "Photoshop": "psb psd",
    "SVG": "svg svgz",
    "Windows icon": "cur ico",
    "macOS icon": "icns",
    "OpenEXR": "exr",
    "Radiance": "hdr",
    "DirectDraw": "dds",
    "Targa": "tga",
    "PCX": "pcx",
    "Netpbm": "pam pfm",
    "QOI": "qoi",
    "GIMP": "xcf",
    "Krita": "kra",
    "FITS": "fit fits fts",
    "DICOM": "dcm dicom",
    "SGI": "rgb sgi",
    "Sun raster": "ras",
    "X bitmap": "xbm xpm",
    "PostScript": "ai eps",
    "BPG": "bpg",
    "FLIF": "flif",
    # Of pictures that are read, under another name.
    "JPEG": "insp jps pjp pjpeg",
    "PNG": "apng",
    # With the camera's own JPEG in it, as a rule.
    "camera raw": "3fr arw cr2 cr3 dng erf fff gpr iiq mef nef nrw orf pef raf rw2 rwl sr2 srw",
}
_RAW = "cap crw dcr dcs eip k25 kdc mos mrw ptx raw rwz srf x3f"
_ARCHIVES = {
    "RAR": "rar cbr",
    "7-Zip": "7z cb7",
    "tar, compressed by LZMA": "tar.lzma tlz",
    "tar, compressed by lz4": "tar.lz4",
    "tar, compressed by compress": "tar.z",
    "disk image": "dmg iso",
    "LHA": "lha lzh",
    "cabinet": "cab",
}


def _by_extension(names: Mapping[str, str]) -> dict[str, str]:
    return {f".{extension}": name for name, all_ in names.items() for extension in all_.split()}


# What a file with such a name turns out to be, only its content tells: phones and programs give
# JPEGs any name.
_UNREAD_PICTURES = _by_extension(_PICTURES)

# These need not be read to know: an archive may be as large as a disk.
_UNREAD = {**_by_extension({"camera raw": _RAW}), **_by_extension(_ARCHIVES)}

_COMPRESSED = (".bz2", ".gz", ".lz4", ".xz", ".zst")

_SYSTEM_FOLDERS = frozenset(
    ["@eadir", "__macosx", "$recycle.bin", "system volume information", "#recycle", "lost+found"]
)
_SYSTEM_FILES = frozenset(
    [".ds_store", ".nomedia", "desktop.ini", "ehthumbs.db", "icon\r", "picasa.ini", "thumbs.db"]
)


def is_hidden_folder(name: str) -> bool:
    """Whether a folder is kept out of sight: by its dot, or made by a system for itself."""
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in _SYSTEM_FOLDERS


def skip_kind(path: str) -> str | None:
    """Why a file of a folder or a member of an archive is no input, by its name; None if it is one.

    Args:
        path: below the folder that is searched, with / between its parts.
    """
    path = f"/{path}"  # names of archives are told from the / before them
    *folders, name = path.split("/")
    lower = name.lower()
    # `._NAME` is what macOS leaves beside each file on other systems' disks.
    if any(map(is_hidden_folder, folders)) or name.startswith("._") or lower in _SYSTEM_FILES:
        return HIDDEN
    extension = os.path.splitext(lower)[1]
    # Before the dot is looked at: a hidden picture is a picture all the same.
    if extension in IMAGE_EXTENSIONS or extension in _UNREAD_PICTURES:
        return None
    if archive_kind(path) is not None or _unread(lower) is not None:
        return None
    if name.startswith("."):
        return HIDDEN
    if extension in _COMPRESSED:
        extension = os.path.splitext(lower[: -len(extension)])[1]
    return _KINDS.get(extension, OTHER)


def require_read(uri: str) -> None:
    """Refuses what is known by its name not to be read, whatever is in it.

    Raises:
        ImageError: unsupported_format.
    """
    if name := _unread(uri.lower()):
        raise ImageError(Reason.UNSUPPORTED_FORMAT, f"{name}: this type is not read")


def named_by(uri: str, error: ImageError) -> ImageError:
    """The error of a picture whose content nobody knows, with what its name says of it."""
    name = _UNREAD_PICTURES.get(os.path.splitext(uri.lower())[1])
    if name is None or error.reason is not Reason.UNKNOWN_FORMAT:
        return error
    return ImageError(Reason.UNSUPPORTED_FORMAT, f"{name} by its name: {error}")


def _unread(lower: str) -> str | None:
    """The type of a file that is not read, by its name in lower case."""
    if archive_kind(lower) is not None:
        return None
    stem, extension = os.path.splitext(lower)
    inner = os.path.splitext(stem)[1]
    if found := _UNREAD.get(f"{inner}{extension}") or _UNREAD.get(extension):
        return found
    if extension in _COMPRESSED and (inner in IMAGE_EXTENSIONS or inner in _UNREAD_PICTURES):
        return f"a picture, compressed as {extension}"
    return None


def member_kind(name: str) -> str | ImageError | None:
    """As `skip_kind`, of a member of an archive; the error of one that is known not to be read."""
    kind = skip_kind(name)
    if kind is not None:
        return kind
    if archive_kind(f"/{name}") is not None:
        what = "an archive within an archive is not read"
        return ImageError(Reason.UNSUPPORTED_FORMAT, what)
    try:
        require_read(name)
    except ImageError as error:
        return error
    return None
