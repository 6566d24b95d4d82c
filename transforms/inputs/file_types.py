"""What a file is by its name: a picture, one of a type that is not read, or none and of which kind.

What a user may have meant as a picture is read, or is a failure that names its type.
"""

from __future__ import annotations

import os
import re
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
    "JPEG XS": "jxs",
    "JBIG": "jb2 jbg jbig",
    "Windows metafile": "emf wmf",
    "PICT": "pct pict",
    "MNG": "jng mng",
    "Photo CD": "pcd",
    "scan of a film": "cin dpx",
    "scan of a microscope": "bif czi lif lsm mrxs nd2 ndpi oib scn svs vsi",
    "medical volume": "mha nii nrrd",
    "texture": "astc ktx ktx2 pvr vtf",
    "IFF": "iff ilbm lbm",
    # Of pictures that are read, under another name.
    "JPEG": "insp jfi jif jpg-large jpg_large jpglarge jps pjp pjpeg thm",
    "PNG": "apng",
    # With the camera's own JPEG in it, as a rule.
    "camera raw": "3fr arw cr2 cr3 dng erf fff gpr iiq mef nef nrw orf pef raf rw2 rwl sr2 srw",
}
_RAW = "cap crw dcr dcs eip k25 kdc mos mrw ptx raw rwz srf x3f"
_ARCHIVES = {
    "RAR": "rar cbr",
    "7-Zip": "7z cb7",
    "zip with newer methods": "zipx",
    "ACE": "ace cba",
    "ARJ": "arj",
    "StuffIt": "sit sitx",
    "cpio": "cpio",
    "WIM": "wim",
    "XAR": "xar",
    "SquashFS": "squashfs",
    "tar, compressed by LZMA": "tar.lzma tlz",
    "tar, compressed by lz4": "tar.lz4",
    "tar, compressed by lzip": "tar.lz",
    "tar, compressed by lzo": "tar.lzo tzo",
    "tar, compressed by brotli": "tar.br",
    "tar, compressed by compress": "tar.z taz",
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

# As browsers and other programs call what they have not got whole; iCloud, what it has not fetched.
_UNFINISHED = frozenset(
    [".crdownload", ".download", ".filepart", ".icloud", ".opdownload", ".part", ".partial"]
)

# As `split`, 7-Zip, WinZip and old versions of RAR count the pieces of an archive.
_SPLIT = re.compile(
    r"\.(zip|7z|rar|tar|tgz|tar\.(gz|bz2|xz|zst))\.(\d{2,3}|a[a-z])$|\.[zr]\d\d$", re.ASCII
)

_SYSTEM_FOLDERS = frozenset(
    [
        *("@eadir", "#recycle", "#snapshot", "@tmp"),  # of Synology
        *("@recycle", "@recently-snapshot"),  # of QNAP
        *("__macosx", "network trash folder", "temporary items"),
        *("$recycle.bin", "recycler", "system volume information"),
        *("lost+found", "~snapshot"),
    ]
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
    lower = _plain(name)
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
    if why := _unread(_plain(uri)):
        raise ImageError(Reason.UNSUPPORTED_FORMAT, why)


def named_by(uri: str, error: ImageError) -> ImageError:
    """The error of a picture whose content nobody knows, with what its name says of it."""
    name = _UNREAD_PICTURES.get(os.path.splitext(_plain(uri))[1])
    if name is None or error.reason is not Reason.UNKNOWN_FORMAT:
        return error
    return ImageError(Reason.UNSUPPORTED_FORMAT, f"{name} by its name: {error}")


def _unread(lower: str) -> str | None:
    """Why a file is not read, by its name in lower case."""
    if archive_kind(lower) is not None:
        return None
    stem, extension = os.path.splitext(lower)
    inner = os.path.splitext(stem)[1]
    is_picture = inner in IMAGE_EXTENSIONS or inner in _UNREAD_PICTURES
    if found := _UNREAD.get(f"{inner}{extension}") or _UNREAD.get(extension):
        return f"{found}: this type is not read"
    if extension in _COMPRESSED and is_picture:
        return f"a picture, compressed as {extension}: this type is not read"
    if extension in _UNFINISHED and (is_picture or _is_archive(stem)):
        return f"by its name ({extension}) it was not fetched to its end"
    if _SPLIT.search(lower):
        return "a piece of a split archive: join the pieces first"
    return None


def _is_archive(lower: str) -> bool:
    return archive_kind(lower) is not None or os.path.splitext(lower)[1] in _UNREAD


def _plain(name: str) -> str:
    """A name in lower case as its extension is looked at.

    That is without what systems of other machines do not keep at its end, a query that a downloader
    has left there, and the number that it has counted a second file of that name by.
    """
    lower = name.lower().rstrip(" .")
    stem, extension = os.path.splitext(lower)
    if "?" in extension:
        return stem + extension.partition("?")[0]
    if extension[1:].isdecimal() and os.path.splitext(stem)[1] in IMAGE_EXTENSIONS:
        return stem
    return lower


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
