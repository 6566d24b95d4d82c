"""A folder a class with links to its pictures, the layout of torchvision and `datasets`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipeline.export.source import Counts, Source, is_local_file, unique_names
from transforms.errors import UserError
from transforms.inputs.archives.base import IMAGE_EXTENSIONS
from transforms.storage import files
from transforms.storage.addresses import name_of

# Bytes of a link's name without number and extension; file systems allow 255 in all.
_MAX_NAME = 200


def write_image_folder(source: Source, folder: str) -> Counts:
    """Links each picture into the folder of its label.

    Links and no copies: they take no room, and follow the picture if it is mended. Pictures that
    are not files of this machine cannot be linked and are left out, and so are those that got no
    label of a label map: every folder is a class to those who read it.

    Raises:
        UserError: the run is not on this machine.
    """
    if not files.is_local(folder):
        raise UserError(
            f"{source.run.folder}: there are no links in a bucket. Copy the run's folder to this "
            "machine and export that, or choose another format, see --help."
        )
    folders = _folders(source.choices)
    rows, number = 0, 0
    for table in source.run.predictions(columns=["uri", "format", *source.label_columns]):
        for row in table.to_pylist():
            number += 1
            label, _ = source.label(row)
            if label is None or not is_local_file(row["uri"]):
                continue
            target = os.path.join(folder, folders[label])
            os.makedirs(target, exist_ok=True)
            # The number first: pictures of several folders may have one name.
            link = f"{number:09d}-{_file_name(row['uri'], row['format'])}"
            os.symlink(os.path.abspath(name_of(row["uri"])), os.path.join(target, link))
            rows += 1
    return Counts(rows, number - rows)


def _folders(labels: Sequence[str]) -> dict[str, str]:
    names = unique_names(dict(enumerate(map(safe_name, labels), start=1)))
    return dict(zip(labels, names.values(), strict=True))


def safe_name(name: str) -> str:
    """A class's name as the name of a folder, which readers take for the class again."""
    cleaned = name.replace("/", "_").replace("\0", "_").strip()
    return f"_{cleaned}" if cleaned.startswith(".") or not cleaned else cleaned


# Extensions that are not the format's name.
_SUFFIXES = {"HEIF": ".heic", "JPEG2000": ".jp2"}


def _file_name(uri: str, format: str) -> str:
    """The picture's own name, with an extension that every reader takes for a picture's."""
    path = PurePosixPath(uri)
    known = path.suffix.lower() in IMAGE_EXTENSIONS
    suffix = path.suffix if known else _SUFFIXES.get(format, f".{format.lower()}")
    stem = path.stem if known else path.name
    # By bytes, which file systems count; a character cut in two is left out.
    return stem.encode()[:_MAX_NAME].decode(errors="ignore") + suffix
